"""A message as plain mappings, lists and values, in the order in which a person reads them."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import betterproto2

from sidecar.envoyconfig.parts.messages import (
    accesslog,
    bootstrap,
    cluster,
    core,
    dns,
    ext_proc,
    generic_credential,
    grpc_log,
    hcm,
    http_options,
    listener,
    protobuf,
    route,
    tls,
    trace,
    values,
)
from sidecar.envoyconfig.parts.priority_group import PriorityGroupClusterSpecifier

Tree = Any
"""dict, list, str, int, float, bool or None."""

READING_ORDER: Mapping[type[betterproto2.Message], tuple[str, ...]] = {
    bootstrap.Bootstrap: ("node", "admin", "bootstrap_extensions", "overload_manager", "static_resources"),
    listener.Listener: ("name", "address", "internal_listener", "ignore_global_conn_limit", "filter_chains"),
    hcm.HttpConnectionManager: (
        "stat_prefix",
        "use_remote_address",
        "generate_request_id",
        "normalize_path",
        "merge_slashes",
        "path_with_escaped_slashes_action",
        "max_request_headers_kb",
        "common_http_protocol_options",
        "http2_protocol_options",
        "request_headers_timeout",
        "request_timeout",
        "stream_idle_timeout",
        "early_header_mutation_extensions",
        "local_reply_config",
        "tracing",
        "access_log",
        "http_filters",
        "route_config",
    ),
    hcm.HttpConnectionManagerTracing: ("provider", "random_sampling", "spawn_upstream_span", "custom_tags"),
    hcm.ResponseMapper: ("filter", "status_code", "body_format_override"),
    trace.OpenTelemetryConfig: ("service_name", "grpc_service"),
    ext_proc.ExternalProcessor: (
        "stat_prefix",
        "failure_mode_allow",
        "message_timeout",
        "grpc_service",
        "processing_mode",
        "allow_mode_override",
        "metadata_options",
        "forward_rules",
        "mutation_rules",
    ),
    ext_proc.ProcessingMode: (
        "request_header_mode",
        "request_body_mode",
        "request_trailer_mode",
        "response_header_mode",
        "response_body_mode",
        "response_trailer_mode",
    ),
    core.RetryPolicy: ("retry_on", "num_retries", "retry_back_off"),
    grpc_log.CommonGrpcAccessLogConfig: ("log_name", "transport_api_version"),
    core.HealthCheck: ("timeout", "interval", "no_traffic_interval", "unhealthy_threshold", "healthy_threshold"),
    route.VirtualHost: (
        "name",
        "domains",
        "include_request_attempt_count",
        "request_body_buffer_limit",
        "request_headers_to_remove",
        "response_headers_to_remove",
        "response_headers_to_add",
        "routes",
    ),
    route.Route: (
        "name",
        "match",
        "metadata",
        "request_body_buffer_limit",
        "typed_per_filter_config",
        "response_headers_to_remove",
        "request_headers_to_add",
        "route",
        "direct_response",
        "response_headers_to_add",
    ),
    route.RouteAction: (
        "cluster",
        "cluster_header",
        "inline_cluster_specifier_plugin",
        "host_rewrite_literal",
        "prefix_rewrite",
        "timeout",
        "retry_policy",
    ),
    PriorityGroupClusterSpecifier: ("override_metadata_namespace", "priority_groups"),
    route.RetryPolicy: (
        "retry_on",
        "retriable_status_codes",
        "num_retries",
        "refresh_cluster_on_retry",
        "per_try_timeout",
        "per_try_idle_timeout",
        "retry_back_off",
    ),
    cluster.Cluster: (
        "name",
        "type",
        "cluster_type",
        "connect_timeout",
        "metadata",
        "per_connection_buffer_limit_bytes",
        "lb_policy",
        "load_assignment",
        "health_checks",
        "transport_socket",
        "typed_extension_protocol_options",
        "circuit_breakers",
        "outlier_detection",
        "common_lb_config",
        "upstream_connection_options",
    ),
    cluster.OutlierDetection: (
        "consecutive_5xx",
        "consecutive_gateway_failure",
        "enforcing_consecutive_gateway_failure",
        "interval",
        "base_ejection_time",
        "max_ejection_time",
        "max_ejection_percent",
    ),
    http_options.HttpProtocolOptions: (
        "auto_config",
        "explicit_http_config",
        "common_http_protocol_options",
        "http_filters",
    ),
    dns.DnsCluster: (
        "all_addresses_in_single_endpoint",
        "dns_lookup_family",
        "respect_dns_ttl",
        "dns_failure_refresh_rate",
    ),
    tls.UpstreamTlsContext: ("sni", "common_tls_context"),
    generic_credential.Generic: ("header", "header_value_prefix", "credential"),
    core.TcpKeepalive: ("keepalive_time", "keepalive_interval", "keepalive_probes"),
}
"""Where that is not the order in Envoy's own definition. Fields that are not named here follow in that one."""

SPOKEN_DEFAULTS: Mapping[type[betterproto2.Message], frozenset[str]] = {
    accesslog.ComparisonFilter: frozenset(("op",)),
    ext_proc.ProcessingMode: frozenset(("response_body_mode",)),
    route.RetryPolicyResetHeader: frozenset(("format",)),
    values.Percent: frozenset(("value",)),
}
"""Fields that are written even if they have the default value, because a reader should not have to know it."""


def to_tree(message: betterproto2.Message) -> dict[str, Tree]:
    """With fields that are not set left out."""
    if isinstance(message, protobuf.Any):
        inner = message.unpack()
        return {"@type": message.type_url} | (to_tree(inner) if inner is not None else {})
    if isinstance(message, protobuf.Struct):
        return {key: _value(value.to_dict()) for key, value in message.fields.items()}
    fields = {field.name: field for field in _fields(type(message))}
    first = READING_ORDER.get(type(message), ())
    order = [*first, *(name for name in fields if name not in first)]
    return {name: _value(getattr(message, name)) for name in order if _is_written(message, fields[name])}


def _fields(kind: "type[Any]") -> "list[dataclasses.Field[Any]]":
    return [field for field in dataclasses.fields(kind) if "betterproto" in field.metadata]


def _is_written(message: betterproto2.Message, field: "dataclasses.Field[Any]") -> bool:
    value = getattr(message, field.name)
    if field.name in SPOKEN_DEFAULTS.get(type(message), ()):
        return True
    if betterproto2.FieldMetadata.get(field).optional:
        return value is not None
    return bool(value)


def _value(value: Any) -> Tree:
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, betterproto2.Message):
        return to_tree(value)
    if isinstance(value, betterproto2.Enum):
        return value.proto_name or value.name
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.9f}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
