"""Rules for what the collector is told: an entry per request and one per attempt, joined by the decision's id."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.inner import HEADER_TO_METADATA, takes_off
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import DECISION_ID_HEADER, EDGE, MODELS
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.elements import Cluster, HttpListener, header_mutations
from sidecar.envoyconfig.reading.gateway import Gateway

LOG_SERVICE = "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"

# Envoy's own defaults, 1 MiB a connection and 16 MiB a stream, are below that.
_MOST_BYTES = 64 * 1024 * 1024


def service_logs(listener: HttpListener) -> list[Node]:
    """Its access logs that go to a service."""
    return [config for type_, config in listener.access_logs if type_ == LOG_SERVICE]


def log_cluster(config: Node) -> Node:
    """Where a log says which cluster it goes to."""
    return config.at("common_config", "grpc_service", "envoy_grpc", "cluster_name")


def _log_clusters(gateway: Gateway) -> Iterator[tuple[Node, Cluster]]:
    """The clusters that logs go to, and where a log names each."""
    for listener in gateway.passed_listeners:
        for config in service_logs(listener):
            name = log_cluster(config)
            if name.text() in gateway.clusters:
                yield name, gateway.clusters[name.text()]


def _is_fed(gateway: Gateway) -> bool:
    return any(service_logs(listener) for listener in gateway.passed_listeners)


def _missing(gateway: Gateway) -> Iterator[Fault]:
    if not _is_fed(gateway):
        for edge in gateway.edges:
            yield Fault(edge.listener.http.at("access_log"), f"listener {edge.listener.name!r} has no log for it")


def _missing_on_edge(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        if _is_fed(gateway) and not service_logs(edge.listener):
            yield Fault(edge.listener.http.at("access_log"), f"listener {edge.listener.name!r} has no log for it")


def _missing_on_models(gateway: Gateway) -> Iterator[Fault]:
    for inner in gateway.inner_listeners:
        if _is_fed(gateway) and not service_logs(inner):
            yield Fault(inner.http.at("access_log"), f"listener {inner.name!r} has no log for it")


def _names(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.passed_listeners:
        expected = MODELS if listener.is_internal else EDGE
        names = [config.at("common_config", "log_name") for config in service_logs(listener)]
        if names and expected not in [name.text() for name in names]:
            yield Fault(names[0], f"log_name is {names[0].text() or 'not set'}", f"log_name: {expected}")


def _several_addresses(gateway: Gateway) -> Iterator[Fault]:
    sidecars = {cluster.name for cluster in gateway.sidecar_clusters()}
    for name, cluster in _log_clusters(gateway):
        if len(cluster.addresses) > 1:
            whose = "the sidecar's own cluster" if cluster.name in sidecars else "cluster"
            yield Fault(name, f"the access log goes to {whose} {cluster.name!r}, which has several addresses")


def _unbounded(gateway: Gateway) -> Iterator[Fault]:
    for _, cluster in _log_clusters(gateway):
        http2 = cluster.http.at("explicit_http_config", "http2_protocol_options")
        window, buffer = http2.at("initial_stream_window_size"), cluster.node.at("per_connection_buffer_limit_bytes")
        for node, name in ((window, "initial_stream_window_size"), (buffer, "per_connection_buffer_limit_bytes")):
            if (node.number() or 0) > _MOST_BYTES:
                yield Fault(node, f"{name} of cluster {cluster.name!r} is {node.text()}")


def _unjoined(gateway: Gateway) -> Iterator[Fault]:
    for inner in gateway.inner_listeners:
        logs = service_logs(inner)
        headers = [it.text().lower() for log in logs for it in log.at("additional_request_headers_to_log").items()]
        if logs and DECISION_ID_HEADER not in headers and not _keeps_decision_id(inner):
            yield Fault(logs[0], f"the log of listener {inner.name!r} has no {DECISION_ID_HEADER}")


def _keeps_decision_id(listener: HttpListener) -> bool:
    """Whether a filter makes metadata of the header before another one takes it off."""
    for filter_ in listener.filters:
        if any(takes_off(it, DECISION_ID_HEADER) for it in header_mutations([filter_], "request_mutations")):
            return False
        rules = filter_.config.at("request_rules").items() if filter_.type == HEADER_TO_METADATA else []
        rule = next((it for it in rules if it.at("header").text().lower() == DECISION_ID_HEADER), None)
        if rule is not None:
            return rule.at("on_header_present").is_set
    return False


_LOG = (
    "envoy.access_loggers.http_grpc with common_config: {log_name: %s, transport_api_version: V3, "
    "grpc_service: {envoy_grpc: {cluster_name: outcomes}}, buffer_flush_interval: 1s, buffer_size_bytes: 65536}"
)

RULES = (
    Rule(
        "outcome-feed",
        Severity.NOTE,
        _missing,
        reason="The collector is not told what came of requests: no answered model, tokens, cost or failover in "
        "records, metrics and console.",
        fix=f"in the edge's access_log {_LOG % EDGE}, the same in the internal listener with log_name: {MODELS}, "
        "and a cluster outcomes; as in envoy/envoy.yaml",
    ),
    Rule(
        "outcome-feed-edge",
        Severity.WARNING,
        _missing_on_edge,
        reason="Attempts are told, and the request that they belong to is not: no record has its outcome.",
        fix=f"{_LOG % EDGE}, and additional_response_headers_to_log: [x-llm-model]",
    ),
    Rule(
        "outcome-feed-models",
        Severity.WARNING,
        _missing_on_models,
        reason="Requests are told, their attempts are not: which models failed, how long each took, and what answers "
        "that were thrown away have cost.",
        fix=_LOG % MODELS,
    ),
    Rule(
        "outcome-feed-name",
        Severity.WARNING,
        _names,
        reason="By this name the collector knows what an entry is about; it drops those of any other.",
        fix=f"log_name: {EDGE} in the edge, {MODELS} in the internal listener",
    ),
    Rule(
        "outcome-feed-join",
        Severity.WARNING,
        _unjoined,
        reason="Attempts and the decision that they belong to are joined by its id, which the route takes off before "
        "anything is logged.",
        fix="an envoy.filters.http.header_to_metadata filter, first in the internal listener, with request_rules: "
        f"[{{header: {DECISION_ID_HEADER}, on_header_present: {{metadata_namespace: llm.attempt, key: decision_id}}}}"
        ", …]",
    ),
    Rule(
        "log-service-cluster",
        Severity.WARNING,
        _several_addresses,
        reason="Streams of the log spread over its hosts: the entries of one request end in different processes.",
        fix="a cluster of its own for the access log service, with one address",
    ),
    Rule(
        "log-service-buffers",
        Severity.WARNING,
        _unbounded,
        reason="What a log service that hangs does not take is kept in Envoy's memory, this much for each of its "
        "workers and logs; only beyond it entries are dropped and counted.",
        fix="per_connection_buffer_limit_bytes: 4194304 and http2_protocol_options: {initial_stream_window_size: "
        "1048576, initial_connection_window_size: 1048576}",
    ),
)
