"""One span per decision, a child of the span of Envoy's call to us, so that the trace shows why a model was chosen.

Everything is set by OpenTelemetry's standard variables: an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT` or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) turns tracing on; sampling follows the parent unless `OTEL_TRACES_SAMPLER` says
otherwise. Spans are made after Envoy has its answer and exported by a thread of its own; when the collector is down
they are dropped, and no request waits.
"""

from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from sidecar.routing.api import Endpoint
from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.telemetry import attributes

SPAN_NAME = "llm.router.decide"

# As in policies. What a client writes there may be megabytes long, and would cost the whole batch its export.
_LONGEST_NAME = 128

_OPERATIONS = {Endpoint.COMPLETIONS: "text_completion"}  # all others are "chat"

_TRACE_CONTEXT = TraceContextTextMapPropagator()


class TracingSettingsError(Exception):
    """An `OTEL_*` variable with a value that cannot be used."""


class DecisionTracer:
    """An ExchangeObserver that makes a span of each exchange."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def observe(self, exchange: Exchange) -> None:
        """A span with the times that the exchange had; the prompt is not on it."""
        seconds = exchange.parse_seconds + exchange.classify_seconds + exchange.decide_seconds
        span = self._tracer.start_span(
            SPAN_NAME,
            context=_TRACE_CONTEXT.extract(exchange.trace_headers, Context()),
            kind=SpanKind.SERVER,
            start_time=exchange.started_unix_nanos,
        )
        if span.is_recording():
            span.set_attributes(self._describe(exchange))
            error = exchange.result if isinstance(exchange.result, RejectedError) else exchange.failure
            if error is not None:
                # Without the stack trace, which helps no reader of traces and might quote what it should not.
                span.add_event("exception", {"exception.type": type(error).__name__, "exception.message": str(error)})
                span.set_attribute(attributes.ERROR_TYPE, exchange.result.reason)
                span.set_status(Status(StatusCode.ERROR, str(error)))
        span.end(exchange.started_unix_nanos + int(seconds * 1e9))

    def _describe(self, exchange: Exchange) -> Mapping[str, AttributeValue]:
        described: dict[str, AttributeValue] = {
            attributes.DECISION_ID: exchange.decision_id,
            attributes.API: exchange.endpoint.api,
            attributes.OPERATION: _OPERATIONS.get(exchange.endpoint, "chat"),
            attributes.REASON: exchange.result.reason,
            attributes.MODEL_VERSION: exchange.classifier_version,
            attributes.PARSE_SECONDS: exchange.parse_seconds,
            attributes.CLASSIFY_SECONDS: exchange.classify_seconds,
            attributes.DECIDE_SECONDS: exchange.decide_seconds,
        }
        if exchange.request is not None:
            described |= _describe_request(exchange.request)
        if isinstance(exchange.result, Decision):
            described |= _describe_decision(exchange.result)
            if exchange.request is not None:
                cost = exchange.request.input_tokens * exchange.result.model.price.input / 1e6
                described[attributes.INPUT_COST_ESTIMATE] = cost
        return described


def _describe_request(request: ChatRequest) -> dict[str, AttributeValue]:
    described: dict[str, AttributeValue] = {
        attributes.REQUEST_MODEL: request.model[:_LONGEST_NAME],
        attributes.REQUEST_STREAM: request.stream,
        attributes.USER_TURNS: len(request.user_turns),
        attributes.INPUT_TOKENS_ESTIMATE: request.input_tokens,
        attributes.TOOLS: request.tools,
        attributes.IMAGES: request.images,
    }
    if request.max_output_tokens:
        described[attributes.REQUEST_MAX_TOKENS] = request.max_output_tokens
    return described


def _describe_decision(decision: Decision) -> dict[str, AttributeValue]:
    described: dict[str, AttributeValue] = {
        attributes.MODEL: decision.model.name,
        attributes.PROVIDER: decision.model.provider,
        attributes.PLAN: [model.name for model in decision.plan],
        attributes.TIER: decision.tier.label,
        attributes.POLICY_HASH: decision.policy_hash,
    }
    classification = decision.classification
    if classification is not None:
        described |= {
            attributes.INTENT: classification.settled_intent,
            attributes.CONFIDENCE: classification.confidence,
            attributes.TRUNCATED: classification.truncated,
            attributes.CACHED: classification.cached,
        }
        if classification.difficulty is not None:
            described[attributes.DIFFICULTY] = classification.difficulty
    return described


def build_tracer_provider(environment: Mapping[str, str]) -> TracerProvider | None:
    """A provider that exports by OTLP, or None if nothing asks for one. Raises TracingSettingsError."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return None
    if exporter not in ("", "otlp"):
        raise TracingSettingsError(f"OTEL_TRACES_EXPORTER: expected otlp or none, got {exporter!r}")
    if not endpoint and not exporter:
        return None
    # Queue length, batch size and timeouts are OTEL_BSP_*, the sampler OTEL_TRACES_SAMPLER: the SDK reads them.
    try:
        provider = TracerProvider(resource=_build_resource(environment))
        provider.add_span_processor(BatchSpanProcessor(_build_exporter(environment)))
    except ValueError as error:
        raise TracingSettingsError(f"an OTEL_* variable cannot be used: {error}") from error
    return provider


def _build_resource(environment: Mapping[str, str]) -> Resource:
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    # Attributes given here would win over the environment's.
    return Resource.create({} if named else {"service.name": "envoy-llm-sidecar"})


def _build_exporter(environment: Mapping[str, str]) -> SpanExporter:
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter()
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

        return HttpExporter()
    raise TracingSettingsError(f"OTEL_EXPORTER_OTLP_PROTOCOL: expected grpc or http/protobuf, got {protocol!r}")
