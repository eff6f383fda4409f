"""Our messages and Envoy's are the same bytes, field by field and in both directions."""

import betterproto2
import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from sidecar.extproc import ext_proc_pb2, names
from tests.fakes.envoy_types import ext_proc as envoy
from tests.fakes.properties import examples
from tests.fakes.wire_messages import (
    SCALAR_NAMES,
    class_at,
    fields_of,
    metadata_of,
    names_and_numbers,
    our_messages,
    their_messages,
)

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")  # some of Envoy's fields

THEIRS = type[betterproto2.Message]


def _walk(ours: Descriptor, theirs: THEIRS, found: dict[str, tuple[Descriptor, THEIRS]]) -> None:
    if ours.file.name.startswith("google/") or ours.name in found:
        return
    found[ours.name] = (ours, theirs)
    for field in ours.fields:
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            _walk(field.message_type, class_at(theirs, field.name), found)


def _pairs() -> dict[str, tuple[Descriptor, THEIRS]]:
    """Each of our messages with the one of Envoy's that stands at the same place."""
    found: dict[str, tuple[Descriptor, THEIRS]] = {}
    messages = ext_proc_pb2.DESCRIPTOR.message_types_by_name
    _walk(messages["ProcessingRequest"], envoy.ProcessingRequest, found)
    _walk(messages["ProcessingResponse"], envoy.ProcessingResponse, found)
    return found


PAIRS = _pairs()
each_pair = pytest.mark.parametrize("name", sorted(PAIRS))


def _enums(message: Descriptor) -> list[tuple[str, EnumDescriptor]]:
    return [(field.name, field.enum_type) for field in message.fields if field.enum_type is not None]


def test_every_message_of_ours_has_its_counterpart() -> None:
    assert set(PAIRS) == set(ext_proc_pb2.DESCRIPTOR.message_types_by_name)


@each_pair
def test_names_numbers_types_and_oneofs_are_theirs(name: str) -> None:
    ours, theirs = PAIRS[name]
    known = {field.name: metadata_of(field) for field in fields_of(theirs)}

    for field in ours.fields:
        metadata = known[field.name]
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        assert field.number == metadata.number
        assert is_map == bool(metadata.map_meta)
        assert (field.is_repeated and not is_map) == metadata.repeated
        assert (field.containing_oneof.name if field.containing_oneof else None) == metadata.group
        if not is_map and (name, field.name) != ("HttpStatus", "code"):  # there an enum, here its number
            assert SCALAR_NAMES[field.type] == metadata.proto_type
        if field.message_type is not None and field.message_type.file.name.startswith("google/"):
            assert class_at(theirs, field.name).__name__.lower() in (field.message_type.name.lower(), "bool")


@pytest.mark.parametrize(
    ("name", "field", "enum"), [(name, *enum) for name, (ours, _) in sorted(PAIRS.items()) for enum in _enums(ours)]
)
def test_enum_names_and_numbers_are_theirs(name: str, field: str, enum: EnumDescriptor) -> None:
    _, theirs = PAIRS[name]

    assert {value.name: value.number for value in enum.values} == names_and_numbers(class_at(theirs, field))


@each_pair
@given(data=st.data())
@examples(40)
def test_ours_survive_being_read_and_written_by_theirs(name: str, data: st.DataObject) -> None:
    ours, theirs = PAIRS[name]
    message = data.draw(our_messages(ours))

    returned = GetMessageClass(ours).FromString(bytes(theirs.parse(message.SerializeToString())))

    assert returned == message


@each_pair
@given(data=st.data())
@examples(40)
def test_theirs_survive_being_read_and_written_by_ours(name: str, data: st.DataObject) -> None:
    ours, theirs = PAIRS[name]
    message = data.draw(their_messages(theirs))

    read = GetMessageClass(ours).FromString(bytes(message))

    assert theirs.parse(read.SerializeToString()) == message
    for oneof in ours.oneofs:
        their_choice, _ = betterproto2.which_one_of(message, oneof.name)
        is_known = their_choice in {field.name for field in oneof.fields}
        assert read.WhichOneof(oneof.name) == (their_choice if is_known else None)


def test_the_service_is_called_as_envoy_calls_it() -> None:
    async_stub = envoy.ExternalProcessorBase().__mapping__()

    assert list(async_stub) == [f"/{names.SERVICE}/Process"]
