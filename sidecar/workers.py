"""Several processes under one parent: workers, each with a socket of its own, and what serves them.

One Envoy worker keeps one HTTP/2 connection per endpoint, so workers that share a socket would leave most of
themselves idle.
"""

import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

EXIT_CANNOT_START = 2

_log = logging.getLogger("sidecar")

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOP_SIGNALS, signal.SIGHUP)
_EVENTS = (*_SIGNALS, signal.SIGCHLD)

# A process that dies at once, again and again, must not keep a core busy with starting.
_RESTART_DELAY_SECONDS = 1.0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Child:
    """One process of several."""

    name: str
    run: Callable[[], int]
    """Everything it does; returns its exit code."""
    leaves_last: bool = False
    """Whether it has to be there until all others have ended."""


def worker_address(address: str, index: int) -> str:
    """`/run/llm/sidecar.sock` for the first, `/run/llm/sidecar-1.sock`, … for the others; ports count up."""
    if index == 0:
        return address
    if "/" in address:
        path = Path(address)
        return str(path.with_name(f"{path.stem}-{index}{path.suffix}"))
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + index}"


def run_children(children: Sequence[Child]) -> int:
    """Run them until SIGTERM or SIGINT; returns the exit code.

    SIGHUP is passed on to them. A child that dies is started again. One that cannot start (EXIT_CANNOT_START) the
    first time ends them all; later it is tried again: a policy file broken since then must not take down those that
    run.
    """
    return _Supervisor(children).run()


class _Supervisor:
    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._running: dict[int, Child] = {}
        """By process id."""
        self._restarted: set[str] = set()
        self._stopping = False
        self._exit_code = 0

    def run(self) -> int:
        # Waited for, and never handled where they arrive: a handler that runs just before a wait cannot end it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _EVENTS)
        for child in self._children:
            self._start(child)
        while self._running:
            self._react(signal.sigwait(_EVENTS))
        return self._exit_code

    def _start(self, child: Child) -> None:
        """Fork before anything heavy is imported: gRPC's threads do not survive a fork."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _leave_with(parent)
            code = child.run()
            sys.stderr.flush()
            os._exit(code)
        self._running[pid] = child

    def _react(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._tell(signal.SIGHUP, self._running)
        else:
            self._stop()

    def _reap(self) -> None:
        """All that have ended: of several, there may be one signal."""
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended = self._running.pop(pid, None)
            if ended is not None:  # as process 1 of a container we also get orphans that are not ours
                self._follow_up(ended, os.waitstatus_to_exitcode(status))

    def _follow_up(self, ended: Child, code: int) -> None:
        if self._stopping:
            self._exit_code = self._exit_code or max(code, 0)
            if all(child.leaves_last for child in self._running.values()):
                self._tell(signal.SIGTERM, self._running)
        elif code == EXIT_CANNOT_START and ended.name not in self._restarted:
            self._exit_code = code
            self._stop()
        else:
            _log.warning("%s ended with %d: starting it again", ended.name, code)
            self._restarted.add(ended.name)
            early = signal.sigtimedwait(_SIGNALS, _RESTART_DELAY_SECONDS)
            if early is not None:
                self._react(early.si_signo)
            if not self._stopping:
                self._start(ended)

    def _stop(self) -> None:
        self._stopping = True
        first = [pid for pid, child in self._running.items() if not child.leaves_last]
        self._tell(signal.SIGTERM, first or self._running)

    def _tell(self, number: signal.Signals, pids: Sequence[int] | dict[int, Child]) -> None:
        for pid in list(pids):
            with contextlib.suppress(ProcessLookupError):  # it has just been waited for
                os.kill(pid, number)


def _leave_with(parent: int) -> None:
    """In a child: handle signals in its own way, and do not outlive the parent."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it serves: by default it would end the child
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _EVENTS)
    # Whoever kills the parent without a word means all of it; Envoy goes on with the default plan at once.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
