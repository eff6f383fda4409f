"""Admission policies in CEL, evaluated as the API server does: Google's own CEL, with the API's types for pods."""

import json
import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonpatch
import kubernetes_validate
from cel_expr_python import cel
from cel_expr_python.ext import ext_optional
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    struct_pb2,
    wrappers_pb2,
)
from google.protobuf.message import Message

Json = dict[str, Any]

_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.37.0-local"
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "integer": _FIELD.TYPE_INT64,
    "boolean": _FIELD.TYPE_BOOL,
    "number": _FIELD.TYPE_DOUBLE,
}
_ANY_VALUE = ".google.protobuf.Value"
_LONGEST_MESSAGE = 5 * 1024


class RefusedError(Exception):
    """A validation is false; its text is what kubectl would show."""


def mutate(policy: Json, pod: Json, namespace: str = "shop") -> Json:
    """The pod after a MutatingAdmissionPolicy, or as it was where a match condition does not hold."""
    for mutation in policy["spec"]["mutations"]:
        data = _evaluate_variables(policy, pod, namespace)
        if not all(_evaluate(it["expression"], data) for it in policy["spec"].get("matchConditions", [])):
            return pod
        patches = [_plain_patch(it) for it in _evaluate(mutation["jsonPatch"]["expression"], data)]
        pod = jsonpatch.apply_patch(pod, patches)
    return pod


def validate(policy: Json, pod: Json, namespace: str = "shop") -> None:
    """Raises RefusedError by the first validation of a ValidatingAdmissionPolicy that does not hold."""
    data = _evaluate_variables(policy, pod, namespace)
    if not all(_evaluate(it["expression"], data) for it in policy["spec"].get("matchConditions", [])):
        return
    for validation in policy["spec"]["validations"]:
        if not _evaluate(validation["expression"], data):
            told = validation.get("messageExpression")
            raise RefusedError((told and _one_line(_evaluate(told, data))) or validation["message"])


def _one_line(message: str) -> str:
    """'' for what the API server does not show."""
    return "" if len(message.encode()) > _LONGEST_MESSAGE or not message.strip() or "\n" in message else message


def _evaluate_variables(policy: Json, pod: Json, namespace: str) -> Json:
    data: Json = {"object": pod, "request": {"namespace": namespace, "operation": "CREATE"}, "variables": {}}
    for variable in policy["spec"].get("variables", []):
        data["variables"][variable["name"]] = _evaluate(variable["expression"], data)
    return data


def _evaluate(expression: str, data: Mapping[str, Any]) -> Any:
    value = _compiled(expression).eval(data=data)
    assert value.type() != cel.Type.ERROR, f"{value.plain_value()}: {expression}"
    return value.plain_value()


@cache
def _compiled(expression: str) -> cel.Expression:
    # A message cannot be named like the package of others: Object.spec.volumes is Object_spec_volumes here.
    renamed = re.sub(r"\bObject(?:\.\w+)*(?=\{)", lambda found: found[0].replace(".", "_"), expression)
    return _environment().compile(renamed)


@cache
def _environment() -> cel.Env:
    return cel.NewEnv(
        _types(),
        variables=dict.fromkeys(("object", "request", "variables"), cel.Type.DYN),
        container="k8s",
        extensions=[ext_optional.ExtOptional()],
        functions=[_escape_key(), _index_of(), _split(), _quantity(), _is_greater_than()],
    )


# Of Kubernetes' own additions to CEL; the extension for strings cannot be had beside an indexOf of lists.


def _escape_key() -> cel.FunctionDecl:
    return _function(
        "jsonpatch.escapeKey",
        [cel.Type.STRING],
        cel.Type.STRING,
        lambda key: key.replace("~", "~0").replace("/", "~1"),
    )


def _index_of() -> cel.FunctionDecl:
    return _function(
        "indexOf",
        [cel.Type.LIST, cel.Type.STRING],
        cel.Type.INT,
        lambda items, wanted: [it.plain_value() if isinstance(it, cel.Value) else it for it in items].index(wanted),
        is_member=True,
    )


def _split() -> cel.FunctionDecl:
    strings = cel.Type.List(cel.Type.STRING)
    return _function("split", [cel.Type.STRING, cel.Type.STRING], strings, str.split, is_member=True)


def _quantity() -> cel.FunctionDecl:
    """Of a type of its own in Kubernetes; a number here."""
    units = {"": 1.0, "m": 1e-3, **{it: 1000.0**power for power, it in enumerate("kMGT", 1)}}
    units |= {f"{it}i": 1024.0**power for power, it in enumerate("KMGT", 1)}

    def read(text: str) -> float:
        number, unit = re.fullmatch(r"([0-9.]+)(\w*)", text).groups()  # type: ignore[union-attr]  # a rule before says so
        return float(number) * units[unit]

    return _function("quantity", [cel.Type.STRING], cel.Type.DOUBLE, read)


