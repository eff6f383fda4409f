"""The descriptions of Envoy's messages that are inside of its binary: for those that no package has."""

import mmap
from functools import cache

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from sidecar.demo.preflight import find_envoy

# Serialised in the order of their numbers, and this one, which all of Envoy's have, is the last.
_SYNTAX_TAG = FileDescriptorProto.SYNTAX_FIELD_NUMBER << 3 | 2


@cache
def envoy_descriptor(name: str) -> FileDescriptorProto:
    """Of the file `name`, `envoy/data/ai/v3/token_usage.proto` for one."""
    first_field = bytes((FileDescriptorProto.NAME_FIELD_NUMBER << 3 | 2, len(name))) + name.encode()
    with find_envoy().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as binary:
        start = binary.find(first_field)
        assert start >= 0, f"Envoy knows no {name}"
        return FileDescriptorProto.FromString(binary[start : _end(binary, start)])


def _end(binary: mmap.mmap, at: int) -> int:
    while True:
        tag, at = _varint(binary, at)
        size, at = _varint(binary, at)
        at += size if tag & 7 == 2 else 0
        if tag == _SYNTAX_TAG:
            return at


def _varint(binary: mmap.mmap, at: int) -> tuple[int, int]:
    """Its value, and where the next thing is."""
    value = shift = 0
    while True:
        byte = binary[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
