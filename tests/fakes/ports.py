"""Ports that nobody listens on."""

import random
import socket

# Below what the kernel gives to outgoing connections (32768 and up): one of those could take the port before the
# test does.
_FIRST, _LAST = 20_000, 32_000


def free_port(count: int = 1) -> int:
    """The first of `count` free ports in a row on 127.0.0.1."""
    while True:
        port = random.randint(_FIRST, _LAST - count)
        try:
            for each in range(port, port + count):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        return port
