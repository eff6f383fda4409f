"""Findings as people read them."""

from collections import Counter
from collections.abc import Sequence

from sidecar.config.finding import Finding, Severity
from sidecar.policytools.screen import Paint, counted

_MARKS = {Severity.ERROR: Paint.bad, Severity.WARNING: Paint.notable, Severity.NOTE: Paint.dim}


def render(findings: Sequence[Finding], paint: Paint) -> str:
    """Each with its reason and its fix below it; how many there are at the end."""
    return "\n".join([*(_finding(finding, paint) for finding in findings), _total(findings, paint), ""])


def _finding(finding: Finding, paint: Paint) -> str:
    first, *others = finding.explained().split("\n")
    place, between, message = first.partition(f": {finding.severity}: ")
    painted = between.replace(finding.severity, _MARKS[finding.severity](paint, finding.severity))
    return "\n".join((f"{paint.bold(place)}{painted}{message}", *map(paint.dim, others)))


def _total(findings: Sequence[Finding], paint: Paint) -> str:
    counts = Counter(finding.severity for finding in findings)
    told = ", ".join(counted(counts[severity], severity) for severity in Severity if counts[severity])
    return told or paint.good("nothing found")
