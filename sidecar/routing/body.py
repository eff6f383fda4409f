"""A JSON object as bytes: where its members are, and how to change one without touching the rest.

Bodies are never re-serialised. Big integers, key order, spacing, escapes and fields that are unknown here reach the
provider exactly as the client wrote them.
"""

import re
from dataclasses import dataclass

import msgspec

from sidecar.routing.rejection import invalid_request

# Between two members of an object that msgspec has accepted there is only this.
_MEMBER_START = re.compile(rb'[\s,{]*"([^"\\]*(?:\\.[^"\\]*)*)"\s*:\s*', re.DOTALL)

# A pair of surrogate escapes, a lone one (group 1), or any other escape: read left to right, so that the
# backslash of `\\ud800` is never taken for the start of an escape.
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


# No request has as many. Looking at millions of them, one by one, would stop every other request for seconds.
_MOST_MEMBERS = 1_000

# Looking for half an emoji among millions of escapes would, too.
_MOST_BYTES_TO_REPAIR = 1024 * 1024


class _Key:
    """A member's name that equals no other, so that duplicates stay apart in a dict."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


_MEMBERS = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda _type, name: _Key(name))


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
    if len(pairs) > _MOST_MEMBERS:
        raise invalid_request(f"request body: more than {_MOST_MEMBERS} members")
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


def replace_value(body: bytes, member: Member, value: str) -> bytes:
    """The body with that member's value replaced by a JSON string, every other byte as it was."""
    return b"".join((body[: member.start], msgspec.json.encode(value), body[member.end :]))


def _decode(body: bytes) -> dict[_Key, msgspec.Raw]:
    try:
        return _MEMBERS.decode(body)
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
    return _SURROGATES.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
