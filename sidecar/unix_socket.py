"""Unix sockets that servers listen at: who may connect, and what a server that was killed leaves behind."""

import errno
import socket
from pathlib import Path

SOCKET_MODE = 0o660
"""Envoy runs as another user of the same group."""


def make_way(path: Path) -> None:
    """Remove the socket of a server that was killed. Raises OSError for anything else that stands in the way."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot listen on {path}: no such folder")
    if not path.exists():
        return
    if not path.is_socket():
        raise FileExistsError(f"cannot listen on {path}: it exists, and is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a server whose backlog is full is alive, too
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise FileExistsError(f"cannot listen on {path}: the socket is in use by another server")
    path.unlink()
