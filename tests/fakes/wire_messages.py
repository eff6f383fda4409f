"""Wire messages with anything in them: of our own types, and of Envoy's full ones as betterproto2 reads them."""

import dataclasses
import datetime
import enum
from functools import cache
from typing import Any, cast

import betterproto2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from hypothesis import strategies as st

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=6,
)
_STRUCTS = st.dictionaries(st.text(max_size=5), _JSON, max_size=3).map(lambda value: ParseDict(value, Struct()))

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "bytes": st.binary(max_size=9),
    "string": st.text(max_size=9),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "double": st.floats(allow_nan=False),
    "float": st.floats(allow_nan=False, width=32),
}

SCALAR_NAMES = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
}
"""As betterproto2 calls the field types that our messages use."""


@st.composite
def our_messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """A message with any of its fields set, and at most one of each oneof."""
    if descriptor.full_name == "google.protobuf.Struct":
        return draw(_STRUCTS)
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        taken = field.containing_oneof is not None and message.WhichOneof(field.containing_oneof.name) is not None
        if not taken and draw(st.booleans()):
            _set(draw, message, field)
    return message


def _set(draw: st.DrawFn, message: Message, field: FieldDescriptor) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _set_entries(draw, getattr(message, field.name), field.message_type.fields_by_name["value"])
    elif field.is_repeated and field.message_type is not None:
        getattr(message, field.name).extend(draw(st.lists(our_messages(field.message_type), max_size=2)))
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_SCALARS[SCALAR_NAMES[field.type]], max_size=2)))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(draw(our_messages(field.message_type)))
    elif field.enum_type is not None:
        setattr(message, field.name, draw(st.sampled_from([value.number for value in field.enum_type.values])))
    else:
        setattr(message, field.name, draw(_SCALARS[SCALAR_NAMES[field.type]]))


def _set_entries(draw: st.DrawFn, entries: Any, values: FieldDescriptor) -> None:
    for key in draw(st.lists(st.text(max_size=5), max_size=2, unique=True)):
        if values.message_type is not None:
            entries[key].CopyFrom(draw(our_messages(values.message_type)))
        else:
            entries[key] = draw(_SCALARS[SCALAR_NAMES[values.type]])


def fields_of(message: type[betterproto2.Message]) -> "tuple[dataclasses.Field[Any], ...]":
    """All fields of a message; each of betterproto2's is a dataclass."""
    return dataclasses.fields(cast("Any", message))


def metadata_of(field: "dataclasses.Field[Any]") -> Any:
    """What betterproto2 knows of a field: its number, type, oneof and so on."""
    return field.metadata["betterproto"]


@cache
def class_at(message: type[betterproto2.Message], name: str) -> Any:
    """The class of a message or enum field (of a map: of its values)."""
    return message._cls_for(_field(message, name), index=1 if metadata_of(_field(message, name)).map_meta else 0)


def _field(message: type[betterproto2.Message], name: str) -> "dataclasses.Field[Any]":
    return next(field for field in fields_of(message) if field.name == name)


@st.composite
def their_messages(draw: st.DrawFn, message: type[betterproto2.Message]) -> betterproto2.Message:
    """A message of Envoy's own definition, with fields that ours leave out among those that are set."""
    values: dict[str, Any] = {}
    taken: set[str] = set()
    for field in fields_of(message):
        group = metadata_of(field).group
        if group not in taken and draw(st.booleans()):
            values[field.name] = draw(_their_values(message, field))
            taken |= {group} if group else set()
    return message(**values)


def _their_values(message: type[betterproto2.Message], field: "dataclasses.Field[Any]") -> st.SearchStrategy[Any]:
    metadata = metadata_of(field)
    kind = metadata.map_meta[1].proto_type if metadata.map_meta else metadata.proto_type
    single = _SCALARS[kind] if kind in _SCALARS else _their_class_values(class_at(message, field.name))
    if metadata.map_meta:
        return st.dictionaries(st.text(max_size=5), single, max_size=2)
    return st.lists(single, max_size=2) if metadata.repeated else single


def _their_class_values(cls: Any) -> st.SearchStrategy[Any]:
    if issubclass(cls, enum.Enum):
        return st.sampled_from(list(cls))
    if cls is datetime.timedelta:
        return st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=9))
    if cls is datetime.datetime:
        return st.datetimes(timezones=st.just(datetime.UTC))
    if cls is bool:  # a BoolValue
        return st.booleans()
    if cls is int:  # a UInt32Value
        return _SCALARS["uint32"]
    if cls.__name__ == "Struct":
        return _STRUCTS.map(lambda struct: cls.parse(struct.SerializeToString()))
    return their_messages(cls)


def names_and_numbers(values: type[enum.Enum]) -> dict[str, int]:
    """Of a betterproto2 enum."""
    return {value.name or "": value.value for value in values}
