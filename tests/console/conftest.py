"""Consoles that listen."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.fakes.console import FakeConsole

Serve = Callable[..., Any]


@asynccontextmanager
async def _serve(**settings: Any) -> AsyncIterator[FakeConsole]:
    console = FakeConsole(**settings)
    await console.server.start()
    try:
        yield console
    finally:
        await console.server.stop()


@pytest.fixture
def serve() -> Serve:
    """Makes a console that is a context."""
    return _serve


@pytest_asyncio.fixture
async def console() -> AsyncIterator[FakeConsole]:
    """On a loopback address."""
    async with _serve() as console:
        yield console


@pytest_asyncio.fixture
async def client(console: FakeConsole) -> AsyncIterator[aiohttp.ClientSession]:
    """Of that one."""
    async with aiohttp.ClientSession(console.url) as session:
        yield session
