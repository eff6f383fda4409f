"""The load: a fixed number of HTTP/1.1 requests over a fixed number of connections, each waiting for its answer.

Made to cost little, and the same for everything it is pointed at: the bytes of all requests exist before the clock
starts, and of an answer only the status, the length and one header are read.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import cast

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
LOST = 0
"""The status of a request whose connection ended before its answer."""


class Round:
    """Sends every request once; afterwards it holds what came back."""

    def __init__(self, host: str, port: int, requests: Sequence[bytes]) -> None:
        self._host = host
        self._port = port
        self._requests = iter(requests)
        self._expected = len(requests)
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._finished = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        """In seconds, from the first byte sent to the last received."""
        self.statuses: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        """By x-llm-reason; empty for an answer without it."""
        self.seconds = 0.0

    async def run(self, concurrency: int, timeout_seconds: float) -> None:
        """Raises OSError if nobody listens, TimeoutError if it takes too long."""
        async with asyncio.timeout(timeout_seconds):
            connections = [await self._connect() for _ in range(concurrency)]
            started = time.perf_counter()
            for connection in connections:
                connection.send()
            await self._finished
        self.seconds = time.perf_counter() - started

    def next_request(self) -> bytes | None:
        """None when all have been sent."""
        return next(self._requests, None)

    def record(self, status: int, reason: str, seconds: float) -> None:
        """One request is over."""
        self.latencies.append(seconds)
        self.statuses[status] += 1
        self.reasons[reason] += 1
        if len(self.latencies) == self._expected:
            self._finished.set_result(None)

    def replace_connection(self) -> None:
        """The other side closed one."""
        if not self._finished.done():
            task = asyncio.get_running_loop().create_task(self._go_on())
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(lambda: _Connection(self), self._host, self._port))[1]

    async def _go_on(self) -> None:
        try:
            connection = await self._connect()
        except OSError as error:
            if not self._finished.done():
                self._finished.set_exception(error)
        else:
            connection.send()


class _Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next."""

    def __init__(self, round_: Round) -> None:
        self._round = round_
        self._received = b""
        self._is_waiting = False
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is up."""
        # uvloop's own class only behaves like one.
        self._transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        """The next request, or nothing more."""
        request = self._round.next_request()
        if request is None:
            self._transport.close()
            return
        self._is_waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """A part of an answer, most often all of it."""
        self._received = self._received + data if self._received else data
        answer = read_answer(self._received)
        if answer is not None:
            self._received = b""
            self._is_waiting = False
            self._round.record(*answer, time.perf_counter() - self._sent_at)
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: by us when there is nothing left to send, else by the other side, as it always waits."""
        if self._is_waiting:
            self._is_waiting = False
            self._round.record(LOST, "", time.perf_counter() - self._sent_at)
            self._round.replace_connection()


def read_answer(received: bytes) -> tuple[int, str] | None:
    """Status and x-llm-reason of a whole answer; None while a part of it is missing.

    It has to say how long it is or come in chunks, as every answer with a body on a kept connection does.
    """
    head, end, body = received.partition(_HEAD_END)
    if not end:
        return None
    fields = head.lower() + b"\r\n"
    length = _field(fields, b"content-length")
    is_whole = len(body) >= int(length) if length else received.endswith(_LAST_CHUNK)
    return (int(head[9:12]), _field(fields, b"x-llm-reason").decode("ascii")) if is_whole else None


def _field(fields: bytes, name: bytes) -> bytes:
    _, found, rest = fields.partition(b"\r\n" + name + b":")
    return rest[: rest.index(b"\r\n")].strip() if found else b""
