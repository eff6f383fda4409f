"""A sample value for a JSON schema: the arguments of a tool call, or a structured answer."""

from collections.abc import Mapping
from typing import Any

_BY_TYPE: Mapping[str, object] = {
    "string": "example",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "null": None,
}

# A schema may refer to itself; nobody needs a deeper example.
MAX_DEPTH = 8


def sample_of(schema: Mapping[str, Any]) -> Any:
    """The smallest plain value that fits the schema (objects: the properties that are required, or all)."""
    return _sample(schema, schema, MAX_DEPTH)


def _sample(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if depth == 0:
        return None
    if "$ref" in schema:
        return _sample(_resolve(schema["$ref"], root), root, depth - 1)
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return _sample(schema[choice][0], root, depth - 1)
    return _sample_by_type(schema, root, depth)


def _sample_by_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties", {})
        names = schema.get("required", properties)
        return {name: _sample(properties.get(name, {}), root, depth - 1) for name in names}
    if kind == "array":
        return [_sample(schema.get("items", {}), root, depth - 1)]
    return _BY_TYPE.get(kind)


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for step in reference.split("/")[1:]:  # "#" alone is the root
        found = found.get(step, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}
