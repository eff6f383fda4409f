"""The listener `edge`: the clients' side."""

from collections.abc import Set as AbstractSet
from datetime import timedelta

from sidecar.envoyconfig.parts.decision_filter import decision_filter
from sidecar.envoyconfig.parts.local_replies import edge_replies
from sidecar.envoyconfig.parts.messages import (
    append_header,
    core,
    early_mutation,
    extension,
    hcm,
    listener,
    matcher,
    mutation_rules,
    packed,
    route,
    router,
)
from sidecar.envoyconfig.parts.names import EDGE, MAX_COST_HEADER, TIER_HEADER
from sidecar.envoyconfig.parts.observation import access_log, request_tracing
from sidecar.envoyconfig.parts.outcome_feed import edge_feed
from sidecar.envoyconfig.parts.places import Address, Places
from sidecar.envoyconfig.parts.retries import ATTEMPT_SECONDS

# Attempts that fail one after another go by in silence: a stream may end when it was silent for longer than that.
_SPARE_SECONDS = 80

_Escaped = hcm.HttpConnectionManagerPathWithEscapedSlashesAction
_Underscores = core.HttpProtocolOptionsHeadersWithUnderscoresAction


def edge_listener(
    routes: route.RouteConfiguration, attempts: int, wanted_headers: AbstractSet[str], places: Places
) -> listener.Listener:
    """`attempts`: the most that one request may take; `wanted_headers`: those that the policy reads."""
    manager = hcm.HttpConnectionManager(
        stat_prefix=EDGE,
        use_remote_address=True,
        # One spelling of a path for the routes and for the provider: //v1/./chat%2Fcompletions is the chat path.
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=_Escaped.UNESCAPE_AND_FORWARD,
        common_http_protocol_options=core.HttpProtocolOptions(
            headers_with_underscores_action=_Underscores.DROP_HEADER, max_headers_count=200
        ),
        http2_protocol_options=core.Http2ProtocolOptions(max_concurrent_streams=100),
        request_headers_timeout=timedelta(seconds=10),
        request_timeout=timedelta(seconds=300),
        stream_idle_timeout=timedelta(seconds=attempts * ATTEMPT_SECONDS + _SPARE_SECONDS),
        early_header_mutation_extensions=[_strip_headers()],
        local_reply_config=edge_replies(),
        tracing=request_tracing() if places.otlp else None,
        access_log=[access_log(), edge_feed()],
        http_filters=[decision_filter(wanted_headers), router_filter()],
        route_config=routes,
    )
    return listener.Listener(
        name=EDGE,
        address=listening(places.edge),
        filter_chains=[connection_manager(manager)],
    )


def listening(address: Address) -> core.Address:
    """Where a listener is: at `::` also those are heard that come by IPv4."""
    host, port = address
    return core.Address(socket_address=core.SocketAddress(address=host, port_value=port, ipv4_compat=host == "::"))


def connection_manager(manager: hcm.HttpConnectionManager) -> listener.FilterChain:
    """A listener's one chain, of one filter."""
    name = "envoy.filters.network.http_connection_manager"
    return listener.FilterChain(filters=[listener.Filter(name=name, typed_config=packed(manager))])


def router_filter() -> hcm.HttpFilter:
    """The last filter of every chain.

    Without its own headers: x-envoy-overloaded of a full breaker would tell the edge not to try the next model.
    """
    settings = router.Router(suppress_envoy_headers=True)
    return hcm.HttpFilter(name="envoy.filters.http.router", typed_config=packed(settings))


def _strip_headers() -> core.TypedExtensionConfig:
    """Of all x-llm-* and x-envoy-* headers a client can set two.

    Those are put aside while the others go, under names with underscores: no client can send such.
    """
    kept = {TIER_HEADER: "llm_tier", MAX_COST_HEADER: "llm_max_cost"}
    mutations = [
        *(_copy(header, aside) for header, aside in kept.items()),
        remove_prefix("x-llm-"),
        *(_copy(aside, header) for header, aside in kept.items()),
        *(mutation_rules.HeaderMutation(remove=aside) for aside in kept.values()),
        remove_prefix("x-envoy-"),
    ]
    return extension(
        "envoy.http.early_header_mutation.header_mutation", early_mutation.HeaderMutation(mutations=mutations)
    )


def _copy(source: str, target: str) -> mutation_rules.HeaderMutation:
    return mutation_rules.HeaderMutation(append=append_header(target, f"%REQ({source})%"))


def remove_prefix(prefix: str) -> mutation_rules.HeaderMutation:
    """Of the request's headers."""
    matching = mutation_rules.HeaderMutationRemoveOnMatch(key_matcher=matcher.StringMatcher(prefix=prefix))
    return mutation_rules.HeaderMutation(remove_on_match=matching)
