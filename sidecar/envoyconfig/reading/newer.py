"""What Envoy 1.40 takes and envoy-data-plane 2.2 does not know yet: found by comparing its classes with the message
descriptors inside the Envoy binary. Fields and types listed here are let through, not judged; the few messages that
a gateway is built from are spelled out and checked like the rest.
"""

from collections.abc import Mapping

from sidecar.envoyconfig.reading.fields import UINT32, Field, Kind

_PRIORITY_GROUP = "envoy.extensions.router.cluster_specifiers.priority_group.v3"
_ADAPTIVE_CONCURRENCY = "extensions.filters.http.adaptive_concurrency.v3"
_REVERSE_TUNNEL = "extensions.bootstrap.reverse_tunnel"
_AI_PROTOCOL_MANAGER = "envoy.extensions.filters.http.ai_protocol_manager.v3"

NEWER_MESSAGES: Mapping[str, Mapping[str, Field]] = {
    f"{_PRIORITY_GROUP}.PriorityGroupClusterSpecifier": {
        "priority_groups": Field(Kind.MESSAGE, is_list=True, message=f"{_PRIORITY_GROUP}.PriorityGroup"),
        "override_metadata_namespace": Field(Kind.TEXT),
        "header_name": Field(Kind.TEXT, group="random_value_specifier"),
        "use_hash_policy": Field(Kind.FLAG, group="random_value_specifier"),
    },
    f"{_PRIORITY_GROUP}.PriorityGroup": {
        "name": Field(Kind.TEXT),
        "clusters": Field(Kind.MESSAGE, is_list=True, message=f"{_PRIORITY_GROUP}.ClusterWeight"),
    },
    f"{_PRIORITY_GROUP}.ClusterWeight": {"cluster_name": Field(Kind.TEXT), "weight": UINT32},
    f"{_AI_PROTOCOL_MANAGER}.AiProtocolManager": {
        "request_handling": Field(Kind.FREE),
        "response_handling": Field(Kind.MESSAGE, message=f"{_AI_PROTOCOL_MANAGER}.ResponseHandling"),
        "filters": Field(Kind.MESSAGE, is_list=True, message="envoy.config.core.v3.TypedExtensionConfig"),
    },
    f"{_AI_PROTOCOL_MANAGER}.ResponseHandling": {
        "token_usage": Field(Kind.MESSAGE, message=f"{_AI_PROTOCOL_MANAGER}.TokenUsageExtraction"),
    },
    f"{_AI_PROTOCOL_MANAGER}.TokenUsageExtraction": {
        "include_unconfigured_routes": Field(Kind.FLAG),
        "default_llm_protocol": Field(Kind.FREE),
        "metadata_namespace": Field(Kind.TEXT),
        "limits": Field(Kind.FREE),
        "usage_signal": Field(Kind.FREE),
    },
}

