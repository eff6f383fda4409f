"""Rules for what the policy says and Envoy alone decides: whether it holds without a sidecar, sees what it reads, and
whether its shadows could take over."""

from collections.abc import Iterator

from sidecar.config.bypass import broken_by
from sidecar.config.finding import Severity
from sidecar.config.running import ReadHeader
from sidecar.envoyconfig.checks.edge import surviving
from sidecar.envoyconfig.checks.ext_proc import is_shown
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import CLUSTER_HEADER
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import ChatRoute, Choice, Edge
from sidecar.envoyconfig.reading.gateway import Gateway, models_by_cluster
from sidecar.routing.policy import Model

_UNDERSCORES = ("ALLOW", "REJECT_REQUEST", "DROP_HEADER")

# A message that lists more is not read.
_MOST_SHOWN = 4


def _bypassed(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        broken = list(dict.fromkeys(_broken(gateway, edge)))
        for allow in edge.settings("failure_mode_allow") if broken else ():
            if allow.flag() is True:
                more = len(broken) - _MOST_SHOWN
                shown = [*broken[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]
                message = f"failure_mode_allow is true, and the default plan breaks the policy: {'; '.join(shown)}"
                yield Fault(allow, message)


def _broken(gateway: Gateway, edge: Edge) -> Iterator[str]:
    for model in _default_models(gateway, edge):
        yield from broken_by(model, gateway.config.policy)


def _default_models(gateway: Gateway, edge: Edge) -> list[Model]:
    """Those that may answer a chat request without a decision."""
    models = models_by_cluster(gateway.config)
    routes = [it for it in edge.routes if not it.is_stray and edge.takes(it, is_decided=False)]
    clusters = dict.fromkeys(name for route in routes for name in _default_clusters(route))
    return [models[name] for name in clusters if name in models]


def _default_clusters(route: ChatRoute) -> list[str]:
    if route.choice is Choice.PLAN:
        tried = route.groups[: route.most_attempts]
        return [name for group in tried for name, _ in group.clusters]
    return [name for name, _ in route.fixed_clusters()]


def _hidden(gateway: Gateway) -> Iterator[Fault]:
    for rules in gateway.ext_proc_settings("forward_rules"):
        for header in gateway.config.headers:
            if not is_shown(rules, header.name):
                yield _unread(gateway, header, rules, "forward_rules hide it")


def _taken_away(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        http = edge.listener.http
        mutations = http.at("early_header_mutation_extensions")
        underscores = http.at("common_http_protocol_options", "headers_with_underscores_action")
        left = surviving(edge.listener, [header.name for header in gateway.config.headers])
        for header in gateway.config.headers:
            if header.name not in left:
                yield _unread(gateway, header, mutations, "early_header_mutation_extensions remove it")
            if "_" in header.name and underscores.word(_UNDERSCORES) == "DROP_HEADER":
                yield _unread(gateway, header, underscores, "headers_with_underscores_action drops it")


def _unread(gateway: Gateway, header: ReadHeader, node: Node, why: str) -> Fault:
    place = f"{gateway.config.file}:{header.line}: {header.key}"
    return Fault(node, f"the sidecar is not shown {header.name}, which the policy reads ({place}): {why}")


def _unpromotable(gateway: Gateway) -> Iterator[Fault]:
    known = models_by_cluster(gateway.config)
    groups = {group.name for route in gateway.plan_routes for group in route.groups}
    has_plans = any(route.choice is Choice.PLAN for route in gateway.plan_routes)
    for file, shadow in gateway.shadows.items():
        for name, model in models_by_cluster(shadow).items():
            place = gateway.root.at("static_resources", "clusters")
            if name in known or not gateway.edges:
                continue
            if name not in gateway.clusters and not gateway.has_dynamic_clusters:
                yield Fault(place, f"no cluster is named {name!r}, for the model {model.name} of the shadow {file}")
            elif has_plans and name not in groups:
                place = next(it.specifier.at("priority_groups") for it in gateway.plan_routes if it.groups)
                message = f"no priority group is named {name!r}, for the model {model.name} of the shadow {file}"
                yield Fault(place, message)


RULES = (
    Rule(
        "policy-bypassed",
        Severity.WARNING,
        _bypassed,
        reason="While no sidecar answers, Envoy goes through the default plan and knows nothing of requirements and "
        "tenants, nor of rules.",
        fix="failure_mode_allow: false (requests are refused meanwhile); or a default plan that satisfies all of it: "
        f"a route of its own for chat requests without {CLUSTER_HEADER}, as `sidecar envoy` writes it",
    ),
    Rule(
        "policy-header-hidden",
        Severity.ERROR,
        lambda gateway: (*_hidden(gateway), *_taken_away(gateway)),
        reason="To the policy it is as if no request had it: tenants, rules and requirements that go by it are "
        "passed over, and nothing shows it.",
        fix="let the header through, or take it out of the policy",
    ),
    Rule(
        "shadow-model-missing",
        Severity.NOTE,
        _unpromotable,
        reason="A shadow is never carried out, so nothing is wrong yet: this file has to be rendered again, or "
        "edited, before it becomes the policy.",
        fix="nothing now; its cluster, priority group and route with the promotion",
    ),
)
