"""What a policy may look at, read from requests of each API."""

import json
from dataclasses import fields
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.api import Endpoint
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.request import parse_request
from sidecar.routing.signals import RequestHead, SignalReader, Signals, describe_signals, hash_name
from sidecar.routing.tier import Tier
from tests.fakes.json_text import written_values
from tests.fakes.properties import examples

READER = SignalReader(
    headers={"tenant": "x-tenant-id", "user": "x-user-id", "conversation": "x-conversation-id", "plan": "x-plan"},
    keywords={"incident": PhraseList(("outage",)), "money": PhraseList(("refund",))},
    patterns={"ticket": PatternList(("[A-Z]{2,6}-[0-9]+",)), "order": PatternList(("#[0-9]{6}",))},
    parameters=frozenset(("temperature", "logit_bias")),
)

CHAT, RESPONSES, MESSAGES = Endpoint.CHAT_COMPLETIONS, Endpoint.RESPONSES, Endpoint.MESSAGES
PNG = "iVBORw0KGgo/" * 5_000


def read(endpoint: Endpoint, members: dict[str, Any], path: str = "", **headers: str) -> Signals:
    """Of a body with those members."""
    asked = parse_request(endpoint, json.dumps({"model": "auto"} | members).encode())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return READER.read(asked, RequestHead(path or f"/v1/{endpoint}", named))


def said(*texts: str, **more: Any) -> dict[str, Any]:
    """User turns, as the APIs with messages have them."""
    return {"messages": [{"role": "user", "content": text} for text in texts], **more}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    """One user turn of parts."""
    return {"messages": [{"role": "user", "content": [*parts]}]}


TOOL = {"type": "function", "function": {"name": "f", "description": "Tells the weather."}}
TEXT = {"type": "text", "text": "What is it?"}
CODE = "Mend this:\n```py\nx = 1\n```\nand this:\n```\ny\n```"
GERMAN = "Wie spät ist es, und wo ist der nächste Bahnhof?"


@pytest.mark.parametrize(
    ("endpoint", "members", "name", "value"),
    [
        (CHAT, said("hi"), "endpoint", CHAT),
        (MESSAGES, said("hi"), "endpoint", MESSAGES),
        (CHAT, said("hi", model="gpt-4o"), "model", "gpt-4o"),
        (CHAT, said("x" * 4_000), "input_tokens", 1_008),
        (MESSAGES, said("hi", system="x" * 4_000), "input_tokens", 1_009),
        (RESPONSES, {"input": "x" * 4_000}, "input_tokens", 1_000),
        (CHAT, said("hi", max_completion_tokens=7), "max_output_tokens", 7),
        (MESSAGES, said("hi", max_tokens=7), "max_output_tokens", 7),
        (RESPONSES, {"input": "hi", "max_output_tokens": 7}, "max_output_tokens", 7),
        (CHAT, said("hi"), "max_output_tokens", 0),
        (CHAT, said("one", "two", " "), "turns", 2),
        (MESSAGES, said("one", "two", "three"), "turns", 3),
        (RESPONSES, {"input": "one"}, "turns", 1),
        (
            RESPONSES,
            {"input": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "1"}]},
            "turns",
            1,
        ),
        (CHAT, {"messages": [{"role": "system", "content": "one"}]}, "turns", 0),
        (CHAT, said("hi", tools=[TOOL, TOOL]), "tools", 2),
        (MESSAGES, said("hi", tools=[{"name": "f", "input_schema": {}}]), "tools", 1),
        (RESPONSES, {"input": "hi", "tools": [{"type": "web_search"}]}, "tools", 1),
        (CHAT, user({"type": "image_url", "image_url": {"url": "https://a.example/b"}}, TEXT), "images", 1),
        (
            MESSAGES,
            user({"type": "image", "source": {"type": "url", "url": "https://a.example/b"}}, TEXT),
            "images",
            1,
        ),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "images", 1),
        (CHAT, said("hi", response_format={"type": "json_object"}), "json", True),
        (RESPONSES, {"input": "hi", "text": {"format": {"type": "json_schema", "schema": {}}}}, "json", True),
        (MESSAGES, said("hi", output_config={"format": {"type": "json_schema", "schema": {}}}), "json", True),
        (CHAT, said('{"type": "json_object"}'), "json", False),
        (CHAT, said("hi", stream=True), "stream", True),
        (MESSAGES, said("hi", stream=False), "stream", False),
        (CHAT, said(CODE), "code_fences", 2),
        (CHAT, said(CODE, "thanks"), "code_fences", 0),
        (RESPONSES, {"input": CODE}, "code_fences", 2),
        (CHAT, said(GERMAN), "language", "de"),
        (CHAT, said("hi", GERMAN), "language", "de"),
        (RESPONSES, {"input": GERMAN}, "language", "de"),
        (CHAT, said(GERMAN), "script", "latin"),
        (CHAT, said("Где вокзал?"), "script", "cyrillic"),
        (MESSAGES, said("駅はどこですか"), "script", "kana"),
        (CHAT, said("123"), "script", "none"),
        (CHAT, said("There is an outage, I want a refund."), "keywords", {"incident", "money"}),
        (CHAT, said("There is an outage.", "hello"), "keywords", set()),
        (CHAT, said("hello", "There is an outage."), "keywords", {"incident"}),
        (MESSAGES, said("hello", system="There is an outage."), "keywords", set()),
        (RESPONSES, {"input": "There is an outage."}, "keywords", {"incident"}),
        (CHAT, said("What of AB-12 and #123456?"), "patterns", {"ticket", "order"}),
        (CHAT, said("hello"), "patterns", set()),
        (CHAT, said("hi", temperature=0.5, top_p=1), "parameters", {"temperature"}),
        (CHAT, said("hi", temperature=None, logit_bias={}), "parameters", {"logit_bias"}),
    ],
)
def test_a_signal_is_what_the_request_says(
    endpoint: Endpoint, members: dict[str, Any], name: str, value: object
) -> None:
    assert getattr(read(endpoint, members), name) == value


