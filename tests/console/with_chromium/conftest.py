"""A real Chromium."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

from tests.fakes.console import FakeConsole

PHONE: ViewportSize = {"width": 360, "height": 780}


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """The system's."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    assert executable is not None, "these tests need chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        # Containers run as root, which Chromium's sandbox refuses; the only page that it opens is ours.
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


class Visit:
    """A browser at a console, which writes down whatever the browser complains of."""

    def __init__(self, console: FakeConsole, page: Page) -> None:
        self.console = console
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, path: str = "/") -> None:
        """Until it has all that there is."""
        await self.page.goto(self.console.url + path)
        await self.page.locator("#connection[data-state=live]").wait_for()


@asynccontextmanager
async def _visit(console: FakeConsole, browser: Browser, **settings: Any) -> AsyncIterator[Visit]:
    """Whatever a test does: no error in a script, and nothing that the page's content security policy forbids."""
    context = await browser.new_context(**settings)
    visit = Visit(console, await context.new_page())
    yield visit
    await context.close()
    assert visit.complaints == []


@pytest_asyncio.fixture
async def visit(console: FakeConsole, browser: Browser) -> AsyncIterator[Visit]:
    """A desktop's."""
    async with _visit(console, browser) as visit:
        yield visit


@pytest_asyncio.fixture
async def phone(console: FakeConsole, browser: Browser) -> AsyncIterator[Visit]:
    """A small phone's."""
    async with _visit(console, browser, viewport=PHONE, has_touch=True) as visit:
        yield visit


@pytest_asyncio.fixture
async def night(console: FakeConsole, browser: Browser) -> AsyncIterator[Visit]:
    """One that wants it dark."""
    async with _visit(console, browser, color_scheme="dark") as visit:
        yield visit
