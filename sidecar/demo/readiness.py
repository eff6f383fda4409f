"""Waiting until something answers, and not a moment longer than it can still come up."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from sidecar.demo.child import Child

POLL_SECONDS = 0.05
REQUEST_SECONDS = 2.0


class NotReadyError(Exception):
    """A part of the demo did not come up; the message holds the end of its log."""


async def wait_until_ready(session: aiohttp.ClientSession, url: str, child: Child, seconds: float) -> None:
    """Poll `url` until it answers 200. Raises NotReadyError when the child ends first, or time is up."""
    deadline = time.monotonic() + seconds
    while not await answers(session, url):
        if child.exit_code is not None:
            raise NotReadyError(f"{child.name} ended with {child.exit_code}:\n{child.tail()}")
        if time.monotonic() > deadline:
            raise NotReadyError(f"{child.name} was not ready after {seconds:.0f} s ({url}):\n{child.tail()}")
        await asyncio.sleep(POLL_SECONDS)


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether a GET gives 200 now."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


@dataclass(frozen=True, slots=True)
class FirstDecision:
    """What the response headers say about the first request that the sidecar decided."""

    model: str
    tier: str
    reason: str


async def wait_for_decision(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, object], seconds: float
) -> FirstDecision:
    """Ask until an answer carries a decision: Envoy's health check of the sidecar may need a moment.

    Raises NotReadyError.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = await _ask(session, url, body)
        if isinstance(found, FirstDecision):
            return found
        if time.monotonic() > deadline:
            raise NotReadyError(f"no decision after {seconds:.0f} s: {found}")
        await asyncio.sleep(POLL_SECONDS)


async def _ask(session: aiohttp.ClientSession, url: str, body: Mapping[str, object]) -> FirstDecision | str:
    """The decision, or what came instead."""
    try:
        async with session.post(url, json=body) as response:
            text = await response.text()
            model, tier, reason = (response.headers.get(f"x-llm-{name}") for name in ("model", "tier", "reason"))
    except aiohttp.ClientError as error:
        return str(error)
    if response.status == 200 and model and tier and reason:
        return FirstDecision(model, tier, reason)
    return f"{response.status} {text[:200]}"
