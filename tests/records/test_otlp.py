"""Records as OpenTelemetry logs, taken by a real receiver."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import msgspec
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc

from sidecar.config.running import RecordsConfig
from sidecar.records.log import RecordLog
from sidecar.records.otlp import OtlpWriter
from sidecar.records.writer import WriteError
from sidecar.routing.feedback import Feedback
from sidecar.routing.request_record import RequestRecord, write_line


class Receiver(logs_service_pb2_grpc.LogsServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        self.requests.append(request)
        return logs_service_pb2.ExportLogsServiceResponse()

    @property
    def logs(self) -> list[Any]:
        """All log records."""
        return [
            log
            for request in self.requests
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for log in scope.log_records
        ]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The environment leads to it."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(1))
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    yield receiver
    server.stop(None).wait()


def attributes_of(log: Any) -> dict[str, Any]:
    """By name."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in log.attributes}


def test_a_record_is_a_log_in_the_trace_of_its_request(receiver: Receiver, records: Sequence[RequestRecord]) -> None:
    log = RecordLog(RecordsConfig("otlp"), os.environ)
    for record in records:
        log.observe_record(record)
    log.close()

    assert (log.written, log.dropped) == (100, 0)
    resource = receiver.requests[0].resource_logs[0].resource
    assert attributes_of(resource)["service.name"] == "envoy-llm-sidecar"
    assert [each.body.string_value.encode() + b"\n" for each in receiver.logs] == list(map(write_line, records))
    assert [each.trace_id.hex() for each in receiver.logs] == [record.trace_id for record in records]
    assert [each.span_id.hex() for each in receiver.logs] == [record.span_id for record in records]
    for sent, record in zip(receiver.logs, records, strict=True):
        attributes = attributes_of(sent)
        assert sent.event_name == "llm.router.request"
        assert attributes.get("llm.router.decision_id") == record.decision_id
        assert attributes.get("llm.router.tier") == record.tier
        assert attributes.get("llm.router.cost") == record.cost
        assert (sent.severity_number == 17) is (record.result == "failed")
        assert sent.time_unix_nano % 1_000 == 0 and sent.time_unix_nano > 1_700_000_000 * 10**9


def test_feedback_is_a_log_too(receiver: Receiver) -> None:
    writer = OtlpWriter(os.environ)
    writer.write([Feedback("2026-03-02T12:00:00.000001Z", "id-1", score=0.5, label="math")])
    writer.close()

    (sent,) = receiver.logs
    assert sent.event_name == "llm.router.feedback"
    assert sent.time_unix_nano == 1_772_452_800_000_001_000
    assert msgspec.json.decode(sent.body.string_value)["feedback"]["decision_id"] == "id-1"
    assert attributes_of(sent) == {
        "llm.router.decision_id": "id-1",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.evaluation.score.label": "math",
    }


def test_a_name_of_the_environment_stays(
    receiver: Receiver, records: Sequence[RequestRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    writer = OtlpWriter(os.environ)
    writer.write(records[:1])
    writer.close()

    assert attributes_of(receiver.requests[0].resource_logs[0].resource)["service.name"] == "edge"


def test_a_receiver_that_is_not_there_costs_records(
    records: Sequence[RequestRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    log = RecordLog(RecordsConfig("otlp"), os.environ, patience_seconds=30)
    log.observe_record(records[0])
    log.close()

    assert (log.written, log.dropped) == (0, 1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "expected grpc or http/protobuf, got 'http/json'"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "udp", "expected grpc or http/protobuf, got 'udp'"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "an OTEL_\\* variable cannot be used"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    records: Sequence[RequestRecord], monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    writer = OtlpWriter(os.environ)

    with pytest.raises(WriteError, match=message):
        writer.write(records[:1])
    writer.close()


def test_the_standard_switch_turns_it_off(
    receiver: Receiver, records: Sequence[RequestRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    writer = OtlpWriter(os.environ)
    assert writer.write(records[:1]) == 1
    writer.close()

    assert receiver.requests == []
