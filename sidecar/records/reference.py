"""The schema of a request record, written from the code: `python -m sidecar.records.reference docs` renews it."""

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from sidecar.routing import request_record
from sidecar.routing.feedback import Feedback
from sidecar.routing.recorded import Record
from sidecar.routing.request_record import AttemptRecord, RequestRecord

BEGIN = "<!-- made from the code by `python -m sidecar.records.reference docs`; do not edit -->"
END = "<!-- end of what is made from the code -->"

_ID = "urn:envoy-llm-sidecar:record.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEFS = "#/$defs/"

_TITLES = {"A request": "RequestRecord", "`attempts[]`": "AttemptRecord", "`feedback`": "Feedback"}

_WORDS = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true, false"}

Schema = dict[str, Any]


class _FeedbackLine(msgspec.Struct):
    """Somebody's feedback."""

    feedback: Feedback


def record_schema() -> Schema:
    """JSON Schema of a line of the record log: a request's record, or feedback."""
    (_, _, decision), definitions = msgspec.json.schema_components(
        [RequestRecord, _FeedbackLine, Record], ref_template=f"{_DEFS}{{name}}"
    )
    definitions["FeedbackLine"] = definitions.pop("_FeedbackLine")
    for name, definition in definitions.items():
        documented = _DOCUMENTED.get(name, {})
        for key, schema in definition.get("properties", {}).items():
            if key in documented:
                definition["properties"][key] = {**schema, "description": documented[key]}
    request = definitions["RequestRecord"]["properties"]
    request["record"] = {"anyOf": [decision, {"type": "null"}], "description": request["record"]["description"]}
    line = {"anyOf": [{"$ref": f"{_DEFS}RequestRecord"}, {"$ref": f"{_DEFS}FeedbackLine"}]}
    return {"$schema": _DIALECT, "$id": _ID, "title": "A line of the record log", **line, "$defs": definitions}


def _document(kind: type, source: Any) -> dict[str, str]:
    """What stands below each field of a class, on one line."""
    tree = ast.parse(inspect.getsource(source))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    said = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            said[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return said


_DOCUMENTED: Mapping[str, Mapping[str, str]] = {
    "RequestRecord": _document(RequestRecord, request_record),
    "AttemptRecord": _document(AttemptRecord, request_record),
    "Feedback": _document(Feedback, sys.modules[Feedback.__module__]),
}


def render_reference() -> str:
    """Markdown: a table for each kind of object."""
    schema = record_schema()
    parts = []
    for title, name in _TITLES.items():
        parts.append(f"### {title}\n\n" + "\n".join(_table(schema["$defs"][name], schema["$defs"])))
    return "\n\n".join(parts) + "\n"


def _table(definition: Schema, definitions: Schema) -> Iterator[str]:
    yield "| key | value | what it says |"
    yield "|---|---|---|"
    for key, schema in definition["properties"].items():
        value = _value(schema, definitions)
        optional = "" if key in definition["required"] else "; may be missing"
        yield f"| `{key}` | {value}{optional} | {schema.get('description', '')} |"


def _value(schema: Schema, definitions: Schema) -> str:
    if "anyOf" in schema:
        return ", ".join(_value(each, definitions) for each in schema["anyOf"])
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].removeprefix(_DEFS)], definitions)
    if "enum" in schema:
        return " ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_value(schema['items'], definitions)}"
    return _WORDS.get(schema.get("type", ""), "object" if schema.get("type") == "object" else "null")


def renew(page: str) -> str:
    """The page with the reference between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{render_reference()}\n{END}{rest.partition(END)[2]}"


def render_schema() -> str:
    """The schema as a file."""
    return json.dumps(record_schema(), indent=2, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    """Renew the page and the schema in that folder."""
    page = folder / "records.md"
    page.write_text(renew(page.read_text("utf-8")), "utf-8")
    (folder / "record.schema.json").write_text(render_schema(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
