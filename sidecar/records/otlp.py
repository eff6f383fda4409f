"""Records as OpenTelemetry logs, in the trace of their request, so that a trace leads to them and they to it.

Endpoint, protocol, headers, timeout, compression and resource are the standard `OTEL_*` variables. We batch and count
ourselves, where the SDK's own processor would drop without telling.
"""

from collections.abc import Mapping, Sequence

from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import INVALID_SPAN_ID, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.util.types import AnyValue

from sidecar.otlp import OtlpSettingsError, Protocol, build_resource, choose_protocol, naming_variables
from sidecar.records.entry import Entry, entry_line
from sidecar.records.writer import WriteError
from sidecar.routing.feedback import Feedback
from sidecar.routing.outcome import Result
from sidecar.routing.request_record import RequestRecord, unix_nanos

REQUEST_EVENT = "llm.router.request"
FEEDBACK_EVENT = "llm.router.feedback"

# With prompts a record may have 20 kB, and receivers take messages of 4 MiB by default.
_MOST_AT_ONCE = 128

_TRACE_ID_DIGITS, _SPAN_ID_DIGITS = 32, 16

_SEVERITIES = {Result.FAILED: SeverityNumber.ERROR}


class OtlpWriter:
    """Exports each batch by itself."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Nothing is connected before the first record."""
        self._environment = environment
        self._collected: list[ReadableLogRecord] = []
        self._exporter: LogRecordExporter | None = None
        self._provider = LoggerProvider(resource=build_resource(environment), shutdown_on_exit=False)
        self._provider.add_log_record_processor(_Collector(self._collected))
        self._logger = self._provider.get_logger("sidecar")

    def write(self, entries: Sequence[Entry]) -> int:
        """In messages of some size. Raises WriteError."""
        if self._exporter is None:
            self._exporter = _build_exporter(self._environment)
        for start in range(0, len(entries), _MOST_AT_ONCE):
            for entry in entries[start : start + _MOST_AT_ONCE]:
                self._emit(entry)
            batch = [*self._collected]
            self._collected.clear()
            # Nothing is collected where OTEL_SDK_DISABLED says so.
            if batch and self._exporter.export(batch) is not LogRecordExportResult.SUCCESS:
                raise WriteError("the OTLP receiver did not take them", start)
        return len(entries)

    def close(self) -> None:
        """What was written is out already."""
        if self._exporter is not None:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _emit(self, entry: Entry) -> None:
        is_feedback = isinstance(entry, Feedback)
        self._logger.emit(
            timestamp=unix_nanos(entry.time),
            context=None if isinstance(entry, Feedback) else _context(entry),
            severity_number=SeverityNumber.INFO if isinstance(entry, Feedback) else _severity(entry),
            body=entry_line(entry).decode().rstrip("\n"),
            attributes=_describe_feedback(entry) if isinstance(entry, Feedback) else _describe(entry),
            event_name=FEEDBACK_EVENT if is_feedback else REQUEST_EVENT,
        )


class _Collector(LogRecordProcessor):
    def __init__(self, collected: list[ReadableLogRecord]) -> None:
        self._collected = collected

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self._collected.append(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


def _severity(record: RequestRecord) -> SeverityNumber:
    return _SEVERITIES.get(record.result, SeverityNumber.INFO)


def _describe(record: RequestRecord) -> dict[str, AnyValue]:
    """What people search by; the whole of it is the body."""
    described: dict[str, AnyValue] = {
        "llm.router.decision_id": record.decision_id,
        "llm.router.reason": record.reason,
        "llm.router.tier": record.tier,
        "llm.router.intent": record.intent,
        "llm.router.model": record.model,
        "llm.router.result": record.result.value,
        "llm.router.cost": record.cost,
        "gen_ai.request.model": record.requested_model,
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "http.response.status_code": record.status or None,
    }
    return {name: value for name, value in described.items() if value is not None}


def _describe_feedback(feedback: Feedback) -> dict[str, AnyValue]:
    described: dict[str, AnyValue] = {"llm.router.decision_id": feedback.decision_id}
    if feedback.score is not None:
        described["gen_ai.evaluation.score.value"] = feedback.score
    if feedback.label is not None:
        described["gen_ai.evaluation.score.label"] = feedback.label
    return described


def _context(record: RequestRecord) -> Context | None:
    """Envoy's span of the request, or whichever of the trace; None for a request that was not traced."""
    if len(record.trace_id) != _TRACE_ID_DIGITS:
        return None
    span_id = int(record.span_id, 16) if len(record.span_id) == _SPAN_ID_DIGITS else INVALID_SPAN_ID
    flags = TraceFlags(TraceFlags.SAMPLED)
    span = SpanContext(int(record.trace_id, 16), span_id, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(span), Context())


def _build_exporter(environment: Mapping[str, str]) -> LogRecordExporter:
    """Raises WriteError: records are not what a start depends on."""
    try:
        with naming_variables():
            return _make_exporter(choose_protocol(environment, "LOGS"))
    except OtlpSettingsError as error:
        raise WriteError(str(error), 0) from error


def _make_exporter(protocol: Protocol) -> LogRecordExporter:
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter

    return HttpExporter()
