"""How an answer leaves, or fails to: whole, in events, cut in half, or not at all."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count

from aiohttp import web

from sidecar.demo.providers.answers import Answer, JsonAnswer
from sidecar.demo.providers.catalog import Provider
from sidecar.demo.providers.errors import ApiError, error_body
from sidecar.demo.providers.faults import Fault

# The real APIs always say how long to wait after a 429.
DEFAULT_RETRY_AFTER_SECONDS = 1

# Close at once and send RST: what a crashed provider looks like from outside.
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds before the answer, and between the events of a stream."""

    latency_seconds: float = 0.0
    event_seconds: float = 0.0


class Delivery:
    """Sends the answers of one provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._numbers = count(1)

    def refuse(self, error: ApiError, retry_after_seconds: int | None = None) -> web.StreamResponse:
        """An error in the provider's shape."""
        response = self._json(error_body(self._provider, error), error.status)
        if retry_after_seconds is None and error.status == HTTPStatus.TOO_MANY_REQUESTS:
            retry_after_seconds = DEFAULT_RETRY_AFTER_SECONDS
        if retry_after_seconds is not None:
            response.headers["retry-after"] = str(retry_after_seconds)
        return response

    def fail(self, fault: Fault) -> web.StreamResponse:
        """The error status of a fault."""
        status = fault.status or 500
        return self.refuse(ApiError(status, "The embedded provider was told to fail."), fault.retry_after_seconds)

    async def send(
        self, request: web.BaseRequest, answer: Answer, pace: Pace, is_truncated: bool
    ) -> web.StreamResponse:
        """The whole answer at the given pace, or its first half and then a reset."""
        if pace.latency_seconds > 0:
            await asyncio.sleep(pace.latency_seconds)
        if isinstance(answer, JsonAnswer):
            if not is_truncated:
                return self._json(answer.body, 200)
            return await self._send_half(request, answer.body)
        response = self._event_stream()
        await response.prepare(request)
        events = answer.events[: len(answer.events) // 2] if is_truncated else answer.events
        await _write(response, events, pace.event_seconds)
        if is_truncated:
            reset(request)
        return response

    def _json(self, body: bytes, status: int) -> web.Response:
        return web.Response(
            body=body,
            status=status,
            headers={"content-type": "application/json", "x-request-id": f"req_{next(self._numbers)}"},
        )

    def _event_stream(self) -> web.StreamResponse:
        return web.StreamResponse(
            headers={
                "content-type": "text/event-stream; charset=utf-8",
                "cache-control": "no-cache",
                "x-request-id": f"req_{next(self._numbers)}",
            }
        )

    async def _send_half(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        reset(request)
        return response


async def _write(response: web.StreamResponse, events: tuple[bytes, ...], event_seconds: float) -> None:
    if event_seconds <= 0:
        # One write instead of twenty: a measurement through the stub should measure what is before it.
        await response.write(b"".join(events))
        return
    for number, event in enumerate(events):
        if number:
            await asyncio.sleep(event_seconds)
        await response.write(event)


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Break the connection with RST. The response is for the server's loop; nobody receives it."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
    return web.Response()
