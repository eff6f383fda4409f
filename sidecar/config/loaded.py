"""A policy together with what its file says."""

from dataclasses import dataclass
from pathlib import Path

from sidecar.config.compile import Config, compile_document
from sidecar.config.document import read_document
from sidecar.config.told import validate


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """What runs, and what is written."""

    config: Config
    written: object
    """The file as plain data: of dict, list, str, int, float, bool, None."""


def load_policy(file: Path) -> LoadedPolicy:
    """Raises ConfigError."""
    document = read_document(file)
    return LoadedPolicy(compile_document(document, validate(document)), document.data)
