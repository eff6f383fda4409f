"""The listener `status`: what others may see of the admin interface, which is health and statistics.

Kubernetes' probes and Prometheus come from outside the pod. Whoever reaches the admin interface itself can stop this
Envoy (/quitquitquit), take it out of service, and read all of its configuration.
"""

from datetime import timedelta

from sidecar.envoyconfig.parts.clusters import assignment
from sidecar.envoyconfig.parts.edge import connection_manager, listening, remove_prefix, router_filter
from sidecar.envoyconfig.parts.messages import (
    cluster,
    connection_limit,
    core,
    early_mutation,
    extension,
    hcm,
    listener,
    matcher,
    packed,
    route,
    socket_address,
)
from sidecar.envoyconfig.parts.names import ADMIN, STATUS
from sidecar.envoyconfig.parts.places import Address

_PATHS = ("/ready", "/stats/prometheus")

# A probe a second and a few that scrape, with room: they hold a connection no longer than a request takes.
_MOST_CONNECTIONS = 100
_CONNECTION_BUFFER_BYTES = 32 * 1024
_SECONDS = 10.0
"""For a request and its answer; also for silence on a connection."""

# With these a path may stand for another address, and so end a connection to this very Envoy.
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with


def status_listener(address: Address) -> listener.Listener:
    """Small in all it takes, and not written into the access log: probes would be most of it."""
    manager = hcm.HttpConnectionManager(
        stat_prefix=STATUS,
        codec_type=hcm.HttpConnectionManagerCodecType.HTTP1,
        use_remote_address=True,
        generate_request_id=False,
        max_request_headers_kb=8,
        common_http_protocol_options=core.HttpProtocolOptions(
            idle_timeout=timedelta(seconds=_SECONDS), max_headers_count=50
        ),
        request_headers_timeout=timedelta(seconds=_SECONDS),
        request_timeout=timedelta(seconds=_SECONDS),
        stream_idle_timeout=timedelta(seconds=_SECONDS),
        early_header_mutation_extensions=[
            extension(
                "envoy.http.early_header_mutation.header_mutation",
                early_mutation.HeaderMutation(mutations=[remove_prefix("x-envoy-")]),
            )
        ],
        http_filters=[router_filter()],
        route_config=_routes(),
    )
    ceiling = connection_limit.ConnectionLimit(stat_prefix=STATUS, max_connections=_MOST_CONNECTIONS)
    chain = connection_manager(manager)
    name = "envoy.filters.network.connection_limit"
    return listener.Listener(
        name=STATUS,
        address=listening(address),
        per_connection_buffer_limit_bytes=_CONNECTION_BUFFER_BYTES,
        ignore_global_conn_limit=True,  # a gateway that is full is not ill
        filter_chains=[
            listener.FilterChain(filters=[listener.Filter(name=name, typed_config=packed(ceiling)), *chain.filters])
        ],
    )


def admin_cluster(address: Address) -> cluster.Cluster:
    """The admin interface of this Envoy."""
    host, port = address
    return cluster.Cluster(
        name=ADMIN,
        connect_timeout=timedelta(seconds=1),
        load_assignment=assignment(ADMIN, socket_address(_ANY_ADDRESS.get(host, host), port)),
    )


def _routes() -> route.RouteConfiguration:
    """Nothing but these paths has a route, so all else is answered 404."""
    host = route.VirtualHost(name=STATUS, domains=["*"], routes=[_route(path) for path in _PATHS])
    return route.RouteConfiguration(name=STATUS, virtual_hosts=[host])


def _route(path: str) -> route.Route:
    """GET of exactly that path: the path of a match is without the query, the header is with it."""
    exactly = [
        route.HeaderMatcher(name=name, string_match=matcher.StringMatcher(exact=value))
        for name, value in ((":method", "GET"), (":path", path))
    ]
    return route.Route(
        name=path.strip("/"),
        match=route.RouteMatch(path=path, headers=exactly),
        route=route.RouteAction(cluster=ADMIN, timeout=timedelta(seconds=_SECONDS)),
    )
