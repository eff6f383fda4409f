"""Follows a policy file: notices an edit, and swaps the whole policy for the new one, or keeps the one it has."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from sidecar.config.loaded import ReadFile, stamp

_log = logging.getLogger("sidecar")

# Kubernetes itself takes up to a minute to bring an edited ConfigMap into a pod.
_SECONDS_BETWEEN_LOOKS = 1.0


class ReloadObserver(Protocol):
    """The port through which telemetry learns of reloads."""

    def observe_reload(self, policy_hash: str, *, succeeded: bool) -> None:
        """`policy_hash` is that of the policy in use from now on."""
        ...


class PolicyFollower:
    """Calls `load` when one of the files changed and is at rest again, or when it is asked to.

    A file is followed by what stands at its path, through all symlinks: an edit in place, a rename over it, and the
    swap of a directory link, which is how Kubernetes updates a ConfigMap, all count.
    """

    def __init__(
        self, files: Callable[[], Iterable[ReadFile]], load: Callable[[], str], faults: tuple[type[Exception], ...]
    ) -> None:
        """`files` are those that what is in use now was read from. `load` blocks, swaps, and returns the new hash; it
        raises one of `faults` for a policy that cannot be used, and then leaves everything as it was.
        """
        self._files = files
        self._load = load
        self._faults = faults
        self._asked = asyncio.Event()
        self._seen = tuple(files())

    def ask(self) -> None:
        """Load now, changed or not; safe in a signal handler of the event loop."""
        self._asked.set()

    async def follow(self, observer: ReloadObserver, policy_hash: str) -> None:
        """Until it is cancelled."""
        before = self._seen
        while True:
            await self._wait()
            seen = await asyncio.to_thread(self._look)
            # Half a policy may be a policy, without its rules: one that is still being written is left alone.
            is_written = before == seen != self._seen
            before = seen
            if not is_written and not self._asked.is_set():
                continue
            self._asked.clear()
            self._seen = seen
            try:
                policy_hash = await asyncio.to_thread(self._load)
            except self._faults as error:
                _log.error("policy not reloaded, %s stays in use: %s", policy_hash, error)
                observer.observe_reload(policy_hash, succeeded=False)
            else:
                self._seen = tuple(self._files())
                _log.info("policy reloaded: %s", policy_hash)
                observer.observe_reload(policy_hash, succeeded=True)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_SECONDS_BETWEEN_LOOKS):
                await self._asked.wait()
        except TimeoutError:
            return

    def _look(self) -> tuple[ReadFile, ...]:
        return tuple(ReadFile(file.path, stamp(file.path)) for file in self._files())
