"""What an Envoy file consists of: HTTP listeners, their filters, and clusters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sidecar.envoyconfig.reading.document import Node

_HTTP_CONNECTION_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_WITH_MATCHER = "envoy.extensions.common.matching.v3.ExtensionWithMatcher"

HEADER_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
UPSTREAM_CODEC = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


@dataclass(frozen=True, slots=True)
class HttpFilter:
    """One HTTP filter, of a listener or of a cluster."""

    name: str
    type: str
    """Full name of its configuration's type; empty where that is not in the file."""
    config: Node
    node: Node


@dataclass(frozen=True, slots=True)
class SetHeader:
    """A header that Envoy is told to set."""

    name: str
    value: str
    node: Node

    @property
    def overwrites(self) -> bool:
        """Whether what a client sent under that name is gone."""
        action = self.node.at("append_action")
        names = ("APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS")
        return action.word(names).startswith("OVERWRITE") or self.node.at("append").flag() is False


@dataclass(frozen=True, slots=True)
class HttpListener:
    """A listener with an HTTP connection manager."""

    name: str
    node: Node
    http: Node
    """The configuration of the connection manager."""
    filters: tuple[HttpFilter, ...]

    @property
    def is_internal(self) -> bool:
        """Whether only this Envoy itself can reach it."""
        return self.node.at("internal_listener").is_set

    @property
    def route_config(self) -> Node:
        """Its routes, if they are in the file."""
        return self.http.at("route_config")

    @property
    def virtual_hosts(self) -> list[Node]:
        """The virtual hosts in the file."""
        return self.route_config.at("virtual_hosts").items()

    @property
    def has_routes(self) -> bool:
        """Whether all its routes are in the file."""
        comes_from_elsewhere = self.route_config.at("vhds").is_set or not self.route_config.is_set
        return not comes_from_elsewhere and not any(it.at("matcher").is_set for it in self.virtual_hosts)

    @property
    def access_logs(self) -> list[tuple[str, Node]]:
        """Its access logs: type and configuration."""
        logs = [*self.http.at("access_log").items(), *self.node.at("access_log").items()]
        return [log.at("typed_config").typed() for log in logs]

    def filters_of(self, *types: str) -> list[HttpFilter]:
        """Its filters of these types."""
        return [it for it in self.filters if it.type in types]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster."""

    name: str
    node: Node
    http: Node
    """Its HTTP options."""
    filters: tuple[HttpFilter, ...]
    """The filters that a request passes on its way to the cluster's hosts."""

    @property
    def addresses(self) -> list[Node]:
        """The addresses of its hosts, as far as they are in the file."""
        groups = self.node.at("load_assignment", "endpoints").items()
        hosts = [host for group in groups for host in group.at("lb_endpoints").items()]
        addresses = [host.at("endpoint", "address") for host in hosts]
        return [address for address in addresses if address.is_set]

    @property
    def internal_addresses(self) -> list[Node]:
        """Those that are listeners of this Envoy."""
        return [it.at("envoy_internal_address") for it in self.addresses if it.at("envoy_internal_address").is_set]

    @property
    def tls(self) -> Node | None:
        """Its TLS settings; None if it has none."""
        name, config = self.node.at("transport_socket", "typed_config").typed()
        return config if name == UPSTREAM_TLS else None

    @property
    def is_http2(self) -> bool:
        """Whether its hosts are spoken to in HTTP/2 without being asked first."""
        explicit = self.http.at("explicit_http_config", "http2_protocol_options")
        return explicit.is_set or self.node.at("http2_protocol_options").is_set

    @property
    def thresholds(self) -> Node:
        """The circuit breaker for requests of normal priority."""
        breakers = self.node.at("circuit_breakers")
        found = [it for it in breakers.at("thresholds").items() if it.at("priority").word() in ("", "DEFAULT")]
        return found[0] if found else breakers.at("thresholds", "")

    @property
    def panic_threshold(self) -> tuple[float, Node]:
        """Below how many percent of healthy hosts Envoy uses the unhealthy ones too, and where that is said."""
        threshold = self.node.at("common_lb_config", "healthy_panic_threshold")
        percent = threshold.at("value").number() or 0.0
        return (percent if threshold.is_set else 50.0), threshold

    def set_headers(self) -> list[SetHeader]:
        """What its header_mutation filters set on a request."""
        added = (mutation.at("append") for mutation in header_mutations(self.filters, "request_mutations"))
        return read_set_headers(it for it in added if it.is_set)


def read_listeners(root: Node) -> tuple[HttpListener, ...]:
    """Every listener with an HTTP connection manager; one for each of its filter chains."""
    found = []
    for listener in root.at("static_resources", "listeners").items():
        for chain in [*listener.at("filter_chains").items(), *listener.at("default_filter_chain").items()]:
            for filter_ in chain.at("filters").items():
                name, http = filter_.at("typed_config").typed()
                if name == _HTTP_CONNECTION_MANAGER:
                    filters = read_filters(http.at("http_filters"))
                    found.append(HttpListener(listener.at("name").text(), listener, http, filters))
    return tuple(found)


def read_clusters(root: Node) -> dict[str, Cluster]:
    """Every cluster, by name."""
    found = {}
    for node in root.at("static_resources", "clusters").items():
        _, http = node.at("typed_extension_protocol_options", _HTTP_OPTIONS).typed()
        name = node.at("name").text()
        found[name] = Cluster(name, node, http, read_filters(http.at("http_filters")))
    return found


def read_filters(filters: Node) -> tuple[HttpFilter, ...]:
    """The filters of a chain, in its order."""
    return tuple(_read_filter(node) for node in filters.items())


def read_set_headers(options: Iterable[Node]) -> list[SetHeader]:
    """Headers from HeaderValueOptions."""
    return [
        SetHeader(option.at("header", "key").text().lower(), option.at("header", "value").text(), option)
        for option in options
    ]


def header_mutations(filters: Iterable[HttpFilter], direction: str) -> Iterator[Node]:
    """What the header_mutation filters among them do: `request_mutations` or `response_mutations`."""
    for filter_ in filters:
        if filter_.type == HEADER_MUTATION:
            yield from filter_.config.at("mutations", direction).items()


def header_changes(name: str, *levels: Node) -> Iterator[Node]:
    """The entries of lists such as `request_headers_to_remove`, over route, virtual host and route configuration."""
    for level in levels:
        yield from level.at(name).items()


def added_headers(name: str, levels: Sequence[Node]) -> dict[str, SetHeader]:
    """The headers that a route adds by such a list; of two for one header that which counts.

    `levels`: route, virtual host, route configuration. Envoy goes outwards, so the outermost is the last to write.
    """
    is_inwards = levels[-1].at("most_specific_header_mutations_wins").flag() is True
    options = header_changes(name, *(reversed(levels) if is_inwards else levels))
    return {header.name: header for header in read_set_headers(options)}


def _read_filter(node: Node) -> HttpFilter:
    type_, config = node.at("typed_config").typed()
    if type_ == _WITH_MATCHER:
        type_, config = config.at("extension_config", "typed_config").typed()
    return HttpFilter(node.at("name").text(), type_, config, node)
