"""Several serving processes under one parent: each has a socket of its own, and Envoy balances between them.

One Envoy worker keeps one HTTP/2 connection per endpoint, so processes that share a port would leave most of
themselves idle.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_log = logging.getLogger("sidecar")

_RESTART_DELAY_SECONDS = 1.0


def worker_address(address: str, index: int) -> str:
    """`/run/llm/sidecar.sock` for the first, `/run/llm/sidecar-1.sock`, … for the others; ports count up."""
    if index == 0:
        return address
    if "/" in address:
        path = Path(address)
        return str(path.with_name(f"{path.stem}-{index}{path.suffix}"))
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + index}"


def run_workers(count: int, work: Callable[[int], int]) -> int:
    """Run `work(index)` in `count` child processes until SIGTERM or SIGINT; returns the exit code.

    A child that dies is started again, unless none has lived yet: then its exit code is ours.
    """
    supervisor = _Supervisor(work)
    for index in range(count):
        supervisor.start(index)
    return supervisor.watch()


class _Supervisor:
    def __init__(self, work: Callable[[int], int]) -> None:
        self._work = work
        self._children: dict[int, tuple[int, float]] = {}
        self._stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def start(self, index: int) -> None:
        """Fork before anything heavy is imported: gRPC's threads do not survive a fork."""
        pid = os.fork()
        if pid == 0:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            code = self._work(index)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        self._children[pid] = (index, time.monotonic())

    def watch(self) -> int:
        """Until every child has ended."""
        exit_code = 0
        while self._children:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            if pid not in self._children:
                continue
            index, started = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping:
                exit_code = exit_code or max(code, 0)
                continue
            if code == EXIT_CANNOT_START and time.monotonic() - started < _RESTART_DELAY_SECONDS * 10:
                self._stop(signal.SIGTERM, None)
                exit_code = code
                continue
            _log.warning("worker %d ended with %d: starting it again", index, code)
            time.sleep(_RESTART_DELAY_SECONDS)
            if not self._stopping:
                self.start(index)
        return exit_code

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)


EXIT_CANNOT_START = 2
