"""What could not be checked because it is not in the file; said, so that silence means that all is well."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.edges import chooses_cluster
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.secrets import find_companion

_LUA = "envoy.extensions.filters.http.lua.v3.Lua"


def _dynamic(gateway: Gateway) -> Iterator[Fault]:
    dynamic = gateway.root.at("dynamic_resources")
    for name, what in (("lds_config", "listeners"), ("cds_config", "clusters"), ("ads_config", "resources")):
        if dynamic.at(name).is_set:
            yield Fault(dynamic.at(name), f"{what} from elsewhere ({name}) are not checked")


def _routes(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.listeners:
        for name in ("rds", "scoped_routes"):
            if listener.http.at(name).is_set:
                message = f"the routes of listener {listener.name!r} come from elsewhere ({name}) and are not checked"
                yield Fault(listener.http.at(name), message)
        if listener.route_config.at("vhds").is_set:
            yield Fault(listener.route_config.at("vhds"), "virtual hosts from elsewhere (vhds) are not checked")
        for host in listener.virtual_hosts:
            if host.at("matcher").is_set:
                yield Fault(host.at("matcher"), "routes that are chosen by a matcher are not checked")


def _filters(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.passed_listeners:
        for filter_ in listener.filters:
            source = filter_.node.at("config_discovery")
            if source.is_set:
                message = f"filter {filter_.name!r} comes from elsewhere (config_discovery) and is not checked"
                yield Fault(source, message)


def _choices(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        if attempt.route is not None and chooses_cluster(attempt.route.at("route")):
            yield Fault(attempt.route, "the provider's cluster is chosen for each request, and is not checked")


def _hosts(gateway: Gateway) -> Iterator[Fault]:
    reached = [attempt.cluster for attempt in gateway.attempts]
    clusters = {it.name: it for it in [*reached, *gateway.provider_clusters(), *gateway.sidecar_clusters()]}
    for cluster in clusters.values():
        if not cluster.addresses:
            yield Fault(
                cluster.node, f"the addresses of cluster {cluster.name!r} are not in the file and not checked"
            )


def _certificates(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters():
        tls = cluster.tls
        source = tls.at("common_tls_context", "validation_context_sds_secret_config") if tls is not None else None
        if source is not None and source.is_set:
            yield Fault(source, "how the provider's certificate is checked comes from elsewhere (SDS)")


def _files(gateway: Gateway) -> Iterator[Fault]:
    for file in gateway.secret_files.values():
        if not file.is_found:
            yield Fault(file.named_at, f"{file.named_at.text()} is not here and not checked")
    for inner in gateway.inner_listeners:
        for lua in inner.filters_of(_LUA):
            filename = lua.config.at("default_source_code", "filename")
            if filename.is_set and find_companion(filename) is None:
                yield Fault(filename, f"{filename.text()} is not here and not checked")


def _unseen(gateway: Gateway) -> Iterator[Fault]:
    for find in (_dynamic, _routes, _filters, _choices, _hosts, _certificates, _files):
        yield from find(gateway)


RULES = (
    Rule(
        "not-checked",
        Severity.NOTE,
        _unseen,
        reason="It is not in this file, so nothing is known of it here.",
        fix="nothing; or check the file that it is in",
    ),
)
