"""What the collector is told of a request: an entry of the edge when it is over, and one of `models` per attempt.

Tokens are counted in `models` alone: to parse an answer is half of what the feed costs Envoy, of a stream most of it,
and the edge would count the same.
"""

from datetime import timedelta

from sidecar.envoyconfig.parts.ai_protocol_manager import AiProtocolManager, ResponseHandling, TokenUsageExtraction
from sidecar.envoyconfig.parts.messages import (
    accesslog,
    core,
    grpc_log,
    hcm,
    header_to_metadata,
    packed,
    tracing,
)
from sidecar.envoyconfig.parts.names import (
    ATTEMPT_NAMESPACE,
    DECISION_ID_HEADER,
    EDGE,
    MODEL_HEADER,
    MODELS,
    OUTCOMES,
    REQUEST_ID_HEADER,
    TARGET_HEADER,
)

_KEPT = {
    DECISION_ID_HEADER: "decision_id",
    REQUEST_ID_HEADER: "request_id",
    TARGET_HEADER: "target",
}
"""Headers of an attempt, and where its log entry has them."""


def edge_feed() -> accesslog.AccessLog:
    """One entry per request."""
    ids = {"trace_id": "%TRACE_ID%", "span_id": "%SPAN_ID%"}  # of this listener's span
    tags = [tracing.CustomTag(tag=tag, value=value) for tag, value in ids.items()]
    return _feed(
        grpc_log.HttpGrpcAccessLogConfig(
            common_config=_common(EDGE, tags), additional_response_headers_to_log=[MODEL_HEADER]
        )
    )


def models_feed() -> accesslog.AccessLog:
    """One entry per attempt."""
    return _feed(grpc_log.HttpGrpcAccessLogConfig(common_config=_common(MODELS, [])))


def token_usage() -> hcm.HttpFilter:
    """Reads the tokens that a provider reports at the end of its answer, JSON or stream, and holds nothing up."""
    extraction = TokenUsageExtraction(include_unconfigured_routes=True)
    settings = AiProtocolManager(response_handling=ResponseHandling(token_usage=extraction))
    return hcm.HttpFilter(name="envoy.filters.http.ai_protocol_manager", typed_config=packed(settings))


def kept_headers() -> hcm.HttpFilter:
    """Headers are logged as the route leaves them, and it takes these off: they are kept as metadata."""
    rules = [
        header_to_metadata.ConfigRule(
            header=header,
            on_header_present=header_to_metadata.ConfigKeyValuePair(metadata_namespace=ATTEMPT_NAMESPACE, key=key),
        )
        for header, key in _KEPT.items()
    ]
    settings = header_to_metadata.Config(request_rules=rules)
    return hcm.HttpFilter(name="envoy.filters.http.header_to_metadata", typed_config=packed(settings))


def _feed(log: grpc_log.HttpGrpcAccessLogConfig) -> accesslog.AccessLog:
    return accesslog.AccessLog(name="envoy.access_loggers.http_grpc", typed_config=packed(log))


def _common(log_name: str, tags: list[tracing.CustomTag]) -> grpc_log.CommonGrpcAccessLogConfig:
    return grpc_log.CommonGrpcAccessLogConfig(
        log_name=log_name,  # by which the collector tells the two apart
        transport_api_version=core.ApiVersion.V3,
        grpc_service=core.GrpcService(envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=OUTCOMES)),
        buffer_flush_interval=timedelta(seconds=1),
        buffer_size_bytes=64 * 1024,  # fewer messages cost the collector less, and not Envoy
        custom_tags=tags,
    )
