"""The providers in a child process, for callers that are synchronous or want the CPU for themselves."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.demo.providers.catalog import ports_by_host
from sidecar.demo.providers.client import ControlClient
from sidecar.demo.tether import tethered

START_SECONDS = 20
STOP_SECONDS = 5


class ProviderProcess:
    """`python -m sidecar.demo.providers` with the given options, as a context manager.

    It ends with the `with` block, and with the caller if that is killed.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.ports: dict[str, int] = {}
        self.keys: dict[str, str] = {}
        self.ca_file: Path | None = None
        self.control_port = 0

    @property
    def control(self) -> ControlClient:
        """Faults, latencies and records."""
        return ControlClient(self.control_port)

    @property
    def ports_by_host(self) -> dict[str, int]:
        """The ports by the providers' real hosts, for `LocalPlaces.provider_ports`."""
        return ports_by_host(self.ports)

    @property
    def pid(self) -> int:
        """The process, to measure it. Raises RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError("the providers have not been started")
        return self._process.pid

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "sidecar.demo.providers", *self._options]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            tethered(command), stdout=subprocess.PIPE
        )
        described = json.loads(self._first_line())
        self.ports, self.keys = described["ports"], described["keys"]
        self.ca_file = Path(described["ca_file"]) if described["ca_file"] else None
        self.control_port = described["control_port"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _first_line(self) -> bytes:
        """The line that says it is ready. Raises RuntimeError if it does not come."""
        output = None if self._process is None else self._process.stdout
        if output is not None and select.select([output], [], [], START_SECONDS)[0]:
            line = output.readline()
            if line:
                return line
        self._stop()
        raise RuntimeError("the embedded providers did not start; their error output says why")

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
