"""Ports that nobody listens on."""

import socket


def free_port(count: int = 1) -> int:
    """The first of `count` free ports in a row on 127.0.0.1."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = int(first.getsockname()[1])
            try:
                for above in range(1, count):
                    socket.create_server(("127.0.0.1", port + above)).close()
            except (OSError, OverflowError):
                continue
        return port
