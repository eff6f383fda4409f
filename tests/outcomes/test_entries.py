"""Log entries are read as what they mean, and nothing in them can make that fail."""

from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.wrappers_pb2 import UInt64Value
from hypothesis import given
from hypothesis import strategies as st

from sidecar.outcomes.access_log_pb2 import (
    DESCRIPTOR,
    HTTPAccessLogEntry,
    Metadata,
    RequestMethod,
    ResponseFlags,
    TokenUsage,
)
from sidecar.outcomes.entries import is_over, read_attempt, read_edge
from sidecar.routing.outcome import Attempt, Outcome, Usage
from tests.fakes.access_log import STARTED, USAGE_TYPE, attempt_entry, edge_entry, metadata, tokens
from tests.fakes.properties import examples
from tests.fakes.wire_messages import our_messages

MESSAGES = DESCRIPTOR.message_types_by_name

DECISION: dict[str, bytes | float] = {"decision_id": b"id-1", "record": b'{"policy": "p"}', "confidence": 0.9}


def test_an_edge_entry_has_the_outcome_and_the_decision() -> None:
    entry = read_edge(
        edge_entry(
            DECISION,
            usage=tokens(20, 7, cached=5, cache_write=3, reasoning=2),
            trace_id=b"abc123",
            span_id=b"de45",
            attempts=2,
        )
    )

    assert (entry.decision_id, entry.request_id, entry.method, entry.path) == (
        "id-1",
        "req-1",
        "POST",
        "/v1/chat/completions",
    )
    assert entry.decision == {"decision_id": "id-1", "record": '{"policy": "p"}'}
    assert entry.outcome == Outcome(
        started_unix_nanos=STARTED * 1_000_000_000 + 250_000_000,
        seconds=1.5,
        first_byte_seconds=0.25,
        status=200,
        flags=(),
        details="via_upstream",
        model="simple",
        attempts=2,
        request_bytes=400,
        response_bytes=900,
        request_id="req-1",
        trace_id="abc123",
        span_id="de45",
        path="/v1/chat/completions",
        usage=Usage(20, 7, cached_tokens=5, cache_write_tokens=3, reasoning_tokens=2),
    )


def test_an_entry_of_an_attempt_has_what_was_tried_and_how_it_went() -> None:
    entry = read_attempt(attempt_entry(b"id-1", b"large", start=0.5, status=460, usage=tokens(9, 8)))

    assert (entry.decision_id, entry.request_id) == ("id-1", "req-1")
    assert entry.attempt == Attempt(
        model="large",
        started_unix_nanos=STARTED * 1_000_000_000 + 500_000_000,
        seconds=1.25,
        status=460,
        error=None,
        usage=Usage(9, 8),
    )


def test_what_envoy_leaves_out_is_not_made_up() -> None:
    edge = read_edge(edge_entry(None, status=0, first_byte_seconds=None, model=None, attempts=0))
    attempt = read_attempt(attempt_entry(None, None, details=b""))

    assert (edge.decision_id, edge.decision) == (None, None)
    assert (edge.outcome.status, edge.outcome.first_byte_seconds, edge.outcome.model) == (0, None, None)
    assert (edge.outcome.trace_id, edge.outcome.usage) == ("", None)
    assert (attempt.decision_id, attempt.attempt.model, attempt.attempt.error) == (None, None, None)


def test_the_request_id_of_an_attempt_is_the_one_kept_else_the_one_that_envoy_logs() -> None:
    kept, logged = attempt_entry(request_id=b"kept"), attempt_entry(request_id=b"")
    for entry in (kept, logged):
        entry.common_properties.stream_id = b"logged"

    assert (read_attempt(kept).request_id, read_attempt(logged).request_id) == ("kept", "logged")


def test_a_request_id_beyond_all_bounds_is_still_the_same_at_both_ends() -> None:
    endless = b"\xc3(" * 9_000

    assert (
        read_edge(edge_entry(request_id=endless)).request_id
        == read_attempt(attempt_entry(request_id=endless)).request_id
    )


