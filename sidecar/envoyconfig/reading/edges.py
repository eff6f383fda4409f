"""The edge: listeners that clients reach, the filter that asks the sidecar, the routes of chat requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from sidecar.envoyconfig.parts.names import CLUSTER_HEADER, METADATA_NAMESPACE
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.elements import Cluster, HttpFilter, HttpListener
from sidecar.envoyconfig.reading.matching import Request, find_route, matches_path
from sidecar.routing.api import Endpoint

EXT_PROC = "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"
PRIORITY_GROUP = "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier"
BODY_MODES = ("NONE", "STREAMED", "BUFFERED", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED", "GRPC")
"""Those of ext_proc, by number."""

_FILTER_CONFIG = "envoy.config.route.v3.FilterConfig"

# Enough of what only the sidecar's filter has to know it among others.
_LIKE_THE_SIDECAR = 2


class Choice(Enum):
    """How a route chooses the cluster."""

    PLAN = auto()
    """By priority groups, which the sidecar's plan orders."""
    HEADER = auto()
    """By the header that the sidecar sets."""
    FIXED = auto()
    """Always the same."""
    NONE = auto()
    """It answers by itself."""


@dataclass(frozen=True, slots=True)
class Group:
    """One priority group of a route."""

    name: str
    node: Node
    clusters: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class ChatRoute:
    """A route of the edge that takes chat requests."""

    listener: HttpListener
    virtual_host: Node
    node: Node
    choice: Choice
    specifier: Node
    """The configuration of the priority groups, for Choice.PLAN."""
    endpoints: frozenset[Endpoint]
    """Whose paths it matches."""
    is_stray: bool
    """Whether it takes requests that the sidecar has decided, and carries out no plan."""

    @property
    def action(self) -> Node:
        """Its `route`."""
        return self.node.at("route")

    @property
    def levels(self) -> tuple[Node, Node, Node]:
        """Where its settings may stand: the most specific first."""
        return self.node, self.virtual_host, self.listener.route_config

    @property
    def groups(self) -> tuple[Group, ...]:
        """The plan that is in the file."""
        return tuple(
            Group(
                group.at("name").text(),
                group,
                tuple((it.at("cluster_name").text(), it.at("cluster_name")) for it in group.at("clusters").items()),
            )
            for group in self.specifier.at("priority_groups").items()
        )

    @property
    def retry_policy(self) -> Node:
        """Its own, or else its virtual host's."""
        own, of_host = self.action.at("retry_policy"), self.virtual_host.at("retry_policy")
        return of_host if of_host.is_set and not own.is_set else own

    @property
    def most_attempts(self) -> int:
        """How often a request may be tried in all; Envoy's default is one retry."""
        retries = self.retry_policy.at("num_retries").number()
        return 2 if retries is None else int(retries) + 1

    def fixed_clusters(self) -> list[tuple[str, Node]]:
        """The clusters of a route without a choice."""
        return fixed_clusters(self.action)


@dataclass(frozen=True, slots=True)
class Edge:
    """A listener that clients reach with chat requests."""

    listener: HttpListener
    ext_proc: HttpFilter | None
    """The filter that asks the sidecar."""
    virtual_hosts: tuple[Node, ...]
    """Those with a route that carries out plans; all, if none has one."""
    routes: tuple[ChatRoute, ...]

    def route_of(self, virtual_host: Node, endpoint: Endpoint, *, is_decided: bool) -> ChatRoute | None:
        """The route that a chat request takes, with a decision of the sidecar or without."""
        found = find_route(virtual_host.at("routes").items(), chat_request(endpoint, is_decided=is_decided))
        return next((it for it in self.routes if found is not None and it.node.yaml is found.yaml), None)

    def takes(self, route: ChatRoute, *, is_decided: bool) -> bool:
        """Whether one of its routes may take requests with a decision of the sidecar, or those without."""
        taken = [self.route_of(route.virtual_host, it, is_decided=is_decided) for it in route.endpoints]
        return not taken or any(it is None or it.node.yaml is route.node.yaml for it in taken)

    def settings(self, *names: str) -> list[Node]:
        """A setting of the ext_proc filter, and the same setting of every chat route that has its own."""
        if self.ext_proc is None:
            return []
        own = [it.at("overrides") for it in self.per_route_configs()]
        return [self.ext_proc.config.at(*names), *(it.at(*names) for it in own if it.at(names[0]).is_set)]

    def per_route_configs(self) -> list[Node]:
        """What chat routes say of the ext_proc filter."""
        configs = [self._per_route_config(route.levels) for route in self.routes if not route.is_stray]
        return list({config.mark: config for config in configs if config is not None}.values())

    def is_disabled_for(self, route: Node, virtual_host: Node) -> bool:
        """Whether the ext_proc filter passes over what takes that route."""
        config = self._per_route_config((route, virtual_host, self.listener.route_config))
        return config is not None and config.at("disabled").flag() is True

    def _per_route_config(self, levels: Sequence[Node]) -> Node | None:
        if self.ext_proc is None:
            return None
        configs = [level.at("typed_per_filter_config").at(self.ext_proc.name) for level in levels]
        return next((_unwrapped(config) for config in configs if config.is_set), None)


def chat_request(endpoint: Endpoint, *, is_decided: bool) -> Request:
    """An ordinary chat request, as the edge's routes see it."""
    headers = {"content-type": "application/json"}
    return Request(f"/v1/{endpoint}", headers | ({CLUSTER_HEADER: "any"} if is_decided else {}))


