"""Decision, attempts and outcome are spans of the request's own trace, as a real OTLP receiver gets them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import REASONING

_PATIENCE_SECONDS = 30


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP/gRPC receiver that keeps what it gets, by service."""

    def __init__(self) -> None:
        self._spans: list[tuple[str, Span]] = []
        self._changed = threading.Condition()
        self._server = grpc.server(ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def Export(  # noqa: N802 - the name in the protocol
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: object
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        with self._changed:
            for resource_spans in request.resource_spans:
                service = next(
                    a.value.string_value for a in resource_spans.resource.attributes if a.key == "service.name"
                )
                for scope_spans in resource_spans.scope_spans:
                    self._spans += [(service, span) for span in scope_spans.spans]
            self._changed.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def wait_for(self, trace_id: bytes, names: set[str]) -> dict[str, tuple[str, Span]]:
        """The trace's spans by name (with their services), once there is one of each of these names."""
        with self._changed:
            assert self._changed.wait_for(lambda: names <= set(self._named(trace_id)), _PATIENCE_SECONDS), (
                f"of {names} only {set(self._named(trace_id))} arrived"
            )
            return self._named(trace_id)

    def stop(self) -> None:
        self._server.stop(None).wait()

    def _named(self, trace_id: bytes) -> dict[str, tuple[str, Span]]:
        return {span.name: (service, span) for service, span in self._spans if span.trace_id == trace_id}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def export_at_once(bootstrap: dict[str, Any]) -> None:
    """Envoy would collect spans for 5 s."""
    values = {"tracing.opentelemetry.min_flush_spans": 1, "tracing.opentelemetry.flush_interval_ms": 100}
    bootstrap["layered_runtime"] = {"layers": [{"name": "tests", "static_layer": values}]}


@pytest.fixture(scope="module")
def traced(receiver: Receiver) -> Iterator[Gateway]:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Gateway(otlp_port=receiver.port, environment=environment, change=export_at_once) as gateway:
        yield gateway


_CALL = "async envoy.service.ext_proc.v3.ExternalProcessor.Process egress"
_DECISION, _OUTCOME = "llm.router.decide", "llm.router.outcome"

# Of the client's span.
_PARENT = "b7ad6b7169203331"


def attributes_of(told: Span | Span.Event) -> dict[str, Any]:
    values = {}
    for attribute in told.attributes:
        kind = attribute.value.WhichOneof("value")
        assert kind is not None
        values[attribute.key] = getattr(attribute.value, kind)
    return values


def traced_by(trace_id: str, *, sampled: bool = True) -> dict[str, str]:
    """The header of a client that traces."""
    return {"traceparent": f"00-{trace_id}-{_PARENT}-{sampled:02}"}


def test_one_trace_tells_the_whole_story(traced: Gateway, receiver: Receiver) -> None:
    """A model that is down, and the next one that answers."""
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    body = {"model": "auto", "max_completion_tokens": 77, "messages": [{"role": "user", "content": REASONING}]}
    failed, answered = "router o3-mini egress", "router gpt-4o egress"
    traced.providers.set_fault("503", model="o3-mini")
    try:
        answer = traced.post(body, headers=traced_by(trace_id))
    finally:
        traced.providers.clear_faults()
    named = receiver.wait_for(bytes.fromhex(trace_id), {"ingress", _CALL, _DECISION, failed, answered, _OUTCOME})
    spans = {name: span for name, (_, span) in named.items()}
    decision, outcome = spans[_DECISION], spans[_OUTCOME]

    assert {service for service, _ in named.values()} == {"envoy", "envoy-llm-sidecar"}
    assert spans["ingress"].parent_span_id == bytes.fromhex(_PARENT)
    assert {spans[name].parent_span_id for name in (_CALL, failed, answered, _OUTCOME)} == {spans["ingress"].span_id}
    assert decision.parent_span_id == spans[_CALL].span_id
    assert [link.span_id for link in outcome.links] == [decision.span_id]

    told = attributes_of(decision)
    assert told["llm.router.decision_id"] == answer.headers["x-llm-decision-id"]
    assert (told["llm.router.tier"], told["llm.router.model"]) == ("reasoning", "o3-mini")
    assert (told["gen_ai.request.model"], told["gen_ai.request.max_tokens"]) == ("auto", 77)
    assert 0 < told["llm.router.duration.classify"] < _PATIENCE_SECONDS
    assert [event.name for event in decision.events][:2] == ["signals", "classification"]
    assert decision.events[-1].name == "plan"

    attempts = [attributes_of(spans[name]) for name in (failed, answered)]
    assert [
        (each["llm.router.attempt.model"], each["gen_ai.provider.name"], each["http.status_code"])
        for each in attempts
    ] == [("o3-mini", "openai", "503"), ("gpt-4o", "openai", "200")]
    assert {each["llm.router.tier"] for each in attempts} == {"reasoning"}

    came = attributes_of(outcome)
    assert (came["llm.router.result"], came["gen_ai.response.model"]) == ("success", "gpt-4o")
    assert (came["llm.router.attempts"], came["llm.router.failed_over"]) == (2, True)
    assert came["gen_ai.usage.input_tokens"] == answer.json()["usage"]["prompt_tokens"]
    assert came["gen_ai.usage.output_tokens"] == answer.json()["usage"]["completion_tokens"]
    assert came["llm.router.cost_usd"] > 0
    tried = [attributes_of(event) for event in outcome.events]
    assert [(each["model"], each["status"]) for each in tried] == [("o3-mini", 503), ("gpt-4o", 200)]
    times = [outcome.start_time_unix_nano, *(event.time_unix_nano for event in outcome.events)]
    assert times == sorted(times) and times[-1] < outcome.end_time_unix_nano
    assert not any(REASONING[:20] in str(span) for span in spans.values())


def test_envoys_own_spans_carry_the_decision(traced: Gateway, receiver: Receiver) -> None:
    trace_id = "1af7651916cd43dd8448eb211c80319c"
    body = {"model": "auto", "messages": [{"role": "user", "content": REASONING}]}
    traced.post(body, headers=traced_by(trace_id))
    spans = receiver.wait_for(bytes.fromhex(trace_id), {"ingress"})
    attributes = attributes_of(spans["ingress"][1])
    assert (attributes["llm.router.model"], attributes["llm.router.tier"]) == ("o3-mini", "reasoning")
    assert attributes["llm.router.attempt.model"] == "o3-mini"


def test_a_trace_that_envoy_begins_has_both_spans_too(traced: Gateway, receiver: Receiver) -> None:
    record = traced.find_record(traced.ask().headers["x-llm-decision-id"])
    named = receiver.wait_for(bytes.fromhex(record["trace_id"]), {"ingress", _CALL, _DECISION, _OUTCOME})
    ingress, outcome = named["ingress"][1], named[_OUTCOME][1]
    assert ingress.parent_span_id == b""
    assert bytes.fromhex(record["span_id"]) == outcome.parent_span_id == ingress.span_id


def test_an_unsampled_request_leaves_no_decision_span(traced: Gateway, receiver: Receiver) -> None:
    unsampled, sampled = "2af7651916cd43dd8448eb211c80319c", "3af7651916cd43dd8448eb211c80319c"
    body = {"model": "auto", "messages": [{"role": "user", "content": REASONING}]}
    traced.post(body, headers=traced_by(unsampled, sampled=False))
    traced.post(body, headers=traced_by(sampled))
    receiver.wait_for(bytes.fromhex(sampled), {_DECISION})  # exported in order
    assert receiver.wait_for(bytes.fromhex(unsampled), set()) == {}


def test_a_rejection_is_an_error_on_its_span(traced: Gateway, receiver: Receiver) -> None:
    trace_id = "4af7651916cd43dd8448eb211c80319c"
    traced.post(b"not json", headers=traced_by(trace_id))
    _, span = receiver.wait_for(bytes.fromhex(trace_id), {_DECISION})[_DECISION]
    assert attributes_of(span)["error.type"] == "invalid_request"


def test_a_collector_that_is_down_slows_nothing() -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    # Sooner than any exporter gives up, and later than a busy machine decides.
    with Gateway(otlp_port=1, environment=environment, values={"message_timeout": "1s"}) as gateway:
        answers = [gateway.ask() for _ in range(50)]
        assert all("x-llm-reason" in answer.headers for answer in answers)
        assert gateway.stat("http.edge.ext_proc.sidecar.message_timeouts") == 0
