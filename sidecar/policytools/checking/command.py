"""The command, put together: from options to an exit code."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.config.compile import load_config
from sidecar.config.document import STANDARD_INPUT
from sidecar.config.finding import Finding, Severity
from sidecar.config.findings import check_policy
from sidecar.policytools.checking.report import render
from sidecar.policytools.printing import write_json, write_text
from sidecar.policytools.screen import screen_of


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What is to be checked, and how strictly."""

    policy: Path
    envoy: Path | None = None
    """An Envoy bootstrap that is to carry it out."""
    is_strict: bool = False
    """Warnings count as errors."""
    as_json: bool = False


def run_check(options: CheckOptions) -> int:
    """1 if an error is found. Raises OSError for a file that cannot be opened.

    Raises ModuleNotFoundError with `envoy` where the extra of that name is not installed.
    """
    policy = None if options.policy == STANDARD_INPUT else options.policy
    for file in filter(None, (policy, options.envoy)):
        file.open("rb").close()
    findings = _find(options)
    if options.as_json:
        write_json(findings)
    else:
        write_text(render(findings, screen_of(sys.stdout).paint))
    failing = {Severity.ERROR, Severity.WARNING} if options.is_strict else {Severity.ERROR}
    return 1 if any(finding.severity in failing for finding in findings) else 0


def _find(options: CheckOptions) -> list[Finding]:
    findings = check_policy(options.policy, datetime.now(UTC).date())
    if options.envoy is None or any(finding.severity is Severity.ERROR for finding in findings):
        return findings
    from sidecar.envoyconfig.check import check_envoy

    return findings + check_envoy(load_config(options.policy), options.envoy)
