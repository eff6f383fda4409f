"""`sidecar demo`: providers, sidecar and Envoy on this machine, watched until Ctrl-C."""

import asyncio
import signal
from pathlib import Path

from sidecar.demo.envoy_config import EnvoyFileError
from sidecar.demo.options import DemoOptions
from sidecar.demo.places import make_run_folder
from sidecar.demo.preflight import CannotStartError, check_ports, find_envoy, otlp_address
from sidecar.demo.readiness import NotReadyError
from sidecar.demo.screen import Screen
from sidecar.demo.stack import DemoStack

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CANNOT_START = 2

__all__ = ["DemoOptions", "run_demo"]


async def run_demo(options: DemoOptions, screen: Screen | None = None) -> int:
    """Run until Ctrl-C or SIGTERM (exit code 0), or until something breaks (1) or cannot start (2)."""
    screen = screen or Screen()
    try:
        check_ports(options)
        envoy, otlp = find_envoy(), otlp_address(options.otlp_endpoint)
    except CannotStartError as error:
        screen.trouble(f"sidecar demo: {error}")
        return EXIT_CANNOT_START
    stopping = _stop_on_signals()
    try:
        with make_run_folder() as folder:
            return await _run(DemoStack(options, Path(folder), envoy, otlp, screen), stopping)
    except (EnvoyFileError, NotReadyError, OSError) as error:
        screen.trouble(f"sidecar demo: {error}")
        return EXIT_FAILED
    finally:
        _forget_signals()


async def _run(stack: DemoStack, stopping: asyncio.Event) -> int:
    try:
        return await _until(stopping, stack)
    finally:
        await stack.stop()


async def _until(stopping: asyncio.Event, stack: DemoStack) -> int:
    """The exit code: of the stack, or 0 when it is to stop first."""
    running = asyncio.create_task(stack.run())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if running.done():
        await running
        return EXIT_FAILED
    stack.screen.plain("\nstopping")
    running.cancel()
    await asyncio.wait({running})
    return EXIT_OK


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def _forget_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
