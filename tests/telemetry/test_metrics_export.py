"""Which `OTEL_*` variables have metrics sent by OTLP, and that they arrive."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.sdk.metrics.export import MetricReader

from sidecar.otlp import OtlpSettingsError, build_resource
from sidecar.telemetry.metrics import RouterMetrics
from sidecar.telemetry.metrics_export import build_metric_readers
from tests.fakes.exchanges import exchange, notice
from tests.fakes.metrics import request_record

NOWHERE = "http://127.0.0.1:1"


class Receiver(metrics_service_pb2_grpc.MetricsServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.port = 0

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        self.requests.append(request)
        return metrics_service_pb2.ExportMetricsServiceResponse()

    @property
    def metrics(self) -> dict[str, Any]:
        """Those of the last request, by name."""
        scopes = [scope for resource in self.requests[-1].resource_metrics for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    @property
    def service(self) -> str:
        """Whose they are."""
        (resource,) = self.requests[-1].resource_metrics
        names = {each.key: str(each.value.string_value) for each in resource.resource.attributes}
        return names["service.name"]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without any `OTEL_*` variable of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(1))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    receiver.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield receiver
    server.stop(None).wait()


def build(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> list[MetricReader]:
    """For a process with these variables; the SDK reads some of them by itself."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return build_metric_readers(os.environ)


def test_metrics_arrive_under_the_names_that_they_have(clean: pytest.MonkeyPatch, receiver: Receiver) -> None:
    readers = build(clean, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{receiver.port}"})
    metrics = RouterMetrics(readers=readers, resource=build_resource(os.environ))
    metrics.observe_notice(notice(exchange()))
    metrics.observe_record(request_record())

    assert b"llm_router_decisions_total" in metrics.render()  # for Prometheus, as ever
    metrics.close()

    (decided,) = receiver.metrics["llm.router.decisions"].sum.data_points
    assert decided.as_int == 1
    assert receiver.metrics["llm.router.decisions"].sum.is_monotonic
    assert receiver.metrics["llm.router.cost_usd"].unit == "{USD}"
    assert {point.sum for point in receiver.metrics["gen_ai.client.token.usage"].histogram.data_points} == {1000, 500}
    assert receiver.service == "envoy-llm-sidecar"


def test_a_service_that_has_a_name_keeps_it(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("OTEL_SERVICE_NAME", "gateway")

    assert build_resource(os.environ).attributes["service.name"] == "gateway"


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_METRICS_EXPORTER": "otlp"},
        {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": NOWHERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": NOWHERE, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"},
    ],
)
def test_these_turn_it_on(clean: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    (reader,) = build(clean, variables | {"OTEL_METRIC_EXPORT_INTERVAL": "3600000"})

    reader.shutdown()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE},  # may be a trace store's
        {"OTEL_METRICS_EXPORTER": "prometheus"},  # which there is anyway
        {"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": NOWHERE},
        {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_these_leave_it_off(clean: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    assert build(clean, variables) == []


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"OTEL_METRICS_EXPORTER": "console"}, "OTEL_METRICS_EXPORTER: expected otlp, prometheus or none"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "expected grpc or http"),
    ],
)
def test_a_value_that_cannot_be_used_is_told(clean: pytest.MonkeyPatch, variables: dict[str, str], told: str) -> None:
    with pytest.raises(OtlpSettingsError, match=told):
        build(clean, variables)
