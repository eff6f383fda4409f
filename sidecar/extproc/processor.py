"""One ext_proc stream: from Envoy's messages to the core and back. The stream ends with our last word on the request,
so nothing of the response ever passes through here.

    Envoy sends                we answer                                   the stream
    request headers, other     go on, no body                              ends
    GET /v1/models             the names that the caller may use           ends
    request headers, ours      go on                                       stays
    request body               a route, or an error for the client         ends
    anything else              go on, unchanged                            ends
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import grpc

from sidecar.extproc import catalogue, names, replies
from sidecar.extproc.ext_proc_pb2 import HeaderValue, HttpBody, HttpHeaders, ProcessingMode, ProcessingRequest
from sidecar.routing.api import Endpoint, find_endpoint
from sidecar.routing.exchange import Exchange, ExchangeObserver
from sidecar.routing.record import rejection_record
from sidecar.routing.rejection import RejectedError, invalid_request
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.router import Routed, Router, Routers
from sidecar.routing.signals import TENANT, RequestHead
from sidecar.routing.trail import Trail

_log = logging.getLogger(__name__)

_EOF = grpc.aio.EOF  # type: ignore[attr-defined]  # the published stubs lack it

_TRACE_HEADERS = ("traceparent", "tracestate")

_NEEDED_HEADERS = frozenset((":method", ":path", "content-encoding"))

# Envoy answers 500 when the headers that we add would take a request past its own limits (200 and 60 kB in envoy/).
_MOST_HEADERS = 180
_MOST_HEADER_BYTES = 56 * 1024


@dataclass(frozen=True, slots=True)
class _Head:
    """What matters of the headers of a request that is ours."""

    endpoint: Endpoint
    headers: Mapping[str, str]
    is_too_large: bool
    is_all: bool
    """No body follows."""


class Stream(Protocol):
    """The part of a grpc.aio servicer context that a stream needs."""

    async def read(self) -> ProcessingRequest: ...

    async def write(self, message: bytes) -> None: ...

    def invocation_metadata(self) -> object: ...


class Processor:
    """Answers ext_proc streams by the routers of the moment."""

    def __init__(self, current: Callable[[], Routers], observers: Sequence[ExchangeObserver]) -> None:
        """`current` is asked once for each request, which stays with that policy to its end."""
        self._current = current
        self._observers = observers

    async def process(self, stream: Stream) -> None:
        """Serve one stream to its end."""
        first = await stream.read()
        if first is _EOF:
            return
        routers = self._current()
        headers = _read_headers(first, routers.wanted_headers)
        question = catalogue.find_catalogue_request(headers.get(":method", ""), headers.get(":path", ""))
        if question is not None:
            await stream.write(question.answer(routers.active.policy, headers))
            return
        head = _find_head(first.request_headers, headers)
        if head is None:
            await stream.write(_pass(first))
            return
        if head.is_all or head.is_too_large:
            await self._answer(stream, routers, head, b"")
            return
        await stream.write(replies.AWAIT_BODY)
        second = await stream.read()
        if second is _EOF:  # the client went away
            return
        if not second.HasField("request_body") or not _is_whole(first, second.request_body):
            await stream.write(_pass(second))
            return
        await self._answer(stream, routers, head, second.request_body.body)

    async def _answer(self, stream: Stream, routers: Routers, head: _Head, body: bytes) -> None:
        decision_id = secrets.token_hex(16)
        started_unix_nanos = time.time_ns()
        started = time.perf_counter()
        request_head = RequestHead(
            head.headers[":path"], head.headers, datetime.fromtimestamp(started_unix_nanos / 1e9, UTC)
        )
        request: ChatRequest | None = None
        routed: Routed | None = None
        try:
            _refuse_by_head(head)
            request = parse_request(head.endpoint, body)
            parsed = time.perf_counter()
            routed = await routers.active.route(request, request_head)
            result, record = routed.result, routed.record
        except RejectedError as rejection:
            parsed = time.perf_counter()
            result, record = rejection, rejection_record(rejection, routers.active.policy.hash, None, Trail(), "")
        if isinstance(result, RejectedError):
            reply = replies.reject(decision_id, head.endpoint.api, result, record)
        else:
            assert request is not None  # noqa: S101  # a decision is one on a request
            reply = replies.route(
                decision_id, request, result, record, body, stream_usage=routers.active.policy.stream_usage
            )
        decided = time.perf_counter()
        metadata = dict(stream.invocation_metadata() or ())  # type: ignore[call-overload]
        if names.DRY_RUN in metadata:
            await stream.write(reply)
            return
        classify_seconds = routed.classify_seconds if routed is not None else 0.0
        exchange = Exchange(
            decision_id=decision_id,
            endpoint=head.endpoint,
            trace_headers={key: metadata[key] for key in _TRACE_HEADERS if key in metadata},
            started_unix_nanos=started_unix_nanos,
            parse_seconds=parsed - started,
            classify_seconds=classify_seconds,
            decide_seconds=decided - parsed - classify_seconds,
            request=request,
            result=result,
            record=record,
            classifier_version=routers.active.classifier_version,
            failure=routed.failure if routed is not None else None,
        )
        try:
            await stream.write(reply)
        except asyncio.CancelledError:
            # Envoy may end the stream as soon as it has the answer, and does where that is a rejection.
            self._tell(exchange)
            raise
        if request is None or routed is None or not routers.shadows:
            self._tell(exchange)
            return
        # The shadows share the memory of earlier classifications, but may know no tenant, or by another header.
        owner = routed.signals.headers.get(TENANT, "")
        # Envoy has its answer and may end the stream at any moment; that must not take the exchange with it.
        await asyncio.shield(self._tell_with_shadows(exchange, routers.shadows, request, request_head, owner))

    async def _tell_with_shadows(
        self, exchange: Exchange, shadows: Sequence[Router], request: ChatRequest, head: RequestHead, owner: str
    ) -> None:
        """After the answer is out: a policy that is only tried costs the request nothing."""
        tried = [await shadow.route(request, head, owner) for shadow in shadows]
        self._tell(replace(exchange, shadows=tuple(tried)))

    def _tell(self, exchange: Exchange) -> None:
        for observer in self._observers:
            observer.observe(exchange)


def _pass(message: ProcessingRequest) -> bytes:
    """Leave alone what is not for us to decide."""
    phase = message.WhichOneof("request")
    if phase is None or phase == "request_headers":
        return replies.IGNORE_REQUEST
    return replies.continue_unchanged(phase)


def _read_headers(first: ProcessingRequest, wanted: AbstractSet[str]) -> dict[str, str]:
    """Those that count, by name. One that is given twice has both values, as HTTP joins them."""
    headers: dict[str, str] = {}
    for header in first.request_headers.headers.headers:
        key = header.key
        if key in _NEEDED_HEADERS or key in wanted or key in catalogue.HEADERS:
            value = _value_of(header)
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def _find_head(message: HttpHeaders, headers: Mapping[str, str]) -> _Head | None:
    """None for a request that is not ours."""
    endpoint = find_endpoint(headers.get(":method", ""), headers.get(":path", ""))
    if endpoint is None:
        return None
    is_too_large = len(message.headers.headers) > _MOST_HEADERS or message.ByteSize() > _MOST_HEADER_BYTES
    return _Head(endpoint, headers, is_too_large, message.end_of_stream)


def _refuse_by_head(head: _Head) -> None:
    if head.is_too_large:
        raise invalid_request("request headers: too many, or too long", status=431)
    if head.headers.get("content-encoding", "").lower() not in ("", "identity"):
        raise invalid_request("content-encoding: send the body uncompressed", status=415)


def _value_of(header: HeaderValue) -> str:
    """As a policy writes it, which is in UTF-8; what is not UTF-8 is Latin-1, as HTTP once had it."""
    value = header.raw_value or header.value.encode()
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _is_whole(first: ProcessingRequest, body: HttpBody) -> bool:
    """Whether this is all of the body.

    With trailers to come, even a buffered body is not the end of the stream.
    """
    if body.end_of_stream or first.protocol_config.request_body_mode == ProcessingMode.BUFFERED:
        return True
    _log.warning("a part of a body came, and goes on undecided: set ext_proc's request_body_mode to BUFFERED")
    return False
