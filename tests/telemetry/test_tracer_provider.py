"""Which `OTEL_*` variables turn tracing on, and that a dead collector slows nobody."""

import os
import socket
import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from sidecar.otlp import OtlpSettingsError
from sidecar.telemetry.tracing import DecisionTracer, build_tracer_provider
from tests.fakes.exchanges import SAMPLED, exchange, notice
from tests.fakes.policies import ladder

ENDPOINT = "http://127.0.0.1:1"
"""Nobody listens there."""


class Environment:
    """Sets what the SDK reads by itself, and gives what we read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._built: list[TracerProvider] = []

    def build(self, variables: dict[str, str]) -> TracerProvider | None:
        """A provider for a process with these variables."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)
        provider = build_tracer_provider(variables)
        if provider is not None:
            self._built.append(provider)
        return provider

    def close(self) -> None:
        """Stop the exporters' threads."""
        for provider in self._built:
            provider.shutdown()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """Without any `OTEL_*` variable of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    environment = Environment(monkeypatch)
    yield environment
    environment.close()


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_SDK_DISABLED": "false"},
    ],
)
def test_an_endpoint_or_an_exporter_turns_tracing_on(environment: Environment, variables: dict[str, str]) -> None:
    provider = environment.build(variables)

    assert provider is not None
    assert provider.resource.attributes["service.name"] == "envoy-llm-sidecar"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT},
        {"OTEL_SDK_DISABLED": "True", "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_SERVICE_NAME": "me"},
    ],
)
def test_otherwise_there_is_none(environment: Environment, variables: dict[str, str]) -> None:
    assert environment.build(variables) is None


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, ["OTEL_TRACES_EXPORTER", "console"]),
        ({"OTEL_TRACES_EXPORTER": "jaeger", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, ["jaeger"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, ["OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "udp"}, ["PROTOCOL", "udp"]),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, ["OTEL_", "soon"]),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "8"}, ["OTEL_", "max_queue_size"]),  # less than a batch
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    environment: Environment, variables: dict[str, str], told: list[str]
) -> None:
    with pytest.raises(OtlpSettingsError) as fault:
        environment.build({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT} | variables)

    assert all(word in str(fault.value) for word in told)


@pytest.mark.parametrize(
    "variables", [{"OTEL_SERVICE_NAME": "router"}, {"OTEL_RESOURCE_ATTRIBUTES": "a=b,service.name=router"}]
)
def test_the_service_may_have_a_name_of_its_own(environment: Environment, variables: dict[str, str]) -> None:
    provider = environment.build({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT} | variables)

    assert provider is not None
    assert provider.resource.attributes["service.name"] == "router"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("collector", ["refuses", "hangs"])
def test_a_dead_collector_blocks_nobody(environment: Environment, protocol: str, collector: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if collector == "hangs" else 1
        provider = environment.build(
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
                "OTEL_BSP_MAX_QUEUE_SIZE": "8",
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4",
                "OTEL_BSP_SCHEDULE_DELAY": "1",
            }
        )
        assert provider is not None
        tracer = DecisionTracer(provider.get_tracer("test"), lambda policy_hash: ladder())
        told = notice(exchange(trace_headers=SAMPLED))

        started = time.monotonic()
        for _ in range(1_000):  # far more than the queue holds
            tracer.observe_notice(told)
        took_seconds = time.monotonic() - started
        provider.shutdown()

    assert took_seconds < 10  # one export that was waited for would have taken a second, and there were 250
