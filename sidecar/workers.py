"""Several serving processes under one parent: each has a socket of its own, and Envoy balances between them.

One Envoy worker keeps one HTTP/2 connection per endpoint, so processes that share a socket would leave most of
themselves idle.
"""

import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

EXIT_CANNOT_START = 2

_log = logging.getLogger("sidecar")

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOP_SIGNALS, signal.SIGHUP)
_EVENTS = (*_SIGNALS, signal.SIGCHLD)

# A worker that dies at once, again and again, must not keep a core busy with starting.
_RESTART_DELAY_SECONDS = 1.0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


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

    SIGHUP is passed on to them.

    A child that dies is started again. One that cannot start (EXIT_CANNOT_START) the first time ends them all; later
    it is tried again: a policy file broken since then must not take down the workers that run.
    """
    return _Supervisor(work).run(count)


class _Supervisor:
    def __init__(self, work: Callable[[int], int]) -> None:
        self._work = work
        self._workers: dict[int, int] = {}
        """Index by process id."""
        self._restarted: set[int] = set()
        self._stopping = False
        self._exit_code = 0

    def run(self, count: int) -> int:
        # Waited for, and never handled where they arrive: a handler that runs just before a wait cannot end it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _EVENTS)
        for index in range(count):
            self._start(index)
        while self._workers:
            self._react(signal.sigwait(_EVENTS))
        return self._exit_code

    def _start(self, index: int) -> None:
        """Fork before anything heavy is imported: gRPC's threads do not survive a fork."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _leave_with(parent)
            code = self._work(index)
            sys.stderr.flush()
            os._exit(code)
        self._workers[pid] = index

    def _react(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._tell(signal.SIGHUP)
        else:
            self._stop()

    def _reap(self) -> None:
        """All that have ended: of several, there may be one signal."""
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended = self._workers.pop(pid, None)
            if ended is not None:  # as process 1 of a container we also get orphans that are not ours
                self._follow_up(ended, os.waitstatus_to_exitcode(status))

    def _follow_up(self, index: int, code: int) -> None:
        if self._stopping:
            self._exit_code = self._exit_code or max(code, 0)
        elif code == EXIT_CANNOT_START and index not in self._restarted:
            self._exit_code = code
            self._stop()
        else:
            _log.warning("worker %d ended with %d: starting it again", index, code)
            self._restarted.add(index)
            early = signal.sigtimedwait(_SIGNALS, _RESTART_DELAY_SECONDS)
            if early is not None:
                self._react(early.si_signo)
            if not self._stopping:
                self._start(index)

    def _stop(self) -> None:
        self._stopping = True
        self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError):  # it has just been waited for
                os.kill(pid, number)


def _leave_with(parent: int) -> None:
    """In a worker: handle signals in its own way, and do not outlive the parent."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it serves: by default it would end the worker
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _EVENTS)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)
