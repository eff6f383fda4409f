"""A JSON object as bytes: where its members are, and how to change one without touching the rest.

Bodies are never re-serialised. Big integers, key order, spacing, escapes and fields that are unknown here reach the
provider exactly as the client wrote them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from sidecar.routing.rejection import invalid_request

# Between two members of an object that msgspec has accepted there is only this.
_MEMBER_START = re.compile(rb'[\s,{]*"([^"\\]*(?:\\.[^"\\]*)*)"\s*:\s*', re.DOTALL)

# The escape of one half of a character beyond the first 65,536; group 1 tells which half.
_SURROGATE = re.compile(rb"\\u[dD](?:([89abAB])|[c-fC-F])[0-9a-fA-F]{2}")

# No request has as many. Looking at millions of them, one by one, would stop every other request for seconds.
_MOST_MEMBERS = 1_000
_LONGEST_NAME = 1_000

# Pairing up the halves of all emoji in more than this would, too.
_MOST_BYTES_TO_REPAIR = 4 * 1024 * 1024


_BACKSLASH = 0x5C


class _Key:
    """A member's name that equals no other, so that duplicates stay apart in a dict."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class _KeyMaker:
    """Makes the keys of one object; it stops the decoder when there are too many."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made = 0

    def __call__(self, _type: type, name: str) -> _Key:
        self._made += 1
        if self._made > _MOST_MEMBERS:
            raise invalid_request(f"request body: more than {_MOST_MEMBERS} members")
        if len(name) > _LONGEST_NAME:
            raise invalid_request(f"request body: a name of more than {_LONGEST_NAME} characters")
        return _Key(name)


@dataclass(frozen=True, slots=True)
class Member:
    """One `"name": value` of the object; `body[start:end]` is the value as written."""

    name: str
    escaped: bool
    start: int
    end: int
    value: msgspec.Raw


def parse_members(body: bytes) -> list[Member]:
    """All members of the top-level object, in order, duplicates included.

    Raises RejectedError if the body is not one JSON object.
    """
    pairs = _decode(body)
    members = []
    position = 0
    for key, value in pairs.items():
        start_of_member = _MEMBER_START.match(body, position)
        if start_of_member is None:  # cannot happen in an object that was accepted; never guess an offset
            raise invalid_request("request body: not a JSON object")
        start = start_of_member.end()
        position = start + len(memoryview(value))
        members.append(Member(key.name, b"\\" in start_of_member[1], start, position, value))
    return members


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to stand in a body in the place of `body[start:end]`."""

    start: int
    end: int
    text: bytes


def replace_value(member: Member, value: str) -> Edit:
    """That member's value becomes a JSON string."""
    return Edit(member.start, member.end, msgspec.json.encode(value))


def edit_body(body: bytes, edits: Iterable[Edit]) -> bytes:
    """The body with these edits, which do not overlap, and every other byte as it was."""
    pieces: list[bytes] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        pieces += (body[done : edit.start], edit.text)
        done = edit.end
    return b"".join((*pieces, body[done:]))


def _decode(body: bytes) -> dict[_Key, msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=dict[_Key, msgspec.Raw], dec_hook=_KeyMaker())
    except msgspec.ValidationError as error:
        raise invalid_request(f"request body: {error}") from error
    except RecursionError as error:
        raise invalid_request("request body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        readable = replace_lone_surrogates(body)
        if readable != body:
            return _decode(readable)
        raise invalid_request(f"request body is not valid JSON: {error}") from error


def replace_lone_surrogates(body: bytes) -> bytes:
    r"""A copy to read from, in which `\ud83d` without its other half is `\ufffd`; all offsets stay the same.

    JavaScript clients that cut a string inside an emoji send such halves, and providers take them.
    """
    if len(body) > _MOST_BYTES_TO_REPAIR:
        return body
    pieces: list[bytes] = []
    done = end_of_pair = 0
    for half in _SURROGATE.finditer(body):
        start = half.start()
        if start < end_of_pair or _is_escaped(body, start):
            continue
        other = _SURROGATE.match(body, half.end())
        if half[1] and other and not other[1]:
            end_of_pair = other.end()
            continue
        pieces += (body[done:start], rb"\ufffd")
        done = half.end()
    return b"".join((*pieces, body[done:]))


def _is_escaped(body: bytes, position: int) -> bool:
    """Whether the backslash there is what another one stands for."""
    before = position
    while before and body[before - 1] == _BACKSLASH:
        before -= 1
    return (position - before) % 2 == 1
