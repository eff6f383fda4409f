"""Reading the bodies that the real SDKs send."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from sidecar.routing.api import Endpoint
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import BYTES_PER_TOKEN, parse_request

IMAGE = "data:image/png;base64," + "A" * 400_000


@dataclass(frozen=True)
class Row:
    """What is to be read from a body."""

    prompt: str
    user_turns: int = 1
    max_output_tokens: int = 0
    tools: bool = False
    images: bool = False
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
        Row("second", user_turns=2, max_output_tokens=100, stream=True),
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
        Row("What is this?\nAnd that?", images=True, max_output_tokens=50),
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
        Row("weather in Oslo", tools=True, tokens=(150, 250)),
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklG"}}]}]},
        Row("", 0),
    ),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": ""}]}, Row("a")),
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
    ({"messages": [{"role": "user", "content": "a"}], "max_tokens": "5"}, Row("a")),
    ({"messages": [{"role": "user", "content": "木は何ですか"}]}, Row("木は何ですか", tokens=(4, 6))),
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
        Row("hi", max_output_tokens=1, stream=True, tokens=(200, 250)),
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
        Row("weather in Oslo", max_output_tokens=1, tools=True, tokens=(150, 200)),
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
        Row("take a screenshot", max_output_tokens=1, images=True, tokens=(50, 100)),
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
        Row("What is it?", max_output_tokens=1, images=True),
    ),
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
        Row("What is this?", images=True, tools=True, tokens=(150, 200)),
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
    assert (request.prompt, request.user_turns) == (row.prompt, row.user_turns)
    assert (request.tools, request.images, request.stream) == (row.tools, row.images, row.stream)
    assert request.max_output_tokens == row.max_output_tokens
    assert row.tokens[0] <= request.input_tokens <= row.tokens[1]


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
        (Endpoint.MESSAGES, f'{{"model":"a","system":5,{_CHAT}}}', "system", "system: expected "),
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
    assert request.input_tokens == len(text) // BYTES_PER_TOKEN


@pytest.mark.parametrize(
    ("written", "prompt"),
    [(r"cut \ud83d", "cut \ufffd"), (r"\udc00", "\ufffd"), (r"\ud83d\ude00", "\U0001f600"), (r"\\ud83d", r"\ud83d")],
)
def test_half_a_surrogate_pair_is_read_as_a_replacement_character(written: str, prompt: str) -> None:
    body = f'{{"model":"auto","messages":[{{"role":"user","content":"{written}"}}]}}'

    assert parse_request(Endpoint.CHAT_COMPLETIONS, body.encode()).prompt == prompt
