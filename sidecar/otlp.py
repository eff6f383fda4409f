"""What OpenTelemetry's standard variables say of exports by OTLP: the same for traces, metrics and records.

Endpoints, headers, timeouts, intervals and batches the SDK reads by itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from opentelemetry.sdk.resources import Resource

Protocol = Literal["grpc", "http/protobuf"]


class OtlpSettingsError(Exception):
    """An `OTEL_*` variable with a value that cannot be used."""


def is_disabled(environment: Mapping[str, str]) -> bool:
    """Whether nothing is to be exported, whatever else is set."""
    return environment.get("OTEL_SDK_DISABLED", "").lower() == "true"


def build_resource(environment: Mapping[str, str]) -> Resource:
    """What is said of this process; its name is ours unless the environment gives one."""
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    # Attributes given here would win over the environment's.
    return Resource.create({} if named else {"service.name": "envoy-llm-sidecar"})


def choose_protocol(environment: Mapping[str, str], signal: Literal["TRACES", "METRICS", "LOGS"]) -> Protocol:
    """Raises OtlpSettingsError."""
    protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    match protocol:
        case None | "" | "grpc":
            return "grpc"
        case "http/protobuf":
            return "http/protobuf"
    raise OtlpSettingsError(f"OTEL_EXPORTER_OTLP_PROTOCOL: expected grpc or http/protobuf, got {protocol!r}")


@contextmanager
def naming_variables() -> Iterator[None]:
    """The SDK says in errors of its own what it cannot use; they become OtlpSettingsError."""
    try:
        yield
    except ValueError as error:
        raise OtlpSettingsError(f"an OTEL_* variable cannot be used: {error}") from error
