"""How a process of ours begins and ends, whatever it does between."""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Protocol

import uvloop

_log = logging.getLogger("sidecar")


class StartError(Exception):
    """Why a process cannot start, for the person who starts it."""


class Service(Protocol):
    """All parts of one process."""

    async def start(self) -> None:
        """In the order in which they are needed."""
        ...

    async def stop(self) -> None:
        """Also after a start that failed half-way."""
        ...

    def reload(self) -> None:
        """Read the policy again, soon."""
        ...


def run_service(build: Callable[[], Service], faults: tuple[type[Exception], ...]) -> None:
    """Until SIGTERM or SIGINT; SIGHUP reloads.

    Raises StartError where building or starting raises OSError or one of `faults`.
    """
    uvloop.run(_run(build, (*faults, OSError)))


async def _run(build: Callable[[], Service], faults: tuple[type[Exception], ...]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    service: Service | None = None
    try:
        service = build()
        loop.add_signal_handler(signal.SIGHUP, service.reload)
        await service.start()
    except faults as error:
        if service is not None:
            await service.stop()  # sockets must not stay behind
        raise StartError(str(error)) from error
    await stopping.wait()
    _log.info("draining")
    await service.stop()
