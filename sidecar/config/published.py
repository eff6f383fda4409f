"""The policy file's JSON Schema, for editors, for the reference, and for saying what may stand where."""

from collections.abc import Iterator, Sequence
from datetime import time
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sidecar.config.document import Loc
from sidecar.config.schema.policy_file import WrittenPolicy
from sidecar.config.schema.values import PATTERN_WORDS

_ID = "urn:envoy-llm-sidecar:router.schema.json"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEFS = "#/$defs/"

_EITHER = "true or false"

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Leaves out what only repeats the keys, and null, which we take for nothing."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A key that is no name is an error to an editor too."""
        json_schema = super().dict_schema(schema)
        return {**json_schema, "additionalProperties": False} if "patternProperties" in json_schema else json_schema

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Nothing is no default that an editor should fill in."""
        json_schema = super().default_schema(schema)
        default = _without_nothing(json_schema.pop("default", None))
        return json_schema if default in (None, {}, []) else {**json_schema, "default": default}

    def encode_default(self, dft: Any) -> Any:
        return dft.isoformat("minutes") if isinstance(dft, time) else super().encode_default(dft)


def _without_nothing(default: Any) -> Any:
    if not isinstance(default, dict):
        return default
    return {key: value for key, value in default.items() if value not in (None, {}, [])}


@cache
def policy_schema() -> Schema:
    """As `docs/router.schema.json` has it."""
    schema = WrittenPolicy.model_json_schema(schema_generator=_Generator)
    definitions = {_short(name): _tidy(each) for name, each in schema.pop("$defs").items()}
    return {"$schema": _DIALECT, "$id": _ID, **_tidy(schema), "title": "router.yaml", "$defs": definitions}


def _tidy(value: Any) -> Any:
    """Descriptions on one line; no titles, which say less than the keys; our own names for what is referred to."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_schema = "type" in value or "enum" in value
    return {key: _tidy_member(key, item) for key, item in value.items() if not (key == "title" and is_schema)}


def _tidy_member(key: str, value: Any) -> Any:
    if isinstance(value, str) and key in ("description", "$ref"):
        return " ".join(value.split()) if key == "description" else f"{_DEFS}{_short(value.removeprefix(_DEFS))}"
    return _tidy(value)


def _short(name: str) -> str:
    return name.removeprefix("Written")


def schemas_at(loc: Loc) -> list[Schema]:
    """What may stand there: one schema for each kind of value."""
    found = list(alternatives(policy_schema()))
    for step in loc:
        found = [inner for schema in found for inner in _step(schema, step)] or found
    return found


def alternatives(schema: Schema) -> Iterator[Schema]:
    """The schema itself, or those that it stands for."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_DEFS)
        yield from alternatives(policy_schema()["$defs"][name])
    elif branches := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        for branch in branches:
            yield from alternatives(branch)
    else:
        yield schema


def _step(schema: Schema, step: str | int) -> Iterator[Schema]:
    if isinstance(step, int):
        yield from alternatives(schema["items"]) if "items" in schema else ()
    elif step in schema.get("properties", {}):
        yield from alternatives(schema["properties"][step])
    else:
        inner = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        yield from (each for one in inner if isinstance(one, dict) for each in alternatives(one))


def either(words: Sequence[str]) -> str:
    """`a, b or c`."""
    *others, last = [word for each in words for word in (("true", "false") if each == _EITHER else (each,))]
    return f"{', '.join(others)} or {last}" if others else last


def one_of_these(words: Sequence[str]) -> str:
    """`one of a, b`."""
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def describe(schema: Schema) -> str:
    """The kind of value that a schema lets stand, in words."""
    kind = schema.get("type")
    if kind in ("integer", "number"):
        number = "a whole number" if kind == "integer" else "a number"
        return f"{number} from {_bound(schema['minimum'])} to {_bound(schema['maximum'])}"
    if kind == "string" and "enum" in schema:
        return one_of_these(schema["enum"])
    if kind == "string":
        return PATTERN_WORDS.get(schema.get("pattern", ""), "text")
    return {"boolean": _EITHER, "array": "a list", "object": "a mapping"}.get(str(kind), "something else")


def _bound(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
