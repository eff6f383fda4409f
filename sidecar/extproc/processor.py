"""One ext_proc stream: from Envoy's messages to the core and back. The stream ends with our last word on the request,
so nothing of the response ever passes through here.

    Envoy sends                we answer                                   the stream
    request headers, other     go on, no body                              ends
    request headers, ours      go on                                       stays
    request body               a route, or an error for the client         ends
    anything else              go on, unchanged                            ends
"""

import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc

from sidecar.extproc import replies
from sidecar.extproc.ext_proc_pb2 import HeaderValue, HttpBody, HttpHeaders, ProcessingMode, ProcessingRequest
from sidecar.routing.api import Endpoint, find_endpoint
from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange, ExchangeObserver
from sidecar.routing.rejection import RejectedError, invalid_request
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.router import Routed, Router

_log = logging.getLogger(__name__)

_EOF = grpc.aio.EOF  # type: ignore[attr-defined]  # the published stubs lack it

_TRACE_HEADERS = ("traceparent", "tracestate")

_NEEDED_HEADERS = (":method", ":path", "content-encoding")

# Envoy answers 500 when the headers that we add would take a request past its own limits (200 and 60 kB in envoy/).
_MOST_HEADERS = 180
_MOST_HEADER_BYTES = 56 * 1024


@dataclass(frozen=True, slots=True)
class _Head:
    """What matters of the headers of a request that is ours."""

    endpoint: Endpoint
    encoding: str
    is_too_large: bool
    is_all: bool
    """No body follows."""


class Stream(Protocol):
    """The part of a grpc.aio servicer context that a stream needs."""

    async def read(self) -> ProcessingRequest: ...

    async def write(self, message: bytes) -> None: ...

    def invocation_metadata(self) -> object: ...


class Processor:
    """Answers ext_proc streams by one router."""

    def __init__(self, router: Router, observers: Sequence[ExchangeObserver]) -> None:
        self._router = router
        self._observers = observers

    async def process(self, stream: Stream) -> None:
        """Serve one stream to its end."""
        first = await stream.read()
        if first is _EOF:
            return
        head = _read_head(first.request_headers) if first.HasField("request_headers") else None
        if head is None:
            await stream.write(_pass(first))
            return
        if head.is_all or head.is_too_large:
            await self._answer(stream, head, b"")
            return
        await stream.write(replies.AWAIT_BODY)
        second = await stream.read()
        if second is _EOF:  # the client went away
            return
        if not second.HasField("request_body") or not _is_whole(first, second.request_body):
            await stream.write(_pass(second))
            return
        await self._answer(stream, head, second.request_body.body)

    async def _answer(self, stream: Stream, head: _Head, body: bytes) -> None:
        decision_id = secrets.token_hex(16)
        started_unix_nanos = time.time_ns()
        started = time.perf_counter()
        request: ChatRequest | None = None
        routed: Routed | None = None
        result: Decision | RejectedError
        parsed = started
        try:
            _refuse_by_head(head)
            request = parse_request(head.endpoint, body)
            parsed = time.perf_counter()
            routed = await self._router.route(request)
            result = routed.decision
            reply = replies.route(decision_id, request, routed.decision, body)
        except RejectedError as rejection:
            result = rejection
            reply = replies.reject(decision_id, head.endpoint.api, rejection)
            parsed = parsed if request is not None else time.perf_counter()
        decided = time.perf_counter()
        await stream.write(reply)
        classify_seconds = routed.classify_seconds if routed is not None else 0.0
        exchange = Exchange(
            decision_id=decision_id,
            endpoint=head.endpoint,
            trace_headers=_trace_headers(stream),
            started_unix_nanos=started_unix_nanos,
            parse_seconds=parsed - started,
            classify_seconds=classify_seconds,
            decide_seconds=decided - parsed - classify_seconds,
            request=request,
            result=result,
            failure=routed.failure if routed is not None else None,
        )
        for observer in self._observers:
            observer.observe(exchange)


def _pass(message: ProcessingRequest) -> bytes:
    """Leave alone what is not for us to decide."""
    phase = message.WhichOneof("request")
    if phase is None or phase == "request_headers":
        return replies.IGNORE_REQUEST
    return replies.continue_unchanged(phase)


def _read_head(headers: HttpHeaders) -> _Head | None:
    """None for a request that is not ours."""
    found = {header.key: header for header in headers.headers.headers if header.key in _NEEDED_HEADERS}
    method, path, encoding = (_value_of(found.get(name)) for name in _NEEDED_HEADERS)
    endpoint = find_endpoint(method, path)
    if endpoint is None:
        return None
    is_too_large = len(headers.headers.headers) > _MOST_HEADERS or headers.ByteSize() > _MOST_HEADER_BYTES
    return _Head(endpoint, encoding.lower(), is_too_large, headers.end_of_stream)


def _refuse_by_head(head: _Head) -> None:
    if head.is_too_large:
        raise invalid_request("request headers: too many, or too long", status=431)
    if head.encoding not in ("", "identity"):
        raise invalid_request("content-encoding: send the body uncompressed", status=415)


def _value_of(header: HeaderValue | None) -> str:
    return (header.raw_value or header.value.encode()).decode("latin-1") if header is not None else ""


def _is_whole(first: ProcessingRequest, body: HttpBody) -> bool:
    """Whether this is all of the body.

    With trailers to come, even a buffered body is not the end of the stream.
    """
    if body.end_of_stream or first.protocol_config.request_body_mode == ProcessingMode.BUFFERED:
        return True
    _log.warning("a part of a body came, and goes on undecided: set ext_proc's request_body_mode to BUFFERED")
    return False


def _trace_headers(stream: Stream) -> Mapping[str, str]:
    metadata = stream.invocation_metadata() or ()
    return {key: value for key, value in metadata if key in _TRACE_HEADERS}  # type: ignore[attr-defined]