MAIL, IBAN, CARD = "anna@example.org", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111"
BOTH = {"email": 1, "iban": 1}
CALL = {"id": "c", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": MAIL, "n": 1})}}


@pytest.mark.parametrize(
    ("endpoint", "members", "found"),
    [
        (CHAT, said("hello"), {}),
        (CHAT, said(f"Write to {MAIL}."), {"email": 1}),
        (CHAT, said(f"{MAIL}, {MAIL}, {IBAN}, {CARD}"), {"email": 2, "iban": 1, "card": 1}),
        # in whatever turn, and whoever wrote it
        (CHAT, said(f"Write to {MAIL}.", "thanks"), {"email": 1}),
        (CHAT, {"messages": [{"role": "system", "content": MAIL}, {"role": "assistant", "content": IBAN}]}, BOTH),
        (CHAT, {"messages": [{"role": "tool", "tool_call_id": "c", "content": MAIL}]}, {"email": 1}),
        (CHAT, {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]}, {"email": 1}),
        (MESSAGES, said("hello", system=f"You work for {MAIL}."), {"email": 1}),
        (MESSAGES, said("hello", system=[{"type": "text", "text": IBAN}]), {"iban": 1}),
        (
            MESSAGES,
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": {"to": {"a": [MAIL]}}}]}]},
            {"email": 1},
        ),
        (
            MESSAGES,
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "input": {"card": 4111111111111111}}]}
                ]
            },
            {"card": 1},
        ),
        (MESSAGES, user({"type": "tool_result", "content": MAIL}), {"email": 1}),
        (MESSAGES, user({"type": "tool_result", "content": [{"type": "text", "text": CARD}]}), {"card": 1}),
        (MESSAGES, user({"type": "document", "source": {"type": "text", "data": IBAN}}), {"iban": 1}),
        (RESPONSES, {"input": MAIL}, {"email": 1}),
        (RESPONSES, {"input": "hi", "instructions": MAIL}, {"email": 1}),
        (RESPONSES, {"input": [{"type": "function_call", "arguments": json.dumps({"to": MAIL})}]}, {"email": 1}),
        (RESPONSES, {"input": [{"type": "function_call_output", "output": MAIL}]}, {"email": 1}),
        (RESPONSES, {"prompt": {"id": "p", "variables": {"to": MAIL}}}, {"email": 1}),
        (Endpoint.COMPLETIONS, {"prompt": ["hi", MAIL]}, {"email": 1}),
        # a provider gets all of it, whatever it is for
        (CHAT, said("hello", user=MAIL), {"email": 1}),
        (CHAT, said("hello", metadata={"to": MAIL}), {"email": 1}),
        (CHAT, said("hello", prediction={"type": "content", "content": CARD}), {"card": 1}),
        (CHAT, said("hello", tools=[{"function": {"name": "f", "description": MAIL}}]), {"email": 1}),
        # in the keys of what a tool is given, and beside them
        (MESSAGES, user({"type": "tool_use", "input": {MAIL: True}}), {"email": 1}),
        (MESSAGES, user({"type": "tool_use", "input": {"ssn": "536901239"}}), {"national_id": 1}),
        (MESSAGES, user({"type": "tool_use", "input": {"card": 4111111111111111.0}}), {"card": 1}),
        (
            CHAT,
            user({"type": "text", "text": "My SSN is"}, {"type": "text", "text": "536901239"}),
            {"national_id": 1},
        ),
        # in JSON within a string, once or twice
        (RESPONSES, {"input": [{"type": "function_call", "arguments": json.dumps(f"To:\n{CARD}")}]}, {"card": 1}),
        (RESPONSES, {"input": json.dumps(json.dumps(f"To:\t{CARD}"))}, {"card": 1}),
        (CHAT, said(MAIL.replace("@", r"\u0040")), {"email": 1}),
        (CHAT, said(r"\uff14" + r"\uff11" * 15), {"card": 1}),
        # a column of numbers is no image
        (
            CHAT,
            user(
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "text", "text": "\n".join(["4111111111111111"] * 40)},
            ),
            {"card": 40},
        ),
        # what was searched in part may have more
        (CHAT, said("123456789 x\n" * 10_001 + CARD), None),
        # not in an image, whatever its letters happen to spell
        (
            MESSAGES,
            user({"type": "image", "source": {"type": "base64", "data": f"{PNG}4111111111111111/{PNG}"}}, TEXT),
            {},
        ),
        (CHAT, user({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, TEXT), {}),
        # but what stands beside it
        (
            CHAT,
            user(
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "text", "text": f"Send it to {MAIL}."},
            ),
            {"email": 1},
        ),
        (CHAT, said(f"{'x' * 1_100_000} {MAIL}"), None),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_personal_data_is_looked_for_in_everything_that_was_said(
    endpoint: Endpoint, members: dict[str, Any], found: dict[str, int] | None
) -> None:
    assert read(endpoint, members).personal_data == found


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        ({}, {}),
        ({"x_plan": "free", "x_other": "1"}, {"plan": "free"}),
        ({"x_plan": " free "}, {"plan": "free"}),
        ({"x_plan": ""}, {}),
        ({"x_plan": "  "}, {}),
        ({"x_plan": "a,a"}, {"plan": "a,a"}),
        ({"x_plan": "\x00\x7f\xff"}, {"plan": "\x00\x7f\xff"}),
        ({"x_plan": "x" * 10_000}, {"plan": "x" * 256}),
        ({"x_plan": "free", "x_tenant_id": "acme"}, {"plan": "free", "tenant": "acme"}),
        ({"plan": "free"}, {}),
    ],
)
def test_headers_have_the_policys_names(sent: dict[str, str], headers: dict[str, str]) -> None:
    assert read(CHAT, said("hi"), "", **sent).headers == headers


