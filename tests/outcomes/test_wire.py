"""Our messages of the access log and Envoy's are the same bytes, field by field."""

import betterproto2
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from sidecar.outcomes import access_log_pb2
from sidecar.outcomes.service import METHOD, SERVICE
from tests.fakes.access_log import attempt_entry, edge_entry, message, tokens
from tests.fakes.envoy_descriptors import envoy_descriptor
from tests.fakes.envoy_types import access_log_service as envoy
from tests.fakes.properties import examples
from tests.fakes.wire_messages import (
    SCALAR_NAMES,
    class_at,
    fields_of,
    metadata_of,
    names_and_numbers,
    their_messages,
)

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")  # some of Envoy's fields

THEIRS = type[betterproto2.Message]

# Of what Envoy puts into a google.protobuf.Any, and envoy-data-plane does not know.
TOKENS = ("TokenUsage", "InputTokenDetails", "OutputTokenDetails")


def _values_of(field: FieldDescriptor) -> FieldDescriptor:
    """The field itself; of a map, that of its values."""
    entry = field.message_type
    return entry.fields_by_name["value"] if entry is not None and entry.GetOptions().map_entry else field


def _walk(ours: Descriptor, theirs: THEIRS, found: dict[str, tuple[Descriptor, THEIRS]]) -> None:
    found[ours.full_name] = (ours, theirs)
    for field in ours.fields:
        message_type = _values_of(field).message_type
        if message_type is None or message_type.file.name.startswith("google/") or message_type.full_name in found:
            continue
        _walk(message_type, class_at(theirs, field.name), found)


def _pairs() -> dict[str, tuple[Descriptor, THEIRS]]:
    """Each of our messages with the one of Envoy's that stands at the same place."""
    found: dict[str, tuple[Descriptor, THEIRS]] = {}
    messages = access_log_pb2.DESCRIPTOR.message_types_by_name
    _walk(messages["StreamAccessLogsMessage"], envoy.StreamAccessLogsMessage, found)
    return {name.removeprefix("sidecar.outcomes."): pair for name, pair in found.items()}


PAIRS = _pairs()
each_pair = pytest.mark.parametrize("name", sorted(PAIRS))


def _kind(field: FieldDescriptor) -> str:
    """`bytes` stands for text that need not be UTF-8."""
    return SCALAR_NAMES[field.type].replace("bytes", "string")


def test_every_message_of_ours_has_its_counterpart() -> None:
    top = {name for name in PAIRS if "." not in name}

    assert top | set(TOKENS) == set(access_log_pb2.DESCRIPTOR.message_types_by_name)


@each_pair
def test_names_numbers_types_and_oneofs_are_theirs(name: str) -> None:
    ours, theirs = PAIRS[name]
    known = {field.name: metadata_of(field) for field in fields_of(theirs)}

    for field in ours.fields:
        metadata = known[field.name]
        is_map = _values_of(field) is not field
        assert field.number == metadata.number
        assert is_map == bool(metadata.map_meta)
        assert (field.is_repeated and not is_map) == metadata.repeated
        assert (field.containing_oneof.name if field.containing_oneof else None) == metadata.group
        their_kind = metadata.map_meta[1].proto_type if is_map else metadata.proto_type
        assert _kind(_values_of(field)) == their_kind
        if field.enum_type is not None:
            assert {each.name: each.number for each in field.enum_type.values} == names_and_numbers(
                class_at(theirs, field.name)
            )


@each_pair
@given(data=st.data())
@examples(20)
def test_theirs_survive_being_read_and_written_by_ours(name: str, data: st.DataObject) -> None:
    ours, theirs = PAIRS[name]
    sent = data.draw(their_messages(theirs))

    read = GetMessageClass(ours).FromString(bytes(sent))

    assert theirs.parse(read.SerializeToString()) == sent


def test_ours_survive_being_read_and_written_by_theirs() -> None:
    decision: dict[str, bytes | float] = {"decision_id": b"id-1", "confidence": 0.9}
    sent = message(
        edge_entry(decision, usage=tokens(20, 7, cached=2, reasoning=1), trace_id=b"ab"),
        attempt_entry(b"id-1", flags=access_log_pb2.ResponseFlags(upstream_remote_reset=True)),
        log="edge",
    )

    returned = bytes(envoy.StreamAccessLogsMessage.parse(sent))

    ours = access_log_pb2.StreamAccessLogsMessage
    assert ours.FromString(returned) == ours.FromString(sent)


@pytest.mark.parametrize("name", TOKENS)
def test_token_usage_is_what_the_envoy_binary_says_it_is(name: str) -> None:
    theirs = envoy_descriptor("envoy/data/ai/v3/token_usage.proto")
    (described,) = [each for each in theirs.message_type if each.name == name]
    known = {field.name: field for field in described.field}

    assert theirs.package == "envoy.data.ai.v3"
    for field in access_log_pb2.DESCRIPTOR.message_types_by_name[name].fields:
        assert (field.number, field.type) == (known[field.name].number, known[field.name].type)
        assert field.message_type is not None
        assert field.message_type.name == known[field.name].type_name.rpartition(".")[2]


def test_the_flags_are_all_that_the_envoy_binary_has() -> None:
    theirs = envoy_descriptor("envoy/data/accesslog/v3/accesslog.proto")
    (described,) = [each for each in theirs.message_type if each.name == "ResponseFlags"]

    ours = access_log_pb2.ResponseFlags.DESCRIPTOR
    assert {field.name: field.number for field in ours.fields} == {
        field.name: field.number for field in described.field
    }


def test_the_service_is_called_as_envoy_calls_it() -> None:
    assert list(envoy.AccessLogServiceBase().__mapping__()) == [f"/{SERVICE}/{METHOD}"]