def _is_greater_than() -> cel.FunctionDecl:
    doubles = [cel.Type.DOUBLE, cel.Type.DOUBLE]
    return _function("isGreaterThan", doubles, cel.Type.BOOL, operator.gt, is_member=True)


def _function(
    name: str, parameters: list[cel.Type], returned: cel.Type, impl: Callable[..., Any], *, is_member: bool = False
) -> cel.FunctionDecl:
    overload = cel.Overload(
        f"kubernetes_{name}", return_type=returned, parameters=parameters, is_member=is_member, impl=impl
    )
    return cel.FunctionDecl(name, [overload])


def _plain_patch(patch: Message) -> Json:
    """One operation of RFC 6902."""
    plain: Json = {field.name: value for field, value in patch.ListFields() if field.name != "value"}
    if patch.HasField("value"):
        plain["value"] = _plain_any(patch.value)  # type: ignore[attr-defined]  # JSONPatch has one
    return plain


def _plain_any(packed: any_pb2.Any) -> Any:
    name = packed.type_url.rpartition("/")[2]
    unpacked = message_factory.GetMessageClass(_types().FindMessageTypeByName(name))()
    unpacked.ParseFromString(packed.value)
    return _whole(json.loads(json_format.MessageToJson(unpacked, preserving_proto_field_name=True)))


def _whole(plain: Any) -> Any:
    """Numbers as Kubernetes writes them: protobuf's JSON has 64-bit ones as text, and 9902 as 9902.0."""
    if isinstance(plain, dict):
        return {
            key: int(value) if key in _integers() and isinstance(value, str) else _whole(value)
            for key, value in plain.items()
        }
    if isinstance(plain, list):
        return [_whole(item) for item in plain]
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


@cache
def _integers() -> frozenset[str]:
    """Names of whole numbers among a pod's fields; none is a name of another kind of field as well."""
    found: set[str] = set()
    for name in _messages():
        found |= {it.name for it in _types().FindMessageTypeByName(f"k8s.{name}").fields if it.type == it.TYPE_INT64}
    return frozenset(found)


@cache
def _messages() -> frozenset[str]:
    return frozenset(it.name for it in _file().message_type)


@cache
def _types() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for module in (struct_pb2, any_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(_file())
    return pool


@cache
def _file() -> descriptor_pb2.FileDescriptorProto:
    """`Object` and what is below it, from the schema of pods; `JSONPatch`."""
    file = descriptor_pb2.FileDescriptorProto(
        name="pod.proto",
        package="k8s",
        syntax="proto2",  # a field that is set to false is not the same as one that is not set
        dependency=["google/protobuf/struct.proto", "google/protobuf/any.proto"],
    )
    properties = json.loads((_SCHEMAS / "pod-v1.json").read_text())["properties"]
    _add_message(file, "Object", {key: properties[key] for key in ("metadata", "spec")})
    patch = file.message_type.add(name="JSONPatch")
    for number, name in enumerate(("op", "path", "from"), 1):
        patch.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING)
    patch.field.add(
        name="value",
        number=4,
        label=_FIELD.LABEL_OPTIONAL,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".google.protobuf.Any",
    )
    return file


def _add_message(file: descriptor_pb2.FileDescriptorProto, name: str, properties: Json) -> None:
    message = file.message_type.add(name=name)
    for number, (field_name, written) in enumerate(properties.items(), 1):
        schema = _resolve(written)
        field = message.field.add(name=field_name, number=number, label=_FIELD.LABEL_OPTIONAL)
        if _kind(schema) == "array":
            field.label = _FIELD.LABEL_REPEATED
            schema = _resolve(schema["items"])
        kind = _kind(schema)
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
            continue
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = _ANY_VALUE
        if "properties" in schema:
            field.type_name = f".k8s.{name}_{field_name}"
            _add_message(file, f"{name}_{field_name}", schema["properties"])
        elif kind == "object" and "additionalProperties" in schema:
            _make_map(message, field, name)


def _make_map(message: descriptor_pb2.DescriptorProto, field: descriptor_pb2.FieldDescriptorProto, of: str) -> None:
    """Of strings to strings, as labels, annotations and resources are."""
    entry = message.nested_type.add(name=f"{field.name[0].upper()}{field.name[1:]}Entry")
    entry.options.map_entry = True
    for number, name in enumerate(("key", "value"), 1):
        entry.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING)
    field.label = _FIELD.LABEL_REPEATED
    field.type_name = f".k8s.{of}.{entry.name}"


def _resolve(schema: Json) -> Json:
    while "$ref" in schema:
        schema = _definitions()[schema["$ref"].rpartition("/")[2]]
    return schema


@cache
def _definitions() -> Json:
    definitions: Json = json.loads((_SCHEMAS / "_definitions.json").read_text())["$defs"]
    return definitions


def _kind(schema: Json) -> str:
    """Of its values; '' for what may be a number or a text."""
    kinds = schema.get("type", "")
    if isinstance(kinds, str):
        return kinds
    (kind, *more) = [kind for kind in kinds if kind != "null"]
    return "" if more else kind
