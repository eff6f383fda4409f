"""The decision is a span inside the request's own trace, as a real OTLP receiver gets it."""

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

_EXPORT_SECONDS = 20  # Envoy exports every 5 s


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
        """The trace's spans by name (with their services), once there is one of each name."""
        with self._changed:
            assert self._changed.wait_for(lambda: names <= set(self._named(trace_id)), _EXPORT_SECONDS), (
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


@pytest.fixture(scope="module")
def traced(receiver: Receiver) -> Iterator[Gateway]:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Gateway(otlp_port=receiver.port, environment=environment) as gateway:
        yield gateway


def attributes_of(span: Span) -> dict[str, Any]:
    values = {}
    for attribute in span.attributes:
        kind = attribute.value.WhichOneof("value")
        assert kind is not None
        values[attribute.key] = getattr(attribute.value, kind)
    return values


def test_the_decision_span_sits_in_the_clients_trace_under_envoys_call(traced: Gateway, receiver: Receiver) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    body = {"model": "auto", "max_completion_tokens": 77, "messages": [{"role": "user", "content": REASONING}]}
    answer = traced.post(body, headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    call = "async envoy.service.ext_proc.v3.ExternalProcessor.Process egress"
    spans = receiver.wait_for(bytes.fromhex(trace_id), {"ingress", call, "llm.router.decide"})

    service, decision = spans["llm.router.decide"]
    assert service == "envoy-llm-sidecar"
    assert decision.parent_span_id == spans[call][1].span_id
    assert spans[call][1].parent_span_id == spans["ingress"][1].span_id
    assert spans["ingress"][1].parent_span_id == bytes.fromhex("b7ad6b7169203331")

    attributes = attributes_of(decision)
    assert attributes["llm.router.decision_id"] == answer.headers["x-llm-decision-id"]
    assert attributes["llm.router.tier"] == "reasoning"
    assert attributes["llm.router.model"] == "o3-mini"
    assert attributes["gen_ai.request.model"] == "auto"
    assert attributes["gen_ai.request.max_tokens"] == 77
    assert 0 < float(attributes["llm.router.duration.classify"]) < 1
    assert REASONING[:20] not in str(decision)


def test_envoys_own_spans_carry_the_decision(traced: Gateway, receiver: Receiver) -> None:
    trace_id = "1af7651916cd43dd8448eb211c80319c"
    body = {"model": "auto", "messages": [{"role": "user", "content": REASONING}]}
    traced.post(body, headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    spans = receiver.wait_for(bytes.fromhex(trace_id), {"ingress"})
    attributes = attributes_of(spans["ingress"][1])
    assert (attributes["llm.router.model"], attributes["llm.router.tier"]) == ("o3-mini", "reasoning")


def test_an_unsampled_request_leaves_no_decision_span(traced: Gateway, receiver: Receiver) -> None:
    unsampled, sampled = "2af7651916cd43dd8448eb211c80319c", "3af7651916cd43dd8448eb211c80319c"
    body = {"model": "auto", "messages": [{"role": "user", "content": REASONING}]}
    traced.post(body, headers={"traceparent": f"00-{unsampled}-b7ad6b7169203331-00"})
    traced.post(body, headers={"traceparent": f"00-{sampled}-b7ad6b7169203331-01"})
    receiver.wait_for(bytes.fromhex(sampled), {"llm.router.decide"})  # exported in order
    assert receiver.wait_for(bytes.fromhex(unsampled), set()) == {}


def test_a_rejection_is_an_error_on_its_span(traced: Gateway, receiver: Receiver) -> None:
    trace_id = "4af7651916cd43dd8448eb211c80319c"
    traced.post(b"not json", headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    _, span = receiver.wait_for(bytes.fromhex(trace_id), {"llm.router.decide"})["llm.router.decide"]
    assert attributes_of(span)["error.type"] == "invalid_request"


def test_a_collector_that_is_down_slows_nothing() -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with Gateway(otlp_port=1, environment=environment) as gateway:
        answers = [gateway.ask() for _ in range(50)]
        assert all("x-llm-reason" in answer.headers for answer in answers)
        assert gateway.stat("http.edge.ext_proc.sidecar.message_timeouts") == 0
