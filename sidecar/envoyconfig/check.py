"""Whether an Envoy file carries out a policy: every rule, applied to a person's own file."""

from pathlib import Path

from sidecar.config.compile import Config
from sidecar.config.finding import Finding
from sidecar.envoyconfig.checks import (
    bootstrap,
    edge,
    ext_proc,
    ext_proc_replies,
    file,
    inner,
    keys,
    limits,
    models,
    observation,
    other_ext_proc,
    outcome_feed,
    plan,
    policy_holds,
    providers,
    retries,
    sidecar_cluster,
    timeouts,
    unseen,
    usage,
)
from sidecar.envoyconfig.finding import Fault, Rule, finding_of
from sidecar.envoyconfig.reading.document import Node, UnreadableError
from sidecar.envoyconfig.reading.gateway import read_gateway

__all__ = ["Rule", "all_rules", "check_envoy"]


def all_rules() -> tuple[Rule, ...]:
    """Every rule, in the order of a request's way: file, edge, sidecar, plan, models, keys."""
    return (
        *file.RULES,
        *bootstrap.RULES,
        *edge.RULES,
        *ext_proc.RULES,
        *ext_proc_replies.RULES,
        *other_ext_proc.RULES,
        *sidecar_cluster.RULES,
        *policy_holds.RULES,
        *plan.RULES,
        *retries.RULES,
        *timeouts.RULES,
        *limits.RULES,
        *models.RULES,
        *inner.RULES,
        *providers.RULES,
        *keys.RULES,
        *observation.RULES,
        *outcome_feed.RULES,
        *usage.RULES,
        *unseen.RULES,
    )


def check_envoy(config: Config, envoy_file: Path) -> list[Finding]:
    """What is wrong with an Envoy file for this policy, in the order of the file. Raises nothing for a bad file."""
    try:
        gateway = read_gateway(config, envoy_file)
    except UnreadableError as error:
        return [finding_of(file.SYNTAX, Fault(Node(envoy_file, error.mark, None), str(error)))]
    found: dict[tuple[object, ...], Finding] = {}
    for rule in all_rules():
        for fault in rule.find(gateway):
            finding = finding_of(rule, fault)
            # A block that aliases share is met by each of its users.
            found.setdefault((rule.id, finding.file, finding.line, finding.message), finding)
    return sorted(found.values(), key=lambda it: (it.file != envoy_file, str(it.file), it.line, it.column))
