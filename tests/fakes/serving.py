"""`sidecar serve` as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 60

EXAMPLES = Path(__file__).parents[2] / "examples"


def sidecar_command(*arguments: object) -> list[str]:
    """The command line, for the Python that runs the tests."""
    return [sys.executable, "-m", "sidecar", *map(str, arguments)]


def get(url: str) -> tuple[int, str]:
    """Status and text."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:  # noqa: S310 - our own port
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def eventually(read: Callable[[], object], expected: object) -> None:
    """What workers tell the collector arrives a moment later: ask until it says so."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while (found := read()) != expected:
        assert time.monotonic() < give_up, f"expected {expected}, still {found}"
        time.sleep(0.02)


class Serving:
    """A server for one block; it is ready when the block starts."""

    def __init__(
        self,
        socket: object,
        http_port: int,
        *,
        policy: Path = EXAMPLES / "router.yaml",
        workers: int = 1,
        envoy: Path | None = None,
        outcomes: Path | None = None,
    ) -> None:
        arguments: tuple[object, ...] = (
            "serve",
            "--policy",
            policy,
            "--socket",
            socket,
            "--http",
            f"127.0.0.1:{http_port}",
        )
        for name, place in (("--envoy", envoy), ("--outcomes", outcomes)):
            arguments += (name, place) if place is not None else ()
        self._workers = workers
        self._url = f"http://127.0.0.1:{http_port}"
        self._process = subprocess.Popen(
            sidecar_command(*arguments, "--workers", workers),
            stdout=subprocess.DEVNULL,  # the records
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(PATIENCE_SECONDS, self._process.kill)
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self._watchdog.start()
        self._wait_for_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()  # its children with it; to drain would take them a second or two
            self._process.wait()
        self._watchdog.cancel()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def wait_for_line(self, text: str) -> str:
        """The next line of its log that has this in it."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without saying {text!r}:\n{''.join(self.lines)}")

    def worker_pids(self) -> list[int]:
        """Of its child processes but the collector."""
        pids: list[int] = json.loads(get(f"{self._url}/healthz")[1])["workers"]
        return pids

    def collector_pid(self) -> int:
        """The child process that serves the HTTP port."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        (pid,) = {int(child) for child in children.split()} - set(self.worker_pids())
        return pid

    def _wait_for_start(self) -> None:
        """All are there, in whatever order they came."""
        missing = ["console at ", *["ready at "] * self._workers]
        while missing:
            line = self.wait_for_line("")
            missing = [each for index, each in enumerate(missing) if each not in line or each in missing[:index]]
        eventually(lambda: get(f"{self._url}/readyz")[0], 200)

    def tell(self, number: signal.Signals) -> None:
        """Send it that signal."""
        os.kill(self._process.pid, number)

    def leave(self, number: signal.Signals) -> int:
        """The exit code after that signal."""
        self.tell(number)
        assert self._process.stderr is not None
        self.lines += self._process.stderr.readlines()
        return self._process.wait()