@pytest.mark.parametrize(
    ("sent", "tier"),
    [
        ("simple", Tier.SIMPLE),
        ("Reasoning", Tier.REASONING),
        (" complex", Tier.COMPLEX),
        *((junk, None) for junk in ("", "3", "simple,complex", "SIMPLE;", "\x00", "\xff" * 300)),
    ],
)
def test_a_tier_that_there_is_not_is_none(sent: str, tier: Tier | None) -> None:
    assert read(CHAT, said("hi"), x_llm_tier=sent).tier is tier


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ("0.02", 0.02),
        (" 1 ", 1.0),
        ("1e-3", 0.001),
        ("0", 0.0),
        ("1e308", 1e308),
        *(
            (junk, None)
            for junk in ("", "-1", "nan", "inf", "-inf", "1e999", "1,5", "1,1", "1_0", "0x1", "$1", "\xb2")
        ),
    ],
)
def test_an_amount_that_makes_no_sense_is_none(sent: str, amount: float | None) -> None:
    assert read(CHAT, said("hi"), x_llm_max_cost=sent).max_cost == amount


@pytest.mark.parametrize(
    ("path", "read_path"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions?key=s3cret", "/v1/chat/completions"),
        ("/v1/chat/completions/;a=1?b", "/v1/chat/completions/;a=1"),
        ("/v1/chat/completions;" + "a" * 10_000, "/v1/chat/completions;" + "a" * 235),
    ],
)
def test_a_path_is_read_without_its_query(path: str, read_path: str) -> None:
    assert read(CHAT, said("hi"), path).path == read_path


