"""Rules for the whole process: what it needs to start, who reaches its admin port, names that lead nowhere."""

from collections import Counter
from collections.abc import Iterator

from sidecar.config.document import suggest
from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import fixed_clusters
from sidecar.envoyconfig.reading.elements import ROUTER, UPSTREAM_CODEC
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.matching import Request, matches_route
from sidecar.envoyconfig.reading.secrets import sds_paths

_INTERNAL_LISTENER = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
_CONNECTION_LIMIT = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"

# Of the admin interface: what stops Envoy, what takes it out of service, what tells of it.
_NOT_FOR_OTHERS = tuple(
    Request(path, {}, method=method)
    for method, path in (
        ("POST", "/quitquitquit"),
        ("POST", "/healthcheck/fail"),
        ("POST", "/drain_listeners"),
        ("GET", "/config_dump"),
        ("GET", "/certs"),
    )
)
_COMPOSITE = "envoy.clusters.composite"


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach that address."""
    return address.startswith("127.") or address in ("::1", "localhost")


def _node_ids(gateway: Gateway) -> Iterator[Fault]:
    if next(sds_paths(gateway.root), None) is None:
        return
    node = gateway.root.at("node")
    for name in ("id", "cluster"):
        if not node.at(name).text():
            yield Fault(node, f"keys are read from files (SDS), and node.{name} is not set")


def _internal_listeners(gateway: Gateway) -> Iterator[Fault]:
    extensions = [it.at("typed_config").typed()[0] for it in gateway.root.at("bootstrap_extensions").items()]
    if _INTERNAL_LISTENER in extensions:
        return
    for listener in gateway.root.at("static_resources", "listeners").items():
        if listener.at("internal_listener").is_set:
            name = listener.at("name").text()
            yield Fault(
                gateway.root.at("bootstrap_extensions"), f"listener {name!r} is internal, and no extension is"
            )


def _admin(gateway: Gateway) -> Iterator[Fault]:
    address = gateway.root.at("admin", "address", "socket_address", "address")
    if address.is_set and not is_loopback(address.text()):
        yield Fault(address, f"the admin port listens at {address.text()!r}")


def _passed_admin(gateway: Gateway) -> Iterator[Fault]:
    admin = gateway.root.at("admin", "address", "socket_address")
    leading = {
        name for name, cluster in gateway.clusters.items() if any(_is_at(it, admin) for it in cluster.addresses)
    }
    for listener in gateway.listeners:
        for route in [route for host in listener.virtual_hosts for route in host.at("routes").items()]:
            if leading.isdisjoint(name for name, _ in fixed_clusters(route.at("route"))):
                continue
            passed = [it for it in _NOT_FOR_OTHERS if matches_route(route, it) is not False]
            if passed:
                message = (
                    f"listener {listener.name!r} passes {passed[0].method} {passed[0].path} on to the admin port"
                )
                yield Fault(route, message)


def _is_at(address: Node, admin: Node) -> bool:
    """Whether that is the admin port of this Envoy."""
    socket = address.at("socket_address")
    host, port = socket.at("address").text(), socket.at("port_value").number()
    is_here = is_loopback(host) or host == admin.at("address").text()
    return is_here and port is not None and port == admin.at("port_value").number()


def _connection_limit(gateway: Gateway) -> Iterator[Fault]:
    manager = gateway.root.at("overload_manager")
    monitors = [it.at("typed_config").typed()[0] for it in manager.at("resource_monitors").items()]
    if _CONNECTION_LIMIT not in monitors and gateway.edges:
        yield Fault(manager, "nothing limits the number of the clients' connections")


def _counted_twice(gateway: Gateway) -> Iterator[Fault]:
    if any(True for _ in _connection_limit(gateway)):
        return
    for inner in gateway.inner_listeners:
        ignore = inner.node.at("ignore_global_conn_limit")
        if ignore.flag() is not True:
            yield Fault(ignore, f"connections of the internal listener {inner.name!r} count against the limit")


def _unknown_clusters(gateway: Gateway) -> Iterator[Fault]:
    if gateway.has_dynamic_clusters:
        return
    for name, node in _named_clusters(gateway.root):
        if name and name not in gateway.clusters:
            yield Fault(node, f"no cluster is named {name!r}{suggest(name, gateway.clusters)}")


def _named_clusters(root: Node) -> Iterator[tuple[str, Node]]:
    for node in root.walk():
        yield from fixed_clusters(node.at("route"))
        named = [node.at("envoy_grpc", "cluster_name"), node.at("http_uri", "cluster")]
        named += [it.at("cluster") for it in node.at("request_mirror_policies").items()]
        for group in node.at("priority_groups").items():
            named += [it.at("cluster_name") for it in group.at("clusters").items()]
        yield from ((it.text(), it) for it in named)


def _unknown_listeners(gateway: Gateway) -> Iterator[Fault]:
    if gateway.has_dynamic_listeners:
        return
    listeners = gateway.root.at("static_resources", "listeners").items()
    internal = [it.at("name").text() for it in listeners if it.at("internal_listener").is_set]
    for cluster in gateway.clusters.values():
        for address in cluster.internal_addresses:
            name = address.at("server_listener_name")
            if name.text() not in internal:
                message = f"no internal listener is named {name.text()!r}{suggest(name.text(), internal)}"
                yield Fault(name, message)


def _duplicate_names(gateway: Gateway) -> Iterator[Fault]:
    for kind in ("clusters", "listeners"):
        named = [it.at("name") for it in gateway.root.at("static_resources", kind).items()]
        counts = Counter(name.text() for name in named)
        seen = set[str]()
        for name in named:
            if counts[name.text()] > 1 and name.text() and name.text() in seen:
                yield Fault(name, f"{kind} has {name.text()!r} more than once")
            seen.add(name.text())


def _last_filters(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.passed_listeners:
        last = listener.filters[-1] if listener.filters else None
        if last is None or (last.type and last.type != ROUTER):
            place = last.node if last is not None else listener.http.at("http_filters")
            yield Fault(place, f"the last filter of listener {listener.name!r} is not the router", "the router, last")
    for cluster in (*gateway.attempt_clusters, *gateway.provider_clusters()):
        last = cluster.filters[-1] if cluster.filters else None
        if last is not None and last.type != UPSTREAM_CODEC:
            yield Fault(last.node, f"the last filter of cluster {cluster.name!r} is not upstream_codec")


def _composites(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.clusters.values():
        type_ = cluster.node.at("cluster_type", "name")
        if type_.text() == _COMPOSITE:
            yield Fault(type_, f"cluster {cluster.name!r} is a composite of others")


RULES = (
    Rule(
        "node-id",
        Severity.WARNING,
        _node_ids,
        reason="Envoy reads no key file without a node id and a node cluster: it does not start.",
        fix="node: {id: llm-edge, cluster: llm-edge}, or start Envoy with --service-node and --service-cluster",
    ),
    Rule(
        "internal-listener-extension",
        Severity.ERROR,
        _internal_listeners,
        reason="Internal listeners need their bootstrap extension; Envoy does not start without it.",
        fix='bootstrap_extensions: [{name: envoy.bootstrap.internal_listener, typed_config: {"@type": '
        "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener}}]",
    ),
    Rule(
        "admin-address",
        Severity.WARNING,
        _admin,
        reason="Whoever reaches the admin port can stop this Envoy and read its configuration and statistics.",
        fix="admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}",
    ),
    Rule(
        "admin-passed-on",
        Severity.ERROR,
        _passed_admin,
        reason="Whoever reaches that listener can stop this Envoy, take it out of service or read its configuration.",
        fix="match: {path: /ready, headers: [{name: ':method', string_match: {exact: GET}}]}, or let "
        "`sidecar envoy --status` write the listener",
    ),
    Rule(
        "connection-limit",
        Severity.WARNING,
        _connection_limit,
        reason="Envoy may hold a whole body for each chat request: without a ceiling, memory is what ends first.",
        fix="overload_manager: resource_monitors: envoy.resource_monitors.global_downstream_max_connections",
    ),
    Rule(
        "connection-limit-counts-twice",
        Severity.WARNING,
        _counted_twice,
        reason="Each attempt opens a connection to the internal listener: they would use up the clients' limit.",
        fix="ignore_global_conn_limit: true in the internal listener",
    ),
    Rule(
        "unknown-cluster",
        Severity.ERROR,
        _unknown_clusters,
        reason="In a route Envoy does not start with it; in an envoy_grpc it starts, and nothing is ever reached.",
        fix="the name of a cluster under static_resources.clusters",
    ),
    Rule(
        "unknown-listener",
        Severity.ERROR,
        _unknown_listeners,
        reason="Envoy starts all the same, and every attempt that takes this cluster fails.",
        fix="server_listener_name: the name of a listener with `internal_listener: {}`",
    ),
    Rule(
        "duplicate-name",
        Severity.ERROR,
        _duplicate_names,
        reason="Envoy does not start with two clusters of one name; of two listeners it keeps one.",
        fix="a name of its own for each",
    ),
    Rule(
        "last-filter",
        Severity.ERROR,
        _last_filters,
        reason="Envoy does not start with a chain of filters that ends in another one.",
        fix="an envoy.filters.http.upstream_codec, last",
    ),
    Rule(
        "composite-cluster",
        Severity.ERROR,
        _composites,
        reason="Envoy does not run the HTTP filters of a composite's clusters: the model stays as it was and the "
        "client's own credentials go to every provider.",
        fix="priority groups in the route (envoy.router.cluster_specifier_plugin.priority_group)",
    ),
)
