"""Rules for the clients' side: what a client may send, and what it must not get through."""

from collections.abc import Iterator, Sequence

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.bootstrap import is_loopback
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import MAX_COST_HEADER, TIER_HEADER
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import Edge
from sidecar.envoyconfig.reading.elements import HttpListener
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.matching import matches_string

_EARLY_MUTATION = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"

# Headers that somebody on the way believes; a client may set those of _CALLERS only.
_OURS = ("x-llm-cluster", "x-llm-target", "x-llm-api", "x-llm-model", "x-llm-decision-id", "x-llm-reason")
_CALLERS = (TIER_HEADER, MAX_COST_HEADER)
_ENVOYS = (
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-original-path",
    "x-envoy-internal",
)

_AUTHENTICATING = (
    "jwt_authn.v3.JwtAuthentication",
    "ext_authz.v3.ExtAuthz",
    "api_key_auth.v3.ApiKeyAuth",
    "basic_auth.v3.BasicAuth",
    "oauth2.v3.OAuth2",
)


def _no_edge(gateway: Gateway) -> Iterator[Fault]:
    if not gateway.edges and not gateway.has_dynamic_listeners:
        yield Fault(gateway.root.at("static_resources", "listeners"), "no listener sends requests to the sidecar")
    for edge in gateway.edges:
        if edge.ext_proc is None and not any(it.at("config_discovery").is_set for it in _filter_nodes(edge.listener)):
            yield Fault(
                edge.listener.http.at("http_filters"), f"listener {edge.listener.name!r} has no ext_proc filter"
            )


def _filter_nodes(listener: HttpListener) -> list[Node]:
    return [it.node for it in listener.filters]


def surviving(listener: HttpListener, names: Sequence[str]) -> list[str]:
    """Which of these headers reach the filters with what a client wrote, under whatever name."""
    values = {name: name for name in (*names, *_CALLERS)}
    for extension in listener.http.at("early_header_mutation_extensions").items():
        type_, config = extension.at("typed_config").typed()
        for mutation in config.at("mutations").items() if type_ == _EARLY_MUTATION else []:
            values = _mutated(values, mutation)
    return [name for name in names if name in values]


def _mutated(values: dict[str, str], mutation: Node) -> dict[str, str]:
    header = mutation.at("append", "header")
    matcher = mutation.at("remove_on_match", "key_matcher")
    removed = mutation.at("remove").text().lower()
    if header.is_set:
        copied = header.at("value").text().lower().removeprefix("%req(").removesuffix(")%")
        return values | ({header.at("key").text().lower(): values[copied]} if copied in values else {})
    return {
        name: value
        for name, value in values.items()
        if name != removed and not (matcher.is_set and matches_string(matcher, name))
    }


