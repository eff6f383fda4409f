"""Spans: one per exchange, a child of Envoy's, with everything on it but the prompt."""

from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.classification import Example
from sidecar.routing.exchange import Exchange
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import parse_request
from sidecar.telemetry import attributes
from sidecar.telemetry.tracing import SPAN_NAME, DecisionTracer
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without
from tests.fakes.exchanges import PARENT_ID, STARTED, TRACE_ID, UNSAMPLED, exchange
from tests.fakes.policies import ladder
from tests.fakes.requests import request


class Tracing:
    """A tracer that keeps its spans."""

    def __init__(self, ratio: float) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = DecisionTracer(provider.get_tracer("test"))

    def spans(self, *exchanges: Exchange) -> tuple[ReadableSpan, ...]:
        """Those that the exchanges make."""
        for each in exchanges:
            self.tracer.observe(each)
        return self._exporter.get_finished_spans()

    def span(self, one: Exchange) -> ReadableSpan:
        """The one that it makes."""
        (span,) = self.spans(one)
        return span


@pytest.fixture
def tracing() -> Tracing:
    """Samples whatever has no parent."""
    return Tracing(ratio=1)


def test_a_span_is_a_child_of_envoys_and_has_the_times_of_the_exchange(tracing: Tracing) -> None:
    span = tracing.span(exchange())

    assert span.name == SPAN_NAME
    assert span.kind is SpanKind.SERVER
    assert span.context is not None and span.context.trace_id == TRACE_ID
    assert span.context.trace_state.get("vendor") == "1"
    assert span.parent is not None and span.parent.span_id == PARENT_ID
    assert span.start_time == STARTED
    assert span.end_time == STARTED + 24_000_000
    assert span.status.status_code is StatusCode.UNSET


def test_the_whole_decision_is_on_the_span(tracing: Tracing) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    asked = request("x" * 400, stream=True, max_tokens=50, tools=[tool])

    span = tracing.span(exchange(asked))

    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "auto",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.stream": True,
        "llm.router.decision_id": "d1",
        "llm.router.api": "openai",
        "llm.router.model": "reasoning",
        "llm.router.plan": ("reasoning", "complex", "moderate", "simple"),
        "llm.router.tier": "reasoning",
        "llm.router.reason": "intent",
        "llm.router.intent": "math",
        "llm.router.confidence": 0.8,
        "llm.router.difficulty": 0.25,
        "llm.router.truncated": False,
        "llm.router.cached": False,
        "llm.router.user_turns": 1,
        "llm.router.input_tokens_estimate": asked.input_tokens,
        "llm.router.input_cost_estimate_usd": pytest.approx(asked.input_tokens / 1e6),
        "llm.router.tools": 1,
        "llm.router.images": 0,
        "llm.router.policy.hash": ladder().hash,
        "llm.router.classifier.version": "model-7",
        "llm.router.duration.parse": 0.001,
        "llm.router.duration.classify": 0.02,
        "llm.router.duration.decide": 0.003,
    }


def test_every_attribute_name_that_there_is_gets_used(tracing: Tracing) -> None:
    rejected = exchange(result=RejectedError(Reason.NO_CANDIDATE, "too long"))

    spans = tracing.spans(exchange(request(max_tokens=5)), rejected)

    names = {value for name, value in vars(attributes).items() if name.isupper()}
    assert names == {name for span in spans for name in span.attributes or {}}


def test_without_a_classification_there_is_no_intent(tracing: Tracing) -> None:
    fallen_back = decided_without(ladder(), request(), Reason.CLASSIFIER_TIMEOUT)

    described = tracing.span(exchange(result=fallen_back)).attributes or {}

    assert described["llm.router.reason"] == "classifier_timeout"
    assert not described.keys() & {"llm.router.intent", "llm.router.confidence", "llm.router.difficulty"}


def test_a_model_without_that_head_tells_no_difficulty(tracing: Tracing) -> None:
    decision = decided(ladder(), request(), classification(difficulty=None))

    assert "llm.router.difficulty" not in (tracing.span(exchange(result=decision)).attributes or {})


def test_an_intent_by_example_is_the_intent(tracing: Tracing) -> None:
    reading = replace(classification("chat"), example=Example("refund", 0.8))

    described = tracing.span(exchange(result=decided(ladder(), request(), reading))).attributes or {}

    assert described["llm.router.intent"] == "refund"


@pytest.mark.parametrize("unreadable", [True, False])
def test_a_rejection_is_an_error_that_says_what_was_wrong(tracing: Tracing, unreadable: bool) -> None:
    rejection = RejectedError(Reason.INVALID_REQUEST, "messages: missing", param="messages")
    rejected = exchange(result=rejection)

    span = tracing.span(replace(rejected, request=None) if unreadable else rejected)

    described = span.attributes or {}
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "messages: missing")
    assert described["error.type"] == described["llm.router.reason"] == "invalid_request"
    assert ("gen_ai.request.model" in described) is not unreadable
    assert "llm.router.plan" not in described


@pytest.mark.parametrize(
    ("endpoint", "operation"),
    [
        (Endpoint.CHAT_COMPLETIONS, "chat"),
        (Endpoint.MESSAGES, "chat"),
        (Endpoint.RESPONSES, "chat"),
        (Endpoint.COMPLETIONS, "text_completion"),
    ],
)
def test_the_operation_is_the_conventions_word(tracing: Tracing, endpoint: Endpoint, operation: str) -> None:
    asked = parse_request(endpoint, b'{"model":"auto","messages":[{"role":"user"}]}')
    decision = decided_without(ladder(), asked, Reason.NO_PROMPT)

    described = tracing.span(exchange(asked, decision)).attributes or {}

    assert (described["gen_ai.operation.name"], described["llm.router.api"]) == (operation, endpoint.api)


@pytest.mark.parametrize("api", Api)
def test_the_prompt_is_nowhere_on_the_span(tracing: Tracing, api: Api) -> None:
    secret = "s3cret"
    tool = {"name": secret, "description": secret}
    asked = request(secret, api=api, system=secret, tools=[tool], metadata={secret: secret}, user=secret)
    answered = exchange(asked)

    for span in tracing.spans(answered, replace(answered, result=RejectedError(Reason.NO_CANDIDATE, "too long"))):
        assert secret not in span.to_json()


@pytest.mark.parametrize("model", ["x" * 1_000_000, "\ufffd" * 1_000])
def test_a_name_that_is_no_models_is_cut_short(tracing: Tracing, model: str) -> None:
    rejected = exchange(request(model=model), RejectedError(Reason.UNKNOWN_MODEL, "no such model", status=404))

    assert len(tracing.span(rejected).to_json()) < 5_000


def test_an_unsampled_parent_makes_no_span(tracing: Tracing) -> None:
    assert tracing.spans(exchange(trace_headers=UNSAMPLED)) == ()


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense"}, {"traceparent": "", "tracestate": "a=b"}])
@pytest.mark.parametrize(("ratio", "spans"), [(1, 1), (0, 0)])
def test_without_a_parent_the_sampler_decides(headers: dict[str, str], ratio: float, spans: int) -> None:
    made = Tracing(ratio).spans(exchange(trace_headers=headers))

    assert len(made) == spans
    assert all(span.parent is None for span in made)
