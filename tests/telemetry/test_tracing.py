"""Spans: one of each decision, a child of Envoy's, and one of what came of it; with everything but the prompt."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes
from opentelemetry.trace import SpanKind, StatusCode

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.classification import Example
from sidecar.routing.conditions import AllOf
from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange
from sidecar.routing.notice import DecisionNotice
from sidecar.routing.outcome import Attempt, Outcome, Usage
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import parse_request
from sidecar.routing.request_record import build_request_record
from sidecar.routing.rules import Action, Rule
from sidecar.routing.tier import Tier
from sidecar.telemetry import attributes
from sidecar.telemetry.tracing import DECISION_SPAN, OUTCOME_SPAN, DecisionTracer
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without
from tests.fakes.exchanges import PARENT_ID, STARTED, TRACE_ID, UNSAMPLED, exchange, notice
from tests.fakes.outcomes import attempt, outcome
from tests.fakes.policies import ladder
from tests.fakes.requests import request

SECOND = 1_000_000_000


def policy_of(policy_hash: str) -> Policy:
    """Always the same."""
    return ladder()


class Tracing:
    """A tracer that keeps its spans."""

    def __init__(self, ratio: float = 1, **limits: int) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = DecisionTracer(provider.get_tracer("test"), policy_of, **limits)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that were made, oldest first."""
        return self._exporter.get_finished_spans()

    def decision(self, told: Exchange | DecisionNotice) -> ReadableSpan:
        """The span of it."""
        self.tracer.observe_notice(notice(told) if isinstance(told, Exchange) else told)
        assert self.spans[-1].name == DECISION_SPAN
        return self.spans[-1]

    def outcome(self, told: Exchange, came: Outcome | None, attempts: Sequence[Attempt] = ()) -> ReadableSpan | None:
        """The span of it, once that of its decision has been made."""
        told_of = notice(told)
        self.tracer.observe_notice(told_of)
        before = len(self.spans)
        self.tracer.observe_record(build_request_record(told_of, came, attempts, policy_of))
        made = self.spans[before:]
        assert all(span.name == OUTCOME_SPAN for span in made)
        return made[0] if made else None

    def answered(self, came: Outcome | None, *attempts: Attempt, told: Exchange | None = None) -> ReadableSpan:
        """The same, of a request that needs one."""
        span = self.outcome(told or exchange(), came, attempts)
        assert span is not None
        return span


@pytest.fixture
def tracing() -> Tracing:
    """Samples whatever has no parent."""
    return Tracing()


