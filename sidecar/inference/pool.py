"""Classifying beside the event loop: a few threads, a short queue, and no waiting in vain for either."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sidecar.routing.classification import Classification, ClassifierOverloadedError

# Of the deadline, for waiting and classifying together; the rest is for what the estimate does not know.
_SHARE_OF_DEADLINE = 0.8

# How much the last prompt counts in the moving mean of the time that one takes.
_WEIGHT_OF_LAST = 1 / 16


class ClassifierPool:
    """Runs blocking classifications on threads of its own.

    It refuses at once what would miss its deadline, by the time that the last prompts took, and whatever comes beyond
    `threads` running and `queue` waiting prompts. Admitted all the same, such prompts would be started just before
    their deadline and thrown away: with many at once, nearly all of them.
    """

    def __init__(self, threads: int, queue: int, deadline_seconds: float) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="classifier")
        self._threads = threads
        self._capacity = threads + queue
        self._time_for_all = deadline_seconds * _SHARE_OF_DEADLINE
        self._mean_seconds = 0.0
        self._admitted = 0

    @property
    def waiting(self) -> int:
        """Prompts that wait for a thread."""
        return max(0, self._admitted - self._threads)

    async def run(self, classify: Callable[[], Classification]) -> Classification:
        """Raises ClassifierOverloadedError, and what `classify` raises."""
        if self._admitted >= self._capacity or self._would_be_late():
            raise ClassifierOverloadedError
        # Counted until the thread is done with it, not until the caller gave up: a late prompt still holds a thread.
        # One that is cancelled while it waits never runs.
        self._admitted += 1
        work = self._executor.submit(self._timed, classify)
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: _call_soon(loop, self._release))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Finish what runs, forget what waits."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _would_be_late(self) -> bool:
        """Never while a thread is free: or, after one slow stretch, nothing would run that could show it is over."""
        if self._admitted < self._threads:
            return False
        return (self._admitted + 1) / self._threads * self._mean_seconds > self._time_for_all

    def _timed(self, classify: Callable[[], Classification]) -> Classification:
        started = time.perf_counter()
        try:
            return classify()
        finally:
            # Two threads may overwrite each other's share; an estimate can do with that.
            self._mean_seconds += (time.perf_counter() - started - self._mean_seconds) * _WEIGHT_OF_LAST

    def _release(self) -> None:
        self._admitted -= 1


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
