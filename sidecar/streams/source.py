"""Where a log comes from: a file or standard input, compressed or not, in chunks of whole lines."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sidecar.streams.lines import InputError

_GZIP = b"\x1f\x8b"

# Two hundred records or a thousand prompts: handing a chunk to a process costs far less than deciding it.
_CHUNK_BYTES = 256 * 1024

STANDARD_INPUT = Path("-")

_UNNAMED = "standard input"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines that follow each other."""

    first_line: int
    """Its number, from 1."""
    lines: list[bytes]


class Source:
    """An open log."""

    def __init__(self, name: str, raw: io.BufferedReader) -> None:
        self.name = name
        self._raw = raw
        self._size = os.fstat(raw.fileno()).st_size

    def place(self, line: int) -> str:
        """Of a line, as editors understand it."""
        return f"{self.name}: line {line}" if self.name == _UNNAMED else f"{self.name}:{line}"

    def share_read(self) -> float | None:
        """How much of it, 0 to 1; None of a pipe, whose end is not known."""
        return self._raw.tell() / self._size if self._size and self._raw.seekable() else None

    @property
    def size(self) -> int | None:
        """In bytes, as it stands on the disk; None of a pipe."""
        return self._size if self._raw.seekable() else None

    def chunks(self) -> Iterator[Chunk]:
        """To the end. Raises InputError for a compressed log that is damaged or cut."""
        first_line = 1
        is_compressed = self._raw.peek(len(_GZIP)).startswith(_GZIP)
        stream: BinaryIO = gzip.GzipFile(fileobj=self._raw) if is_compressed else self._raw  # type: ignore[assignment]
        try:
            while lines := stream.readlines(_CHUNK_BYTES):
                yield Chunk(first_line, lines)
                first_line += len(lines)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{self.name}: after line {first_line - 1}: {error}") from error


@contextmanager
def open_source(log: Path) -> Iterator[Source]:
    """Raises InputError if there is none."""
    if log == STANDARD_INPUT:
        # A reader of our own: Python aborts at exit while a thread still waits inside `sys.stdin`.
        with open(0, "rb", closefd=False) as raw:
            yield Source(_UNNAMED, raw)
        return
    try:
        raw = log.open("rb")
    except OSError as error:
        raise InputError(f"{log}: {error.strerror}") from error
    with raw:
        yield Source(str(log), raw)
