"""Rules for sizes: what the edge takes, the sidecar has to take, and the internal listener a little more."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import MAX_BODY_BYTES, id_in_json
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import Choice
from sidecar.envoyconfig.reading.elements import HttpListener
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.names import MOST_HEADER_BYTES, MOST_HEADERS

_DEFAULT_BYTES = 1024 * 1024
"""Envoy's default of per_connection_buffer_limit_bytes."""

# Envoy's defaults.
_DEFAULT_HEADERS = 100
_DEFAULT_HEADERS_KB = 60
# What Envoy and the sidecar add to a request between the sidecar's count and Envoy's.
_ADDED_HEADERS = 10

_BUFFER = "envoy.extensions.filters.http.buffer.v3.Buffer"


def _limit(listener: HttpListener, route: Node, virtual_host: Node) -> tuple[float, Node]:
    """How many bytes of a request's body are held, and where that is said; the nearest setting counts."""
    of_listener = listener.node.at("per_connection_buffer_limit_bytes")
    for level in (route, virtual_host):
        limit = level.at("request_body_buffer_limit").number()
        if limit is not None:
            return limit, level.at("request_body_buffer_limit")
        older = level.at("per_request_buffer_limit_bytes").number()
        if older is not None:
            return min(older, of_listener.number() or _DEFAULT_BYTES), level.at("per_request_buffer_limit_bytes")
    if of_listener.is_set:
        return of_listener.number() or _DEFAULT_BYTES, of_listener
    return _DEFAULT_BYTES, route.at("request_body_buffer_limit")


def _edge_limits(gateway: Gateway) -> Iterator[tuple[float, Node]]:
    for route in gateway.chat_routes:
        if route.choice is not Choice.NONE and not route.is_stray:
            yield _limit(route.listener, route.node, route.virtual_host)


def _small_bodies(gateway: Gateway) -> Iterator[Fault]:
    for limit, node in _edge_limits(gateway):
        if limit <= _DEFAULT_BYTES:
            written = (
                f"limited to {limit:.0f} bytes"
                if node.is_set
                else f"limited by Envoy's default, to {_DEFAULT_BYTES} bytes"
            )
            yield Fault(node, f"the body of a chat request is {written}")


def _large_bodies(gateway: Gateway) -> Iterator[Fault]:
    for limit, node in _edge_limits(gateway):
        if limit > MAX_BODY_BYTES:
            yield Fault(node, f"a body may have {limit:.0f} bytes, and the sidecar takes {MAX_BODY_BYTES}")


def _inner_limits(gateway: Gateway) -> Iterator[tuple[float, float, Node]]:
    """How many bytes of a body the edge and the internal listener hold, and where the latter is said."""
    for attempt in gateway.attempts:
        if attempt.inner is not None and attempt.route is not None and attempt.virtual_host is not None:
            route = attempt.edge_route
            edge, _ = _limit(route.listener, route.node, route.virtual_host)
            yield edge, *_limit(attempt.inner, attempt.route, attempt.virtual_host)


def _inner_bodies(gateway: Gateway) -> Iterator[Fault]:
    for edge, inner, node in _inner_limits(gateway):
        if inner < edge:
            yield Fault(node, f"the internal listener holds {inner:.0f} bytes of a body, and the edge {edge:.0f}")


def _inner_room(gateway: Gateway) -> Iterator[Fault]:
    longest = max(len(id_in_json(model.id).encode()) for model in gateway.config.policy.models.values())
    for edge, inner, node in _inner_limits(gateway):
        if edge <= inner < edge + longest:
            yield Fault(node, f"the internal listener holds {inner:.0f} bytes of a body, no more than the edge")


def _most_headers(listener: HttpListener) -> tuple[float, Node]:
    """How many headers a request may have there, and where that is said."""
    count = listener.http.at("common_http_protocol_options", "max_headers_count")
    return count.number() or _DEFAULT_HEADERS, count


def _most_headers_kb(listener: HttpListener) -> tuple[float, Node]:
    """How many KiB the headers of a request may have there, and where that is said."""
    kilobytes = listener.http.at("max_request_headers_kb")
    return kilobytes.number() or _DEFAULT_HEADERS_KB, kilobytes


