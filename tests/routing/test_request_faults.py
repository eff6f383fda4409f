"""Whatever comes in place of a body, it is read or refused; nothing else ever happens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.api import Endpoint
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest, parse_request
from tests.fakes.json_text import written_values
from tests.fakes.properties import examples

_BODIES = [
    rb'{"model":"auto","messages":[{"role":"user","content":"hi \ud83d\ude00"}],"stream":true,"max_tokens":100}',
    rb'{"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{}}]}],'
    rb'"tools":[{"type":"function"}],"model":"auto"}',
    rb'{"model":"auto","system":"s","messages":[{"role":"user","content":[{"type":"tool_result","content":["a"]}]}]}',
    rb'{"model":"auto","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]},{"output":"x"}]}',
    rb'{"model":"auto","prompt":["a","b"],"max_tokens":16}',
]
_INSERTS = [
    b"",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\xff",
    b"\x00",
    rb"\ud800",
    b'"model":1,',
    b"null",
    b"9" * 400,
]
_FIELDS = (
    "messages",
    "system",
    "input",
    "instructions",
    "prompt",
    "tools",
    "stream",
    "max_tokens",
    "max_output_tokens",
)
_ENDPOINTS = st.sampled_from(Endpoint)


def _try(endpoint: Endpoint, body: bytes) -> ChatRequest | None:
    try:
        return parse_request(endpoint, body)
    except RejectedError as error:
        refused = error
    assert refused.message.encode()
    assert 400 <= refused.status < 500
    return None


@given(_ENDPOINTS, st.binary(max_size=100))
@examples(100)
def test_any_bytes(endpoint: Endpoint, body: bytes) -> None:
    _try(endpoint, body)


@given(_ENDPOINTS, st.sampled_from(_BODIES), st.data())
@examples(300)
def test_a_body_with_something_cut_out_and_put_in(endpoint: Endpoint, body: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 12)))
        body = body[:start] + data.draw(st.sampled_from(_INSERTS)) + body[end:]

    _try(endpoint, body)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["user", "text", "image", "\ud800", ""]),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "output", "\udc00"]), values, max_size=4
        )
    ),
    max_leaves=12,
)


@given(
    _ENDPOINTS,
    st.fixed_dictionaries(
        {"model": _JSON | st.just("auto")},
        optional=dict.fromkeys(_FIELDS, _JSON),
    ),
)
@examples(400)
def test_any_json_in_the_fields_that_are_read(endpoint: Endpoint, body: dict[str, Any]) -> None:
    request = _try(endpoint, json.dumps(body).encode())

    if request is not None:
        assert type(request.prompt) is str
        assert type(request.max_output_tokens) is int
        assert 0 <= request.max_output_tokens < 2**63
        assert request.input_tokens >= 0


@given(_ENDPOINTS, written_values)
@examples(100)
def test_fields_that_are_unknown_here_change_nothing(endpoint: Endpoint, value: str) -> None:
    fields = '"messages":[{"role":"user","content":"hi"}],"input":"hi","prompt":"hi"'

    request = _try(endpoint, f'{{"logit_bias":{value},"model":"auto",{fields},"user":{value}}}'.encode())

    assert request is not None
    assert (request.model, request.prompt) == ("auto", "hi")


@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("field", ["messages", "input", "prompt", "system", "tools", "max_tokens", "unknown"])
def test_a_hundred_thousand_levels(endpoint: Endpoint, field: str) -> None:
    for opening, closing in (("[", "]"), ('{"content":', "}")):
        nested = opening * 100_000 + "1" + closing * 100_000
        _try(endpoint, f'{{"model":"auto","messages":[{{"role":"user"}}],"{field}":{nested}}}'.encode())


def test_every_depth_up_to_the_parsers_limit() -> None:
    for depth in range(400, 1_100):
        content = "[" * depth + "]" * depth
        part = f'{{"type":"tool_result","content":{content}}}'
        body = f'{{"model":"auto","messages":[{{"role":"user","content":[{part}]}}],"max_tokens":{content}}}'
        _try(Endpoint.MESSAGES, body.encode())


@pytest.mark.parametrize("digits", [1, 18, 19, 20, 400, 4_299, 4_300, 4_301, 100_000])
def test_a_limit_of_any_number_of_digits(digits: int) -> None:
    body = f'{{"model":"auto","messages":[{{"role":"user"}}],"max_tokens":{"9" * digits}}}'

    request = _try(Endpoint.CHAT_COMPLETIONS, body.encode())

    assert request is None or request.max_output_tokens < 2**63


@pytest.mark.parametrize("digits", [1, 8, 19, 20, 40, 4_300, 4_301, 100_000])
def test_a_number_of_any_length_where_a_text_is_expected(digits: int) -> None:
    for number in ("9" * digits, f"-{'9' * digits}", f"0.{'9' * digits}", f"1e{'9' * digits}"):
        _try(Endpoint.MESSAGES, f'{{"model":"auto","messages":[{{"role":"user"}}],"system":[{number}]}}'.encode())


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xff\\ud800"])
def test_text_that_is_not_utf8(text: bytes) -> None:
    body = b'{"model":"auto","messages":[{"role":"user","content":"%s"}]}' % text

    with pytest.raises(RejectedError, match="messages: "):
        parse_request(Endpoint.CHAT_COMPLETIONS, body)
