"""Entries of Envoy's access log, read into our own words, whatever clients and providers have written into them."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from sidecar.outcomes.access_log_pb2 import (
    AccessLogCommon,
    HTTPAccessLogEntry,
    HTTPResponseProperties,
    Metadata,
    RequestMethod,
    ResponseFlags,
    TokenUsage,
)
from sidecar.routing.outcome import Attempt, Outcome, Usage

EDGE, MODELS = "edge", "models"
"""Names of the logs: one entry per request, and one per attempt."""

DECISION_ID, RECORD = "decision_id", "record"
"""What is read of a decision in Envoy's metadata. The record says all that is there besides."""

_ROUTER = "llm.router"  # written by the sidecar
_ATTEMPT = "llm.attempt"  # written by the listener `models`, of the headers that lead there
_TARGET = "target"
_REQUEST_ID = "request_id"
_OF_DECISION = (DECISION_ID, RECORD)
_OF_ATTEMPT = (DECISION_ID, _TARGET, _REQUEST_ID)
_MODEL_HEADER = "x-llm-model"
_TRACE_ID, _SPAN_ID = "trace_id", "span_id"

_USAGE = "envoy.ai.token_usage"
_USAGE_TYPE = "/envoy.data.ai.v3.TokenUsage"

_METHODS = {value.number: value.name for value in RequestMethod.DESCRIPTOR.values}

# Of a text that a client writes as it likes. No path of an API, id or reason of Envoy's is as long.
_LONGEST_TEXT = 256

# A provider that counts more in one answer miscounts.
_MOST_TOKENS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class EdgeEntry:
    """What the edge says of one request that is over."""

    decision_id: str | None
    request_id: str
    method: str
    path: str
    """As the client sent it, cut at 256 characters."""
    outcome: Outcome
    decision: Mapping[str, str] | None
    """`decision_id` and `record`, as the sidecar has put them into the metadata; None if it was not asked, did not
    answer or had nothing to say.
    """


@dataclass(frozen=True, slots=True)
class AttemptEntry:
    """What the listener `models` says of one attempt."""

    decision_id: str | None
    request_id: str
    attempt: Attempt


def is_over(entry: HTTPAccessLogEntry) -> bool:
    """Envoy can also be told to write entries while a request goes on; those have no duration yet."""
    return entry.common_properties.HasField("duration")


def read_edge(entry: HTTPAccessLogEntry) -> EdgeEntry:
    """Of the log `edge`."""
    common, request, response = entry.common_properties, entry.request, entry.response
    request_id, path = _text(common.stream_id), _text(request.original_path or request.path)
    decision = _decision(common.metadata)
    outcome = Outcome(
        started_unix_nanos=_started(common),
        seconds=_seconds(common.duration),
        first_byte_seconds=_first_byte(common),
        status=response.response_code.value,
        flags=_flags(common.response_flags),
        details=_text(response.response_code_details),
        model=_answering_model(response),
        attempts=common.upstream_request_attempt_count,
        request_bytes=request.request_body_bytes,
        response_bytes=response.response_body_bytes,
        request_id=request_id,
        trace_id=_tag(common, _TRACE_ID),
        span_id=_tag(common, _SPAN_ID),
        path=path,
        usage=_usage(common.metadata),
    )
    return EdgeEntry(
        decision_id=(decision.get(DECISION_ID) or None) if decision is not None else None,
        request_id=request_id,
        method=_METHODS.get(request.request_method, ""),
        path=path,
        outcome=outcome,
        decision=decision,
    )


def read_attempt(entry: HTTPAccessLogEntry) -> AttemptEntry:
    """Of the log `models`."""
    common, response = entry.common_properties, entry.response
    kept = _values(common.metadata, _ATTEMPT, _OF_ATTEMPT) or {}
    status, flags = response.response_code.value, _flags(common.response_flags)
    attempt = Attempt(
        model=_text(kept.get(_TARGET, b"")) or None,
        started_unix_nanos=_started(common),
        seconds=_seconds(common.duration),
        status=status,
        error=flags[0] if flags else (None if status else _text(response.response_code_details) or None),
        usage=_usage(common.metadata),
    )
    return AttemptEntry(
        decision_id=_text(kept.get(DECISION_ID, b"")) or None,
        # Envoy's own field is empty here: the route takes x-request-id off before anything is logged.
        request_id=_text(kept.get(_REQUEST_ID, b"") or common.stream_id),
        attempt=attempt,
    )


def _text(value: bytes) -> str:
    return value[: 4 * _LONGEST_TEXT].decode("utf-8", "replace")[:_LONGEST_TEXT]


def _tag(common: AccessLogCommon, name: str) -> str:
    return _text(common.custom_tags[name]) if name in common.custom_tags else ""


def _values(metadata: Metadata, namespace: str, wanted: tuple[str, ...]) -> dict[str, bytes] | None:
    """Not all that is there: each costs a microsecond or two."""
    if namespace not in metadata.filter_metadata:
        return None
    fields = metadata.filter_metadata[namespace].fields
    return {key: value.string_value for key in wanted if (value := fields.get(key)) is not None}


def _decision(metadata: Metadata) -> dict[str, str] | None:
    values = _values(metadata, _ROUTER, _OF_DECISION)
    return None if values is None else {key: value.decode("utf-8", "replace") for key, value in values.items()}


def _started(common: AccessLogCommon) -> int:
    return common.start_time.seconds * 1_000_000_000 + common.start_time.nanos


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _first_byte(common: AccessLogCommon) -> float | None:
    name = "time_to_first_downstream_tx_byte"
    return _seconds(common.time_to_first_downstream_tx_byte) if common.HasField(name) else None


def _flags(flags: ResponseFlags) -> tuple[str, ...]:
    return tuple([field.name for field, _ in flags.ListFields()])


def _answering_model(response: HTTPResponseProperties) -> str | None:
    headers = response.response_headers
    return _text(headers[_MODEL_HEADER]) or None if _MODEL_HEADER in headers else None


def _usage(metadata: Metadata) -> Usage | None:
    """None also for half of one: either number is worth nothing without the other."""
    if _USAGE not in metadata.typed_filter_metadata:
        return None
    packed = metadata.typed_filter_metadata[_USAGE]
    if not packed.type_url.endswith(_USAGE_TYPE):
        return None
    try:
        tokens = TokenUsage.FromString(packed.value)
    except DecodeError:
        return None
    if not tokens.HasField("input_tokens") or not tokens.HasField("output_tokens"):
        return None
    asked, written = tokens.input_tokens.value, tokens.output_tokens.value
    if max(asked, written) > _MOST_TOKENS:
        return None
    details = tokens.input_token_details
    cached = min(asked, details.cached_tokens.value)
    return Usage(
        input_tokens=asked,
        output_tokens=written,
        cached_tokens=cached,
        cache_write_tokens=min(asked - cached, details.cache_creation_tokens.value),
        reasoning_tokens=min(written, tokens.output_token_details.reasoning_tokens.value),
    )
