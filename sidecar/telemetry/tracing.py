"""Two spans a request, in its own trace: why a model was chosen, and what came of it.

`llm.router.decide` is a child of the span of Envoy's call to us; its events tell the story in order. When the outcome
is known `llm.router.outcome` follows, a child of Envoy's span of the request, and links to the decision.

Everything is set by OpenTelemetry's standard variables: an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT` or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) turns tracing on; sampling follows the parent unless `OTEL_TRACES_SAMPLER` says
otherwise. Spans are made in the collector and exported by a thread of its own; when whoever takes them is down they
are dropped, and no request waits.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from sidecar.otlp import OtlpSettingsError, build_resource, choose_protocol, is_disabled, naming_variables
from sidecar.routing.api import Endpoint
from sidecar.routing.notice import DecisionNotice
from sidecar.routing.outcome import Result
from sidecar.routing.reason import Reason
from sidecar.routing.recorded import Record, RecordedSignals, read_record
from sidecar.routing.request_record import AttemptRecord, PolicyOf, RequestRecord, unix_nanos
from sidecar.telemetry import attributes

DECISION_SPAN = "llm.router.decide"
OUTCOME_SPAN = "llm.router.outcome"

# As in policies. What a client writes there may be megabytes long, and would cost the whole batch its export.
_LONGEST_NAME = 128

_COST_CLASSES = ((1.0, "1"), (0.1, "0.1"), (0.01, "0.01"), (0.001, "0.001"), (0.0, "0"))

_NANOS = 1_000_000_000

_OPERATIONS = {Endpoint.COMPLETIONS: "text_completion"}  # all others are "chat"

_NO_ANSWER = frozenset((Reason.CLASSIFIER_TIMEOUT, Reason.CLASSIFIER_OVERLOADED, Reason.CLASSIFIER_FAILED))

_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")

_TRACE_CONTEXT = TraceContextTextMapPropagator()

_Attributes = dict[str, AttributeValue]


class DecisionTracer:
    """Makes the spans of what workers tell, and of finished requests (a RecordObserver)."""

    def __init__(self, tracer: Tracer, policy_of: PolicyOf, *, most_open: int = 10_000) -> None:
        """`most_open`: decisions whose outcome is waited for; beyond it the oldest ones get no span of theirs."""
        self._tracer = tracer
        self._policy_of = policy_of
        self._most_open = most_open
        self._decided: OrderedDict[str, tuple[Context, SpanContext]] = OrderedDict()
        """By decision id: the parent of its span, and the span."""

    def observe_notice(self, notice: DecisionNotice) -> None:
        """A span with the times that the decision had; the prompt is not on it."""
        parent = _TRACE_CONTEXT.extract(notice.trace_headers, Context())
        span = self._tracer.start_span(
            DECISION_SPAN, context=parent, kind=SpanKind.SERVER, start_time=notice.started_unix_nanos
        )
        if span.is_recording():
            span.set_attributes(_describe_notice(notice))
            try:
                self._describe(span, notice, read_record(notice.record))
            except ValueError as error:  # a worker of another version, for the time of an update
                span.set_status(Status(StatusCode.ERROR, f"the decision record cannot be read: {error}"))
            self._remember(notice.decision_id, parent, span.get_span_context())
        span.end(_end_of(notice))

    def observe_record(self, record: RequestRecord) -> None:
        """A span from the first byte of the request to the last of its answer, if that of its decision was made."""
        known = self._decided.pop(record.decision_id or "", None)
        if known is None:
            return
        parent, decision = known
        started = unix_nanos(record.time)
        span = self._tracer.start_span(
            OUTCOME_SPAN,
            context=_below_request(record, parent),
            kind=SpanKind.INTERNAL,
            start_time=started,
            links=[Link(decision)],
        )
        span.set_attributes(_describe_outcome(record))
        for attempt in record.attempts:
            span.add_event("attempt", _describe_attempt(attempt), started + int(attempt.start_seconds * _NANOS))
        if record.result is Result.FAILED:
            span.set_status(Status(StatusCode.ERROR, record.details[:_LONGEST_NAME]))
        span.end(started + int((record.seconds or 0) * _NANOS))

    def _remember(self, decision_id: str, parent: Context, span: SpanContext) -> None:
        self._decided[decision_id] = parent, span
        if len(self._decided) > self._most_open:
            self._decided.popitem(last=False)

    def _describe(self, span: Span, notice: DecisionNotice, record: Record) -> None:
        span.set_attributes(_describe_decision(record))
        if record.signals is not None:
            span.set_attributes(_describe_request(record.signals))
        policy = self._policy_of(record.policy)
        model = policy.models.get(record.model or "") if policy is not None else None
        if model is not None:
            span.set_attribute(attributes.PROVIDER, model.provider)
        for name, described, nanos in _story(notice, record):
            span.add_event(name, described, nanos)
        if record.model is None or record.reason in _NO_ANSWER:
            span.set_attribute(attributes.ERROR_TYPE, record.reason.value)
            span.set_status(Status(StatusCode.ERROR, notice.error))


def _below_request(record: RequestRecord, parent: Context) -> Context:
    """Below Envoy's span of the request; below the decision's own parent if the log does not tell of that."""
    known = get_current_span(parent).get_span_context()
    if record.trace_id != format_trace_id(known.trace_id) or not _SPAN_ID.fullmatch(record.span_id):
        return parent
    span = SpanContext(
        known.trace_id,
        int(record.span_id, 16),
        is_remote=True,
        trace_flags=known.trace_flags,
        trace_state=known.trace_state,
    )
    return set_span_in_context(NonRecordingSpan(span), parent)


def _describe_notice(notice: DecisionNotice) -> _Attributes:
    return {
        attributes.DECISION_ID: notice.decision_id,
        attributes.API: notice.endpoint.api,
        attributes.MODEL_VERSION: notice.classifier,
        attributes.PARSE_SECONDS: notice.parse_seconds,
        attributes.CLASSIFY_SECONDS: notice.classify_seconds,
        attributes.DECIDE_SECONDS: notice.decide_seconds,
        attributes.CACHED: notice.is_cached,
    }


def _describe_request(signals: RecordedSignals) -> _Attributes:
    described: _Attributes = {
        attributes.REQUEST_MODEL: signals.model[:_LONGEST_NAME],
        attributes.REQUEST_STREAM: signals.stream,
        attributes.USER_TURNS: signals.turns,
        attributes.INPUT_TOKENS_ESTIMATE: signals.input_tokens,
        attributes.TOOLS: signals.tools,
        attributes.IMAGES: signals.images,
    }
    if signals.max_output_tokens:
        described[attributes.REQUEST_MAX_TOKENS] = signals.max_output_tokens
    return described


def _describe_decision(record: Record) -> _Attributes:
    reading = record.readings[-1] if record.readings else None
    return _known(
        {
            attributes.REASON: record.reason.value,
            attributes.POLICY_HASH: record.policy,
            attributes.MODEL: record.model,
            attributes.TIER: record.tier,
            attributes.PLAN: [planned.model for planned in record.plan] or None,
            attributes.COST_ESTIMATE: record.plan[0].cost if record.plan else None,
            attributes.RULE: record.rule,
            attributes.ARM: record.arm,
            attributes.INTENT: record.intent,
            attributes.CONFIDENCE: reading.confidence if reading is not None else None,
            attributes.DIFFICULTY: reading.difficulty if reading is not None else None,
            attributes.TRUNCATED: reading.truncated if reading is not None else None,
        }
    )


def _story(notice: DecisionNotice, record: Record) -> Iterator[tuple[str, _Attributes, int]]:
    """Name, attributes and time of each event, in the order of the decision."""
    parsed = notice.started_unix_nanos + int(notice.parse_seconds * _NANOS)
    classified = parsed + int(notice.classify_seconds * _NANOS)
    if record.signals is not None:
        yield "signals", _describe_signals(record.signals), parsed
    for number, reading in enumerate(record.readings, start=1):
        example = reading.example
        described: dict[str, AttributeValue | None] = {
            "turn": number,
            "intent": reading.intent,
            "confidence": reading.confidence,
            "difficulty": reading.difficulty,
            "likeliest": [f"{intent} {share:.2f}" for intent, share in reading.likeliest],
            "truncated": reading.truncated,
            "example": f"{example[0]} {example[1]:.2f}" if example is not None else None,
        }
        yield "classification", _known(described), classified
    if notice.error is not None and record.reason in _NO_ANSWER:
        yield "no classification", {"why": notice.error}, classified
    if record.requirements:
        yield "requirements", {"matched": record.requirements}, classified
    if record.rule is not None:
        yield "rule", _known({"name": record.rule, "arm": record.arm}), classified
    for reason, tier in record.moves:
        yield "tier", {"reason": reason.value, "tier": tier}, classified
    for model, why in record.excluded.items():
        yield "excluded", {"model": model, "why": why}, classified
    if record.plan:
        yield "plan", {"models": [planned.model for planned in record.plan]}, _end_of(notice)
    elif notice.error is not None:
        yield "rejected", {"status": record.status, "message": notice.error}, _end_of(notice)


def _describe_signals(signals: RecordedSignals) -> _Attributes:
    """What policies look at, as far as there is anything; header values are for the record."""
    return _known(
        {
            "input_tokens": signals.input_tokens,
            "max_output_tokens": signals.max_output_tokens or None,
            "turns": signals.turns,
            "language": signals.language,
            "script": signals.script,
            "code_fences": signals.code_fences or None,
            "json": signals.json or None,
            "keywords": sorted(signals.keywords) or None,
            "patterns": sorted(signals.patterns) or None,
            "personal_data": sorted(signals.personal_data or ()) or None,
            "caller_tier": signals.tier,
            "caller_max_cost": signals.max_cost,
        }
    )


def _describe_outcome(record: RequestRecord) -> _Attributes:
    return _known(
        {
            attributes.DECISION_ID: record.decision_id,
            attributes.OPERATION: _OPERATIONS.get(record.endpoint, "chat") if record.endpoint is not None else None,
            attributes.REQUEST_MODEL: (record.requested_model or "")[:_LONGEST_NAME] or None,
            attributes.REQUEST_STREAM: record.stream,
            attributes.RESULT: record.result.value,
            attributes.STATUS: record.status or None,
            attributes.ERROR_TYPE: _error_of(record),
            attributes.ATTEMPTS: record.attempt_count,
            attributes.FAILED_OVER: record.failed_over,
            attributes.RESPONSE_MODEL: record.model,
            attributes.PROVIDER: record.provider,
            attributes.TIER: record.tier,
            attributes.INPUT_TOKENS: record.input_tokens,
            attributes.OUTPUT_TOKENS: record.output_tokens,
            attributes.CACHED_TOKENS: record.cached_tokens,
            attributes.CACHE_WRITE_TOKENS: record.cache_write_tokens,
            attributes.REASONING_TOKENS: record.reasoning_tokens,
            attributes.TOKENS_ESTIMATED: record.estimated if record.input_tokens is not None else None,
            attributes.COST: record.cost,
            attributes.COST_CLASS: _cost_class(record.cost),
            attributes.BASELINE_COST: record.baseline_cost,
            attributes.SAVING: record.saving,
            attributes.FIRST_BYTE_SECONDS: record.first_byte_seconds,
        }
    )


def _cost_class(cost: float | None) -> str | None:
    """For trace UIs that look for equal values only: the greatest of these that the cost reaches, in USD."""
    return next((name for limit, name in _COST_CLASSES if cost is not None and cost >= limit), None)


def _error_of(record: RequestRecord) -> str | None:
    if record.result in (Result.SUCCESS, Result.UNKNOWN):
        return None
    return record.flags[0] if record.flags else str(record.status or record.result.value)


def _describe_attempt(attempt: AttemptRecord) -> _Attributes:
    return _known(
        {
            "model": attempt.model,
            "provider": attempt.provider,
            "status": attempt.status or None,
            "error": attempt.error,
            "seconds": attempt.seconds,
            "input_tokens": attempt.input_tokens,
            "output_tokens": attempt.output_tokens,
            "cost_usd": attempt.cost,
        }
    )


def _known(described: Mapping[str, AttributeValue | None]) -> _Attributes:
    return {name: value for name, value in described.items() if value is not None}


def _end_of(notice: DecisionNotice) -> int:
    seconds = notice.parse_seconds + notice.classify_seconds + notice.decide_seconds
    return notice.started_unix_nanos + int(seconds * _NANOS)


def build_tracer_provider(environment: Mapping[str, str]) -> TracerProvider | None:
    """A provider that exports by OTLP, or None if nothing asks for one. Raises OtlpSettingsError."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if is_disabled(environment) or exporter == "none":
        return None
    if exporter not in ("", "otlp"):
        raise OtlpSettingsError(f"OTEL_TRACES_EXPORTER: expected otlp or none, got {exporter!r}")
    if not endpoint and not exporter:
        return None
    # Queue length, batch size and timeouts are OTEL_BSP_*, the sampler OTEL_TRACES_SAMPLER: the SDK reads them.
    with naming_variables():
        provider = TracerProvider(resource=build_resource(environment))
        provider.add_span_processor(BatchSpanProcessor(_build_exporter(environment)))
    return provider


def _build_exporter(environment: Mapping[str, str]) -> SpanExporter:
    if choose_protocol(environment, "TRACES") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    return HttpExporter()