def attributes_of(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def events_of(span: ReadableSpan) -> list[tuple[str, dict[str, object]]]:
    return [(event.name, dict(event.attributes or {})) for event in span.events]


def event(span: ReadableSpan, name: str) -> Event:
    """The one of that name."""
    (found,) = (each for each in span.events if each.name == name)
    return found


def came(**more: object) -> Outcome:
    """A whole answer of the model that math goes to, begun with the exchange."""
    return outcome(**{"started_unix_nanos": STARTED, "model": "reasoning", "usage": Usage(1_000, 500)} | more)


def tried(model: str = "reasoning-cluster", status: int = 200, *, start: float = 0.5, **more: Any) -> Attempt:
    """An attempt `start` seconds after the request."""
    return replace(attempt(model, status, **more), started_unix_nanos=STARTED + int(start * SECOND))


def test_a_decision_is_a_child_of_envoys_call_and_has_the_times_of_the_exchange(tracing: Tracing) -> None:
    span = tracing.decision(exchange())

    assert span.name == "llm.router.decide"
    assert span.kind is SpanKind.SERVER
    assert span.context is not None and span.context.trace_id == TRACE_ID
    assert span.context.trace_state.get("vendor") == "1"
    assert span.parent is not None and span.parent.span_id == PARENT_ID
    assert span.start_time == STARTED
    assert span.end_time == STARTED + 24_000_000
    assert span.status.status_code is StatusCode.UNSET


def test_the_whole_decision_is_on_its_span(tracing: Tracing) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    asked = request("x" * 400, stream=True, max_tokens=50, tools=[tool])

    assert attributes_of(tracing.decision(exchange(asked))) == {
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
        "llm.router.cost_estimate_usd": pytest.approx((asked.input_tokens + 2 * 50) / 1e6),
        "llm.router.tools": 1,
        "llm.router.images": 0,
        "llm.router.policy.hash": ladder().hash,
        "llm.router.classifier.version": "model-7",
        "llm.router.duration.parse": 0.001,
        "llm.router.duration.classify": 0.02,
        "llm.router.duration.decide": 0.003,
    }


def test_a_decisions_events_tell_its_story_in_order(tracing: Tracing) -> None:
    events = events_of(tracing.decision(exchange(request("Prove it. ```x```", max_tokens=50))))

    assert [name for name, _ in events] == ["signals", "classification", "tier", "tier", "plan"]
    _, signals = events[0]
    assert (signals["turns"], signals["code_fences"], signals["max_output_tokens"]) == (1, 1, 50)
    assert "personal_data" not in signals
    assert events[1][1] == {
        "turn": 1,
        "intent": "math",
        "confidence": 0.8,
        "difficulty": 0.25,
        "likeliest": (),
        "truncated": False,
    }
    assert [moved for _, moved in events[2:4]] == [
        {"reason": "difficulty", "tier": "simple"},
        {"reason": "intent", "tier": "reasoning"},
    ]
    assert events[4][1] == {"models": ("reasoning", "complex", "moderate", "simple")}


def test_an_event_has_the_time_of_its_part_of_the_decision(tracing: Tracing) -> None:
    span = tracing.decision(exchange())

    assert event(span, "signals").timestamp == STARTED + 1_000_000
    assert event(span, "classification").timestamp == STARTED + 21_000_000
    assert event(span, "plan").timestamp == span.end_time


def test_a_rule_and_the_models_that_were_out_are_told(tracing: Tracing) -> None:
    policy = ladder(rules=[Rule("the large ones", AllOf(()), Action(tier=Tier.COMPLEX))])
    decision = decided_without(policy, request(), Reason.NO_PROMPT)
    decision.trail.requirements.append("in the EU")
    decision.trail.exclude("reasoning", "not in the EU")

    span = tracing.decision(exchange(result=decision))

    assert dict(event(span, "rule").attributes or {}) == {"name": "the large ones"}
    assert dict(event(span, "requirements").attributes or {}) == {"matched": ("in the EU",)}
    assert dict(event(span, "excluded").attributes or {}) == {"model": "reasoning", "why": "not in the EU"}
    assert attributes_of(span)["llm.router.rule"] == "the large ones"


def test_every_turn_that_was_read_is_an_event(tracing: Tracing) -> None:
    turns = [{"role": "user", "content": "Prove it."}, {"role": "user", "content": "Thanks!"}]
    asked = request(messages=turns)
    decision = decided(ladder(), asked, classification("math"), classification("chat"))

    span = tracing.decision(exchange(asked, decision))

    read = [described for name, described in events_of(span) if name == "classification"]
    assert [(each["turn"], each["intent"]) for each in read] == [(1, "math"), (2, "chat")]
    assert attributes_of(span)["llm.router.intent"] == "chat"


def test_a_model_without_that_head_tells_no_difficulty(tracing: Tracing) -> None:
    span = tracing.decision(exchange(result=decided(ladder(), request(), classification(difficulty=None))))

    assert "llm.router.difficulty" not in attributes_of(span)
    assert "difficulty" not in (event(span, "classification").attributes or {})


def test_an_intent_by_example_is_the_intent(tracing: Tracing) -> None:
    reading = replace(classification("chat"), example=Example("refund", 0.8))

    span = tracing.decision(exchange(result=decided(ladder(), request(), reading)))

    assert attributes_of(span)["llm.router.intent"] == "refund"
    told = event(span, "classification").attributes or {}
    assert (told["intent"], told["example"]) == ("chat", "refund 0.80")


def test_a_classifier_that_failed_is_an_error_that_says_why(tracing: Tracing) -> None:
    fallen_back = decided_without(ladder(), request(), Reason.CLASSIFIER_TIMEOUT)

    span = tracing.decision(exchange(result=fallen_back, failure=TimeoutError("no answer within 40 ms")))

    described = attributes_of(span)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no answer within 40 ms")
    assert described["error.type"] == described["llm.router.reason"] == "classifier_timeout"
    assert dict(event(span, "no classification").attributes or {}) == {"why": "no answer within 40 ms"}
    assert not described.keys() & {"llm.router.intent", "llm.router.confidence", "llm.router.difficulty"}
    assert described["llm.router.plan"]


def test_a_prompt_that_is_missing_is_no_error(tracing: Tracing) -> None:
    span = tracing.decision(exchange(result=decided_without(ladder(), request(), Reason.NO_PROMPT)))

    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in attributes_of(span)


def test_a_rejection_is_an_error_that_says_what_was_wrong(tracing: Tracing) -> None:
    span = tracing.decision(exchange(result=RejectedError(Reason.NO_CANDIDATE, "too long for all")))

    described = attributes_of(span)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "too long for all")
    assert described["error.type"] == described["llm.router.reason"] == "no_candidate"
    assert described["gen_ai.request.model"] == "auto"
    assert "llm.router.plan" not in described
    assert dict(event(span, "rejected").attributes or {}) == {"status": 400, "message": "too long for all"}


