"""The JSON Schema and the reference are those of the code, and the schema tells good files from bad ones."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from sidecar.config.published import policy_schema
from sidecar.config.reference import SECTIONS, render_reference, render_schema, renew

ROOT = Path(__file__).parents[2]
GOOD = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "tests" / "config" / "every-key.yaml"]

VALIDATOR = Draft202012Validator(policy_schema())


class _EditorLoader(yaml.SafeLoader):
    """Reads as editors do, by YAML 1.2: dates and times of the day are text, and only true and false are booleans."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as PyYAML wants it


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"null|~|", ("n", "~", "")),
):
    _EditorLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))


def as_editors_read(text: str) -> Any:
    """The document as plain data."""
    return yaml.load(text, _EditorLoader)  # noqa: S506  # it is a safe one


def test_the_schema_in_the_docs_is_that_of_the_code() -> None:
    """`python -m sidecar.config.reference docs` renews both."""
    assert (ROOT / "docs" / "router.schema.json").read_text() == render_schema()


def test_the_reference_in_the_docs_is_that_of_the_schema() -> None:
    page = (ROOT / "docs" / "policy.md").read_text()

    assert renew(page) == page


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(policy_schema())


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_editors_find_no_fault_with_a_good_file(file: Path) -> None:
    text = file.read_text().replace("2_000", "2000").replace("1_0", "10").replace("yes", "true")

    assert list(VALIDATOR.iter_errors(as_editors_read(text))) == []


def test_editors_are_told_the_schema_of_each_example() -> None:
    """But for the smallest, which shows that nothing more is needed."""
    for file in sorted({*(ROOT / "examples").glob("*.yaml")} - {ROOT / "examples" / "minimal.yaml"}):
        assert file.read_text().startswith("# yaml-language-server: $schema=../docs/router.schema.json\n"), file.name


@pytest.mark.parametrize(
    "name",
    [
        *("unknown-key", "model-with-unknown-key", "when-with-unknown-key", "test-expects-unknown-key"),
        *("model-of-unknown-tier", "context-zero", "price-negative", "price-quoted", "cluster-with-a-space"),
        *("when-all-empty", "stream-text", "language-unknown", "time-on-unknown-day", "deprecated-as-text"),
        *("reject-status-500", "split-by-unknown", "split-of-one-arm", "rank-unknown-word", "keyword-a-number"),
        *("url-of-another-scheme", "header-name-with-a-space", "provider-name-with-space", "models-missing"),
    ],
)
def test_editors_find_a_fault_of_form(name: str) -> None:
    file = ROOT / "tests" / "config" / "faulty" / f"{name}.yaml"

    assert not VALIDATOR.is_valid(as_editors_read(file.read_text()))


def test_every_key_says_what_it_is_for() -> None:
    schema = policy_schema()
    mappings = {"": schema, **schema["$defs"]}
    said = render_reference()

    for name, mapping in mappings.items():
        for key, value in mapping.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, f"{name}.{key}"
    assert "|  |" not in said


def test_every_mapping_has_a_table() -> None:
    assert sorted(SECTIONS.values()) == sorted(policy_schema()["$defs"].keys() - {"JsonValue"})
