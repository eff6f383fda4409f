"""What an Envoy file has to be like, and what is told of one that is not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sidecar.config.finding import Finding, Severity
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where a rule is broken."""

    node: Node
    message: str
    """What is wrong, with the value that is there."""
    fix: str = ""
    """What to write; empty if what the rule says is all there is to say."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an Envoy file has to be like, and why."""

    id: str
    severity: Severity
    find: Callable[[Gateway], Iterable[Fault]]
    """Every place in a gateway where it is broken."""
    reason: str
    fix: str


def finding_of(rule: Rule, fault: Fault) -> Finding:
    """The finding for one broken place."""
    mark = fault.node.mark
    return Finding(
        id=rule.id,
        severity=rule.severity,
        file=fault.node.file,
        line=mark.line,
        column=mark.column,
        message=fault.message,
        reason=rule.reason,
        fix=fault.fix or rule.fix,
    )