def test_a_body_that_could_not_be_read_has_no_signals(tracing: Tracing) -> None:
    rejection = RejectedError(Reason.INVALID_REQUEST, "messages: missing", param="messages")
    unread = b'{"policy":"feedc0de","classifier":null,"reason":"invalid_request","status":400}'

    span = tracing.decision(exchange(result=rejection, request=None, record=unread))

    assert [name for name, _ in events_of(span)] == ["rejected"]
    assert "gen_ai.request.model" not in attributes_of(span)


@pytest.mark.parametrize("record", [b"", b"{}", b"not JSON", b'{"policy":"p","reason":"of_a_later_version"}'])
def test_a_record_that_cannot_be_read_leaves_a_span_that_says_so(tracing: Tracing, record: bytes) -> None:
    span = tracing.decision(exchange(record=record))

    assert span.status.status_code is StatusCode.ERROR
    assert "the decision record cannot be read" in (span.status.description or "")
    assert attributes_of(span)["llm.router.decision_id"] == "d1"
    assert span.end_time == STARTED + 24_000_000


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

    span = tracing.answered(came(), told=exchange(asked, decision))

    assert attributes_of(span)["gen_ai.operation.name"] == operation
    assert attributes_of(tracing.spans[0])["llm.router.api"] == endpoint.api


@pytest.mark.parametrize("api", Api)
def test_neither_prompt_nor_header_values_are_on_a_span(tracing: Tracing, api: Api) -> None:
    secret = "s3cret"
    tool = {"name": secret, "description": secret}
    asked = request(secret, api=api, system=secret, tools=[tool], metadata={secret: secret}, user=secret)
    decision = decided(ladder(), asked, classification(), x_team=secret)
    told = exchange(asked, decision, trace_headers={})

    tracing.decision(notice(told, sampled=secret))
    tracing.decision(exchange(asked, RejectedError(Reason.NO_CANDIDATE, "too long")))
    tracing.outcome(told, came())

    assert len(tracing.spans) == 4
    assert not any(secret in span.to_json() for span in tracing.spans)


@pytest.mark.parametrize("model", ["x" * 1_000_000, "\ufffd" * 1_000])
def test_a_name_that_is_no_models_is_cut_short(tracing: Tracing, model: str) -> None:
    rejected = exchange(request(model=model), RejectedError(Reason.UNKNOWN_MODEL, f"no model {model}", status=404))
    # A longer record does not fit into the channel, and would be lost.
    told = replace_record(notice(replace(rejected, record=b"{}")), rejected.record)

    assert len(tracing.decision(told).to_json()) < 8_000
    tracing.tracer.observe_record(build_request_record(told, None, [], policy_of))
    assert len(tracing.spans[-1].to_json()) < 8_000


def test_an_unsampled_parent_makes_no_span(tracing: Tracing) -> None:
    assert tracing.outcome(exchange(trace_headers=UNSAMPLED), came()) is None
    assert tracing.spans == ()


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense"}, {"traceparent": "", "tracestate": "a=b"}])
@pytest.mark.parametrize(("ratio", "spans"), [(1, 2), (0, 0)])
def test_without_a_parent_the_sampler_decides(headers: dict[str, str], ratio: float, spans: int) -> None:
    tracing = Tracing(ratio)
    tracing.outcome(exchange(trace_headers=headers), came())

    assert len(tracing.spans) == spans
    assert all(span.parent is None for span in tracing.spans[:1])


def replace_record(told: DecisionNotice, record: bytes) -> DecisionNotice:
    """The same with another decision record."""
    return msgspec.structs.replace(told, record=record)


REQUEST_SPAN = 0x00F067AA0BA902B7


