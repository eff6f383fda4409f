"""Rules for the ext_proc filter: how Envoy asks the sidecar, and what it takes from it."""

from collections.abc import Iterator

from sidecar.config.bypass import must_hold
from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import BODY_MODES, Edge
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.matching import matches_string
from sidecar.envoyconfig.reading.names import READ_HEADERS

_HEADER_MODES = ("DEFAULT", "SEND", "SKIP")

CREDENTIALS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
"""Request headers by which clients of the APIs prove who they are."""

_DEFAULT_MESSAGE_TIMEOUT = 0.2
# What passes between Envoy and the sidecar's deadline: the wire, parsing, a busy event loop.
_LEAST_MARGIN = 0.02
# Each request pays as much while the sidecar hangs and is not yet found unhealthy.
_MOST_MESSAGE_TIMEOUT = 0.5


def _modes(gateway: Gateway, name: str) -> list[Node]:
    return [it.at(name) for edge in gateway.edges for it in edge.settings("processing_mode")]


def _body_mode(gateway: Gateway) -> Iterator[Fault]:
    for mode in _modes(gateway, "request_body_mode"):
        if mode.word(BODY_MODES) != "BUFFERED":
            yield Fault(mode, f"request_body_mode is {mode.word(BODY_MODES) or 'NONE'}")


def _request_headers(gateway: Gateway) -> Iterator[Fault]:
    for mode in _modes(gateway, "request_header_mode"):
        if mode.word(_HEADER_MODES) == "SKIP":
            yield Fault(mode, "request_header_mode is SKIP")


def _response_body(gateway: Gateway) -> Iterator[Fault]:
    for mode in _modes(gateway, "response_body_mode"):
        if mode.word(BODY_MODES) not in ("", "NONE"):
            yield Fault(mode, f"response_body_mode is {mode.word(BODY_MODES)}")


def _response_headers(gateway: Gateway) -> Iterator[Fault]:
    for mode in _modes(gateway, "response_header_mode"):
        if mode.word(_HEADER_MODES) != "SKIP":
            yield Fault(mode, f"response_header_mode is {mode.word(_HEADER_MODES) or 'DEFAULT (send)'}")


def _trailers(gateway: Gateway) -> Iterator[Fault]:
    for name in ("request_trailer_mode", "response_trailer_mode"):
        for mode in _modes(gateway, name):
            if mode.word(_HEADER_MODES) == "SEND":
                yield Fault(mode, f"{name} is SEND", f"{name}: SKIP")


def _timeout_short(gateway: Gateway) -> Iterator[Fault]:
    deadline = gateway.config.classifier.deadline_seconds
    for timeout in gateway.ext_proc_settings("message_timeout"):
        seconds = _seconds(timeout)
        if seconds < deadline + _LEAST_MARGIN:
            message = f"message_timeout is {seconds:g}s, and the sidecar's own deadline {deadline:g}s"
            yield Fault(timeout, message, f"message_timeout: {max(0.1, 2 * deadline):g}s")


def _judges(gateway: Gateway) -> list[Node]:
    """The other filters that ask the sidecar: a judge of answers, say."""
    names = [cluster.name for cluster in gateway.sidecar_clusters()]
    configs = [it.config for it in gateway.other_ext_procs()]
    return [it for it in configs if it.at("grpc_service", "envoy_grpc", "cluster_name").text() in names]


def _timeout_long(gateway: Gateway) -> Iterator[Fault]:
    deadline = gateway.config.classifier.deadline_seconds
    of_others = [config.at("message_timeout") for config in _judges(gateway)]
    for timeout in (*gateway.ext_proc_settings("message_timeout"), *of_others):
        seconds = _seconds(timeout)
        if seconds > max(_MOST_MESSAGE_TIMEOUT, 5 * deadline):
            message = f"message_timeout is {seconds:g}s, for a deadline of {deadline:g}s"
            yield Fault(timeout, message, f"message_timeout: {max(0.1, 2 * deadline):g}s")


