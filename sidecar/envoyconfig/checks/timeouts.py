"""Rules for time: an answer may stream for as long as it flows, and what falls silent ends in the right order."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import ChatRoute
from sidecar.envoyconfig.reading.gateway import Gateway

# Envoy's defaults, in seconds.
_ROUTE_TIMEOUT = 15
_STREAM_IDLE_TIMEOUT = 300


def _edge_routes(gateway: Gateway) -> Iterator[Fault]:
    for _, route in gateway.hop_routes:
        yield from _limits_answers(route)
    for plan_route in gateway.plan_routes:
        yield from _limits_answers(plan_route.node)


def _inner_routes(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        if attempt.route is not None:
            yield from _limits_answers(attempt.route)


def _limits_answers(route: Node) -> Iterator[Fault]:
    timeout = route.at("route", "timeout")
    if timeout.seconds() != 0:
        written = timeout.text() or f"not set ({_ROUTE_TIMEOUT}s)"
        yield Fault(timeout, f"the timeout of route {route.at('name').text()!r} is {written}")


def _idle_seconds(route: ChatRoute) -> tuple[float, Node]:
    """How long a stream of the edge may be silent (0: for ever), and where that is said."""
    own, of_listener = route.action.at("idle_timeout"), route.listener.http.at("stream_idle_timeout")
    node = own if own.seconds() is not None else of_listener
    seconds = node.seconds()
    return (_STREAM_IDLE_TIMEOUT if seconds is None else seconds), node


def _silent_attempts(gateway: Gateway) -> Iterator[Fault]:
    for route in gateway.plan_routes:
        attempts = route.most_attempts
        silence = attempts * (route.retry_policy.at("per_try_timeout").seconds() or 0)
        idle, node = _idle_seconds(route)
        if 0 < idle <= silence:
            message = (
                f"the edge ends a stream after {idle:g}s of silence, and {attempts} attempts may take {silence:g}s"
            )
            yield Fault(node, message, f"stream_idle_timeout: {silence + 60:g}s or more")


def _endless_silence(gateway: Gateway) -> Iterator[Fault]:
    for route in gateway.plan_routes:
        idle, node = _idle_seconds(route)
        if idle == 0:
            yield Fault(node, "a stream may be silent for ever")


def _no_idle_limit(gateway: Gateway) -> Iterator[Fault]:
    for route in gateway.plan_routes:
        policy = route.retry_policy
        if policy.is_set and not policy.at("per_try_idle_timeout").seconds():
            yield Fault(policy.at("per_try_idle_timeout"), "per_try_idle_timeout is not set")


def _idle_before_first_byte(gateway: Gateway) -> Iterator[Fault]:
    for route in gateway.plan_routes:
        idle = route.retry_policy.at("per_try_idle_timeout")
        first_byte = route.retry_policy.at("per_try_timeout").seconds() or 0
        if 0 < (idle.seconds() or 0) < first_byte:
            yield Fault(idle, f"per_try_idle_timeout is {idle.text()}, and per_try_timeout {first_byte:g}s")


def _inner_first_byte(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        if attempt.route is None:
            continue
        own = attempt.route.at("route", "retry_policy", "per_try_timeout")
        edge = attempt.edge_route.retry_policy.at("per_try_timeout").seconds() or 0
        if not own.seconds():
            yield Fault(own, "the inner route has no limit of its own on the time to the first byte")
        elif 0 < edge <= (own.seconds() or 0):
            yield Fault(own, f"per_try_timeout is {own.text()} here, and {edge:g}s at the edge")


def _inner_silence(gateway: Gateway) -> Iterator[Fault]:
    longest = max((_allowed_silence(route) for route in gateway.plan_routes), default=0)
    for inner in gateway.inner_listeners:
        idle = inner.http.at("stream_idle_timeout")
        seconds = idle.seconds()
        allowed = _STREAM_IDLE_TIMEOUT if seconds is None else seconds
        if 0 < allowed <= longest:
            written = idle.text() or f"not set ({_STREAM_IDLE_TIMEOUT}s)"
            message = f"stream_idle_timeout of the internal listener {inner.name!r} is {written}"
            yield Fault(idle, f"{message}, and the edge allows {longest:g}s")


def _allowed_silence(route: ChatRoute) -> float:
    policy = route.retry_policy
    return max(policy.at(name).seconds() or 0 for name in ("per_try_timeout", "per_try_idle_timeout"))


def _stream_durations(gateway: Gateway) -> Iterator[Fault]:
    places = [edge.listener.http for edge in gateway.edges] + [inner.http for inner in gateway.inner_listeners]
    places += [cluster.http for cluster in gateway.provider_clusters()]
    found = [place.at("common_http_protocol_options", "max_stream_duration") for place in places]
    routes = [route.action for route in gateway.plan_routes]
    routes += [attempt.route.at("route") for attempt in gateway.attempts if attempt.route is not None]
    found += [route.at("max_stream_duration", "max_stream_duration") for route in routes]
    for duration in found:
        if duration.seconds():
            yield Fault(duration, f"max_stream_duration is {duration.text()}")


RULES = (
    Rule(
        "route-timeout",
        Severity.ERROR,
        _edge_routes,
        reason="This timeout runs until the answer is complete: it cuts a stream that still flows.",
        fix="timeout: 0s (the limits are per_try_timeout and the idle timeouts)",
    ),
    Rule(
        "inner-route-timeout",
        Severity.ERROR,
        _inner_routes,
        reason="This timeout runs until the answer is complete: the client gets a 200 and half an answer.",
        fix="timeout: 0s",
    ),
    Rule(
        "stream-idle-timeout",
        Severity.ERROR,
        _silent_attempts,
        reason="The timer also runs while attempts fail one after another in silence: the request would end before "
        "its last model had its turn.",
        fix="stream_idle_timeout above (num_retries + 1) * per_try_timeout",
    ),
    Rule(
        "stream-idle-timeout-off",
        Severity.WARNING,
        _endless_silence,
        reason="A client or a provider that has vanished without a word holds its stream for ever.",
        fix="stream_idle_timeout: 600s",
    ),
    Rule(
        "per-try-idle-timeout",
        Severity.WARNING,
        _no_idle_limit,
        reason="With the first byte per_try_timeout is over: an answer that stops half-way is noticed only by the "
        "timer of the whole stream.",
        fix="per_try_idle_timeout: 300s (reasoning models pause for minutes)",
    ),
    Rule(
        "per-try-idle-order",
        Severity.WARNING,
        _idle_before_first_byte,
        reason="The idle timer runs before the first byte as well: per_try_timeout would never be reached.",
        fix="per_try_idle_timeout above per_try_timeout",
    ),
    Rule(
        "inner-first-byte",
        Severity.WARNING,
        _inner_first_byte,
        reason="A provider that hangs has to fail in its own cluster, where failures are counted: ended by the edge "
        "it is never ejected.",
        fix="retry_policy: {num_retries: 0, per_try_timeout: …} in the inner route, below the edge's per_try_timeout",
    ),
    Rule(
        "inner-stream-idle-timeout",
        Severity.WARNING,
        _inner_silence,
        reason="The edge's timers end a stream; an earlier one inside ends answers that the edge would wait for.",
        fix="stream_idle_timeout: 0s in the internal listener",
    ),
    Rule(
        "stream-duration",
        Severity.WARNING,
        _stream_durations,
        reason="It ends an answer that still flows once it has lasted so long.",
        fix="remove max_stream_duration",
    ),
)
