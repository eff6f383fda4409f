"""The way of an attempt on a model: from the plan to a cluster, an internal listener, its route, the provider."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import ChatRoute, Choice, Edge, fixed_clusters
from sidecar.envoyconfig.reading.elements import Cluster, HttpListener, added_headers
from sidecar.envoyconfig.reading.matching import Request, find_route, find_virtual_host
from sidecar.routing.api import Endpoint
from sidecar.routing.policy import Model


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way that a request for a model can take."""

    model: Model
    edge_route: ChatRoute
    named_at: Node
    """Where the edge names the cluster."""
    cluster: Cluster
    endpoint: Endpoint
    """One that the model can be asked at."""
    request: Request
    """What arrives at the internal listener."""
    inner: HttpListener | None = None
    """The internal listener that the cluster leads to; None if there is none, or it is not in the file."""
    virtual_host: Node | None = None
    route: Node | None = None
    """The route that it takes there; None if none takes it."""
    provider: Cluster | None = None
    """The cluster with the provider's address; None if it is not in the file."""

    @property
    def is_direct(self) -> bool:
        """Whether it goes to the provider without passing an internal listener."""
        return bool(self.cluster.addresses) and not self.cluster.internal_addresses

    @property
    def levels(self) -> tuple[Node, ...]:
        """Where the settings of the inner route may stand: the most specific first."""
        if self.route is None or self.virtual_host is None or self.inner is None:
            return ()
        return self.route, self.virtual_host, self.inner.route_config


def find_attempts(
    edges: Sequence[Edge],
    models: Mapping[str, Model],
    listeners: Sequence[HttpListener],
    clusters: Mapping[str, Cluster],
) -> tuple[Attempt, ...]:
    """All ways to the policy's models that the file has. `models`: by the name of their cluster."""
    internal = {it.name: it for it in listeners if it.is_internal}
    found: dict[tuple[object, ...], Attempt] = {}
    for route in (route for edge in edges for route in edge.routes):
        for model, name, node in _named_clusters(route, models):
            endpoints = sorted(model.endpoints & route.endpoints)
            if name in clusters and endpoints:
                request = _inner_request(route, clusters[name], endpoints[0])
                start = Attempt(model, route, node, clusters[name], endpoints[0], request)
                for attempt in _follow(start, internal, clusters):
                    provider = attempt.provider.name if attempt.provider is not None else None
                    found.setdefault((route.node.mark, model.name, name, provider), attempt)
    return tuple(found.values())


def _named_clusters(route: ChatRoute, models: Mapping[str, Model]) -> Iterator[tuple[Model, str, Node]]:
    """Each cluster that a route leads to, with the model that it should be."""
    if route.choice is Choice.HEADER:
        for name, model in models.items():
            yield model, name, route.action.at("cluster_header")
    for name, node in route.fixed_clusters():
        if name in models:
            yield models[name], name, node
    for group in route.groups:
        for name, node in group.clusters:
            known = models.get(name) or (models.get(group.name) if len(group.clusters) == 1 else None)
            if known is not None:
                yield known, name, node


def _follow(start: Attempt, internal: Mapping[str, HttpListener], clusters: Mapping[str, Cluster]) -> list[Attempt]:
    if start.is_direct:
        return [replace(start, provider=start.cluster)]
    addresses = start.cluster.internal_addresses
    inner = internal.get(addresses[0].at("server_listener_name").text()) if addresses else None
    if inner is None:
        return [start]
    host = find_virtual_host(inner.virtual_hosts, start.request.authority)
    route = find_route(host.at("routes").items(), start.request) if host is not None else None
    if route is None:
        return [replace(start, inner=inner, virtual_host=host)]
    providers = [clusters.get(name) for name, _ in fixed_clusters(route.at("route"))] or [None]
    return [replace(start, inner=inner, virtual_host=host, route=route, provider=it) for it in providers]


def _inner_request(route: ChatRoute, cluster: Cluster, endpoint: Endpoint) -> Request:
    """A chat request as it arrives at the internal listener, with the headers that edge and cluster set."""
    headers = {"content-type": "application/json"}
    added = added_headers("request_headers_to_add", route.levels)
    for header in (*added.values(), *cluster.set_headers()):
        headers[header.name] = header.value
    return Request(f"/v1/{endpoint}", headers, route.action.at("host_rewrite_literal").text())