def _seconds(timeout: Node) -> float:
    seconds = timeout.seconds()
    return seconds if seconds is not None else _DEFAULT_MESSAGE_TIMEOUT


def _failure_mode(gateway: Gateway) -> Iterator[Fault]:
    if must_hold(gateway.config.policy):
        return  # rather no answer than one that the policy forbids
    for allow in gateway.ext_proc_settings("failure_mode_allow"):
        if allow.flag() is not True:
            yield Fault(allow, "failure_mode_allow is not true")


def is_shown(rules: Node, name: str) -> bool:
    """Whether a request header passes ext_proc's `forward_rules`."""
    shown, hidden = rules.at("allowed_headers", "patterns"), rules.at("disallowed_headers", "patterns")
    if any(matches_string(it, name) for it in hidden.items()):
        return False
    return not shown.is_set or any(matches_string(it, name) for it in shown.items())


def _credentials(gateway: Gateway) -> Iterator[Fault]:
    asking = [it for it in _judges(gateway) if it.at("processing_mode", "request_header_mode").word() != "SKIP"]
    read = {header.name for header in gateway.config.headers}
    for rules in (*gateway.ext_proc_settings("forward_rules"), *(config.at("forward_rules") for config in asking)):
        shown = [name for name in CREDENTIALS if name not in read and is_shown(rules, name)]
        if shown:
            yield Fault(rules, f"the sidecar is shown {', '.join(shown)}")


def _hidden(gateway: Gateway) -> Iterator[Fault]:
    for rules in gateway.ext_proc_settings("forward_rules"):
        hidden = [name for name in READ_HEADERS if not is_shown(rules, name)]
        if hidden:
            yield Fault(rules, f"the sidecar is not shown {', '.join(hidden)}")


def _retry(gateway: Gateway) -> Iterator[Fault]:
    for service in gateway.ext_proc_settings("grpc_service"):
        policy = service.at("retry_policy")
        predicates = " ".join(it.at("name").text() for it in policy.at("retry_host_predicate").items())
        cluster = gateway.clusters.get(service.at("envoy_grpc", "cluster_name").text())
        if cluster is None or len(cluster.addresses) < 2:
            continue
        if not policy.at("num_retries").number() or "previous_hosts" not in predicates:
            yield Fault(policy, "a call that fails is not tried again at another worker")


