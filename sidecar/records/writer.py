"""Where records go."""

from collections.abc import Sequence
from typing import Protocol

from sidecar.records.entry import Entry


class RecordWriter(Protocol):
    """Used by one thread."""

    def write(self, entries: Sequence[Entry]) -> int:
        """How many were written. May block and raise whatever it likes; the next call is another try."""
        ...

    def close(self) -> None:
        """Raises nothing."""
        ...


class WriteError(Exception):
    """What was in the way; some of the entries may have been written before it came."""

    def __init__(self, message: str, written: int) -> None:
        super().__init__(message)
        self.written = written


class NoWriter:
    """For those who want no records."""

    def write(self, entries: Sequence[Entry]) -> int:
        """All of them, to nowhere."""
        return len(entries)

    def close(self) -> None:
        """There is nothing to close."""
