"""What is told of a request: its trace, and its line in the access log."""

from datetime import timedelta

from sidecar.envoyconfig.parts.messages import (
    accesslog,
    core,
    hcm,
    metadata,
    packed,
    stream_log,
    struct,
    trace,
    tracing,
    values,
)
from sidecar.envoyconfig.parts.names import (
    ATTEMPT_NAMESPACE,
    EXT_PROC,
    METADATA_NAMESPACE,
    MODEL_HEADER,
    OTLP,
    from_metadata,
)

_OF_THE_DECISION = ("model", "tier", "reason", "decision_id")
_OF_THE_ATTEMPT = {"llm.router.attempt.model": "model", "gen_ai.provider.name": "provider"}
"""What was asked, by the name of its tag; on the request's own span that of the last attempt."""

_LOG = {
    "time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ)%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "decision_id": from_metadata("decision_id"),
    "plan": from_metadata("model"),
    "tier": from_metadata("tier"),
    "reason": from_metadata("reason"),
    "record": from_metadata("record"),
    "model": f"%RESP({MODEL_HEADER})%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "duration_ms": "%DURATION%",
    "first_byte_ms": "%RESPONSE_DURATION%",
    "request_bytes": "%BYTES_RECEIVED%",
    "response_bytes": "%BYTES_SENT%",
    "sidecar": f"%FILTER_STATE({EXT_PROC}:PLAIN)%",
    "request_id": "%REQ(x-request-id)%",
    "trace_id": "%TRACE_ID%",
}


def access_log() -> accesslog.AccessLog:
    """One JSON line per request on standard output."""
    log = stream_log.StdoutAccessLog(log_format=core.SubstitutionFormatString(json_format=struct(dict(_LOG))))
    return accesslog.AccessLog(name="envoy.access_loggers.stdout", typed_config=packed(log))


def request_tracing() -> hcm.HttpConnectionManagerTracing:
    """A span per request and per attempt; a caller's trace is continued and its sampled flag obeyed."""
    collector = trace.OpenTelemetryConfig(
        service_name="envoy",
        grpc_service=core.GrpcService(
            envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=OTLP), timeout=timedelta(seconds=1)
        ),
    )
    return hcm.HttpConnectionManagerTracing(
        provider=trace.TracingHttp(name="envoy.tracers.opentelemetry", typed_config=packed(collector)),
        random_sampling=values.Percent(value=100),
        spawn_upstream_span=True,
        custom_tags=[*_decision_tags(), *_attempt_tags()],
    )


def _decision_tags() -> list[tracing.CustomTag]:
    request = metadata.MetadataKind(request=metadata.MetadataKindRequest())
    return [_tag(f"{METADATA_NAMESPACE}.{key}", request, METADATA_NAMESPACE, key) for key in _OF_THE_DECISION]


def _attempt_tags() -> list[tracing.CustomTag]:
    asked = metadata.MetadataKind(cluster=metadata.MetadataKindCluster())
    return [_tag(tag, asked, ATTEMPT_NAMESPACE, key) for tag, key in _OF_THE_ATTEMPT.items()]


def _tag(tag: str, kind: metadata.MetadataKind, namespace: str, key: str) -> tracing.CustomTag:
    where = metadata.MetadataKey(key=namespace, path=[metadata.MetadataKeyPathSegment(key=key)])
    return tracing.CustomTag(tag=tag, metadata=tracing.CustomTagMetadata(kind=kind, metadata_key=where))
