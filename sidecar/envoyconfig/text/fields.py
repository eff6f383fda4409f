"""Which fields a message has and what they hold: for what comes from a file and not from our own code."""

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any

import betterproto2

from sidecar.envoyconfig.parts.messages import default_message_pool, protobuf

Kind = type[betterproto2.Message]

# These take any JSON, or, in their own place, a plain value.
_FREE = (protobuf.Struct, protobuf.Value, protobuf.ListValue)


@dataclasses.dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys are free and whose values are messages."""

    kind: Kind


@functools.cache
def fields_of(kind: Kind) -> Mapping[str, Kind | MapOf | None]:
    """The fields by name; with the message that they hold, or hold several of. None: something else, or anything."""
    hints = typing.get_type_hints(kind)
    written = (field.name for field in dataclasses.fields(typing.cast("Any", kind)) if field.metadata)
    return {name: _held(hints[name]) for name in written}


def kind_in(tree: Any, kind: Kind | MapOf | None) -> Kind | MapOf | None:
    """The message that a mapping is, if it has to be one of that kind: one that says its own type may be any."""
    if kind is not protobuf.Any:
        return kind
    return default_message_pool.url_to_type.get(str(tree.get("@type")))


def _held(hint: Any) -> Kind | MapOf | None:
    message = _message_in(hint)
    return MapOf(message) if message and typing.get_origin(hint) is dict else message


def _message_in(hint: Any) -> Kind | None:
    for part in (hint, *typing.get_args(hint)):
        if isinstance(part, type) and issubclass(part, betterproto2.Message):
            return None if part in _FREE else part
    return None
