"""Counts of decisions and of all else that happens to a router, as Prometheus reads them."""

from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.routing.api import Api
from sidecar.routing.decision import Decision
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.router import Routed
from sidecar.telemetry.metrics import RouterMetrics
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without, signals_of
from tests.fakes.exchanges import exchange
from tests.fakes.policies import ladder
from tests.fakes.requests import request

UNKNOWN = RejectedError(Reason.UNKNOWN_MODEL, "no such model", status=404)


@dataclass
class Cache:
    """Counts what it is told to."""

    hits: int = 0
    misses: int = 0


def counts(metrics: RouterMetrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of that name, by the values of their labels, in the order of the labels' names."""
    samples = [
        sample
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name
    ]
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


def test_nothing_is_counted_before_anything_happened() -> None:
    assert RouterMetrics().render() == b""


def test_decisions_and_rejections_are_counted_by_reason() -> None:
    metrics = RouterMetrics()
    fallen_back = decided_without(ladder(), request(api=Api.ANTHROPIC), Reason.CLASSIFIER_TIMEOUT)

    for _ in range(3):
        metrics.observe(exchange())
    metrics.observe(exchange(request(api=Api.ANTHROPIC), fallen_back))
    metrics.observe(exchange(result=UNKNOWN))

    assert counts(metrics, "llm_router_decisions_total") == {
        ("openai", "intent", "reasoning"): 3,
        ("anthropic", "classifier_timeout", "complex"): 1,
        ("openai", "unknown_model", ""): 1,
    }


def test_two_routers_count_apart() -> None:
    one, other = RouterMetrics(), RouterMetrics()

    one.observe(exchange())

    assert sum(counts(one, "llm_router_decisions_total").values()) == 1
    assert counts(other, "llm_router_decisions_total") == {}


def shadow(result: Decision | RejectedError, policy_hash: str = "0ther") -> Routed:
    """What a policy that is only tried would have done."""
    return Routed(result, signals_of(ladder(), request()), b"{}", policy_hash)


EASY = decided(ladder(), request(), classification(difficulty=0.1))
HARD = decided(ladder(), request(), classification(difficulty=0.95))


@pytest.mark.parametrize(
    ("result", "tried", "agrees"),
    [
        (EASY, EASY, "yes"),
        (EASY, HARD, "no"),
        (EASY, UNKNOWN, "no"),
        (UNKNOWN, EASY, "no"),
        # for whatever reason
        (UNKNOWN, RejectedError(Reason.REJECTED_BY_RULE, "no"), "yes"),
        (HARD, decided_without(ladder(), request(model="reasoning"), Reason.NO_PROMPT), "yes"),
    ],
)
def test_a_shadow_agrees_if_the_same_model_would_have_answered_first(
    result: Decision | RejectedError, tried: Decision | RejectedError, agrees: str
) -> None:
    metrics = RouterMetrics()

    metrics.observe(exchange(result=result, shadows=(shadow(tried),)))

    assert counts(metrics, "llm_router_shadow_decisions_total") == {(agrees, "0ther"): 1}


def test_each_shadow_is_counted_by_its_policy_and_not_among_the_decisions() -> None:
    metrics = RouterMetrics()

    for _ in range(2):
        metrics.observe(exchange(result=EASY, shadows=(shadow(EASY, "a"), shadow(HARD, "b"))))

    assert counts(metrics, "llm_router_shadow_decisions_total") == {("yes", "a"): 2, ("no", "b"): 2}
    assert counts(metrics, "llm_router_decisions_total") == {("openai", "difficulty", "simple"): 2}


def test_the_policy_in_use_is_told_and_no_other() -> None:
    metrics = RouterMetrics()

    metrics.observe_policy("first")
    assert counts(metrics, "llm_router_policy_info") == {("first",): 1}

    metrics.observe_reload("second", succeeded=True)
    assert counts(metrics, "llm_router_policy_info") == {("second",): 1}
    assert counts(metrics, "llm_router_policy_info") == {("second",): 1}


def test_reloads_are_counted_by_how_they_went() -> None:
    metrics = RouterMetrics()
    metrics.observe_policy("first")

    metrics.observe_reload("first", succeeded=False)
    metrics.observe_reload("first", succeeded=False)
    metrics.observe_reload("second", succeeded=True)

    assert counts(metrics, "llm_router_policy_reloads_total") == {("failed",): 2, ("ok",): 1}
    assert counts(metrics, "llm_router_policy_info") == {("second",): 1}


def test_lookups_in_the_cache_are_counted_when_somebody_asks() -> None:
    metrics, cache = RouterMetrics(), Cache()
    metrics.observe_cache(cache)
    assert counts(metrics, "llm_router_cache_lookups_total") == {("hit",): 0, ("miss",): 0}

    cache.hits, cache.misses = 3, 5

    assert counts(metrics, "llm_router_cache_lookups_total") == {("hit",): 3, ("miss",): 5}


def test_a_new_cache_goes_on_where_the_one_before_it_ended() -> None:
    metrics, first, second = RouterMetrics(), Cache(3, 5), Cache(1, 1)

    metrics.observe_cache(first)
    metrics.observe_cache(first)  # a reload that keeps it
    metrics.observe_cache(second)
    first.hits = 100

    assert counts(metrics, "llm_router_cache_lookups_total") == {("hit",): 4, ("miss",): 6}
