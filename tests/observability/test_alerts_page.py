"""Whoever is woken by an alert finds what to do about it in docs/alerts.md."""

import re
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import build_parser
from tests.observability.expressions import known_metrics, rules

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ALERTS = [rule for rule in rules() if "alert" in rule]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_leads_to_its_section(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    assert alert["annotations"]["runbook_url"].endswith(f"docs/alerts.md#{name.lower()}")
    assert SECTIONS[name].startswith("*Critical.*") == (alert["labels"]["severity"] == "critical")


def test_no_section_is_of_an_alert_that_is_gone() -> None:
    assert list(SECTIONS) == [alert["alert"] for alert in ALERTS]


def test_links_within_the_page_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#(\w+)\)", PAGE)) <= {name.lower() for name in SECTIONS}


def test_it_names_only_metrics_that_there_are() -> None:
    assert set(re.findall(r"\b(?:llm_router|gen_ai)[:_][\w:]+\b", PAGE)) <= set(known_metrics())


def test_the_commands_that_it_shows_are_ours() -> None:
    commands = re.findall(r"^sidecar (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert commands
    for command in commands:
        build_parser().parse_args(command.split())
