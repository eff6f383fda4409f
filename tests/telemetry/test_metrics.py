"""Counts of decisions, as Prometheus reads them."""

from prometheus_client.parser import text_string_to_metric_families

from sidecar.routing.api import Api
from sidecar.routing.decision import decide_fallback
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.telemetry.metrics import DecisionCounter
from tests.fakes.exchanges import exchange
from tests.fakes.policies import ladder
from tests.fakes.requests import request


def counts(counter: DecisionCounter) -> dict[tuple[str, str, str], float]:
    """By api, reason and tier."""
    families = {family.name: family for family in text_string_to_metric_families(counter.render().decode())}
    assert set(families) <= {"llm_router_decisions"}
    samples = families["llm_router_decisions"].samples if families else []
    return {
        (sample.labels["api"], sample.labels["reason"], sample.labels["tier"]): sample.value
        for sample in samples
        if sample.name == "llm_router_decisions_total"
    }


def test_nothing_is_counted_before_the_first_exchange() -> None:
    assert counts(DecisionCounter()) == {}


def test_decisions_and_rejections_are_counted_by_reason() -> None:
    counter = DecisionCounter()
    fallen_back = decide_fallback(ladder(), request(api=Api.ANTHROPIC), Reason.CLASSIFIER_TIMEOUT)

    for _ in range(3):
        counter.observe(exchange())
    counter.observe(exchange(request(api=Api.ANTHROPIC), fallen_back))
    counter.observe(exchange(result=RejectedError(Reason.UNKNOWN_MODEL, "no such model", status=404)))

    assert counts(counter) == {
        ("openai", "intent", "reasoning"): 3,
        ("anthropic", "classifier_timeout", "complex"): 1,
        ("openai", "unknown_model", ""): 1,
    }


def test_two_counters_count_apart() -> None:
    one, other = DecisionCounter(), DecisionCounter()

    one.observe(exchange())

    assert sum(counts(one).values()) == 1
    assert counts(other) == {}
