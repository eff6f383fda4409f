"""Envoy's access log, as its edge and its `models` listener write it, over a real connection."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import UInt32Value, UInt64Value

from sidecar.outcomes.access_log_pb2 import (
    AccessLogCommon,
    HTTPAccessLogEntry,
    HTTPRequestProperties,
    HTTPResponseProperties,
    Metadata,
    RequestMethod,
    ResponseFlags,
    StreamAccessLogsMessage,
    Struct,
    TokenUsage,
    Value,
)
from sidecar.outcomes.service import METHOD, SERVICE

STARTED = 1_772_452_800
"""Unix seconds, of 2026-03-02 at noon."""

USAGE_TYPE = "type.googleapis.com/envoy.data.ai.v3.TokenUsage"


def tokens(
    asked: int,
    written: int,
    *,
    cached: int | None = None,
    cache_write: int | None = None,
    reasoning: int | None = None,
) -> TokenUsage:
    """As Envoy reads them off an answer; details only if the provider told them."""
    usage = TokenUsage(input_tokens=UInt64Value(value=asked), output_tokens=UInt64Value(value=written))
    if cached is not None:
        usage.input_token_details.cached_tokens.value = cached
    if cache_write is not None:
        usage.input_token_details.cache_creation_tokens.value = cache_write
    if reasoning is not None:
        usage.output_token_details.reasoning_tokens.value = reasoning
    return usage


def metadata(
    namespaces: Mapping[str, Mapping[str, bytes | float]], usage: TokenUsage | Packed | None = None
) -> Metadata:
    """What filters wrote into it."""
    written = Metadata()
    for namespace, fields in namespaces.items():
        values = {key: _value(value) for key, value in fields.items()}
        written.filter_metadata[namespace].CopyFrom(Struct(fields=values))
    if isinstance(usage, TokenUsage):
        usage = Packed(type_url=USAGE_TYPE, value=usage.SerializeToString())
    if usage is not None:
        written.typed_filter_metadata["envoy.ai.token_usage"].CopyFrom(usage)
    return written


def _value(value: bytes | float) -> Value:
    return Value(string_value=value) if isinstance(value, bytes) else Value(number_value=value)


def edge_entry(
    decision: Mapping[str, bytes | float] | None = None,
    *,
    request_id: bytes = b"req-1",
    method: RequestMethod = RequestMethod.POST,
    path: bytes = b"/v1/chat/completions",
    original_path: bytes = b"",
    status: int = 200,
    details: bytes = b"via_upstream",
    flags: ResponseFlags | None = None,
    model: bytes | None = b"simple",
    attempts: int = 1,
    seconds: float = 1.5,
    first_byte_seconds: float | None = 0.25,
    usage: TokenUsage | Packed | None = None,
    trace_id: bytes = b"",
    span_id: bytes = b"",
) -> HTTPAccessLogEntry:
    """Of a request that is over; `decision` is what the sidecar wrote into the metadata."""
    namespaces = {} if decision is None else {"llm.router": decision}
    common = AccessLogCommon(
        start_time=Timestamp(seconds=STARTED, nanos=250_000_000),
        duration=_duration(seconds),
        time_to_first_downstream_tx_byte=None if first_byte_seconds is None else _duration(first_byte_seconds),
        response_flags=flags,
        metadata=metadata(namespaces, usage),
        upstream_request_attempt_count=attempts,
        stream_id=request_id,
    )
    common.custom_tags["trace_id"] = trace_id
    common.custom_tags["span_id"] = span_id
    response = _response(status, details)
    response.response_body_bytes = 900
    if model is not None:
        response.response_headers["x-llm-model"] = model
    request = HTTPRequestProperties(
        request_method=method, path=path, original_path=original_path, request_body_bytes=400
    )
    return HTTPAccessLogEntry(common_properties=common, request=request, response=response)


def attempt_entry(
    decision_id: bytes | None = None,
    target: bytes | None = b"simple-cluster",
    *,
    request_id: bytes = b"req-1",
    status: int = 200,
    details: bytes = b"via_upstream",
    flags: ResponseFlags | None = None,
    start: float = 0.0,
    seconds: float = 1.25,
    usage: TokenUsage | Packed | None = None,
) -> HTTPAccessLogEntry:
    """Of one attempt that is over, `start` seconds after the request."""
    kept: dict[str, bytes | float] = {"request_id": request_id}
    kept |= {} if decision_id is None else {"decision_id": decision_id}
    kept |= {} if target is None else {"target": target}
    common = AccessLogCommon(
        start_time=Timestamp(seconds=STARTED + int(start), nanos=round(start % 1 * 1e9)),
        duration=_duration(seconds),
        response_flags=flags,
        metadata=metadata({"llm.attempt": kept}, usage),
    )
    return HTTPAccessLogEntry(common_properties=common, response=_response(status, details))


def _response(status: int, details: bytes) -> HTTPResponseProperties:
    code = UInt32Value(value=status) if status else None  # Envoy leaves it out if there was no answer
    return HTTPResponseProperties(response_code=code, response_code_details=details)


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))


def message(*entries: HTTPAccessLogEntry, log: str | None = None) -> bytes:
    """One message of a stream; the first has the name of the log."""
    identifier = None if log is None else StreamAccessLogsMessage.Identifier(log_name=log)
    logs = StreamAccessLogsMessage.HTTPAccessLogEntries(log_entry=entries)
    return StreamAccessLogsMessage(identifier=identifier, http_logs=logs).SerializeToString()


@asynccontextmanager
async def log_stream(address: str) -> AsyncIterator[Any]:
    """A stream of messages (bytes) to the service there."""
    target = f"unix:{address}" if "/" in address else address
    async with grpc.aio.insecure_channel(target, [("grpc.max_send_message_length", -1)]) as channel:
        call: Any = channel.stream_unary(f"/{SERVICE}/{METHOD}", request_serializer=None, response_deserializer=None)
        stream = call()
        try:
            yield stream
        finally:
            stream.cancel()
