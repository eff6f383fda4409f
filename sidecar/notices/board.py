"""What the workers last said of themselves."""

import time
from collections.abc import Callable

from sidecar.routing.notice import WorkerNotice

# They give a sign of life every second.
_SILENCE_SECONDS = 4.0


class WorkerBoard:
    """One line for each worker."""

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`workers`: how many there are to be."""
        self._workers = workers
        self._clock = clock
        self._last: dict[int, tuple[WorkerNotice, float]] = {}

    def put(self, notice: WorkerNotice) -> None:
        """In place of what that worker said before."""
        self._last[notice.worker] = notice, self._clock()

    def why_not_ready(self) -> str | None:
        """Of the first worker that would not decide a request now; None if all would."""
        for worker in range(self._workers):
            why_not = self._why_not(worker)
            if why_not is not None:
                return why_not if self._workers == 1 else f"worker {worker}: {why_not}"
        return None

    @property
    def has_older_policy(self) -> bool:
        """Whether a worker could not use what its policy file says, and goes on with what it had."""
        return any(notice.has_failed_to_reload for notice, _ in self._last.values())

    @property
    def pids(self) -> list[int]:
        """Of all that have said anything."""
        return [notice.pid for notice, _ in (self._last[worker] for worker in sorted(self._last))]

    @property
    def policies(self) -> set[str]:
        """The hashes of those in use."""
        return {notice.policy for notice, _ in self._last.values() if notice.policy}

    def _why_not(self, worker: int) -> str | None:
        if worker not in self._last:
            return "starting"
        notice, heard = self._last[worker]
        silence = self._clock() - heard
        return notice.why_not_ready if silence < _SILENCE_SECONDS else f"no sign of life for {silence:.0f} s"
