"""What the sidecar takes before it does anything: time to start and memory."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.figures import median
from bench.processes import resident_mib
from bench.system import START_SECONDS, readyz, sidecar_child
from sidecar.demo.child import Child
from sidecar.demo.places import make_run_folder
from sidecar.demo.preflight import free_ports
from sidecar.demo.readiness import NotReadyError, answers
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, OnnxClassifier

_POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Footprint:
    """Medians over several starts."""

    starts: int
    ready_seconds: float
    """From the start of the process to the first 200 of /readyz, interpreter and imports included."""
    model_load_ms: float
    """Of that, reading the model: in this process, its libraries imported already."""
    resident_mib_when_ready: float
    resident_mib_after_load: float


async def measure_footprint(starts: int, resident_mib_after_load: float) -> Footprint:
    """Start the sidecar that often. Raises NotReadyError."""
    measured = [await _start_once() for _ in range(starts)]
    return Footprint(
        starts=starts,
        ready_seconds=median(seconds for seconds, _ in measured),
        model_load_ms=median(_load_seconds() for _ in range(starts)) * 1000,
        resident_mib_when_ready=median(memory for _, memory in measured),
        resident_mib_after_load=resident_mib_after_load,
    )


async def _start_once() -> tuple[float, float]:
    """Seconds to ready, and MiB then."""
    (http_port,) = free_ports(1)
    with make_run_folder() as folder:
        child = sidecar_child(Path(folder), http_port)
        try:
            started = time.perf_counter()
            await child.start()
            await _wait_until_ready(child, readyz(http_port))
            return time.perf_counter() - started, resident_mib(child.pid)
        finally:
            await child.stop()


async def _wait_until_ready(child: Child, url: str) -> None:
    """Like the demo's own, but it asks ten times as often: here the time counts."""
    give_up = time.monotonic() + START_SECONDS
    async with aiohttp.ClientSession() as session:
        while not await answers(session, url):
            if child.exit_code is not None or time.monotonic() > give_up:
                raise NotReadyError(f"{child.name} did not become ready:\n{child.tail()}")
            await asyncio.sleep(_POLL_SECONDS)


def _load_seconds() -> float:
    started = time.perf_counter()
    OnnxClassifier.load(SHIPPED_MODEL)
    return time.perf_counter() - started
