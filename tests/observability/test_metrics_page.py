"""docs/metrics.md has every metric, as Prometheus gets it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.metrics import Family, busy_metrics, families
from tests.observability.expressions import ENVOY

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
OURS, ENVOYS = PAGE.split("\n## Envoy's own\n")

UNITS = {"_seconds": "seconds", "_usd_total": "USD", "_token_usage": "tokens", "_confidence": "0 to 1"}


def rows(text: str) -> Iterator[Family]:
    """Of its tables of metrics; the labels are in the last cell but one."""
    for name, row in re.findall(r"^\| `((?:llm_router|gen_ai|envoy)_\w+)` \| (.*) \|$", text, re.MULTILINE):
        kind, *_, labels, meaning = [cell.strip() for cell in row.split("|")]
        yield Family(name, kind, meaning, frozenset(re.findall(r"`(\w+)`", labels)))


def test_it_has_all_metrics_with_their_types_and_labels() -> None:
    rendered = families(busy_metrics().render().decode())

    told = {family.name: (family.kind, sorted(family.labels)) for family in rows(OURS)}
    assert told == {family.name: (family.kind, sorted(family.labels)) for family in rendered}


def test_it_has_what_is_used_of_envoy() -> None:
    assert {family.name: family.labels for family in rows(ENVOYS)} == dict(ENVOY)


def test_each_is_there_once() -> None:
    names = [family.name for family in rows(PAGE)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("end", "unit"), UNITS.items())
def test_units_are_those_that_the_names_say(end: str, unit: str) -> None:
    told = re.findall(rf"^\| `\w+{end}` \| \w+ \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert told and set(told) == {unit}
