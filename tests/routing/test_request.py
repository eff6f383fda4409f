"""Reading the bodies that the real SDKs send."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.api import Endpoint
from sidecar.routing.body import edit_body
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import BYTES_PER_TOKEN, parse_request
from tests.fakes.json_text import WrittenObject, written_objects
from tests.fakes.properties import examples
from tests.fakes.requests import body

IMAGE = "data:image/png;base64," + "A" * 400_000


@dataclass(frozen=True)
class Row:
    """What is to be read from a body."""

    prompt: str
    user_turns: int = 1
    max_output_tokens: int = 0
    tools: int = 0
    images: int = 0
    stream: bool = False
    tokens: tuple[int, int] = (0, 60)
    """Between which numbers the estimate of the input lies."""


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}

CHAT_COMPLETIONS: list[tuple[dict[str, Any], Row]] = [
    ({"messages": [{"role": "user", "content": "hi there"}]}, Row("hi there")),
    (
        {
            "messages": [
                {"role": "system", "content": "You are terse."},
                {"role": "developer", "content": [{"type": "text", "text": "Answer in verse."}]},
                {"role": "user", "content": "first", "name": "ada"},
                {"role": "assistant", "content": "answer", "refusal": None},
                {"role": "user", "content": "second"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": 100,
        },
        Row("second", user_turns=2, max_output_tokens=100, stream=True, tokens=(60, 80)),
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
                        {"type": "text", "text": "And that?"},
                    ],
                }
            ],
            "max_tokens": 50,
        },
        Row("What is this?\nAnd that?", images=1, max_output_tokens=50),
    ),
    (
        {
            "messages": [
                {"role": "user", "content": "weather in Oslo"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny " * 100},
            ],
            "tools": [TOOL],
            "tool_choice": "auto",
        },
        Row("weather in Oslo", tools=1, tokens=(150, 250)),
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklG"}}]}]},
        Row("", 0),
    ),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": ""}]}, Row("a")),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": " \n"}]}, Row("a")),
    ({"messages": [{"role": "assistant", "content": "hello"}]}, Row("", 0)),
    ({"messages": [{"role": "user"}]}, Row("", 0)),
    ({"messages": [{"role": "user", "content": "a"}], "tools": [], "stream": False, "max_tokens": None}, Row("a")),
    ({"messages": [{"role": "user", "content": "a"}], "tools": None, "stream": None}, Row("a")),
    (
        {"messages": [{"role": "user", "content": "a"}], "max_completion_tokens": None, "max_tokens": 5},
        Row("a", 1, 5),
    ),
    ({"messages": [{"role": "user", "content": "a"}], "max_tokens": -1}, Row("a")),
    ({"messages": [{"role": "user", "content": "a"}], "max_tokens": True}, Row("a")),
    ({"messages": [{"role": "user", "content": "a"}], "max_tokens": 5e20}, Row("a", max_output_tokens=2**31 - 1)),
    ({"messages": [{"role": "user", "content": "a"}], "max_tokens": 5000.0}, Row("a", max_output_tokens=5_000)),
    (
        {"messages": [{"role": "user", "content": "a"}], "max_completion_tokens": 1, "max_tokens": 5},
        Row("a", max_output_tokens=5),
    ),
    ({"messages": [{"role": "user", "content": "a"}], "max_tokens": "5"}, Row("a")),
    ({"messages": [{"role": "user", "content": "木は何ですか"}]}, Row("木は何ですか", tokens=(10, 14))),
]

MESSAGES: list[tuple[dict[str, Any], Row]] = [
    ({"max_tokens": 1024, "messages": [{"role": "user", "content": "hi"}]}, Row("hi", max_output_tokens=1024)),
    (
        {
            "max_tokens": 1,
            "system": [{"type": "text", "text": "Be kind. " * 100, "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            "stream": True,
        },
        Row("hi", max_output_tokens=1, stream=True, tokens=(240, 270)),
    ),
    (
        {
            "max_tokens": 1,
            "system": "You are terse.",
            "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
            "messages": [
                {"role": "user", "content": "weather in Oslo"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "…", "signature": "c2ln"},
                        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny " * 100}],
                },
            ],
        },
        Row("weather in Oslo", max_output_tokens=1, tools=1, tokens=(230, 270)),
    ),
    (
        {
            "max_tokens": 1,
            "messages": [
                {"role": "user", "content": "take a screenshot"},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_1",
                            "content": [
                                {"type": "text", "text": "here: " * 40},
                                {
                                    "type": "image",
                                    "source": {"type": "base64", "media_type": "image/png", "data": IMAGE},
                                },
                            ],
                        }
                    ],
                },
            ],
        },
        Row("take a screenshot", max_output_tokens=1, images=1, tokens=(110, 140)),
    ),
    (
        {
            "max_tokens": 1,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}},
                        {"type": "text", "text": "What is it?"},
                    ],
                }
            ],
        },
        Row("What is it?", max_output_tokens=1, images=1),
    ),
    # what is only counted is the provider's to judge
    ({"system": 5, "messages": [{"role": "user", "content": "hi"}]}, Row("hi")),
]

RESPONSES: list[tuple[dict[str, Any], Row]] = [
    ({"input": "hi"}, Row("hi")),
    (
        {"input": "hi", "instructions": "Be terse.", "max_output_tokens": 9, "stream": True},
        Row("hi", 1, 9, stream=True),
    ),
    (
        {
            "instructions": None,
            "input": [
                {"role": "developer", "content": "Be terse."},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is this?"}]},
                {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "An oak."}]},
                {"type": "reasoning", "id": "rs_1", "summary": [], "content": None},
                {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "sunny " * 50},
                {
                    "type": "function_call_output",
                    "call_id": "d",
                    "output": [
                        {"type": "input_text", "text": "sunny " * 50},
                        {"type": "input_image", "image_url": IMAGE},
                    ],
                },
                {"type": "item_reference", "id": "msg_1"},
            ],
            "tools": [{"type": "web_search"}],
        },
        Row("What is this?", images=2, tools=1, tokens=(320, 360)),
    ),
    ({"input": "and now?", "previous_response_id": "resp_1"}, Row("and now?")),
    ({"input": []}, Row("", 0)),
    ({"prompt": {"id": "pmpt_1"}}, Row("", 0)),
]

COMPLETIONS: list[tuple[dict[str, Any], Row]] = [
    ({"prompt": "Once upon a time", "max_tokens": 7}, Row("Once upon a time", max_output_tokens=7)),
    ({"prompt": ["first", "second"]}, Row("second", user_turns=2)),
    ({"prompt": [1212, 318, 257]}, Row("", 0)),
    ({"prompt": [[1212, 318], [257]]}, Row("", 0)),
    ({"prompt": None}, Row("", 0)),
    ({}, Row("", 0)),
]

ROWS = [
    (endpoint, body, row)
    for endpoint, rows in {
        Endpoint.CHAT_COMPLETIONS: CHAT_COMPLETIONS,
        Endpoint.MESSAGES: MESSAGES,
        Endpoint.RESPONSES: RESPONSES,
        Endpoint.COMPLETIONS: COMPLETIONS,
    }.items()
    for body, row in rows
]


@pytest.mark.parametrize(("endpoint", "body", "row"), ROWS)
def test_a_body_is_read_as_its_api_means_it(endpoint: Endpoint, body: dict[str, Any], row: Row) -> None:
    request = parse_request(endpoint, json.dumps({"model": "auto"} | body, ensure_ascii=False).encode())

    assert (request.endpoint, request.model) == (endpoint, "auto")
    assert (request.prompt, len(request.user_turns)) == (row.prompt, row.user_turns)
    assert (request.tools, request.images, request.stream) == (row.tools, row.images, row.stream)
    assert request.max_output_tokens == row.max_output_tokens
    assert row.tokens[0] <= request.input_tokens <= row.tokens[1]


@pytest.mark.parametrize(
    ("endpoint", "members", "turns"),
    [
        (
            Endpoint.CHAT_COMPLETIONS,
            {
                "messages": [
                    {"role": "system", "content": "Be terse."},
                    {"role": "user", "content": "first"},
                    {"role": "assistant", "content": "answer"},
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "second"}, {"type": "text", "text": "half"}],
                    },
                    {"role": "user", "content": " "},
                    {"role": "user", "content": "third"},
                ]
            },
            ("first", "second\nhalf", "third"),
        ),
        (
            Endpoint.MESSAGES,
            {
                "system": "Be terse.",
                "messages": [
                    {"role": "user", "content": "first"},
                    {"role": "user", "content": [{"type": "tool_result", "content": "sunny"}]},
                    {"role": "user", "content": [{"type": "tool_result", "content": "sunny"}, {"text": "second"}]},
                ],
            },
            ("first", "second"),
        ),
        (
            Endpoint.RESPONSES,
            {
                "input": [
                    {"role": "user", "content": "first"},
                    {"type": "function_call_output", "output": "sunny"},
                    {"role": "user", "content": [{"type": "input_text", "text": "second"}]},
                ]
            },
            ("first", "second"),
        ),
        (Endpoint.RESPONSES, {"input": "only"}, ("only",)),
        (Endpoint.RESPONSES, {"input": None}, ()),
        (Endpoint.COMPLETIONS, {"prompt": ["first", "", "second"]}, ("first", "second")),
        (Endpoint.COMPLETIONS, {"prompt": "only"}, ("only",)),
    ],
)
def test_the_users_turns_are_there_oldest_first(
    endpoint: Endpoint, members: dict[str, Any], turns: tuple[str, ...]
) -> None:
    assert parse_request(endpoint, json.dumps({"model": "auto"} | members).encode()).user_turns == turns


_FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}


@pytest.mark.parametrize(
    ("endpoint", "members", "is_json"),
    [
        (Endpoint.CHAT_COMPLETIONS, {"response_format": {"type": "json_object"}}, True),
        (Endpoint.CHAT_COMPLETIONS, {"response_format": _FORMAT}, True),
        (Endpoint.CHAT_COMPLETIONS, {"response_format": {"type": "text"}}, False),
        (Endpoint.CHAT_COMPLETIONS, {"response_format": None}, False),
        (Endpoint.CHAT_COMPLETIONS, {"metadata": {"type": "json"}}, False),
        (Endpoint.RESPONSES, {"text": {"format": _FORMAT, "verbosity": "low"}}, True),
        (Endpoint.RESPONSES, {"text": {"format": {"type": "text"}}}, False),
        (Endpoint.MESSAGES, {"output_config": {"format": {"type": "json_schema", "schema": {}}}}, True),
        (Endpoint.MESSAGES, {"output_format": {"type": "json_schema", "schema": {}}}, True),
        (Endpoint.MESSAGES, {"output_config": {"effort": "low"}}, False),
        (Endpoint.CHAT_COMPLETIONS, {}, False),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : ")])
def test_an_answer_has_to_be_json_where_its_api_says_so(
    endpoint: Endpoint, members: dict[str, Any], is_json: bool, separators: tuple[str, str]
) -> None:
    body = {"model": "auto", "messages": _said('{"type": "json"}'), "input": "hi"} | members

    assert parse_request(endpoint, json.dumps(body, separators=separators).encode()).json is is_json


@pytest.mark.parametrize("escaped", ["image", r"im\u0061ge", r"\u0069\u006D\u006dage", r"\\u0069mage"])
@pytest.mark.parametrize("key", ["type", r"\u0074ype"])
def test_an_image_is_one_however_its_letters_are_written(key: str, escaped: str) -> None:
    part = f'{{"{key}":"{escaped}"}}'
    body = f'{{"model":"auto","messages":[{{"role":"user","content":[{part},{part}]}}],"output_format":{part}}}'
    written = json.loads(part)["type"]

    request = parse_request(Endpoint.MESSAGES, body.encode())

    assert request.images == (2 if written == "image" else 0)


def test_images_are_counted_in_what_is_too_much_to_be_read() -> None:
    parts = '{"type":"image_url"},' + ",".join(["[]"] * 200_000)
    body = f'{{"model":"auto","messages":[{{"role":"user","content":[{parts}]}}]}}'

    request = parse_request(Endpoint.CHAT_COMPLETIONS, body.encode())

    assert (request.images, request.user_turns, request.texts) == (1, (), None)


def test_json_is_asked_for_however_its_letters_are_written() -> None:
    body = rb'{"model":"auto","messages":[{"role":"user"}],"response_format":{"t\u0079pe":"\u006Ason_object"}}'

    assert parse_request(Endpoint.CHAT_COMPLETIONS, body).json


def test_functions_are_the_tools_of_older_clients() -> None:
    body = {"model": "auto", "messages": _said("hi"), "functions": [{"name": "f"}, {"name": "g"}]}

    assert parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode()).tools == 2


@pytest.mark.parametrize(
    ("tools", "count"),
    [
        ([TOOL], 1),
        ([TOOL] * 128, 128),
        ([{"type": "web_search"}, TOOL], 2),
        ([], 0),
        (None, 0),
        ("none", 0),
        (5, 0),
        # not for us to judge
        ({"type": "function"}, 1),
    ],
)
@pytest.mark.parametrize("endpoint", [Endpoint.CHAT_COMPLETIONS, Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_tools_are_counted_as_they_are_offered(endpoint: Endpoint, tools: object, count: int) -> None:
    body = {"model": "auto", "messages": _said("hi"), "input": "hi", "tools": tools}

    assert parse_request(endpoint, json.dumps(body).encode()).tools == count


@pytest.mark.parametrize(
    ("endpoint", "members", "count"),
    [
        (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "user", "content": '{"type":"image"}'}]}, 0),
        (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "user", "content": [{"type": "image_url"}] * 3}]}, 3),
        (Endpoint.MESSAGES, {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text"}]}]}, 1),
        # what a tool gave back has to be seen, too
        (
            Endpoint.MESSAGES,
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]}]},
            1,
        ),
        (Endpoint.RESPONSES, {"input": [{"type": "function_call_output", "output": [{"type": "input_image"}]}]}, 1),
        (Endpoint.RESPONSES, {"input": [{"type": "image_generation_call", "result": "iVBO"}]}, 0),
        (Endpoint.COMPLETIONS, {"prompt": '"type":"image"'}, 0),
    ],
)
def test_images_are_counted_wherever_they_stand(endpoint: Endpoint, members: dict[str, Any], count: int) -> None:
    assert parse_request(endpoint, json.dumps({"model": "auto"} | members).encode()).images == count


SECRET = "anna@example.org"

TEXTS: list[tuple[Endpoint, dict[str, Any]]] = [
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "user", "content": SECRET}]}),
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "system", "content": SECRET}]}),
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "assistant", "content": SECRET}]}),
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "tool", "content": SECRET}]}),
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "user", "content": [{"type": "text", "text": SECRET}]}]}),
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "user", "content": [{"type": "unheard_of", "new": SECRET}]}]}),
    (
        Endpoint.CHAT_COMPLETIONS,
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"function": {"arguments": json.dumps({"to": SECRET})}}]}
            ]
        },
    ),
    (Endpoint.MESSAGES, {"messages": [{"role": "user", "content": "hi"}], "system": SECRET}),
    (
        Endpoint.MESSAGES,
        {"messages": [{"role": "user", "content": "hi"}], "system": [{"type": "text", "text": SECRET}]},
    ),
    (
        Endpoint.MESSAGES,
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": {"to": [{"a": SECRET}]}}]}]},
    ),
    (Endpoint.MESSAGES, {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": SECRET}]}]}),
    (
        Endpoint.MESSAGES,
        {
            "messages": [
                {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": SECRET}]}]}
            ]
        },
    ),
    (Endpoint.RESPONSES, {"input": SECRET}),
    (Endpoint.RESPONSES, {"input": "hi", "instructions": SECRET}),
    (Endpoint.RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": SECRET}]}]}),
    (Endpoint.RESPONSES, {"input": [{"type": "function_call", "arguments": json.dumps({"to": SECRET})}]}),
    (Endpoint.RESPONSES, {"input": [{"type": "function_call_output", "output": SECRET}]}),
    (Endpoint.RESPONSES, {"prompt": {"id": "p", "variables": {"to": SECRET}}}),
    (Endpoint.COMPLETIONS, {"prompt": ["hi", SECRET]}),
]


@pytest.mark.parametrize(("endpoint", "members"), TEXTS)
def test_every_text_of_a_conversation_is_among_its_texts(endpoint: Endpoint, members: dict[str, Any]) -> None:
    request = parse_request(endpoint, json.dumps({"model": "auto"} | members).encode())

    assert request.texts is not None
    assert any(SECRET in text for text in request.texts)


@pytest.mark.parametrize(
    "members",
    [
        {"user": SECRET},
        {"metadata": {"to": SECRET}},
        {"tools": [{"description": SECRET}]},
        {"prediction": {"type": "content", "content": SECRET}},
        {"unknown": {SECRET: None}},
    ],
)
def test_a_provider_gets_all_of_a_request_so_all_of_it_is_among_its_texts(members: dict[str, Any]) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]} | members

    texts = parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode()).texts

    assert texts is not None
    assert any(SECRET in text for text in texts)


def test_of_a_name_that_is_given_twice_both_texts_are_there() -> None:
    said = [json.dumps([{"role": "user", "content": text}]) for text in (SECRET, "hi")]
    body = f'{{"model":"auto","messages":{said[0]},"messages":{said[1]}}}'

    texts = parse_request(Endpoint.CHAT_COMPLETIONS, body.encode()).texts

    assert texts == ("role", "user", "content", SECRET, "role", "user", "content", "hi")


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT_COMPLETIONS, Endpoint.MESSAGES])
def test_an_image_is_none_of_the_texts(endpoint: Endpoint) -> None:
    parts = [{"type": "image", "image_url": {"url": IMAGE}}, {"type": "text", "text": "What is it?"}]
    body = {"model": "auto", "messages": [{"role": "user", "content": parts}]}

    texts = parse_request(endpoint, json.dumps(body).encode()).texts

    assert texts is not None
    assert "What is it?" in texts
    assert max(map(len, texts)) < 100


@pytest.mark.parametrize(
    ("members", "is_read"),
    [
        (f'"messages":[{{"role":"user","content":"{"x" * 1_000_000}"}}]', True),
        (f'"messages":[{{"role":"user","content":"{"x" * 1_100_000}"}}]', False),
        (f'"messages":[{{"role":"user"}}],"system":"{"x" * 1_100_000}"', False),
        (f'"messages":[{{"role":"user","content":"{"[" * 200_001}"}}]', False),
        # without its image it is short
        (f'"messages":[{{"role":"user","content":[{{"type":"image","url":"{IMAGE}{"A" * 1_000_000}"}}]}}]', True),
        ('"messages":[{"role":"user"}],"system":"\xff"', False),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_texts_that_cannot_be_looked_at_are_not_taken_for_none(members: str, is_read: bool) -> None:
    body = f'{{"model":"auto",{members}}}'.encode("latin-1")

    assert (parse_request(Endpoint.MESSAGES, body).texts is not None) is is_read


def _user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [*parts]}]


def _said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


TEXT = "four" * 150_000
"""600 kB, or 150,000 tokens."""
FUNCTION = {"name": "f", "arguments": TEXT}
BASE64 = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo/" * 41_666}
URL = "data:image/png;base64," + BASE64["data"]

COUNTS: list[tuple[Endpoint, dict[str, Any], int]] = [
    # all that a window has to hold, wherever it stands
    (Endpoint.CHAT_COMPLETIONS, {"messages": _said(TEXT)}, 150_000),
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "system", "content": TEXT}, *_said("hi")]}, 150_000),
    (
        Endpoint.CHAT_COMPLETIONS,
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": FUNCTION}]}]},
        150_000,
    ),
    (Endpoint.CHAT_COMPLETIONS, {"messages": [{"role": "tool", "tool_call_id": "c", "content": TEXT}]}, 150_000),
    (
        Endpoint.CHAT_COMPLETIONS,
        {"messages": _said("hi"), "tools": [{"type": "function", "function": {"name": "f", "description": TEXT}}]},
        150_000,
    ),
    (Endpoint.MESSAGES, {"messages": _said("hi"), "system": TEXT}, 150_000),
    (Endpoint.MESSAGES, {"messages": _said("hi"), "system": [{"type": "text", "text": TEXT}]}, 150_000),
    (
        Endpoint.MESSAGES,
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "input": {"a": TEXT}}]}]},
        150_000,
    ),
    (Endpoint.MESSAGES, {"messages": _user({"type": "tool_result", "content": TEXT})}, 150_000),
    (
        Endpoint.MESSAGES,
        {"messages": _user({"type": "tool_result", "content": [{"type": "text", "text": TEXT}]})},
        150_000,
    ),
    (
        Endpoint.MESSAGES,
        {"messages": _user({"type": "document", "source": {"type": "text", "data": TEXT}})},
        150_000,
    ),
    (Endpoint.RESPONSES, {"input": TEXT}, 150_000),
    (Endpoint.RESPONSES, {"input": "hi", "instructions": TEXT}, 150_000),
    (Endpoint.RESPONSES, {"input": [{"type": "function_call", "call_id": "c"} | FUNCTION]}, 150_000),
    (Endpoint.RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": TEXT}]}, 150_000),
    (Endpoint.RESPONSES, {"prompt": {"id": "pmpt_1", "variables": {"a": TEXT}}}, 150_000),
    (Endpoint.COMPLETIONS, {"prompt": [TEXT, TEXT]}, 300_000),
    (Endpoint.COMPLETIONS, {"prompt": [1212] * 10_000}, 12_500),
    # nothing else
    (Endpoint.CHAT_COMPLETIONS, {"messages": _said("hi"), "metadata": {"a": TEXT}, "user": TEXT}, 0),
    # images and files do not count, in the SDKs' shapes
    (Endpoint.CHAT_COMPLETIONS, {"messages": _user({"type": "image_url", "image_url": {"url": URL}})}, 0),
    (Endpoint.CHAT_COMPLETIONS, {"messages": _user({"type": "file", "file": {"file_data": URL}})}, 0),
    (Endpoint.MESSAGES, {"messages": _user({"type": "image", "source": BASE64})}, 0),
    (Endpoint.MESSAGES, {"messages": _user({"type": "document", "source": BASE64})}, 0),
    (
        Endpoint.MESSAGES,
        {"messages": _user({"type": "tool_result", "content": [{"type": "image", "source": BASE64}]})},
        0,
    ),
    (Endpoint.RESPONSES, {"input": _user({"type": "input_image", "image_url": URL, "detail": "auto"})}, 0),
    (Endpoint.RESPONSES, {"input": _user({"type": "input_file", "filename": "a.pdf", "file_data": URL})}, 0),
    # nor do they in JSON that a tool gave back
    (Endpoint.RESPONSES, {"input": [{"type": "function_call_output", "output": json.dumps({"image": URL})}]}, 0),
    # the text beside them does
    (
        Endpoint.CHAT_COMPLETIONS,
        {
            "messages": _user(
                {"type": "image_url", "image_url": {"url": URL}}, {"type": "text", "text": "oak " * 9_000}
            )
        },
        9_000,
    ),
    # a long word is text where nothing is said to be base64, and so is a short run where it is
    (Endpoint.CHAT_COMPLETIONS, {"messages": _said("A" * 40_000)}, 10_000),
    (Endpoint.CHAT_COMPLETIONS, {"messages": _said("base64 = " * 4_000)}, 9_000),
    (Endpoint.MESSAGES, {"messages": _user(*[{"type": "base64", "data": "A" * 511}] * 100)}, 100 * (511 + 28) // 4),
    (Endpoint.MESSAGES, {"messages": _user(*[{"type": "base64", "data": "A" * 512}] * 100)}, 100 * 28 // 4),
]


@pytest.mark.parametrize(("endpoint", "body", "tokens"), COUNTS)
def test_the_text_that_a_window_has_to_hold_is_counted_and_images_are_not(
    endpoint: Endpoint, body: dict[str, Any], tokens: int
) -> None:
    request = parse_request(endpoint, json.dumps({"model": "auto"} | body, separators=(",", ":")).encode())

    assert request.input_tokens == pytest.approx(tokens, abs=50)


@pytest.mark.parametrize("text", ["木は何ですか" * 1_000, "ünïcödé" * 1_000, "\U0001f333" * 1_000, "plain" * 1_000])
def test_an_escaped_character_counts_about_as_much_as_one_written_plainly(text: str) -> None:
    plain, escaped = (
        parse_request(
            Endpoint.CHAT_COMPLETIONS,
            json.dumps({"model": "auto", "messages": _said(text)}, ensure_ascii=ascii_only).encode(),
        ).input_tokens
        for ascii_only in (False, True)
    )

    assert plain <= escaped <= 1.5 * plain


@pytest.mark.parametrize(
    ("members", "parameters"),
    [
        ({}, set()),
        ({"temperature": 0.7, "top_p": 1}, {"temperature", "top_p"}),
        ({"temperature": None, "top_p": 1}, {"top_p"}),
        (
            {"temperature": 0, "stream": False, "tools": [], "stop": "", "metadata": {}},
            {"temperature", "stream", "tools", "stop", "metadata"},
        ),
        ({"stop": "null", "metadata": {"seed": 1}}, {"stop", "metadata"}),
    ],
)
def test_a_parameter_is_set_by_anything_but_null(members: dict[str, Any], parameters: set[str]) -> None:
    body = {"model": "auto", "messages": _said("hi")} | members

    request = parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode())

    assert request.parameters == {"model", "messages"} | parameters


@pytest.mark.parametrize(
    ("content", "user_turns"),
    [
        ("{" * 199_995, 1),
        ("{" * 199_996, 0),
        (["x"] * 199_995, 1),
        (["x"] * 199_996, 0),
        ([{}] * 199_998, 0),
        ([{"type": "image"}] * 200_000, 0),
        ([{"type": "text", "text": 5}] * 200_000, 0),
        # pasted JSON, 1.4 MB of it
        ('{"a":1}' * 199_995, 1),
        ('{"a":1}' * 199_996, 0),
        ([[]] * 200_000, 0),
        # and text that only looks like an end of a string
        ('","' * 300_000, 1),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_a_conversation_of_more_than_200000_objects_and_strings_stays_unread(
    content: str | list[Any], user_turns: int
) -> None:
    sent = {"model": "auto", "messages": [{"role": "user", "content": content}]}
    body = json.dumps(sent, separators=(",", ":")).encode()

    request = parse_request(Endpoint.CHAT_COMPLETIONS, body)

    assert (bool(request.prompt), len(request.user_turns)) == (bool(user_turns), user_turns)
    assert body[request.model_member.start : request.model_member.end] == b'"auto"'
    assert request.input_tokens == pytest.approx(len(body) / BYTES_PER_TOKEN, abs=20)


@pytest.mark.parametrize("endpoint", Endpoint)
def test_what_stays_unread_is_refused_by_no_endpoint(endpoint: Endpoint) -> None:
    pasted = json.dumps('{"a":1}' * 200_001)
    body = f'{{"model":"auto","max_tokens":5,"stream":true,"messages":{pasted},"prompt":{{}},"input":5}}'

    request = parse_request(endpoint, body.encode())

    assert (request.endpoint, request.model, request.prompt, request.user_turns) == (endpoint, "auto", "", ())
    assert (request.max_output_tokens, request.stream) == (5, True)


_CHAT = '"messages":[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    ("endpoint", "body", "param", "message"),
    [
        (Endpoint.CHAT_COMPLETIONS, "{}", "model", "model: missing"),
        (Endpoint.CHAT_COMPLETIONS, f"{{{_CHAT}}}", "model", "model: missing"),
        (Endpoint.CHAT_COMPLETIONS, f'{{"model":7,{_CHAT}}}', "model", "model: expected `str`, got `int`"),
        (Endpoint.CHAT_COMPLETIONS, f'{{"model":null,{_CHAT}}}', "model", "model: expected `str`, got `null`"),
        (Endpoint.CHAT_COMPLETIONS, f'{{"model":["a"],{_CHAT}}}', "model", "model: expected `str`, got `array`"),
        (Endpoint.CHAT_COMPLETIONS, f'{{"model":"a","model":"b",{_CHAT}}}', "model", "model: given more than once"),
        (Endpoint.CHAT_COMPLETIONS, f'{{"model":"a","model":"a",{_CHAT}}}', "model", "model: given more than once"),
        (Endpoint.CHAT_COMPLETIONS, f'{{"model":"a","Model":"b",{_CHAT}}}', "model", "model: given more than once"),
        (
            Endpoint.CHAT_COMPLETIONS,
            f'{{"MODEL":"b",{_CHAT}}}',
            "model",
            'model: the name must be written exactly "model"',
        ),
        (
            Endpoint.CHAT_COMPLETIONS,
            rf'{{"mod\u0065l":"b",{_CHAT}}}',
            "model",
            'model: the name must be written exactly "model"',
        ),
        (
            Endpoint.CHAT_COMPLETIONS,
            rf'{{"\u004dODEL":"b",{_CHAT}}}',
            "model",
            'model: the name must be written exactly "model"',
        ),
        (Endpoint.CHAT_COMPLETIONS, '{"model":"a"}', "messages", "messages: missing"),
        (Endpoint.CHAT_COMPLETIONS, '{"model":"a","messages":[]}', "messages", "messages: must not be empty"),
        (
            Endpoint.CHAT_COMPLETIONS,
            '{"model":"a","messages":null}',
            "messages",
            "messages: expected `array`, got `null`",
        ),
        (
            Endpoint.CHAT_COMPLETIONS,
            '{"model":"a","messages":"hi"}',
            "messages",
            "messages: expected `array`, got `str`",
        ),
        (
            Endpoint.CHAT_COMPLETIONS,
            '{"model":"a","messages":[1]}',
            "messages[0]",
            "messages[0]: expected `object`, got `int`",
        ),
        (
            Endpoint.CHAT_COMPLETIONS,
            '{"model":"a","messages":[{"role":"user"},{"content":"hi"}]}',
            "messages[1]",
            "messages[1]: object missing required field `role`",
        ),
        (
            Endpoint.CHAT_COMPLETIONS,
            '{"model":"a","messages":[{"role":5,"content":"hi"}]}',
            "messages[0].role",
            "messages[0].role: expected `str`, got `int`",
        ),
        (
            Endpoint.CHAT_COMPLETIONS,
            '{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":5}]}]}',
            "messages[0].content[0].text",
            "messages[0].content[0].text: expected `str | null`, got `int`",
        ),
        (Endpoint.MESSAGES, '{"model":"a","messages":[]}', "messages", "messages: must not be empty"),
        (Endpoint.RESPONSES, '{"model":"a","input":5}', "input", "input: expected "),
        (Endpoint.RESPONSES, '{"model":"a","input":[5]}', "input[0]", "input[0]: expected `object`, got `int`"),
        (Endpoint.COMPLETIONS, '{"model":"a","prompt":{}}', "prompt", "prompt: expected "),
        (Endpoint.COMPLETIONS, '{"model":"a","prompt":[1.5]}', "prompt[0]", "prompt[0]: expected "),
    ],
)
def test_a_refusal_names_the_field_and_what_was_expected(
    endpoint: Endpoint, body: str, param: str, message: str
) -> None:
    with pytest.raises(RejectedError) as refused:
        parse_request(endpoint, body.encode())

    assert refused.value.message.startswith(message)
    assert (refused.value.reason, refused.value.status, refused.value.param) == (Reason.INVALID_REQUEST, 400, param)


def test_fields_of_models_inside_are_nobodys_business() -> None:
    body = f'{{"tools":[{{"model":"x","Model":"y"}}],"model":"auto","metadata":{{"model":"z"}},{_CHAT}}}'.encode()

    request = parse_request(Endpoint.CHAT_COMPLETIONS, body)

    assert request.model == "auto"
    assert body[request.model_member.start : request.model_member.end] == b'"auto"'


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT_COMPLETIONS, Endpoint.MESSAGES])
def test_ten_megabytes_of_text_are_one_prompt(endpoint: Endpoint) -> None:
    text = "an oak is a tree " * 620_000

    request = parse_request(
        endpoint, json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()
    )

    assert request.prompt == text
    assert request.input_tokens == pytest.approx(len(text) / BYTES_PER_TOKEN, abs=20)


@pytest.mark.parametrize(
    ("written", "prompt"),
    [(r"cut \ud83d", "cut \ufffd"), (r"\udc00", "\ufffd"), (r"\ud83d\ude00", "\U0001f600"), (r"\\ud83d", r"\ud83d")],
)
def test_half_a_surrogate_pair_is_read_as_a_replacement_character(written: str, prompt: str) -> None:
    body = f'{{"model":"auto","messages":[{{"role":"user","content":"{written}"}}]}}'

    assert parse_request(Endpoint.CHAT_COMPLETIONS, body.encode()).prompt == prompt


_STREAMING = b'{"model":"auto","messages":[{"role":"user","content":"hi"}],%s}'


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT_COMPLETIONS, Endpoint.COMPLETIONS])
@pytest.mark.parametrize(
    ("written", "edited"),
    [
        ('"stream": true', '"stream": true,"stream_options":{"include_usage":true}'),
        ('"stream":true , "n":1', '"stream":true,"stream_options":{"include_usage":true} , "n":1'),
        (r'"\u0073tream" : true', r'"\u0073tream" : true,"stream_options":{"include_usage":true}'),
        ('"stream_options":null,"stream":true', '"stream_options":{"include_usage":true},"stream":true'),
        ('"stream_options": { },"stream":true', '"stream_options": {"include_usage":true },"stream":true'),
        ('"stream":true,"stream_options":{"a":1}', '"stream":true,"stream_options":{"include_usage":true,"a":1}'),
        (
            '"stream_options":{"a":{"include_usage":false}},"stream":true',
            '"stream_options":{"include_usage":true,"a":{"include_usage":false}},"stream":true',
        ),
    ],
)
def test_a_stream_that_tells_no_tokens_can_be_made_to(endpoint: Endpoint, written: str, edited: str) -> None:
    sent = _STREAMING % written.encode()
    edit = parse_request(endpoint, sent).usage_edit

    assert edit is not None
    assert edit_body(sent, [edit]) == _STREAMING % edited.encode()


@pytest.mark.parametrize(
    "written",
    [
        '"stream":false',
        '"stream":null',
        '"stream":"true"',
        '"n":1',
        '"stream":true,"stream_options":{"include_usage":true}',
        '"stream":true,"stream_options":{"include_usage":false}',
        '"stream":true,"stream_options":{"include_usage":null}',
        r'"stream":true,"stream_options":{"include\u005fusage":false}',
        '"stream":true,"stream_options":[]',
        '"stream":true,"stream_options":"all"',
        # nobody knows which of the two a provider takes
        '"stream":false,"stream":true',
        '"stream":true,"stream_options":{},"stream_options":{"include_usage":true}',
    ],
)
def test_a_choice_of_the_client_stands(written: str) -> None:
    assert parse_request(Endpoint.CHAT_COMPLETIONS, _STREAMING % written.encode()).usage_edit is None


@pytest.mark.parametrize("endpoint", [Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_other_apis_tell_tokens_unasked(endpoint: Endpoint) -> None:
    assert parse_request(endpoint, body(stream=True)).usage_edit is None


_SPOKEN_OF = frozenset(("model", "prompt", "stream"))
_STREAMED = st.lists(st.text(max_size=6).filter(lambda name: name.lower() not in _SPOKEN_OF), max_size=4).flatmap(
    lambda names: st.permutations([*names, "model"])
)


@given(
    written_objects(_STREAMED),
    st.sampled_from(["true", " true "]),
    st.none() | st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=3), max_size=3),
)
@examples(150)
def test_the_edit_changes_nothing_but_what_it_is_for(
    written: WrittenObject, stream: str, options: dict[str, object] | None
) -> None:
    index = [member.name for member in written.members].index("model")
    model = written.members[index]
    text = b"".join((written.text[: model.start], b'"auto"', written.text[model.start + len(model.value) :]))
    more = f',"stream":{stream}' + ("" if options is None else f',"stream_options":{json.dumps(options)}')
    end = text.rindex(b"}")
    sent = text[:end] + more.encode() + text[end:]
    before = json.loads(sent)

    edit = parse_request(Endpoint.COMPLETIONS, sent).usage_edit

    if "include_usage" in (options or {}):
        assert edit is None
        return
    assert edit is not None
    after = edit_body(sent, [edit])
    assert json.loads(after) == before | {"stream_options": (options or {}) | {"include_usage": True}}
    assert after.startswith(sent[: edit.start]) and after.endswith(sent[edit.end :])
