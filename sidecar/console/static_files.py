"""The page's own files, as they are in the package."""

import hashlib
from dataclasses import dataclass
from importlib import resources

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One of them."""

    body: bytes
    content_type: str
    etag: str


def read_static_files() -> dict[str, StaticFile]:
    """By their names."""
    folder = resources.files("sidecar.console") / "static"
    return {file.name: _read(file.name, file.read_bytes()) for file in folder.iterdir() if "." in file.name}


def _read(name: str, body: bytes) -> StaticFile:
    _, dot, suffix = name.rpartition(".")
    return StaticFile(body, _TYPES[dot + suffix], hashlib.sha256(body).hexdigest()[:16])
