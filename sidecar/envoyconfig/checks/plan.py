"""Rules for the routes of chat requests: each takes the sidecar's plan, and has a good one of its own."""

from collections.abc import Iterator

from sidecar.config.document import suggest
from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import METADATA_NAMESPACE
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import ChatRoute, Choice, Edge, chat_request
from sidecar.envoyconfig.reading.gateway import Gateway, models_by_cluster
from sidecar.envoyconfig.reading.matching import Request, find_route, is_surely_unmatched
from sidecar.routing.api import Endpoint
from sidecar.routing.policy import Model


def _past_the_plan(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        for host in edge.virtual_hosts:
            for endpoint in sorted(gateway.endpoints):
                route = edge.route_of(host, endpoint, is_decided=True)
                if route is not None and route.choice is Choice.FIXED:
                    name = route.node.at("name").text()
                    yield Fault(route.node, f"/v1/{endpoint} takes route {name!r}, which carries out no plan")


def _unrouted(gateway: Gateway) -> Iterator[Fault]:
    if not all(edge.listener.has_routes for edge in gateway.edges):
        return
    hosts = [(edge, host) for edge in gateway.edges for host in edge.virtual_hosts]
    for endpoint in sorted(gateway.endpoints):
        if hosts and not any(_may_take(edge, host, endpoint) for edge, host in hosts):
            yield Fault(hosts[0][1].at("routes"), f"no route takes /v1/{endpoint}")


def _may_take(edge: Edge, host: Node, endpoint: Endpoint) -> bool:
    """Whether a virtual host sends chat requests of that endpoint anywhere, as far as the file tells."""
    route = edge.route_of(host, endpoint, is_decided=True)
    if route is not None:
        return route.choice is not Choice.NONE
    return not is_surely_unmatched(host.at("routes").items(), chat_request(endpoint, is_decided=True))


def _no_fallback(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        for host in edge.virtual_hosts:
            for endpoint in sorted(gateway.endpoints):
                decided = edge.route_of(host, endpoint, is_decided=True)
                undecided = edge.route_of(host, endpoint, is_decided=False)
                if decided is None or decided.choice not in (Choice.HEADER, Choice.PLAN):
                    continue
                is_lost = undecided is None and is_surely_unmatched(
                    host.at("routes").items(), chat_request(endpoint, is_decided=False)
                )
                if is_lost or (undecided is not None and undecided.choice is Choice.HEADER):
                    yield Fault(decided.node, f"no other route takes /v1/{endpoint} when there is no decision")


def _fallback_elsewhere(gateway: Gateway) -> Iterator[Fault]:
    models = models_by_cluster(gateway.config)
    for route in gateway.chat_routes:
        if route.choice is not Choice.FIXED or route.is_stray:
            continue
        for name, node in route.fixed_clusters():
            wanted = _fallbacks(gateway, route)
            if wanted and models.get(name) not in wanted:
                clusters = ", ".join(sorted({model.cluster for model in wanted}))
                yield Fault(
                    node, f"without a decision {name!r} answers, not the policy's fallback", f"cluster: {clusters}"
                )


def _fallbacks(gateway: Gateway, route: ChatRoute) -> list[Model]:
    """The policy's fallback for each endpoint that the route serves."""
    fallbacks = gateway.config.policy.fallbacks
    return [fallbacks[endpoint] for endpoint in sorted(route.endpoints) if endpoint in fallbacks]


def _unlisted(gateway: Gateway) -> Iterator[Fault]:
    request = Request("/v1/models", {}, method="GET")
    for edge in gateway.edges:
        for host in edge.virtual_hosts:
            route = find_route(host.at("routes").items(), request)
            if route is not None and edge.ext_proc is not None and edge.is_disabled_for(route, host):
                yield Fault(route, f"GET /v1/models takes route {route.at('name').text()!r}, past the sidecar")


def _plans(gateway: Gateway) -> Iterator[ChatRoute]:
    return (route for route in gateway.plan_routes if route.choice is Choice.PLAN)


def _plans_of(gateway: Gateway, *, is_decided: bool) -> Iterator[ChatRoute]:
    """Those that may take requests with a decision, or those without."""
    for edge in gateway.edges:
        for route in edge.routes:
            if route.choice is Choice.PLAN and edge.takes(route, is_decided=is_decided):
                yield route


def _namespace(gateway: Gateway) -> Iterator[Fault]:
    for route in _plans_of(gateway, is_decided=True):
        namespace = route.specifier.at("override_metadata_namespace")
        if namespace.text() != METADATA_NAMESPACE:
            yield Fault(namespace, f"override_metadata_namespace is {namespace.text() or 'not set'}")


def _missing_models(gateway: Gateway) -> Iterator[Fault]:
    for route in _plans_of(gateway, is_decided=True):
        names = {group.name for group in route.groups}
        for model in gateway.config.policy.models.values():
            if model.endpoints & route.endpoints and model.cluster not in names:
                yield Fault(
                    route.specifier.at("priority_groups"),
                    f"no priority group is named {model.cluster!r}, for the policy's model {model.name}",
                    f"- {{name: {model.cluster}, clusters: [{{cluster_name: {model.cluster}, weight: 1}}]}}",
                )


def _missing_clusters(gateway: Gateway) -> Iterator[Fault]:
    if gateway.has_dynamic_clusters:
        return
    for route in gateway.plan_routes:
        if route.choice is not Choice.HEADER:
            continue
        for model in gateway.config.policy.models.values():
            if model.endpoints & route.endpoints and model.cluster not in gateway.clusters:
                message = f"no cluster is named {model.cluster!r}, for the policy's model {model.name}"
                yield Fault(gateway.root.at("static_resources", "clusters"), message)


def _unknown_models(gateway: Gateway) -> Iterator[Fault]:
    models = models_by_cluster(gateway.config)
    for route in _plans(gateway):
        for group in route.groups:
            if group.name not in models:
                message = f"the policy has no model for group {group.name!r}{suggest(group.name, models)}"
                yield Fault(group.node, message)


def _other_apis(gateway: Gateway) -> Iterator[Fault]:
    models = models_by_cluster(gateway.config)
    for route in _plans(gateway):
        for group in route.groups:
            model = models.get(group.name)
            if model is not None and not model.endpoints & route.endpoints:
                paths = ", ".join(f"/v1/{it}" for it in sorted(route.endpoints))
                yield Fault(group.node, f"{model.name} cannot be asked at {paths}")


def _default_plan(gateway: Gateway) -> Iterator[Fault]:
    models = models_by_cluster(gateway.config)
    for route in _plans_of(gateway, is_decided=False):
        wanted = _fallbacks(gateway, route)
        first = route.groups[0] if route.groups else None
        if first is None or not wanted or models.get(first.name) in wanted:
            continue
        clusters = ", ".join(sorted({model.cluster for model in wanted}))
        message = f"the default plan starts with {first.name!r}, not with the policy's fallback"
        yield Fault(first.node, message, f"list {clusters} first")


def _other_clusters(gateway: Gateway) -> Iterator[Fault]:
    models = models_by_cluster(gateway.config)
    for route in _plans(gateway):
        for group in route.groups:
            for name, node in group.clusters:
                if group.name in models and name in models and name != group.name and not _is_split(group.clusters):
                    yield Fault(node, f"group {group.name!r} leads to {name!r}, the cluster of another model")


def _is_split(clusters: tuple[tuple[str, Node], ...]) -> bool:
    """Whether the group shares its attempts out among several models on purpose."""
    return len(clusters) > 1


def _twice(gateway: Gateway) -> Iterator[Fault]:
    for route in _plans(gateway):
        seen = set[str]()
        for group in route.groups:
            if group.name in seen:
                yield Fault(group.node, f"group {group.name!r} is listed twice")
            seen.add(group.name)


RULES = (
    Rule(
        "chat-path-past-plan",
        Severity.ERROR,
        _past_the_plan,
        reason="Chat requests on this path go past the policy: whoever asks gets the same model.",
        fix="a route for the path, before all others that match it, with the priority groups (or cluster_header: "
        "x-llm-cluster)",
    ),
    Rule(
        "chat-path-missing",
        Severity.WARNING,
        _unrouted,
        reason="The policy has models for this path, and Envoy answers 404 to whoever asks there.",
        fix="a route for the path, with the priority groups (or cluster_header: x-llm-cluster)",
    ),
    Rule(
        "fallback-route",
        Severity.ERROR,
        _no_fallback,
        reason="When the sidecar is down nobody sets x-llm-cluster: the request would end with an error of Envoy's.",
        fix="a second route with the same match, without the x-llm-cluster header, to the fallback's cluster",
    ),
    Rule(
        "fallback-route-model",
        Severity.WARNING,
        _fallback_elsewhere,
        reason="The fallback is what the policy trusts with a prompt that nothing is known of.",
        fix="the cluster of the policy's fallback",
    ),
    Rule(
        "models-list",
        Severity.WARNING,
        _unlisted,
        reason="The list of models would be the provider's own: neither the virtual models nor those of others are "
        "on it.",
        fix="a route for GET /v1/models on which ext_proc is not disabled",
    ),
    Rule(
        "plan-namespace",
        Severity.ERROR,
        _namespace,
        reason=f"The sidecar's plan is in the dynamic metadata {METADATA_NAMESPACE}: read from elsewhere, every "
        "request takes the default plan.",
        fix=f"override_metadata_namespace: {METADATA_NAMESPACE}",
    ),
    Rule(
        "plan-model-missing",
        Severity.ERROR,
        _missing_models,
        reason="A plan can name only groups of this list: with one that is not there, Envoy takes the default plan.",
        fix="a line in priority_groups, named as the model's cluster in the policy",
    ),
    Rule(
        "plan-cluster-missing",
        Severity.ERROR,
        _missing_clusters,
        reason="The sidecar names this cluster in x-llm-cluster: such a request fails.",
        fix="a cluster of that name",
    ),
    Rule(
        "plan-model-unknown",
        Severity.WARNING,
        _unknown_models,
        reason="The sidecar never names it; it answers only without a sidecar, or when all else has failed.",
        fix="remove the group, or give the policy its model (cluster: if its name is another)",
    ),
    Rule(
        "plan-other-api",
        Severity.ERROR,
        _other_apis,
        reason="Without a decision it would be sent requests that its provider does not understand.",
        fix="move it to the route of its own API",
    ),
    Rule(
        "plan-default-order",
        Severity.WARNING,
        _default_plan,
        reason="Without a decision Envoy goes through this list as it stands; the fallback is what the policy "
        "trusts with a prompt that nothing is known of.",
        fix="list the policy's fallback first",
    ),
    Rule(
        "plan-other-cluster",
        Severity.ERROR,
        _other_clusters,
        reason="A plan names the group, and another model than the one that was chosen would answer.",
        fix="the cluster of the model that the group is named after",
    ),
    Rule(
        "plan-duplicate-group",
        Severity.ERROR,
        _twice,
        reason="A plan names groups; of two with one name it cannot mean both.",
        fix="keep one",
    ),
)
