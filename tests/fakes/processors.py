"""Servers that answer Envoy by routers of a test's own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sidecar.extproc.processor import Processor
from sidecar.extproc.server import DrainTimes, ExtProcServer
from sidecar.routing.router import Routers
from tests.fakes.envoy import FakeEnvoy, envoy_at
from tests.fakes.observers import RecordingObserver


@asynccontextmanager
async def envoy_of(
    socket: Path, current: Callable[[], Routers], observer: RecordingObserver
) -> AsyncIterator[FakeEnvoy]:
    """Connected to a server that decides by the routers of the moment."""
    server = ExtProcServer(str(socket), DrainTimes(notice_seconds=0, grace_seconds=0))
    await server.start()
    await server.serve(Processor(current, [observer]))
    async with envoy_at(str(socket)) as envoy:
        yield envoy
    await server.drain()