def test_an_outcome_is_a_child_of_envoys_span_of_the_request_and_links_to_the_decision(tracing: Tracing) -> None:
    span = tracing.answered(came(seconds=1.5, trace_id=f"{TRACE_ID:032x}", span_id=f"{REQUEST_SPAN:016x}"))

    decision = tracing.spans[0]
    assert span.name == "llm.router.outcome"
    assert span.kind is SpanKind.INTERNAL
    assert span.parent is not None and (span.parent.trace_id, span.parent.span_id) == (TRACE_ID, REQUEST_SPAN)
    assert span.context is not None and span.context.trace_id == TRACE_ID
    assert span.context.trace_state.get("vendor") == "1"
    assert [link.context for link in span.links] == [decision.context]
    assert (span.start_time, span.end_time) == (STARTED, STARTED + 3 * SECOND // 2)


@pytest.mark.parametrize(
    ("trace_id", "span_id"),
    [
        ("", ""),
        (f"{TRACE_ID:032x}", "0" * 16),
        (f"{TRACE_ID:032x}", "-"),
        ("1" * 32, f"{REQUEST_SPAN:016x}"),
    ],
)
def test_where_envoy_does_not_tell_its_span_the_outcome_stands_beside_the_decision(
    tracing: Tracing, trace_id: str, span_id: str
) -> None:
    span = tracing.answered(came(trace_id=trace_id, span_id=span_id))

    assert span.parent is not None
    assert span.parent == tracing.spans[0].parent


def test_an_outcome_says_who_answered_and_what_that_cost(tracing: Tracing) -> None:
    usage = Usage(1_000, 500, cached_tokens=200, cache_write_tokens=50, reasoning_tokens=300)

    span = tracing.answered(came(usage=usage), tried())

    assert attributes_of(span) == {
        "llm.router.decision_id": "d1",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "auto",
        "gen_ai.request.stream": False,
        "llm.router.result": "success",
        "http.response.status_code": 200,
        "llm.router.attempts": 1,
        "llm.router.failed_over": False,
        "gen_ai.response.model": "reasoning",
        "gen_ai.provider.name": "acme",
        "llm.router.tier": "reasoning",
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 500,
        "gen_ai.usage.cache_read.input_tokens": 200,
        "gen_ai.usage.cache_creation.input_tokens": 50,
        "gen_ai.usage.reasoning.output_tokens": 300,
        "llm.router.tokens_estimated": False,
        "llm.router.cost_usd": 0.002,
        "llm.router.cost_class": "0.001",
        "llm.router.baseline_cost_usd": 0.002,
        "llm.router.saving_usd": 0.0,
        "llm.router.duration.first_byte": 0.25,
    }
    assert span.status.status_code is StatusCode.UNSET


def test_attempts_are_events_at_their_own_times(tracing: Tracing) -> None:
    failed = tried(status=503, start=0.5, error="upstream_remote_reset", seconds=0.25)
    span = tracing.answered(came(model="complex", attempts=2), failed, tried("complex-cluster", start=0.75))

    assert [each.timestamp for each in span.events] == [STARTED + SECOND // 2, STARTED + 3 * SECOND // 4]
    assert events_of(span) == [
        (
            "attempt",
            {
                "model": "reasoning",
                "provider": "acme",
                "status": 503,
                "error": "upstream_remote_reset",
                "seconds": 0.25,
            },
        ),
        (
            "attempt",
            {
                "model": "complex",
                "provider": "acme",
                "status": 200,
                "seconds": 1.0,
                "input_tokens": 1_000,
                "output_tokens": 500,
                "cost_usd": 0.002,
            },
        ),
    ]
    assert attributes_of(span)["llm.router.failed_over"] is True


@pytest.mark.parametrize(
    ("output_tokens", "cost_class"),
    [(0, "0"), (499, "0"), (500, "0.001"), (4_999, "0.001"), (5_000, "0.01"), (50_000, "0.1"), (5_000_000, "1")],
)
def test_a_cost_has_a_class_to_look_for(tracing: Tracing, output_tokens: int, cost_class: str) -> None:
    span = tracing.answered(came(usage=Usage(0, output_tokens)))

    assert attributes_of(span)["llm.router.cost_class"] == cost_class


def test_a_request_that_failed_is_an_error(tracing: Tracing) -> None:
    flags = ("upstream_retry_limit_exceeded",)

    span = tracing.answered(came(status=500, flags=flags, details="via_upstream", usage=None), tried(status=503))

    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "via_upstream")
    described = attributes_of(span)
    assert described["error.type"] == "upstream_retry_limit_exceeded"
    assert described["llm.router.result"] == "failed"
    assert "llm.router.cost_usd" not in described


@pytest.mark.parametrize(
    ("more", "result", "error"),
    [
        ({"status": 429}, "client_error", "429"),
        ({"flags": ("downstream_remote_reset",)}, "cancelled", "downstream_remote_reset"),
    ],
)
def test_what_is_the_clients_doing_is_not_the_gateways_error(
    tracing: Tracing, more: dict[str, object], result: str, error: str
) -> None:
    span = tracing.answered(came(**more), tried())

    described = attributes_of(span)
    assert (described["llm.router.result"], described["error.type"]) == (result, error)
    assert span.status.status_code is StatusCode.UNSET


def test_a_rejection_has_an_outcome_too(tracing: Tracing) -> None:
    told = exchange(result=RejectedError(Reason.UNKNOWN_MODEL, "no such model", status=404))

    span = tracing.answered(came(status=404, model=None, attempts=0, usage=None), told=told)

    described = attributes_of(span)
    assert (described["llm.router.result"], described["error.type"]) == ("rejected", "404")
    assert "gen_ai.response.model" not in described


def test_an_outcome_of_which_nothing_was_heard_is_unknown(tracing: Tracing) -> None:
    span = tracing.answered(None)

    described = attributes_of(span)
    assert described["llm.router.result"] == "unknown"
    assert not described.keys() & {"http.response.status_code", "error.type", "llm.router.cost_usd"}
    assert (span.start_time, span.end_time) == (STARTED, STARTED)
    assert span.status.status_code is StatusCode.UNSET


def test_tokens_that_were_counted_by_size_are_marked(tracing: Tracing) -> None:
    span = tracing.answered(came(usage=None), tried())

    assert attributes_of(span)["llm.router.tokens_estimated"] is True


def test_a_bypass_has_no_span_of_ours(tracing: Tracing) -> None:
    tracing.tracer.observe_record(build_request_record(None, came(), [tried()], policy_of))

    assert tracing.spans == ()


def test_a_decision_has_one_outcome(tracing: Tracing) -> None:
    told = notice(exchange())
    record = build_request_record(told, came(), [], policy_of)
    tracing.tracer.observe_notice(told)

    tracing.tracer.observe_record(record)
    tracing.tracer.observe_record(record)

    assert [span.name for span in tracing.spans] == [DECISION_SPAN, OUTCOME_SPAN]


def test_of_decisions_that_never_end_the_oldest_are_forgotten() -> None:
    tracing = Tracing(most_open=2)
    told = [msgspec.structs.replace(notice(exchange()), decision_id=each) for each in ("d1", "d2", "d3")]
    for each in told:
        tracing.tracer.observe_notice(each)

    for each in told:
        tracing.tracer.observe_record(build_request_record(each, came(), [], policy_of))

    outcomes = [span for span in tracing.spans if span.name == OUTCOME_SPAN]
    assert [attributes_of(span)["llm.router.decision_id"] for span in outcomes] == ["d2", "d3"]


def names() -> set[str]:
    """Of all attributes that there are."""
    return {value for name, value in vars(attributes).items() if name.isupper()}


def test_every_attribute_name_that_there_is_gets_used(tracing: Tracing) -> None:
    usage = Usage(10, 5, 1, 1, 1)
    tracing.outcome(exchange(request(max_tokens=5)), came(usage=usage), [tried()])
    tracing.decision(exchange(result=split()))
    tracing.decision(exchange(result=RejectedError(Reason.NO_CANDIDATE, "too long")))

    assert names() == {name for span in tracing.spans for name in span.attributes or {}}


def test_a_name_is_of_the_conventions_or_ours() -> None:
    conventions = {
        value
        for module in (gen_ai_attributes, error_attributes, http_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }

    assert {name for name in names() if not name.startswith("llm.router.")} <= conventions


def split() -> Decision:
    """A decision by an arm of a rule."""
    policy = ladder(rules=[Rule("all", AllOf(()), Action(tier=Tier.COMPLEX))])
    decision = decided_without(policy, request(), Reason.NO_PROMPT)
    decision.trail.arm = "b"
    return decision
