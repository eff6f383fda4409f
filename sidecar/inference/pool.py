"""Classifying beside the event loop: a few threads, a short queue, and no waiting for either."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sidecar.routing.classification import Classification, ClassifierOverloadedError


class ClassifierPool:
    """A Classifier that runs a blocking `classify` on threads of its own.

    Beyond `threads` running and `queue` waiting prompts it refuses at once: a prompt that would miss its deadline
    anyway must not delay the next one.
    """

    def __init__(self, classify: Callable[[str], Classification], threads: int, queue: int) -> None:
        self._classify = classify
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="classifier")
        self._capacity = threads + queue
        self._admitted = 0

    async def classify(self, prompt: str) -> Classification:
        """Raises ClassifierOverloadedError, and what `classify` raises."""
        if self._admitted >= self._capacity:
            raise ClassifierOverloadedError
        # Counted until the thread is done with it, not until the caller gave up: a late prompt still holds a thread.
        # One that is cancelled while it waits never runs.
        self._admitted += 1
        work = self._executor.submit(self._classify, prompt)
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: _call_soon(loop, self._release))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Finish what runs, forget what waits."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _release(self) -> None:
        self._admitted -= 1


def available_processors(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many threads can really run at once: the affinity mask, and a container's CPU quota."""
    processors = len(os.sched_getaffinity(0))
    quota = _read_quota(cpu_max)
    return max(1, min(processors, round(quota))) if quota else processors


def _read_quota(cpu_max: Path) -> float | None:
    """Processors granted by cgroup v2 (`200000 100000` is two), or None if there is no limit (`max 100000`)."""
    try:
        quota, period = cpu_max.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