def find_edges(
    listeners: Sequence[HttpListener], clusters: Mapping[str, Cluster], endpoints: frozenset[Endpoint]
) -> tuple[Edge, ...]:
    """The listeners that clients reach with requests for these endpoints."""
    outer = [it for it in listeners if not it.is_internal]
    asking = [it for it in outer if _plan_hosts(it) or _likest(it, clusters)[1] >= _LIKE_THE_SIDECAR]
    if not asking:  # perhaps so wrong that nothing shows what it is
        asking = [it for it in outer if len(it.filters_of(EXT_PROC)) == 1]
        asking = asking if len(asking) == 1 else []
    return tuple(_read_edge(it, clusters, endpoints) for it in asking)


def fixed_clusters(action: Node) -> list[tuple[str, Node]]:
    """The clusters that a route names, weighted ones among them."""
    if action.at("cluster").is_set:
        return [(action.at("cluster").text(), action.at("cluster"))]
    return [(it.at("name").text(), it.at("name")) for it in action.at("weighted_clusters", "clusters").items()]


def chooses_cluster(action: Node) -> bool:
    """Whether a route finds its cluster by something of the request."""
    names = ("cluster_header", "cluster_specifier_plugin", "inline_cluster_specifier_plugin")
    return any(action.at(name).is_set for name in names)


def _read_edge(listener: HttpListener, clusters: Mapping[str, Cluster], endpoints: frozenset[Endpoint]) -> Edge:
    hosts = _plan_hosts(listener) or listener.virtual_hosts
    routes = tuple(route for host in hosts for route in _chat_routes(listener, host, endpoints))
    return Edge(listener, _likest(listener, clusters)[0], tuple(hosts), routes)


def _chat_routes(listener: HttpListener, host: Node, endpoints: frozenset[Endpoint]) -> list[ChatRoute]:
    """The routes that carry out plans, and those that chat requests take all the same."""
    routes = host.at("routes").items()
    carrying = [it for it in routes if _choose(listener, it)[0] in (Choice.PLAN, Choice.HEADER)]
    decided, undecided = (
        [find_route(routes, chat_request(endpoint, is_decided=is_decided)) for endpoint in sorted(endpoints)]
        for is_decided in (True, False)
    )
    found = {id(it.yaml): it for it in (*carrying, *decided, *undecided) if it is not None}
    strays = {id(it.yaml) for it in decided if it is not None} - {id(it.yaml) for it in carrying}
    return [_read_route(listener, host, it, endpoints, is_stray=key in strays) for key, it in found.items()]


def _read_route(
    listener: HttpListener, host: Node, node: Node, endpoints: frozenset[Endpoint], *, is_stray: bool
) -> ChatRoute:
    choice, specifier = _choose(listener, node)
    served = frozenset(it for it in endpoints if matches_path(node.at("match"), f"/v1/{it}") is not False)
    return ChatRoute(listener, host, node, choice, specifier, served, is_stray)


def _choose(listener: HttpListener, route: Node) -> tuple[Choice, Node]:
    action = route.at("route")
    extension = action.at("inline_cluster_specifier_plugin", "extension")
    if action.at("cluster_specifier_plugin").is_set:
        name = action.at("cluster_specifier_plugin").text()
        plugins = listener.route_config.at("cluster_specifier_plugins").items()
        extension = next(
            (it.at("extension") for it in plugins if it.at("extension", "name").text() == name), extension
        )
    type_, specifier = extension.at("typed_config").typed()
    if type_ == PRIORITY_GROUP:
        return Choice.PLAN, specifier
    if action.at("cluster_header").text().lower() == CLUSTER_HEADER:
        return Choice.HEADER, specifier
    return (Choice.FIXED if action.is_set else Choice.NONE), specifier


def _plan_hosts(listener: HttpListener) -> list[Node]:
    return [
        host
        for host in listener.virtual_hosts
        if any(_choose(listener, route)[0] in (Choice.PLAN, Choice.HEADER) for route in host.at("routes").items())
    ]


def _likest(listener: HttpListener, clusters: Mapping[str, Cluster]) -> tuple[HttpFilter | None, int]:
    """The ext_proc filter that is most like the sidecar's, and how like it is."""
    rated = [(it, _likeness(it, clusters)) for it in listener.filters_of(EXT_PROC)]
    return max(rated, key=lambda it: it[1], default=(None, 0))


def _likeness(filter_: HttpFilter, clusters: Mapping[str, Cluster]) -> int:
    config = filter_.config
    name = config.at("grpc_service", "envoy_grpc", "cluster_name").text()
    hosts = [it.at("pipe", "path").text() for it in clusters[name].addresses] if name in clusters else []
    return (
        4 * (METADATA_NAMESPACE in config.at("metadata_options", "receiving_namespaces", "untyped").texts())
        + 2 * ("x-llm-" in config.at("mutation_rules", "allow_expression", "regex").text())
        + 2 * any("sidecar" in it for it in (name, filter_.name, *hosts))
        + (config.at("processing_mode", "request_body_mode").word() not in ("", "NONE"))
    )


def _unwrapped(config: Node) -> Node:
    """Without the FilterConfig that may be around a filter's own configuration."""
    name, wrapped = config.typed()
    return wrapped.at("config") if name == _FILTER_CONFIG and wrapped.at("config").is_set else config
