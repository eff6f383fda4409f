"""`sidecar check`, as people read it."""

from pathlib import Path

import pytest

from sidecar.config.finding import Finding, Severity
from sidecar.policytools.checking.report import render
from sidecar.policytools.screen import Paint


def finding(severity: Severity) -> Finding:
    return Finding("odd", severity, Path("router.yaml"), 3, 7, "rules: odd", "It may be meant.", "make it even")


def test_a_finding_has_its_place_its_reason_and_its_fix() -> None:
    assert render([finding(Severity.WARNING)], Paint()).splitlines() == [
        "router.yaml:3:7: warning: rules: odd [odd]",
        "    why: It may be meant.",
        "    fix: make it even",
        "1 warning",
    ]


@pytest.mark.parametrize("severity", Severity)
def test_colour_changes_no_word(severity: Severity) -> None:
    coloured = render([finding(severity)], Paint(has_colour=True))

    for code in range(10):
        coloured = coloured.replace(f"\033[{code}m", "").replace(f"\033[3{code}m", "")
    assert coloured == render([finding(severity)], Paint())


@pytest.mark.parametrize(
    ("severities", "told"),
    [
        ([], "nothing found"),
        ([Severity.ERROR, Severity.ERROR], "2 errors"),
        ([Severity.NOTE, Severity.ERROR], "1 error, 1 note"),
    ],
)
def test_the_last_line_counts_them(severities: list[Severity], told: str) -> None:
    assert render([finding(severity) for severity in severities], Paint()).splitlines()[-1] == told
