"""A policy together with what its file says."""

from dataclasses import dataclass
from pathlib import Path

from sidecar.config.compile import Config, compile_document, load_config
from sidecar.config.document import read_document
from sidecar.config.told import validate


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """What runs, and what is written."""

    file: Path
    config: Config
    shadows: tuple[Config, ...]
    """Of the policies that it wants tried."""
    written: object
    """The file as plain data: of dict, list, str, int, float, bool, None."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it was read from."""
        return (self.file, *self.config.shadow)


def load_policy(file: Path) -> LoadedPolicy:
    """Raises ConfigError, also for a policy that it wants tried."""
    document = read_document(file)
    config = compile_document(document, validate(document))
    return LoadedPolicy(file, config, tuple(load_config(shadow) for shadow in config.shadow), document.data)
