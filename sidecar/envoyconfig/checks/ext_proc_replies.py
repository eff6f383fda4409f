"""Rules for the ext_proc filter: what Envoy takes from the sidecar, and lets it change."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import METADATA_NAMESPACE
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.matching import full_match
from sidecar.envoyconfig.reading.names import SET_HEADERS


def _metadata(gateway: Gateway) -> Iterator[Fault]:
    for options in gateway.ext_proc_settings("metadata_options"):
        namespaces = options.at("receiving_namespaces", "untyped")
        if METADATA_NAMESPACE not in namespaces.texts():
            yield Fault(namespaces, f"receiving_namespaces.untyped has no {METADATA_NAMESPACE}")


def _mutations_refused(gateway: Gateway) -> Iterator[Fault]:
    for rules in gateway.ext_proc_settings("mutation_rules"):
        refused = [name for name in SET_HEADERS if not _may_set(rules, name)]
        if refused:
            yield Fault(rules, f"the sidecar may not set {', '.join(refused)}")


def _may_set(rules: Node, name: str) -> bool:
    """As Envoy decides it: what is disallowed by name, what is allowed by name, all."""
    disallowed, allowed = rules.at("disallow_expression", "regex"), rules.at("allow_expression", "regex")
    if disallowed.is_set and full_match(disallowed.text(), name):
        return False
    if allowed.is_set and full_match(allowed.text(), name) is not False:
        return True
    return rules.at("disallow_all").flag() is not True


def _mutations_open(gateway: Gateway) -> Iterator[Fault]:
    for rules in gateway.ext_proc_settings("mutation_rules"):
        if _may_set(rules, "authorization"):
            yield Fault(rules, "the sidecar may set any header")


def _mode_override(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        allow = edge.settings("allow_mode_override")
        if allow and allow[0].flag() is not True:
            yield Fault(allow[0], "allow_mode_override is not true")


def _ignored_answers(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        if edge.ext_proc is None:
            continue
        config = edge.ext_proc.config
        for name in ("observability_mode", "disable_clear_route_cache"):
            if config.at(name).flag() is True:
                yield Fault(config.at(name), f"{name} is true", f"{name}: false")
        action = config.at("route_cache_action")
        if action.word(("DEFAULT", "CLEAR", "RETAIN")) == "RETAIN":
            yield Fault(action, "route_cache_action is RETAIN", "route_cache_action: DEFAULT")


RULES = (
    Rule(
        "ext-proc-metadata",
        Severity.ERROR,
        _metadata,
        reason="The plan and the decision come as dynamic metadata of that namespace; Envoy drops what is not "
        "listed.",
        fix=f"metadata_options: {{receiving_namespaces: {{untyped: [{METADATA_NAMESPACE}]}}}}",
    ),
    Rule(
        "ext-proc-mutations-refused",
        Severity.ERROR,
        _mutations_refused,
        reason="Envoy drops a header that the rules do not allow. Without x-llm-* it keeps the first route (it "
        "ignores clear_route_cache in a reply that changes no header); without content-length a rewritten body is a "
        "500.",
        fix="mutation_rules: {disallow_all: true, allow_expression: {regex: "
        "'^(x-llm-.*|content-length|content-type)$'}}",
    ),
    Rule(
        "ext-proc-mutations-open",
        Severity.WARNING,
        _mutations_open,
        reason="What the sidecar never needs to set, it should not be able to set: credentials, for one.",
        fix="mutation_rules: {disallow_all: true, allow_expression: {regex: "
        "'^(x-llm-.*|content-length|content-type)$'}}",
    ),
    Rule(
        "ext-proc-mode-override",
        Severity.WARNING,
        _mode_override,
        reason="By an override the sidecar says that a request is not its business; without it Envoy buffers the "
        "whole body of each upload.",
        fix="allow_mode_override: true",
    ),
    Rule(
        "ext-proc-answers-ignored",
        Severity.ERROR,
        _ignored_answers,
        reason="Envoy would ask the sidecar, and go the way that it had chosen before.",
        fix="remove it",
    ),
)
