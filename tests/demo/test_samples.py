"""A sample fits the schema it is made for."""

from typing import Any

import pytest

from sidecar.demo.providers.samples import sample_of


@pytest.mark.parametrize(
    ("schema", "sample"),
    [
        ({}, "example"),
        ({"type": "integer"}, 1),
        ({"type": ["null", "string"]}, None),
        ({"enum": ["red", "green"]}, "red"),
        ({"const": 7}, 7),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"type": "array", "items": {"type": "number"}}, [1.0]),
        ({"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}, {"a": "example", "b": 1}),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}, {"b": "example"}),
        ({"$defs": {"n": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/n"}}}, {"n": 1}),
        ({"$ref": "#/nowhere"}, "example"),
    ],
)
def test_a_sample_fits_its_schema(schema: dict[str, Any], sample: object) -> None:
    assert sample_of(schema) == sample


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    assert sample_of({"properties": {"child": {"$ref": "#"}}})["child"]["child"] is not None