def test_the_path_is_the_one_that_the_client_sent() -> None:
    entry = read_edge(edge_entry(path=b"/openai/v1/chat/completions", original_path=b"/v1/chat/completions"))

    assert entry.path == entry.outcome.path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (ResponseFlags(), ()),
        (ResponseFlags(downstream_connection_termination=True), ("downstream_connection_termination",)),
        (
            ResponseFlags(upstream_retry_limit_exceeded=True, upstream_remote_reset=True),
            ("upstream_remote_reset", "upstream_retry_limit_exceeded"),
        ),
        (
            ResponseFlags(unauthorized_details=ResponseFlags.Unauthorized(reason="EXTERNAL_SERVICE")),
            ("unauthorized_details",),
        ),
    ],
)
def test_flags_have_envoys_names(flags: ResponseFlags, names: tuple[str, ...]) -> None:
    assert read_edge(edge_entry(flags=flags)).outcome.flags == names


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        ({"status": 503, "flags": ResponseFlags(upstream_connection_failure=True)}, "upstream_connection_failure"),
        ({"status": 0, "flags": ResponseFlags(downstream_remote_reset=True)}, "downstream_remote_reset"),
        ({"status": 0, "details": b"http2.remote_reset"}, "http2.remote_reset"),
        ({"status": 500, "details": b"via_upstream"}, None),
    ],
)
def test_an_attempt_says_what_broke_it_off(attempt: dict[str, Any], error: str | None) -> None:
    assert read_attempt(attempt_entry(**attempt)).attempt.error == error


@pytest.mark.parametrize(
    "usage",
    [
        TokenUsage(),  # of an answer that could not be read
        TokenUsage(input_tokens=UInt64Value(value=9)),  # a stream that ended after its first event
        TokenUsage(output_tokens=UInt64Value(value=9)),
        tokens(2**63, 1),
        tokens(1, 2**64 - 1),
        Packed(type_url="type.googleapis.com/google.protobuf.Empty"),
        Packed(type_url=USAGE_TYPE, value=b"\xff\xff"),
    ],
)
def test_half_a_usage_or_nonsense_is_none(usage: TokenUsage | Packed) -> None:
    assert read_edge(edge_entry(usage=usage)).outcome.usage is None
    assert read_attempt(attempt_entry(usage=usage)).attempt.usage is None


def test_parts_of_a_usage_are_no_more_than_the_whole() -> None:
    usage = read_edge(edge_entry(usage=tokens(10, 5, cached=11, reasoning=2**63))).outcome.usage

    assert usage == Usage(10, 5, cached_tokens=10, reasoning_tokens=5)
    usage = read_edge(edge_entry(usage=tokens(10, 5, cached=4, cache_write=9))).outcome.usage
    assert usage == Usage(10, 5, cached_tokens=4, cache_write_tokens=6)


def test_no_tokens_at_all_is_a_usage() -> None:
    assert read_edge(edge_entry(usage=tokens(0, 0))).outcome.usage == Usage(0, 0)


def test_text_that_is_not_utf8_or_endless_is_read_as_far_as_it_goes() -> None:
    path = b"/v1/chat/completions?" + b"\xff" * 100_000
    entry = read_edge(
        edge_entry(path=path, request_id=b"\xc3(" * 9_000, model=b"\x80", trace_id=b"\xfe", details=b"\xf0")
    )

    assert entry.path.startswith("/v1/chat/completions?\N{REPLACEMENT CHARACTER}")
    assert max(len(entry.path), len(entry.request_id)) <= 256
    assert entry.outcome.model == entry.outcome.trace_id == entry.outcome.details == "\N{REPLACEMENT CHARACTER}"


def test_a_method_that_envoy_has_no_word_for_is_none() -> None:
    unknown = HTTPAccessLogEntry.FromString(edge_entry(method=RequestMethod.METHOD_UNSPECIFIED).SerializeToString())
    unknown.request.request_method = 77  # type: ignore[assignment]  # of a later Envoy

    assert read_edge(unknown).method == ""


def test_a_request_that_goes_on_is_told_from_one_that_is_over() -> None:
    entry = edge_entry()
    assert is_over(entry)
    entry.common_properties.ClearField("duration")
    assert not is_over(entry)


METADATA = st.builds(
    metadata,
    st.fixed_dictionaries(
        {},
        optional={
            name: st.dictionaries(st.sampled_from(["decision_id", "record", "target"]), st.binary() | st.floats())
            for name in ("llm.router", "llm.attempt")
        },
    ),
    st.none()
    | our_messages(MESSAGES["TokenUsage"])
    | st.builds(Packed, type_url=st.just(USAGE_TYPE) | st.text(), value=st.binary()),
)


@given(entry=our_messages(MESSAGES["HTTPAccessLogEntry"]), written=METADATA)
@examples(150)
def test_any_entry_can_be_read(entry: HTTPAccessLogEntry, written: Metadata) -> None:
    entry.common_properties.metadata.MergeFrom(written)

    edge, attempt = read_edge(entry), read_attempt(entry)

    for usage in (edge.outcome.usage, attempt.attempt.usage):
        assert usage is None or 0 <= usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert usage is None or 0 <= usage.reasoning_tokens <= usage.output_tokens
