"""Records on a stream that is open already, as stdout is: a pipe, a terminal, a file."""

import os
import select
from collections.abc import Sequence

from sidecar.records.entry import Entry, entry_line
from sidecar.records.writer import WriteError


class StreamWriter:
    """Writes to a file descriptor, not to `sys.stdout`, whose lock would hold up the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_inside_line = False

    def write(self, entries: Sequence[Entry]) -> int:
        """Line by line, as long as it takes. Raises WriteError if nobody reads any more."""
        for written, entry in enumerate(entries):
            line = entry_line(entry)
            try:
                self._write(b"\n" + line if self._is_inside_line else line)
            except OSError as error:
                raise WriteError(f"stdout: {error.strerror}", written) from error
        return len(entries)

    def close(self) -> None:
        """It is not ours to close."""

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
                self._is_inside_line = bool(rest)
            except BlockingIOError:  # whoever has the other end made it so
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLOUT)
                waiting.poll()
