"""The types of Envoy's configuration, field by field, from envoy-data-plane."""

import dataclasses
import difflib
import importlib
import pkgutil
import re
import typing
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import envoy_data_plane
from betterproto2 import FieldMetadata
from envoy_data_plane.message_pool import default_message_pool

from sidecar.envoyconfig.reading.fields import UINT32, UINT64, Field, Kind
from sidecar.envoyconfig.reading.newer import NEWER_FIELDS, NEWER_MESSAGES, NEWER_TYPES

_URL_PREFIX = "type.googleapis.com/"
# A package in lower case, then a message, or a message within a message.
_TYPE_NAME = re.compile(r"([a-z0-9_]+(?:\.[a-z0-9_]+)*)\.([A-Z]\w*(?:\.[A-Z]\w*)*)")

_FREE = Field(Kind.FREE)
_INT32 = Field(Kind.INTEGER, low=-(2**31), high=2**31 - 1)
_INT64 = Field(Kind.INTEGER, low=-(2**63), high=2**63 - 1)
_SCALARS: Mapping[str, Field] = {
    "string": Field(Kind.TEXT),
    "bytes": Field(Kind.BYTES),
    "bool": Field(Kind.FLAG),
    "double": Field(Kind.NUMBER),
    "float": Field(Kind.NUMBER),
    **dict.fromkeys(("int32", "sint32", "sfixed32"), _INT32),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), _INT64),
    **dict.fromkeys(("uint32", "fixed32"), UINT32),
    **dict.fromkeys(("uint64", "fixed64"), UINT64),
}
# Messages of google.protobuf that are written as a plain value; the others take any YAML.
_PLAIN: Mapping[str, Field] = {
    "Any": Field(Kind.ANY),
    "BoolValue": Field(Kind.FLAG),
    "BytesValue": Field(Kind.BYTES),
    "DoubleValue": Field(Kind.NUMBER),
    "Duration": Field(Kind.DURATION),
    "FloatValue": Field(Kind.NUMBER),
    "Int32Value": _INT32,
    "Int64Value": _INT64,
    "StringValue": Field(Kind.TEXT),
    "UInt32Value": UINT32,
    "UInt64Value": UINT64,
}


@cache
def fields_of(name: str) -> Mapping[str, Field] | None:
    """The fields of the message of that full name; None if it is not known."""
    if name in NEWER_MESSAGES:
        return NEWER_MESSAGES[name]
    message = _messages(name).get(_URL_PREFIX + name)
    if message is None:
        return None
    hints = typing.get_type_hints(message)
    fields = {field.name: _read_field(field, hints[field.name]) for field in dataclasses.fields(message)}
    return fields | dict.fromkeys(NEWER_FIELDS.get(name, ()), _FREE)


def suggest_type(name: str) -> str | None:
    """The type that a misspelt name is meant for; None if none is close, or Envoy's is newer than what is known."""
    match = _TYPE_NAME.fullmatch(name)
    if match is None or name in NEWER_TYPES:
        return None
    package = _corrected(match[1])
    known = [url.removeprefix(_URL_PREFIX) for url in _messages(f"{package}.{match[2]}")]
    within = [it for it in known if it.startswith(f"{package}.") and it.count(".") == name.count(".")]
    return _closest(f"{package}.{match[2]}", within)


def _messages(name: str) -> "Mapping[str, type[Any]]":
    """Every message loaded so far by type URL, those of that name's package among them."""
    match = _TYPE_NAME.fullmatch(name)
    if match is not None:
        _import(match[1])
    return default_message_pool.url_to_type


def _import(package: str) -> ModuleType | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its use of pydantic is deprecated, which is not our concern
            return importlib.import_module(f"{envoy_data_plane.__name__}.{package}")
    except ModuleNotFoundError:
        return None


def _corrected(package: str) -> str:
    """The package, each part that does not exist replaced by the one that is close to it."""
    module: ModuleType | None = envoy_data_plane
    parts: list[str] = []
    for part in package.split("."):
        siblings = [it.name for it in pkgutil.iter_modules(module.__path__)] if module is not None else []
        parts.append(part if part in siblings else _closest(part, siblings) or part)
        module = _import(".".join(parts))
    return ".".join(parts)


def _closest(word: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.8)), None)


def _read_field(field: "dataclasses.Field[Any]", hint: Any) -> Field:
    described = FieldMetadata.get(field)
    if described.map_meta is not None:
        return replace(_read_value(described.map_meta[1], typing.get_args(hint)[1]), is_map=True)
    value = _read_value(described, _inner(hint))
    return replace(value, is_list=bool(described.repeated), group=described.group)


def _read_value(described: FieldMetadata, class_: Any) -> Field:
    if described.unwrap is not None:
        return _PLAIN.get(described.unwrap().__name__, _FREE)
    if described.proto_type == "enum":
        return Field(Kind.WORD, words=tuple(it.proto_name or name for name, it in class_.__members__.items()))
    if described.proto_type != "message":
        return _SCALARS[described.proto_type]
    name = default_message_pool.type_to_url[class_].removeprefix(_URL_PREFIX)
    if name.startswith("google.protobuf."):
        return _PLAIN.get(class_.__name__, _FREE)
    return Field(Kind.MESSAGE, message=name)


def _inner(hint: Any) -> Any:
    """The class in `list[X]` and in `X | None`; without Annotated, which get_type_hints takes off."""
    arguments = [it for it in typing.get_args(hint) if it is not type(None)]
    return _inner(arguments[0]) if arguments else hint
