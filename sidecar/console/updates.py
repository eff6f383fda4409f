"""Server-sent events: every open page hears once a second of what is new, and whoever is too slow hears no more."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
from aiohttp import web

from sidecar.console.live import Changes, LiveRequests

_SECONDS_BETWEEN_UPDATES = 1.0

# Proxies, and we ourselves, find out by it that nobody is there any more.
_SECONDS_BETWEEN_SIGNS = 15

_MOST_CLIENTS = 32
_WAITING_UPDATES = 8

_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}

_ENCODER = msgspec.json.Encoder()


class _Client:
    """One open page."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self.transport = transport
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_UPDATES)

    def leave(self) -> None:
        """Its handler wakes up, wherever it waits: for something to say, or for the page to read."""
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)
        if self.transport is not None:
            self.transport.abort()


class Updates:
    """All open pages."""

    def __init__(self, live: LiveRequests, policy_hash: Callable[[], str]) -> None:
        self._live = live
        self._policy_hash = policy_hash
        self._told = (0, "")
        self._clients: set[_Client] = set()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Pages that were too slow."""

    @property
    def clients(self) -> int:
        """Pages that are open."""
        return len(self._clients)

    def start(self) -> None:
        """In a running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Leave all pages."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for client in tuple(self._clients):
            client.leave()

    def tell(self) -> None:
        """Every page what is new since the last time, if anything is."""
        now = self._live.number, self._policy_hash()
        if now == self._told:
            return
        before, self._told = self._told, now
        event = self._event(self._live.since(before[0])) if self._clients else b""
        for client in tuple(self._clients):
            try:
                client.waiting.put_nowait(event)
            except asyncio.QueueFull:
                self.dropped += 1
                self._clients.discard(client)
                client.leave()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Until the page is closed; first everything, then what is new."""
        if len(self._clients) >= _MOST_CLIENTS:
            raise web.HTTPServiceUnavailable(text=f"{_MOST_CLIENTS} pages are open, which is as many as may be\n")
        response = web.StreamResponse(headers=_HEADERS)
        client = _Client(request.transport)
        client.waiting.put_nowait(self._event(self._live.everything()))
        self._clients.add(client)
        try:
            await response.prepare(request)
            while (event := await self._next(client)) is not None:
                await response.write(event)
        except ConnectionError:
            pass  # the page is closed, or was too slow
        finally:
            self._clients.discard(client)
        return response

    async def _next(self, client: _Client) -> bytes | None:
        try:
            async with asyncio.timeout(_SECONDS_BETWEEN_SIGNS):
                return await client.waiting.get()
        except TimeoutError:
            return b":\n\n"

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_UPDATES)
            self.tell()

    def _event(self, changes: Changes) -> bytes:
        data = _ENCODER.encode({"policy": self._policy_hash(), "changes": changes})
        return b"data: " + data + b"\n\n"
