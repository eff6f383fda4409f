"""A policy together with what its file says."""

from dataclasses import dataclass, replace
from pathlib import Path

from sidecar.config.compile import Config, compile_document, load_config
from sidecar.config.document import STANDARD_INPUT, fault_of_file, read_document
from sidecar.config.told import validate

Stamp = tuple[int, int, int, int] | None
"""Tells one state of a file from the next; None while it is gone, as between two steps of some editors' saving."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file, and its stamp from before it was read: an edit meanwhile shows."""

    path: Path
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """What runs, and what is written."""

    files: tuple[ReadFile, ...]
    """All that it was read from, the policy's own first."""
    config: Config
    shadows: tuple[Config, ...]
    """Of the policies that it wants tried."""
    written: object
    """The file as plain data: of dict, list, str, int, float, bool, None."""


def load_policy(file: Path, copy: Path | None = None) -> LoadedPolicy:
    """For whoever follows its edits. Raises ConfigError, also for a policy that it wants tried.

    `copy`: read in place of the file, and taken as if it stood there.
    """
    if file == STANDARD_INPUT:
        raise fault_of_file(file, "file-unreadable", "expected a file: it is read again when it changes")
    own = ReadFile(file, stamp(file))
    document = read_document(file) if copy is None else replace(read_document(copy), file=file)
    config = compile_document(document, validate(document))
    tried = tuple(ReadFile(shadow, stamp(shadow)) for shadow in config.shadow)
    return LoadedPolicy((own, *tried), config, tuple(load_config(shadow) for shadow in config.shadow), document.data)


def stamp(file: Path) -> Stamp:
    """What stands there now."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
