"""Records in a file that is begun anew when it is large enough; the older ones keep a number behind their name."""

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from sidecar.config.running import RecordFile
from sidecar.records.entry import Entry, entry_line
from sidecar.records.writer import WriteError

# Not for everyone: records have tenants, and may have prompts.
_MODE = 0o640


class FileWriter:
    """Every line in the file is whole, also after a full disk. The file may be moved away: a new one is begun."""

    def __init__(self, settings: RecordFile) -> None:
        """It is opened with the first record."""
        self._path = settings.path
        self._max_bytes = settings.max_bytes
        self._keep = settings.keep
        self._file: _OpenFile | None = None

    def write(self, entries: Sequence[Entry]) -> int:
        """A line each. Raises WriteError."""
        written = 0
        lines: list[bytes] = []
        try:
            file = self._open()
            size = file.size
            for entry in entries:
                line = entry_line(entry)
                if size and size + len(line) > self._max_bytes:
                    written += file.write(lines)
                    lines.clear()
                    file = self._rotate()
                    size = file.size
                lines.append(line)
                size += len(line)
            return written + file.write(lines)
        except OSError as error:
            self.close()
            raise WriteError(f"{error.filename or self._path}: {error.strerror}", written) from error

    def close(self) -> None:
        """The next record opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> "_OpenFile":
        if self._file is not None and not self._file.is_at(self._path):
            self.close()
        if self._file is None:
            self._file = _OpenFile(self._path)
        return self._file

    def _rotate(self) -> "_OpenFile":
        """Each step is atomic: whatever comes in between, no record is there twice, and only the oldest are lost."""
        self.close()
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._keep + 1))]
        if not self._keep:
            self._path.unlink(missing_ok=True)
        for newer, older in reversed(list(pairwise(names))):
            with suppress(FileNotFoundError):
                newer.replace(older)
        return self._open()


class _OpenFile:
    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        found = os.fstat(self._descriptor)
        self._identity = (found.st_dev, found.st_ino)
        self.size = found.st_size
        """In bytes."""

    def is_at(self, path: Path) -> bool:
        """Whether the file at that path is still this one."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def write(self, lines: Sequence[bytes]) -> int:
        """All of them or none; how many that is. Raises OSError."""
        whole = b"".join(lines)
        rest = memoryview(whole)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with suppress(OSError):  # of a device, say
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(whole)
        return len(lines)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)
