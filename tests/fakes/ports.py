"""Ports that nobody listens on, nor will before the test that asked for one does."""

import os
import random
import socket
from collections.abc import Iterator
from itertools import cycle, islice

# Below what the kernel gives to outgoing connections (32768 and up): one of those could take the port before the
# test does. Above what the demo and the bench choose from.
_FIRST, _LAST = 20_000, 32_000


def _own_ports() -> range:
    """Those of this process: pytest-xdist's run at the same time, and each has a share."""
    share = (_LAST - _FIRST) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = _FIRST + share * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(first, first + share)


def _from_somewhere(ports: range) -> Iterator[int]:
    """One after another, for ever: none is given again soon. From anywhere, for another run may be under way."""
    start = random.randrange(len(ports))
    return cycle([*ports[start:], *ports[:start]])


_ports = _from_somewhere(_own_ports())


def free_port(count: int = 1) -> int:
    """The first of `count` free ports in a row on 127.0.0.1."""
    while True:
        row = list(islice(_ports, count))
        if row[-1] - row[0] == count - 1 and all(map(_is_free, row)):  # past the last port comes the first
            return row[0]


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
