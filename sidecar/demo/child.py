"""A child process of the demo: the sidecar or Envoy, with its output in a file."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sidecar.demo.tether import tethered

STOP_SECONDS = 4
TAIL_LINES = 15


class Child:
    """Start, watch and end one command. `log` gets its error output; standard output goes to `out`."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, out: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._command = tethered(command)
        self._log = log
        self._out = out
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process, which leads a group of its own. Raises RuntimeError before the start."""
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -9 for SIGKILL and so on."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it, or start it again. Raises OSError."""
        with self._log.open("ab") as log, self._out.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=log, env=self._environment
            )

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        return await self._running().wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to what is left of its group after a few seconds."""
        if self._process is None:
            return
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        self.kill_group()
        await self._process.wait()

    def kill_group(self) -> None:
        """SIGKILL whatever still runs of its process group: the workers of a parent that is gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def tail(self) -> str:
        """The end of its error output, indented."""
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if self._log.exists() else []
        return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._process