def test_a_name_that_no_policy_has_is_cut_short() -> None:
    assert read(CHAT, said("hi", model="x" * 1_000_000)).model == "x" * 256


HEADERS = {"tenant": "x_tenant_id", "user": "x_user_id", "conversation": "x_conversation_id"}


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ({}, {"tenant": "", "user": "first", "conversation": "first"}),
        ({"x_user_id": "anna"}, {"tenant": "", "user": "anna", "conversation": "first"}),
        ({"x_conversation_id": "c1"}, {"tenant": "", "user": "c1", "conversation": "c1"}),
        (
            {"x_tenant_id": "acme", "x_user_id": "anna", "x_conversation_id": "c1"},
            {"tenant": "acme", "user": "anna", "conversation": "c1"},
        ),
        ({"x_tenant_id": "a" * 300}, {"tenant": "a" * 256, "user": "first", "conversation": "first"}),
    ],
)
def test_a_split_goes_by_hashes_of_who_it_is(sent: dict[str, str], keys: dict[str, str]) -> None:
    expected = {name: hash_name(value) for name, value in keys.items()}

    assert read(CHAT, said("first", "second"), "", **sent).keys == expected
    assert read(RESPONSES, {"input": "first"}, "", **sent).keys == expected


def test_different_people_have_different_keys() -> None:
    assert len({read(CHAT, said("hi"), x_user_id=str(number)).keys["user"] for number in range(1_000)}) == 1_000


def test_every_signal_is_described_but_the_time() -> None:
    described = describe_signals(read(CHAT, said("hi")))

    assert set(described) == {field.name for field in fields(Signals)} - {"received"}


def test_what_names_a_person_is_described_by_its_hash() -> None:
    described = describe_signals(
        read(CHAT, said("hi"), x_user_id="anna", x_conversation_id="c1", x_tenant_id="acme", x_plan="free")
    )

    assert described["headers"] == {
        "tenant": "acme",
        "plan": "free",
        "user": f"#{hash_name('anna')}",
        "conversation": f"#{hash_name('c1')}",
    }
    assert "anna" not in repr(described) and "c1'" not in repr(described)


_MEMBERS = ("messages", "system", "input", "instructions", "prompt", "tools", "max_tokens", "response_format", "text")


@given(
    st.sampled_from(Endpoint),
    st.dictionaries(st.sampled_from(_MEMBERS), written_values, max_size=4),
    st.dictionaries(
        st.sampled_from(["x-plan", "x-user-id", "x-llm-tier", "x-llm-max-cost"]),
        st.text(st.characters(max_codepoint=255)),
    ),
    st.text(st.characters(max_codepoint=255)),
)
@examples(300)
def test_whatever_comes_is_read_and_the_same_each_time(
    endpoint: Endpoint, members: dict[str, str], headers: dict[str, str], path: str
) -> None:
    fields_ = {"messages": '[{"role":"user","content":"hi"}]', "input": '"hi"', "prompt": '"hi"'} | {
        name: value for name, value in members.items() if name not in ("messages", "input", "prompt")
    }
    body = ",".join(f'"{name}":{value}' for name, value in fields_.items())
    asked = parse_request(endpoint, f'{{"model":"auto",{body}}}'.encode())
    head = RequestHead(path, headers)

    signals = READER.read(asked, head)

    assert signals == READER.read(asked, head)
    assert msgspec.json.decode(msgspec.json.encode(describe_signals(signals)))
