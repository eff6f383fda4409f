"""What is counted of decisions, outcomes and workers, as Prometheus reads it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.routing.api import Api
from sidecar.routing.conditions import AllOf
from sidecar.routing.notice import ShadowDecision
from sidecar.routing.outcome import Usage
from sidecar.routing.reason import Reason
from sidecar.routing.record import decision_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request_record import RequestRecord, build_request_record
from sidecar.routing.rules import Action, Rule
from sidecar.telemetry.metrics import CollectorCounts, RouterMetrics
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without
from tests.fakes.exchanges import exchange, notice
from tests.fakes.live_requests import Traffic, read_policy
from tests.fakes.metrics import NOON, USAGE, counts, request_record, worker_notice
from tests.fakes.outcomes import attempt, notice_of, outcome, record_of, rejection_of
from tests.fakes.policies import ladder
from tests.fakes.requests import request

EXPOSITION = Path(__file__).parent / "exposition.txt"

UNKNOWN = RejectedError(Reason.UNKNOWN_MODEL, "no such model", status=404)


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def of_records(*records: RequestRecord, most_tenants: int = 0) -> RouterMetrics:
    metrics = RouterMetrics(most_tenants)
    for record in records:
        metrics.observe_record(record)
    return metrics


def test_a_known_sequence_gives_this_text() -> None:
    policy = ladder()
    metrics = RouterMetrics()
    metrics.observe_notice(worker_notice(waiting=2, cache_entries=7))
    metrics.observe_notice(notice_of(record_of(policy)))
    metrics.observe_record(request_record())
    metrics.observe_notice(notice_of(rejection_of(policy), classify_seconds=0.0))
    metrics.observe_record(build_request_record(notice_of(rejection_of(policy)), None, (), lambda _: policy))

    assert metrics.render().decode() == EXPOSITION.read_text()


def test_decisions_and_rejections_are_counted_by_reason() -> None:
    metrics = RouterMetrics()
    fallen_back = decided_without(ladder(), request(api=Api.ANTHROPIC), Reason.CLASSIFIER_TIMEOUT)

    for _ in range(3):
        metrics.observe_notice(notice(exchange()))
    metrics.observe_notice(notice(exchange(request(api=Api.ANTHROPIC), fallen_back)))
    metrics.observe_notice(notice(exchange(result=UNKNOWN)))

    assert counts(metrics, "llm_router_decisions_total") == {
        ("openai", "intent", "reasoning"): 3,
        ("anthropic", "classifier_timeout", "complex"): 1,
        ("openai", "unknown_model", ""): 1,
    }


def test_a_decision_whose_record_cannot_be_read_counts_all_the_same() -> None:
    metrics = RouterMetrics()

    metrics.observe_notice(notice_of(b"of another version"))

    assert counts(metrics, "llm_router_decisions_total") == {("openai", "other", ""): 1}
    assert counts(metrics, "llm_router_decision_duration_seconds_count") == {(): 1}
    assert counts(metrics, "llm_router_prompts_total") == {}


def test_two_routers_count_apart() -> None:
    one, other = RouterMetrics(), RouterMetrics()

    one.observe_notice(notice(exchange()))

    assert sum(counts(one, "llm_router_decisions_total").values()) == 1
    assert counts(other, "llm_router_decisions_total") == {}


def test_what_was_read_of_a_prompt_is_counted_once_for_each_request() -> None:
    policy = ladder()
    earlier, last = classification("chat"), classification("math", confidence=0.85, difficulty=0.25, truncated=True)
    record = decision_record(decided(policy, request(), earlier, last), "v1")
    metrics = RouterMetrics()

    metrics.observe_notice(notice_of(record))
    metrics.observe_notice(notice_of(record, is_cached=True))

    assert counts(metrics, "llm_router_prompts_total") == {("math", "yes"): 2}
    assert counts(metrics, "llm_router_cache_lookups_total") == {("miss",): 1, ("hit",): 1}
    assert counts(metrics, "llm_router_confidence_sum") == {(): pytest.approx(1.7)}
    assert counts(metrics, "llm_router_difficulty_bucket")["0.3",] == 2
    assert counts(metrics, "llm_router_difficulty_bucket")["0.2",] == 0
    # one that was remembered did not wait for the classifier
    assert counts(metrics, "llm_router_classifier_duration_seconds_count") == {(): 1}
    assert counts(metrics, "llm_router_decision_duration_seconds_count") == {(): 2}


def test_a_rule_that_matches_is_counted() -> None:
    policy = ladder(rules=[Rule("all-to-complex", AllOf(()), Action(models=("complex",)))])
    metrics = RouterMetrics()

    metrics.observe_notice(notice_of(decision_record(decided(policy, request()), "v1")))

    assert counts(metrics, "llm_router_rule_matches_total") == {("", "all-to-complex"): 1}


def test_shadows_are_counted_by_their_policy_and_not_among_the_decisions() -> None:
    told = [("a", True), ("a", True), ("b", False)]
    metrics = RouterMetrics()

    for policy, agrees in told:
        metrics.observe_notice(notice_of(record_of(ladder()), shadows=(ShadowDecision(policy, "simple", agrees),)))

    assert counts(metrics, "llm_router_shadow_decisions_total") == {("yes", "a"): 2, ("no", "b"): 1}
    assert sum(counts(metrics, "llm_router_decisions_total").values()) == 3


def test_a_request_is_counted_by_its_end_its_model_and_its_tier() -> None:
    metrics = of_records(request_record(), request_record(status=400), request_record(status=500))

    assert counts(metrics, "llm_router_requests_total") == {
        ("simple", "success", "simple"): 1,
        ("simple", "client_error", "simple"): 1,
        ("simple", "failed", "simple"): 1,
    }
    assert counts(metrics, "llm_router_failovers_total") == {}
    assert counts(metrics, "llm_router_bypasses_total") == {(): 0}


def test_a_bypass_is_a_request_without_a_decision() -> None:
    policy = ladder()
    metrics = of_records(build_request_record(None, outcome(), [attempt()], lambda _: policy))

    assert counts(metrics, "llm_router_bypasses_total") == {(): 1}
    assert counts(metrics, "llm_router_requests_total") == {("simple", "success", ""): 1}


def test_a_failover_has_the_model_that_was_planned_and_the_one_that_answered() -> None:
    policy = ladder()
    attempts = [attempt(status=0, error="upstream_connection_failure"), attempt("moderate-cluster", start=1.0)]
    told = outcome(model="moderate", attempts=2, usage=USAGE)
    metrics = of_records(build_request_record(notice_of(record_of(policy)), told, attempts, lambda _: policy))

    assert counts(metrics, "llm_router_failovers_total") == {("moderate", "simple"): 1}
    assert counts(metrics, "llm_router_attempts_total") == {
        ("upstream_connection_failure", "simple", "none"): 1,
        ("", "moderate", "2xx"): 1,
    }


def test_tokens_and_times_are_named_as_the_conventions_want() -> None:
    metrics = of_records(request_record(), request_record(status=429), request_record(usage=None))

    whole = ("chat", "acme", "auto", "simple")
    assert counts(metrics, "gen_ai_client_token_usage_sum") == {(*whole, "input"): 2_000, (*whole, "output"): 1_000}
    assert counts(metrics, "gen_ai_client_operation_duration_seconds_count") == {("", *whole): 2, ("429", *whole): 1}
    assert counts(metrics, "gen_ai_client_operation_duration_seconds_sum")["", *whole] == 3.0
    assert counts(metrics, "llm_router_token_estimates_total") == {("simple",): 1}


@pytest.mark.parametrize("stream", [True, False])
def test_only_streams_have_a_first_chunk(stream: bool) -> None:
    policy = ladder()
    told = notice_of(record_of(policy, stream=stream))
    metrics = of_records(build_request_record(told, outcome(usage=USAGE), [attempt()], lambda _: policy))

    sums = counts(metrics, "gen_ai_client_operation_time_to_first_chunk_seconds_sum")
    assert sums == ({("chat", "acme", "auto", "simple"): 0.25} if stream else {})


def test_money_in_metrics_is_the_money_in_records() -> None:
    """Also where routing costs more than the fallback; and no counter ever falls."""
    traffic = Traffic(read_policy().policy)
    records = [traffic.one(NOON + timedelta(seconds=second)) for second in range(500)]
    metrics = of_records(*records, most_tenants=3)

    def total(name: str, sign: str | None = None) -> float:
        return sum(value for labels, value in counts(metrics, name).items() if sign is None or sign in labels)

    known = [record for record in records if record.saving is not None]
    assert {record.saving < 0 for record in known if record.saving is not None} == {True, False}
    saved = total("llm_router_saving_usd_total", "positive") - total("llm_router_saving_usd_total", "negative")
    assert saved == pytest.approx(sum(record.saving or 0.0 for record in known))
    assert total("llm_router_cost_usd_total") == pytest.approx(sum(record.cost or 0.0 for record in records))
    assert total("llm_router_baseline_cost_usd_total") == pytest.approx(sum(it.baseline_cost or 0.0 for it in known))


def test_workers_tell_how_they_are() -> None:
    metrics = RouterMetrics()

    metrics.observe_notice(worker_notice(0, waiting=3, cache_entries=10))
    metrics.observe_notice(worker_notice(1, why_not_ready="draining", policy="0ther", classifier=""))

    assert counts(metrics, "llm_router_worker_ready") == {("0",): 1, ("1",): 0}
    assert counts(metrics, "llm_router_queue_waiting") == {("0",): 3, ("1",): 0}
    assert counts(metrics, "llm_router_cache_entries") == {("0",): 10, ("1",): 0}
    assert counts(metrics, "llm_router_policy_info") == {("feedc0de",): 1, ("0ther",): 1}
    assert counts(metrics, "llm_router_classifier_info") == {("v1",): 1}


def test_a_worker_that_gives_no_sign_of_life_is_not_ready() -> None:
    clock = Clock()
    metrics = RouterMetrics(clock=clock)
    metrics.observe_notice(worker_notice(waiting=3))

    clock.now = 3.9
    assert counts(metrics, "llm_router_worker_ready") == {("0",): 1}

    clock.now = 4.0
    assert counts(metrics, "llm_router_worker_ready") == {("0",): 0}
    assert counts(metrics, "llm_router_queue_waiting") == {("0",): 0}
    assert counts(metrics, "llm_router_policy_info") == {}


def test_reloads_are_counted_by_how_they_went_and_the_last_one_is_told() -> None:
    metrics = RouterMetrics()

    def last() -> float:
        return counts(metrics, "llm_router_policy_last_reload_successful")["0",]

    metrics.observe_notice(worker_notice())
    assert last() == 1

    metrics.observe_notice(worker_notice(reload="failed", has_failed_to_reload=True))
    metrics.observe_notice(worker_notice(has_failed_to_reload=True))
    assert last() == 0

    metrics.observe_notice(worker_notice(reload="ok"))
    assert last() == 1
    assert counts(metrics, "llm_router_policy_reloads_total") == {("ok",): 1, ("failed",): 1}


def test_a_collector_that_was_started_again_is_told_how_the_last_reload_went() -> None:
    metrics = RouterMetrics()

    metrics.observe_notice(worker_notice(has_failed_to_reload=True))

    assert counts(metrics, "llm_router_policy_last_reload_successful") == {("0",): 0}
    assert counts(metrics, "llm_router_policy_reloads_total") == {("ok",): 0, ("failed",): 0}


def test_what_the_collector_counts_is_asked_for_when_somebody_asks() -> None:
    metrics, told = RouterMetrics(), {"lost": 0, "open": 0}
    metrics.observe_collector(lambda: CollectorCounts(notices_lost=told["lost"]), lambda: told["open"])

    told.update(lost=4, open=2)

    losses = counts(metrics, "llm_router_collector_losses_total")
    assert losses.pop(("notices_lost",)) == 4
    assert len(losses) == 5 and set(losses.values()) == {0}
    assert counts(metrics, "llm_router_requests_open") == {(): 2}


def test_readiness_is_that_of_readyz() -> None:
    metrics, why_not = RouterMetrics(), ["starting"]
    metrics.observe_readiness(lambda: why_not[0] if why_not else None)
    assert counts(metrics, "llm_router_ready") == {(): 0}

    why_not.clear()
    assert counts(metrics, "llm_router_ready") == {(): 1}


def series(metrics: RouterMetrics) -> int:
    return sum(not line.startswith("#") for line in metrics.render().decode().splitlines())


def hostile_record(number: int) -> RequestRecord:
    """All that a client, a provider or an old Envoy can make up is new in it."""
    policy = ladder()
    told: dict[str, Any] = {
        "model": f"model-{number}",
        "status": 400 + number % 600,
        "details": f"details\n{number}\u2028",
        "path": f"/v1/chat/completions?{number}",
        "request_id": f"{number}",
    }
    broken = attempt(f"cluster-{number}", 0, error=f"upstream_reset{{{number}}}")
    odd = attempt(f"cluster-{number}", number % 1_000, error=f'"}} {number}\n')
    notice = notice_of(record_of(policy, model="auto"))
    record = build_request_record(notice, outcome(**told), [broken, odd], lambda _: policy)
    return type(record)(
        **{name: getattr(record, name) for name in record.__struct_fields__}
        | {"tenant": f'tenant "{number}"\n\\', "requested_model": f"asked-{number}"}
    )


def test_no_client_and_no_provider_can_make_series() -> None:
    metrics = RouterMetrics(most_tenants=3)
    for number in range(500):
        metrics.observe_record(hostile_record(number))
    before = series(metrics)

    for number in range(500, 3_000):
        metrics.observe_record(hostile_record(number))
        metrics.observe_notice(notice_of(rejection_of(ladder(), f"no such model {number}")))

    assert before < 3_000
    assert series(metrics) < before + 100  # those of decisions, of which there were none before
    assert {labels[2] for labels in counts(metrics, "llm_router_requests_total")} == {
        *(f'tenant "{number}"\n\\' for number in range(3)),
        "other",
    }
    assert {labels[1] for labels in counts(metrics, "llm_router_attempts_total")} == {"other"}


def test_an_unknown_model_is_none_of_the_policy_and_a_known_one_stays_when_the_policy_changes() -> None:
    policies = {"feedc0de": ladder()}
    metrics = RouterMetrics()

    def observe(model: str) -> None:
        notice = notice_of(record_of(ladder()))
        record = build_request_record(notice, outcome(model=model, usage=USAGE), (), policies.get)
        metrics.observe_record(record)

    observe("simple")
    observe("nobody")
    policies.clear()
    observe("simple")

    assert counts(metrics, "llm_router_requests_total") == {
        ("simple", "success", "simple"): 1,
        ("other", "success", "simple"): 2,
    }


def test_hundreds_of_intents_and_rules_are_more_than_a_policy_has() -> None:
    metrics = RouterMetrics()
    for number in range(100):
        record = decision_record(decided(ladder(), request(), classification(f"intent-{number}")), "v1")
        metrics.observe_notice(notice_of(record))

    intents = counts(metrics, "llm_router_prompts_total")
    assert len(intents) == 65 and intents["other", "no"] == 36


def test_without_tenants_there_is_no_such_label() -> None:
    assert b"tenant=" not in of_records(hostile_record(1)).render()


def test_tokens_of_the_largest_answer_have_a_bucket() -> None:
    metrics = of_records(request_record(usage=Usage(1_000_000_000, 1)))

    assert counts(metrics, "gen_ai_client_token_usage_bucket")["chat", "acme", "auto", "simple", "input", "+Inf"] == 1