def _header_counts(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        count, node = _most_headers(edge.listener)
        if count < MOST_HEADERS + _ADDED_HEADERS:
            yield Fault(node, f"a request may have {count:g} headers, and the sidecar lets {MOST_HEADERS} through")


def _header_sizes(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        kilobytes, node = _most_headers_kb(edge.listener)
        if kilobytes * 1024 <= MOST_HEADER_BYTES:
            message = f"headers may have {kilobytes:g} KiB, and the sidecar lets {MOST_HEADER_BYTES // 1024} through"
            yield Fault(node, message)


def _inner_headers(gateway: Gateway) -> Iterator[Fault]:
    edge_count = max((_most_headers(edge.listener)[0] for edge in gateway.edges), default=0)
    edge_kb = max((_most_headers_kb(edge.listener)[0] for edge in gateway.edges), default=0)
    for inner in gateway.inner_listeners:
        count, count_node = _most_headers(inner)
        if count <= edge_count:
            message = f"the internal listener takes {count:g} headers, and the edge {edge_count:g}"
            yield Fault(
                count_node, message, f"common_http_protocol_options: {{max_headers_count: {edge_count + 100:g}}}"
            )
        kilobytes, kb_node = _most_headers_kb(inner)
        if kilobytes <= edge_kb:
            message = f"the internal listener takes {kilobytes:g} KiB of headers, and the edge {edge_kb:g}"
            yield Fault(kb_node, message, f"max_request_headers_kb: {min(8192, edge_kb + 36):g}")


def _buffer_filters(gateway: Gateway) -> Iterator[Fault]:
    largest = max((limit for limit, _ in _edge_limits(gateway)), default=0)
    for listener in gateway.passed_listeners:
        for filter_ in listener.filters_of(_BUFFER):
            most = filter_.config.at("max_request_bytes")
            if (most.number() or 0) < largest:
                yield Fault(most, f"a buffer filter takes bodies of {most.text()} bytes, and the route {largest:.0f}")


RULES = (
    Rule(
        "body-limit",
        Severity.WARNING,
        _small_bodies,
        reason="Envoy answers 413 to a larger one; a conversation with an image or a long document soon has more "
        "than the 1 MiB of its default.",
        fix=f"request_body_buffer_limit: {MAX_BODY_BYTES}",
    ),
    Rule(
        "body-limit-above-sidecar",
        Severity.ERROR,
        _large_bodies,
        reason="The sidecar refuses what is larger: such a request goes undecided, past the policy.",
        fix=f"request_body_buffer_limit: {MAX_BODY_BYTES} or less",
    ),
    Rule(
        "inner-body-limit",
        Severity.ERROR,
        _inner_bodies,
        reason="The whole body is held for set_model.lua: what the edge has taken would fail here with 413, on "
        "every model.",
        fix=f"request_body_buffer_limit: {MAX_BODY_BYTES + 64 * 1024} in the internal listener's virtual host",
    ),
    Rule(
        "inner-body-room",
        Severity.WARNING,
        _inner_room,
        reason="The model id that is put into the body may be longer than the client's: the largest requests would "
        "fail here.",
        fix=f"request_body_buffer_limit: {MAX_BODY_BYTES + 64 * 1024} in the internal listener's virtual host",
    ),
    Rule(
        "edge-headers-count",
        Severity.ERROR,
        _header_counts,
        reason="When the headers that the sidecar adds take a request past Envoy's limit, Envoy answers 500.",
        fix=f"common_http_protocol_options: {{max_headers_count: {MOST_HEADERS + 20}}}",
    ),
    Rule(
        "edge-headers-size",
        Severity.ERROR,
        _header_sizes,
        reason="When the headers that the sidecar adds take a request past Envoy's limit, Envoy answers 500.",
        fix=f"max_request_headers_kb: {_DEFAULT_HEADERS_KB} (the default) or more",
    ),
    Rule(
        "inner-headers",
        Severity.WARNING,
        _inner_headers,
        reason="The edge adds headers: a request that it has just let through would fail here, on every model.",
        fix="higher limits in the internal listener than at the edge",
    ),
    Rule(
        "buffer-filter",
        Severity.WARNING,
        _buffer_filters,
        reason="The smaller limit wins: the filter answers 413 to what the routes would take.",
        fix="max_request_bytes not below the routes' request_body_buffer_limit, or remove the filter",
    ),
)
