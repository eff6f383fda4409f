"""The collector's end: reads notices, and knows how many it never saw."""

import asyncio
import logging
import socket
from collections.abc import Callable

import msgspec

from sidecar.notices.channel import LONGEST_NOTICE, decode
from sidecar.routing.notice import DecisionNotice, Notice, WorkerNotice

_log = logging.getLogger("sidecar")

# Beyond that, whatever else the collector does gets its turn.
_MOST_AT_ONCE = 256


class NoticeReceiver:
    """Calls `on_decision` and `on_worker` with what workers send."""

    def __init__(
        self,
        channel: socket.socket,
        on_decision: Callable[[DecisionNotice], None],
        on_worker: Callable[[WorkerNotice], None],
    ) -> None:
        """`channel`: the receiving end, not blocking."""
        self._channel = channel
        self._on_decision = on_decision
        self._on_worker = on_worker
        self._expected: dict[int, int] = {}
        """By worker, the number of its next notice."""
        self.lost = 0
        """Notices that were sent, or should have been, and did not come."""

    def start(self) -> None:
        """Listen, in the running event loop."""
        asyncio.get_running_loop().add_reader(self._channel, self._receive)

    def stop(self) -> None:
        """Read what is there, and listen no longer."""
        asyncio.get_running_loop().remove_reader(self._channel)
        while self._receive():
            pass

    def _receive(self) -> bool:
        """False if there is nothing more now."""
        for _ in range(_MOST_AT_ONCE):
            try:
                message = self._channel.recv(LONGEST_NOTICE)
            except (BlockingIOError, ConnectionError):
                return False
            if not message:  # all workers, and the parent, are gone
                asyncio.get_running_loop().remove_reader(self._channel)
                return False
            self._take(message)
        return True

    def _take(self, message: bytes) -> None:
        try:
            notice = decode(message)
        except msgspec.DecodeError as error:
            _log.error("a notice that is none: %s", error)
            self.lost += 1
            return
        self._count(notice)
        if isinstance(notice, DecisionNotice):
            self._on_decision(notice)
        else:
            self._on_worker(notice)

    def _count(self, notice: Notice) -> None:
        """A worker that was started again begins at 0."""
        expected = self._expected.get(notice.worker)
        if expected is not None and notice.sequence > expected:
            self.lost += notice.sequence - expected
        self._expected[notice.worker] = notice.sequence + 1
