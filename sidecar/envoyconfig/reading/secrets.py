"""The files that an Envoy file names: keys (SDS) and code, read from beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sidecar.envoyconfig.reading.document import Node, UnreadableError, read_file


@dataclass(frozen=True, slots=True)
class SecretFile:
    """One file of secrets (an SDS DiscoveryResponse)."""

    named_at: Node
    """Where the Envoy file names it."""
    secrets: tuple[Node, ...] = ()
    is_found: bool = False
    problem: tuple[Node, str] | None = None
    """Where and why it cannot be read."""

    def secret(self, name: str) -> Node | None:
        """The secret of that name."""
        return next((it for it in self.secrets if it.at("name").text() == name), None)


def read_secret_files(root: Node) -> dict[str, SecretFile]:
    """By the path that is written, which is that of the deployment: beside the Envoy file is looked first."""
    return {path.text(): _read(path) for path in sds_paths(root)}


def sds_paths(root: Node) -> Iterator[Node]:
    """Every path that secrets are read from."""
    for node in root.walk():
        sds = node.at("sds_config")
        path = sds.at("path_config_source", "path")
        if not path.is_set:
            path = sds.at("path")
        if path.is_set:
            yield path


def find_companion(named_at: Node) -> Path | None:
    """The file that an Envoy file names: of the same name beside it, or else at that very place."""
    written = Path(named_at.text())
    if not written.name:
        return None
    places = (named_at.file.with_name(written.name), named_at.file.parent / written)
    return next((place for place in places if _is_file(place)), None)


def read_companion(named_at: Node) -> str:
    """Its text; empty if it is not here, or cannot be read."""
    file = find_companion(named_at)
    try:
        return file.read_text("utf-8") if file is not None else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # in a folder that we may not look into
        return False


def _read(named_at: Node) -> SecretFile:
    file = find_companion(named_at)
    if file is None:
        return SecretFile(named_at)
    try:
        root = read_file(file).root
    except UnreadableError as error:
        return SecretFile(named_at, is_found=True, problem=(Node(file, error.mark, None), str(error)))
    return SecretFile(named_at, tuple(root.at("resources").items()), is_found=True)
