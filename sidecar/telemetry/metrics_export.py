"""Metrics by OTLP, beside Prometheus, if OpenTelemetry's standard variables ask for it.

`OTEL_METRICS_EXPORTER=otlp` or `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` turns it on. `OTEL_EXPORTER_OTLP_ENDPOINT` alone
does not: it is often that of a trace store, which takes no metrics. Interval, protocol, headers and timeout are the
standard variables.
"""

from collections.abc import Mapping

from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from sidecar.telemetry.tracing import TracingSettingsError


def build_metric_readers(environment: Mapping[str, str]) -> list[MetricReader]:
    """Of one exporter, or none if nothing asks for one. Raises TracingSettingsError."""
    exporter = environment.get("OTEL_METRICS_EXPORTER", "")
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter in ("none", "prometheus"):
        return []
    if exporter not in ("", "otlp"):
        raise TracingSettingsError(f"OTEL_METRICS_EXPORTER: expected otlp, prometheus or none, got {exporter!r}")
    if not exporter and not environment.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
        return []
    try:  # the interval is OTEL_METRIC_EXPORT_INTERVAL: the SDK reads it, and what the exporter is set by
        return [PeriodicExportingMetricReader(_build_exporter(environment))]
    except ValueError as error:
        raise TracingSettingsError(f"an OTEL_* variable cannot be used: {error}") from error


def build_metric_resource(environment: Mapping[str, str]) -> Resource:
    """What is said of this process."""
    is_named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    # Attributes given here would win over the environment's.
    return Resource.create({} if is_named else {"service.name": "envoy-llm-sidecar"})


def _build_exporter(environment: Mapping[str, str]) -> MetricExporter:
    protocol = environment.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        return GrpcExporter()
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

        return HttpExporter()
    raise TracingSettingsError(f"OTEL_EXPORTER_OTLP_PROTOCOL: expected grpc or http/protobuf, got {protocol!r}")
