"""The sidecar's own HTTP port."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from sidecar.console.server import ConsoleServer
from tests.fakes.ports import free_port


class Console:
    """A console whose readiness a test sets, and a client of it."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client
        self.why_not_ready: str | None = "the classifier is loading"

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        async with self._client.get(path) as response:
            return response.status, await response.text()


@pytest_asyncio.fixture
async def console() -> AsyncIterator[Console]:
    """Listening, not ready yet."""
    port = free_port()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        console = Console(client)
        server = ConsoleServer(
            "127.0.0.1",
            port,
            why_not_ready=lambda: console.why_not_ready,
            render_metrics=lambda: b"decisions_total 7\n",
        )
        await server.start()
        yield console
        await server.stop()


@pytest.mark.asyncio
async def test_ready_only_when_nothing_stands_in_the_way(console: Console) -> None:
    assert await console.get("/readyz") == (503, "the classifier is loading\n")
    console.why_not_ready = None
    assert await console.get("/readyz") == (200, "ready\n")
    console.why_not_ready = "draining"
    assert await console.get("/readyz") == (503, "draining\n")


@pytest.mark.asyncio
async def test_healthy_as_long_as_it_answers(console: Console) -> None:
    assert await console.get("/healthz") == (200, "ok\n")


@pytest.mark.asyncio
async def test_metrics_are_what_the_counter_renders(console: Console) -> None:
    assert await console.get("/metrics") == (200, "decisions_total 7\n")


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/", "/readyz/", "/v1/chat/completions"])
async def test_there_is_nothing_else(console: Console, path: str) -> None:
    status, _ = await console.get(path)

    assert status == 404


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_an_os_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = ConsoleServer("127.0.0.1", port, why_not_ready=lambda: None, render_metrics=lambda: b"")
        with pytest.raises(OSError, match=str(port)):
            await server.start()
        await server.stop()