def _unaddressed(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        for service in edge.settings("grpc_service"):
            if not service.at("envoy_grpc", "cluster_name").text() and not service.at("google_grpc").is_set:
                yield Fault(service, "ext_proc names no cluster of the sidecar")


def _foreign_grpc(gateway: Gateway) -> Iterator[Fault]:
    for service in gateway.ext_proc_settings("grpc_service"):
        if service.at("google_grpc").is_set:
            yield Fault(service.at("google_grpc"), "the sidecar is called by google_grpc, past Envoy's clusters")


def _disabled(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        if edge.ext_proc is None:
            continue
        for config in edge.per_route_configs():
            if config.at("disabled").flag() is True:
                yield Fault(config.at("disabled"), "a route of chat requests disables ext_proc")
        if edge.ext_proc.node.at("disabled").flag() is True and not edge.per_route_configs():
            yield Fault(edge.ext_proc.node.at("disabled"), "ext_proc is disabled, and no route enables it")


def _misnamed_overrides(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        known = [it.name for it in edge.listener.filters]
        for level in _levels(edge):
            for name, config in level.at("typed_per_filter_config").members():
                if name not in known:
                    yield Fault(config, f"the listener has no filter named {name!r}; it has {', '.join(known)}")


def _levels(edge: Edge) -> Iterator[Node]:
    yield edge.listener.route_config
    for host in edge.listener.virtual_hosts:
        yield host
        yield from host.at("routes").items()


RULES = (
    Rule(
        "ext-proc-body-mode",
        Severity.ERROR,
        _body_mode,
        reason="With any other mode Envoy may choose the route before the sidecar has read the prompt: 10 to 26 of "
        "75 requests took the wrong cluster.",
        fix="request_body_mode: BUFFERED",
    ),
    Rule(
        "ext-proc-request-headers",
        Severity.ERROR,
        _request_headers,
        reason="The sidecar recognises a chat request by its headers; without them it can route nothing.",
        fix="request_header_mode: SEND",
    ),
    Rule(
        "ext-proc-response-body",
        Severity.ERROR,
        _response_body,
        reason="The sidecar reads no answers: a buffered one holds a whole stream back, any other costs a call a "
        "chunk.",
        fix="response_body_mode: NONE",
    ),
    Rule(
        "ext-proc-response-headers",
        Severity.WARNING,
        _response_headers,
        reason="The sidecar reads no answers: to ask it about each one costs time and a stream that stays open.",
        fix="response_header_mode: SKIP (the default is to send)",
    ),
    Rule(
        "ext-proc-trailers",
        Severity.WARNING,
        _trailers,
        reason="The sidecar has given its last word by then: the message is for nobody.",
        fix="request_trailer_mode: SKIP and response_trailer_mode: SKIP",
    ),
    Rule(
        "ext-proc-timeout-short",
        Severity.ERROR,
        _timeout_short,
        reason="Envoy would stop waiting before the sidecar's deadline: decisions that are on their way are thrown "
        "away, and the reason that it gives for a slow classifier is never seen.",
        fix="message_timeout at least twice the policy's classifier.deadline_ms",
    ),
    Rule(
        "ext-proc-timeout-long",
        Severity.WARNING,
        _timeout_long,
        reason="While the sidecar hangs every request waits that long, until its health check fails.",
        fix="message_timeout: 0.1s",
    ),
    Rule(
        "ext-proc-failure-mode",
        Severity.WARNING,
        _failure_mode,
        reason="Without it a sidecar that is down turns every request into a 500 or 504; with it the default plan "
        "answers.",
        fix="failure_mode_allow: true",
    ),
    Rule(
        "ext-proc-credentials",
        Severity.WARNING,
        _credentials,
        reason="The sidecar has no use for the clients' credentials: what it does not get it cannot leak.",
        fix="forward_rules: {disallowed_headers: {patterns: ["
        + ", ".join(f"{{exact: {name}}}" for name in CREDENTIALS)
        + "]}}",
    ),
    Rule(
        "ext-proc-hidden-headers",
        Severity.ERROR,
        _hidden,
        reason="The sidecar recognises a chat request by method and path, and refuses a body that is compressed.",
        fix=f"let forward_rules show {', '.join(READ_HEADERS)}",
    ),
    Rule(
        "ext-proc-retry",
        Severity.WARNING,
        _retry,
        reason="After a worker dies, requests go undecided until its health check fails; with a retry at another "
        "host none did.",
        fix="grpc_service: retry_policy: {retry_on: 'unavailable,connect-failure,reset,refused-stream', "
        "num_retries: 2, retry_host_predicate: [envoy.retry_host_predicates.previous_hosts]}",
    ),
    Rule(
        "ext-proc-service",
        Severity.ERROR,
        _unaddressed,
        reason="Without it there is nobody to ask: every request takes the default plan, or Envoy does not start.",
        fix="grpc_service: {envoy_grpc: {cluster_name: …}}",
    ),
    Rule(
        "ext-proc-google-grpc",
        Severity.WARNING,
        _foreign_grpc,
        reason="Such a call has no health check, no breaker and no second worker: a sidecar that hangs costs every "
        "request the whole message_timeout.",
        fix="grpc_service: {envoy_grpc: {cluster_name: …}}",
    ),
    Rule(
        "ext-proc-disabled",
        Severity.ERROR,
        _disabled,
        reason="Requests that take this route are never decided: they go by the default plan.",
        fix="remove it from the routes of chat requests",
    ),
    Rule(
        "per-route-filter-name",
        Severity.WARNING,
        _misnamed_overrides,
        reason="Envoy applies such a block to the filter of that very name, and says nothing if there is none.",
        fix="the filter's `name` in http_filters as the key",
    ),
)
