"""The reference of the policy file, written from its schema: `python -m sidecar.config.reference docs` renews it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sidecar.config.kinds import KINDS
from sidecar.config.published import Schema, alternatives, describe, either, policy_schema

BEGIN = "<!-- made from the schema by `python -m sidecar.config.reference docs`; do not edit -->"
END = "<!-- end of what is made from the schema -->"

# Where each mapping stands in the file, in the order of the file.
SECTIONS = {
    "providers.NAME": "Provider",
    "models.NAME": "Model",
    "models.NAME.price": "Price",
    "virtual_models.NAME": "VirtualModel",
    "signals": "Signals",
    "signals.keywords.NAME, signals.patterns.NAME": "Search",
    "requirements[]": "StandingRequirement",
    "require": "Requirement",
    "rules[]": "Rule",
    "rules[].split": "Split",
    "rules[].split.arms.NAME": "Arm",
    "rules[].reject": "Refusal",
    "when": "When",
    "when.time": "TimeWindow",
    "when.input_tokens, max_output_tokens, turns, tools, images, code_fences": "Between",
    "when.difficulty, confidence": "FractionBetween",
    "intents.NAME": "Intent",
    "difficulty": "Difficulty",
    "rank": "Rank",
    "conversation": "Conversation",
    "classifier": "Classifier",
    "cache": "Cache",
    "records": "Records",
    "records.to": "RecordFile",
    "tests[]": "Test",
    "tests[].expect": "Expectation",
}

# They have a rule's keys besides their own.
_LIKE_RULES = frozenset(("VirtualModel", "Arm"))


def render_reference() -> str:
    """Markdown: a table for each mapping of the file."""
    schema = policy_schema()
    tables = ["\n".join(_table(schema, {}))]
    for place, name in SECTIONS.items():
        known = schema["$defs"]["Rule"]["properties"] if name in _LIKE_RULES else {}
        definition = schema["$defs"][name]
        text = [f"### `{place}`", "", definition["description"], "", *_table(definition, known)]
        shared = [f"`{key}`" for key in definition["properties"] if key in known]
        tables.append("\n".join([*text, *(["", f"Also {', '.join(shared)}, as a rule has them."] if shared else [])]))
    return "\n\n".join([*tables, "\n".join(_kinds())]) + "\n"


def _kinds() -> Iterator[str]:
    yield from ("### What `sidecar check` finds", "", "| id | severity | why | usual fix |", "|---|---|---|---|")
    for id_, kind in KINDS.items():
        yield f"| `{id_}` | {kind.severity} | {kind.reason} | {kind.fix} |"


def renew(page: str) -> str:
    """The page with the reference between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{render_reference()}\n{END}{rest.partition(END)[2]}"


def render_schema() -> str:
    """The schema as a file."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"


def _table(definition: Schema, known: Schema) -> Iterator[str]:
    yield "| key | value | what it says | default |"
    yield "|---|---|---|---|"
    for key, schema in definition["properties"].items():
        if key not in known:
            says, _, default = _description(schema).partition("Default: ")
            default = default.removesuffix(".") or _default(key, schema, definition)
            yield f"| `{key}` | {_value(schema)} | {says.strip()} | {default} |".replace("\n", " ")


def _description(schema: Schema) -> str:
    """Of the key, or where it says no more than that, of what it refers to."""
    return str(schema["description"] if "description" in schema else next(alternatives(schema))["description"])


def _value(schema: Schema) -> str:
    kinds = dict.fromkeys(_kind(each) for each in alternatives(schema))
    return either(list(kinds))


def _kind(schema: Schema) -> str:
    """A list after one of its items needs no more words; its words are shown as the file has them."""
    if "enum" in schema:
        return " ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array" and all("properties" in item for item in alternatives(schema["items"])):
        return "a list of mappings"
    return describe(schema)


def _default(key: str, schema: Schema, definition: Schema) -> str:
    if key in definition.get("required", ()):
        return "required"
    return f"`{_written(schema['default'])}`" if "default" in schema else "none"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value).replace('"', "")


def main(folder: Path) -> None:
    """Renew the page and the schema in that folder."""
    page = folder / "policy.md"
    page.write_text(renew(page.read_text("utf-8")), "utf-8")
    (folder / "router.schema.json").write_text(render_schema(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