NEWER_FIELDS: Mapping[str, frozenset[str]] = {
    f"envoy.{message}": frozenset(fields.split())
    for message, fields in {
        "config.cluster.v3.Cluster": "stats_matcher queuing_policies",
        "config.cluster.v3.Cluster.PreconnectPolicy": "preconnect_enabled_metadata",
        "config.core.v3.BindConfig": "validate_network_namespaces",
        "config.core.v3.HealthCheck": "name",
        "config.core.v3.HealthCheck.HttpHealthCheck": "use_alpn_protocol",
        "config.core.v3.PathConfigSource": "poll_interval",
        "config.listener.v3.Listener": "stats_matcher",
        "config.metrics.v3.DogStatsdSink": "scale_histogram_units_to_milliseconds",
        "config.metrics.v3.StatsdSink": "scale_histogram_units_to_milliseconds",
        "config.route.v3.Route": "route_specifiers",
        "config.route.v3.RouteConfiguration": "route_specifiers",
        "config.route.v3.VirtualHost": "route_specifiers",
        "config.trace.v3.OpenTelemetryConfig": "exporter set_instrumentation_scope",
        "extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig": "resource_detectors",
        f"{_REVERSE_TUNNEL}.downstream_socket_interface.v3.DownstreamReverseConnectionSocketInterface": (
            "maintain_interval http_handshake"
        ),
        f"{_REVERSE_TUNNEL}.upstream_socket_interface.v3.UpstreamReverseConnectionSocketInterface": (
            "max_connections_per_node"
        ),
        "extensions.clusters.mcp_multicluster.v3.ClusterConfig.McpBackend": "header_forwarding",
        "extensions.common.ratelimit.v3.RateLimitDescriptor.RateLimitOverride": "unit_multiplier",
        f"{_ADAPTIVE_CONCURRENCY}.GradientControllerConfig.ConcurrencyLimitCalculationParams": (
            "min_concurrency_limit"
        ),
        "extensions.filters.http.basic_auth.v3.BasicAuth": "realm",
        "extensions.filters.http.basic_auth.v3.BasicAuthPerRoute": "realm",
        "extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig": "content_type_matcher",
        "extensions.filters.http.ext_authz.v3.CheckSettings": "emit_client_span",
        "extensions.filters.http.ext_authz.v3.ExtAuthz": "clear_route_cache_headers emit_client_span",
        "extensions.filters.http.ext_proc.v3.ExtProcOverrides": "emit_client_span",
        "extensions.filters.http.ext_proc.v3.ExternalProcessor": "emit_client_span",
        "extensions.filters.http.fault.v3.FaultAbort": "response_body",
        "extensions.filters.http.gcp_authn.v3.Audience": "iam_access_token",
        "extensions.filters.http.gcp_authn.v3.Audience.AccessToken": "scopes",
        "extensions.filters.http.gcp_authn.v3.Audience.BoundAccessToken": "scopes",
        "extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig": "token_metadata_key audience",
        "extensions.filters.http.gcp_authn.v3.TokenHeader": "preserve_existing",
        "extensions.filters.http.grpc_field_extraction.v3.RequestFieldValueDisposition": "metadata_key",
        "extensions.filters.http.header_mutation.v3.Mutations": "formatters",
        "extensions.filters.http.jwt_authn.v3.JwtClaimToHeader": "claim_path",
        "extensions.filters.http.local_ratelimit.v3.LocalRateLimit": "enable_retry_after_header",
        "extensions.filters.http.lua.v3.Lua": "filter_context package_paths package_cpaths shared_vm_id",
        "extensions.filters.http.lua.v3.LuaPerRoute": "package_paths package_cpaths shared_vm_id",
        "extensions.filters.http.mcp.v3.Mcp": (
            "attribute_source early_terminate_when_routable max_supported_protocol_version traffic_mode"
        ),
        "extensions.filters.http.mcp.v3.McpOverride": (
            "clear_route_cache parser_config request_storage_mode reject_duplicate_keys traffic_mode"
        ),
        "extensions.filters.http.mcp_json_rest_bridge.v3.HttpRule": "bindings",
        "extensions.filters.http.mcp_json_rest_bridge.v3.McpJsonRestBridge": "per_route_only",
        "extensions.filters.http.mcp_json_rest_bridge.v3.ServerInfo": (
            "max_supported_protocol_version server_discovery_cache_config"
        ),
        "extensions.filters.http.mcp_router.v3.McpRouter.McpBackend": "header_forwarding",
        "extensions.filters.http.oauth2.v3.OAuth2Config": "token_cookie_chunking",
        "extensions.filters.http.oauth2.v3.PrivateKeyJwtConfig": "assertion_audience",
        "extensions.filters.http.ratelimit.v3.RateLimit": "enable_retry_after_header",
        "extensions.filters.network.ext_authz.v3.ExtAuthz": "shadow_mode",
        "extensions.filters.network.ext_proc.v3.NetworkExternalProcessor": "connection_attributes",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": (
            "record_route_resolution_stats"
        ),
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails": (
            "issuer"
        ),
        "extensions.filters.network.redis_proxy.v3.RedisProxy": "protocol_version",
        "extensions.filters.network.reverse_tunnel.v3.ReverseTunnel": (
            "jwt_validator enable_connection_limit handshake_timeout"
        ),
        "extensions.filters.udp.dns_filter.v3.DnsFilterConfig": "case_insensitive",
        "extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig": "formatters",
        "extensions.formatter.cel.v3.Cel": "cel_config",
        "extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy": (
            "preserve_response_code_details response_code_details"
        ),
        "extensions.http.injected_credentials.oauth2.v3.OAuth2.ClientCredentials": "auth_type",  # a newer value
        "extensions.load_balancing_policies.load_aware_locality.v3.LoadAwareLocality": "oob_reporting_config",
        "extensions.matching.input_matchers.dynamic_modules.v3.DynamicModuleMatcher": "on_error",
        "extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink": "scale_histogram_units_to_milliseconds",
        "extensions.transport_sockets.tls.v3.TlsCertificate": "tls_params",
        "extensions.wasm.v3.VmConfig": "capability_restriction_config",
        "type.metadata.v3.MetadataKey.PathSegment": "index",
        "type.tracing.v3.CustomTag": "value_type",
    }.items()
}

NEWER_TYPES = frozenset(
    (
        "envoy.extensions.config.validators.dynamic_modules.v3.DynamicModuleConfigValidator",
        "envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManagerPerRoute",
        "envoy.extensions.filters.http.aws_eventstream_parser.v3.AwsEventstreamParser",
        "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit",
        "envoy.extensions.health_checkers.udp.v3.UdpHealthCheck",
        "envoy.extensions.http.ai_filters.request_info.v3.RequestInfo",
        "envoy.extensions.http.ai_filters.schema_validation.v3.SchemaValidation",
        "envoy.extensions.http.ai_filters.transcoder.v3.Transcoder",
        "envoy.extensions.http.early_header_mutation.dynamic_modules.v3.DynamicModuleEarlyHeaderMutation",
        "envoy.extensions.http.header_formatters.dynamic_modules.v3.DynamicModuleHeaderFormatter",
        "envoy.extensions.internal_redirect.filter_state.v3.FilterStateConfig",
        "envoy.extensions.matching.http.dynamic_modules.v3.DynamicModuleDataInput",
        "envoy.extensions.queue_policy.fifo.v3.FifoQueuePolicyConfig",
        "envoy.extensions.rate_limit_descriptors.jwt_claim.v3.Descriptor",
        "envoy.extensions.router.cluster_specifiers.dynamic_modules.v3.DynamicModuleClusterSpecifier",
        "envoy.extensions.router.route_specifiers.dynamic_modules.v3.DynamicModuleRouteSpecifier",
        "envoy.extensions.transport_sockets.tls.handshakers.dynamic_modules.v3.DynamicModuleTlsHandshaker",
        "envoy.extensions.watchdog.backtrace_action.v3.BacktraceActionConfig",
        "xds.type.matcher.v3.CelMatcher",
        "xds.type.matcher.v3.HttpAttributesCelMatchInput",
        "xds.type.matcher.v3.IPMatcher",
        "xds.type.matcher.v3.ServerNameMatcher",
    )
)