def _our_headers(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        found = surviving(edge.listener, _OURS)
        if found:
            place = edge.listener.http.at("early_header_mutation_extensions")
            yield Fault(place, f"a client can set {', '.join(found)}")


def _envoys_headers(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        found = surviving(edge.listener, _ENVOYS)
        if found:
            place = edge.listener.http.at("early_header_mutation_extensions")
            yield Fault(place, f"a client can set {', '.join(found)}")


def _remote_address(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        http = edge.listener.http
        behind_a_proxy = (
            http.at("xff_num_trusted_hops").number() or http.at("original_ip_detection_extensions").is_set
        )
        if http.at("use_remote_address").flag() is not True and not behind_a_proxy:
            yield Fault(http.at("use_remote_address"), "use_remote_address is not true")


def _paths(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        http = edge.listener.http
        for name in ("normalize_path", "merge_slashes"):
            if http.at(name).flag() is not True:
                yield Fault(http.at(name), f"{name} is not true", f"{name}: true")
        escaped = http.at("path_with_escaped_slashes_action")
        words = ("", "KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD")
        if escaped.word(words) not in words[2:]:
            message = f"path_with_escaped_slashes_action is {escaped.word(words) or 'not set'}"
            yield Fault(escaped, message, "path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD")


def _underscores(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        action = edge.listener.http.at("common_http_protocol_options", "headers_with_underscores_action")
        if action.word(("ALLOW", "REJECT_REQUEST", "DROP_HEADER")) not in ("REJECT_REQUEST", "DROP_HEADER"):
            yield Fault(action, f"headers_with_underscores_action is {action.word() or 'ALLOW'}")


def _slow_requests(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        for name in ("request_headers_timeout", "request_timeout"):
            timeout = edge.listener.http.at(name)
            if not timeout.seconds():
                yield Fault(timeout, f"{name} is not set", f"{name}: {'10s' if 'headers' in name else '300s'}")


def _local_replies(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        replies = edge.listener.http.at("local_reply_config")
        if not replies.at("mappers").items() and not replies.at("body_format").is_set:
            yield Fault(replies, f"listener {edge.listener.name!r} has no local_reply_config")


def _authenticating(edge: Edge) -> list[int]:
    """The places in the filter chain where clients are authenticated."""
    return [index for index, it in enumerate(edge.listener.filters) if it.type.endswith(_AUTHENTICATING)]


def _unauthenticated(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        address = edge.listener.node.at("address", "socket_address", "address")
        chains = edge.listener.node.at("filter_chains").items()
        sockets = [it.at("transport_socket", "typed_config", "require_client_certificate").flag() for it in chains]
        if address.is_set and not is_loopback(address.text()) and not _authenticating(edge) and True not in sockets:
            yield Fault(address, f"the edge listens at {address.text()!r}, and no filter authenticates clients")


def _authenticated_late(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        filters = edge.listener.filters
        for index in _authenticating(edge):
            if edge.ext_proc is not None and index > filters.index(edge.ext_proc):
                yield Fault(filters[index].node, f"{filters[index].name!r} stands after {edge.ext_proc.name!r}")


def _kept_hosts(gateway: Gateway) -> Iterator[Fault]:
    for _, route in gateway.hop_routes:
        action = route.at("route")
        if not action.at("host_rewrite_literal").text():
            name = route.at("name").text()
            yield Fault(action, f"route {name!r} passes the client's own host on to the internal listener")


RULES = (
    Rule(
        "ext-proc-missing",
        Severity.ERROR,
        _no_edge,
        reason="Without the ext_proc filter nobody asks the sidecar: every request takes the default plan.",
        fix="an envoy.filters.http.ext_proc filter before the router, with grpc_service to the sidecar's cluster",
    ),
    Rule(
        "llm-headers-stripped",
        Severity.ERROR,
        _our_headers,
        reason="Routes and set_model.lua believe these headers: a client that sets them itself chooses its model. "
        "Only x-llm-tier and x-llm-max-cost are the caller's. They have to go before any route or filter is chosen.",
        fix="early_header_mutation_extensions: envoy.http.early_header_mutation.header_mutation with mutations: "
        "[{remove_on_match: {key_matcher: {prefix: x-llm-}}}]",
    ),
    Rule(
        "envoy-headers-stripped",
        Severity.WARNING,
        _envoys_headers,
        reason="Envoy obeys these headers on requests that it takes for internal: a client would set retries and "
        "timeouts itself.",
        fix="mutations: [{remove_on_match: {key_matcher: {prefix: x-envoy-}}}] in the early header mutation",
    ),
    Rule(
        "remote-address",
        Severity.WARNING,
        _remote_address,
        reason="Else Envoy believes a client's own x-forwarded-for, and takes the client for one of its own.",
        fix="use_remote_address: true (behind another proxy also xff_num_trusted_hops)",
    ),
    Rule(
        "path-normalized",
        Severity.ERROR,
        _paths,
        reason="Many providers take //v1/./chat%2Fcompletions for the chat path: spelled so, a request would go by "
        "the route for other paths, past the policy.",
        fix="normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD",
    ),
    Rule(
        "underscore-headers",
        Severity.WARNING,
        _underscores,
        reason="Some servers read x_llm_target as x-llm-target: it would get past what strips the clients' headers.",
        fix="common_http_protocol_options: {headers_with_underscores_action: DROP_HEADER}",
    ),
    Rule(
        "slow-requests",
        Severity.WARNING,
        _slow_requests,
        reason="A client that sends its request byte by byte holds a connection and a buffer for as long as it "
        "likes.",
        fix="request_headers_timeout: 10s and request_timeout: 300s",
    ),
    Rule(
        "local-reply-shape",
        Severity.WARNING,
        _local_replies,
        reason="Errors that Envoy itself answers (413, 503) are plain text, which the clients' SDKs cannot parse.",
        fix="local_reply_config with a body_format_override in the shape of the API, for each API",
    ),
    Rule(
        "edge-authentication",
        Severity.WARNING,
        _unauthenticated,
        reason="Whoever reaches the listener spends the keys of the providers.",
        fix="jwt_authn, ext_authz or api_key_auth before ext_proc, client certificates, or an address of this "
        "machine",
    ),
    Rule(
        "authentication-order",
        Severity.WARNING,
        _authenticated_late,
        reason="The sidecar would decide for requests that are refused afterwards, and by headers (tenant, role) "
        "that nobody has vouched for yet.",
        fix="move the filter before ext_proc",
    ),
    Rule(
        "host-rewrite",
        Severity.ERROR,
        _kept_hosts,
        reason="A host that HTTP/2 finds malformed ends the connection to the internal listener, and with it every "
        "other attempt on that model.",
        fix="host_rewrite_literal: models",
    ),
)
