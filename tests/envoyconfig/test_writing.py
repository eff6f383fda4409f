"""What is written as YAML is read back as it was, and reads well."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sidecar.envoyconfig.text.fields import fields_of
from sidecar.envoyconfig.text.tree import READING_ORDER, SPOKEN_DEFAULTS
from sidecar.envoyconfig.text.writing import Path, write_yaml

TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C"]))
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=30,
)


@given(tree=TREES, shared=TREES)
def test_it_is_read_back_as_it_was(tree: Any, shared: Any) -> None:
    """Shared parts among them, wherever they stand."""
    whole = {"first": shared, "rest": tree, "last": [shared, {"again": shared}]}
    assert yaml.safe_load(write_yaml(whole, {"part": shared, "rest": tree}, {("rest",): "\nA comment."})) == whole


@pytest.mark.parametrize("word", ["y", "N", "on", "Off", "true", "null", "~", "1", "010", "1e5", ".5", "0x1f", "inf"])
def test_a_text_that_could_be_taken_for_something_else_is_quoted(word: str) -> None:
    assert write_yaml({"key": word}, {}, {}) == f'key: "{word}"\n'


def test_a_shared_part_is_written_once_where_it_is_first_and_a_comment_stands_above_what_it_is_on() -> None:
    part = {"max_requests": 512, "track_remaining": True}
    tree = {
        "clusters": [{"name": "a", "limits": part}, {"name": "b", "limits": part}],
        "other": {"x": {"@type": "t"}},
    }
    comments: dict[Path, str] = {
        ("clusters", "b"): "\nThe second.",
        ("other", "x"): "Typed.",
        ("nowhere",): "Not seen.",
    }
    assert write_yaml(tree, {"limits": part, "alone": {"x": 1}}, comments) == (
        "clusters:\n"
        "- {name: a, limits: &limits {max_requests: 512, track_remaining: true}}\n"
        "\n"
        "# The second.\n"
        "- {name: b, limits: *limits}\n"
        "other:\n"
        "  # Typed.\n"
        "  x:\n"
        '    "@type": t\n'
    )


def test_every_field_whose_place_is_chosen_exists() -> None:
    for kind, names in (*READING_ORDER.items(), *SPOKEN_DEFAULTS.items()):
        assert set(names) <= set(fields_of(kind)), kind
