"""The way from the workers to the collector, and how notices look on it."""

import socket

import msgspec

from sidecar.routing.notice import Notice

LONGEST_NOTICE = 160 * 1024
"""Bytes. One message has to fit into a socket's buffer, which the kernel limits to 208 KiB unless it is told."""

_WANTED_BUFFER = 4 * 1024 * 1024

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Notice] = msgspec.msgpack.Decoder(Notice)


def open_channel() -> tuple[socket.socket, socket.socket]:
    """The end to send at, for all workers, and the end to receive at.

    Messages stay whole. Datagrams would do that too, but the kernel keeps no more than ten of them.
    """
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (sending, receiving):
        end.setblocking(False)
    sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WANTED_BUFFER)
    return sending, receiving


def encode(notice: Notice) -> bytes:
    """One message."""
    return _ENCODER.encode(notice)


def decode(message: bytes) -> Notice:
    """Raises msgspec.DecodeError."""
    return _DECODER.decode(message)
