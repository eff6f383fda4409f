"""Metrics by OTLP, beside Prometheus, if OpenTelemetry's standard variables ask for it.

`OTEL_METRICS_EXPORTER=otlp` or `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` turns it on. `OTEL_EXPORTER_OTLP_ENDPOINT` alone
does not: it is often that of a trace store, which takes no metrics. Interval, protocol, headers and timeout are the
standard variables.
"""

from collections.abc import Mapping

from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader

from sidecar.otlp import OtlpSettingsError, choose_protocol, is_disabled, naming_variables


def build_metric_readers(environment: Mapping[str, str]) -> list[MetricReader]:
    """Of one exporter, or none if nothing asks for one. Raises OtlpSettingsError."""
    exporter = environment.get("OTEL_METRICS_EXPORTER", "")
    if is_disabled(environment) or exporter in ("none", "prometheus"):
        return []
    if exporter not in ("", "otlp"):
        raise OtlpSettingsError(f"OTEL_METRICS_EXPORTER: expected otlp, prometheus or none, got {exporter!r}")
    if not exporter and not environment.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
        return []
    with naming_variables():  # the interval is OTEL_METRIC_EXPORT_INTERVAL: the SDK reads it
        return [PeriodicExportingMetricReader(_build_exporter(environment))]


def _build_exporter(environment: Mapping[str, str]) -> MetricExporter:
    if choose_protocol(environment, "METRICS") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

    return HttpExporter()
