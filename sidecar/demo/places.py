"""The run folder: what one run of the demo keeps on disk, and where."""

import tempfile
from pathlib import Path

# A Unix socket's path has room for 107 bytes on Linux (sun_path of unix(7)), a few less elsewhere.
MAX_SOCKET_PATH_BYTES = 103
LONGEST_SOCKET_NAME = "sidecar-999.sock"


def make_run_folder() -> tempfile.TemporaryDirectory[str]:
    """A new folder, removed at the end; in /tmp if the usual place is too deep for a socket."""
    folder = tempfile.TemporaryDirectory(prefix="llm-")
    if len(str(Path(folder.name, LONGEST_SOCKET_NAME)).encode()) <= MAX_SOCKET_PATH_BYTES:
        return folder
    folder.cleanup()
    return tempfile.TemporaryDirectory(prefix="llm-", dir="/tmp")


def outcomes_socket(folder: Path) -> Path:
    """Where its collector takes Envoy's access log."""
    return folder / "outcomes.sock"


def sidecar_sockets(folder: Path, workers: int) -> list[Path]:
    """Where `sidecar serve --workers` listens: sidecar.sock, sidecar-1.sock, sidecar-2.sock …"""
    return [folder / ("sidecar.sock" if index == 0 else f"sidecar-{index}.sock") for index in range(workers)]
