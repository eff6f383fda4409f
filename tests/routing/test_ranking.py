"""The order of models within a tier: as they are listed, or by weighted cost, latency and quality."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.classification import Example
from sidecar.routing.policy import Model, Policy, Price, Rank
from sidecar.routing.ranking import blended_price
from sidecar.routing.reason import Reason
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without, plan_of, undecided
from tests.fakes.policies import make_model, make_policy
from tests.fakes.properties import examples
from tests.fakes.requests import request

MODELS = [
    make_model(
        "dear",
        price=Price(8, 24),
        latency_seconds=1.0,
        quality={"default": 0.8, "code_generation": 0.95, "math": 0.5},
    ),
    make_model("cheap", price=Price(1, 2), latency_seconds=4.0, quality={"default": 0.6, "math": 0.9}),
    make_model("fast", price=Price(4, 8), latency_seconds=0.5, quality={"default": 0.7, "translation": 0.99}),
]


def ranked(rank: Rank, intent: str = "chat", models: list[Model] | None = None) -> list[str]:
    """The plan of an easy prompt with that intent."""
    policy = make_policy(models or MODELS, ["dear"] if models is None else [models[0].name], rank=rank)
    return plan_of(decided(policy, request(), classification(intent, difficulty=0.1)))


@pytest.mark.parametrize(
    ("rank", "intent", "plan"),
    [
        (Rank(), "chat", ["dear", "cheap", "fast"]),
        (Rank(cost=1), "chat", ["cheap", "fast", "dear"]),
        (Rank(latency=1), "chat", ["fast", "dear", "cheap"]),
        (Rank(quality=1), "chat", ["dear", "fast", "cheap"]),
        # quality is that for the intent, else the default
        (Rank(quality=1), "math", ["cheap", "fast", "dear"]),
        (Rank(quality=1), "translation", ["fast", "dear", "cheap"]),
        (Rank(quality=1), "code_generation", ["dear", "fast", "cheap"]),
        (Rank(quality=1), "weather", ["dear", "fast", "cheap"]),
        # weights weigh: cost 1, 0.1, 0.42; latency 0.25, 1, 0.125; quality 0.8, 0.6, 0.7
        (Rank(cost=1, quality=1), "chat", ["cheap", "fast", "dear"]),
        (Rank(cost=1, quality=5), "chat", ["fast", "dear", "cheap"]),
        (Rank(cost=1, quality=10), "chat", ["dear", "fast", "cheap"]),
        (Rank(cost=1, latency=1), "chat", ["fast", "cheap", "dear"]),
        (Rank(cost=10, latency=1), "chat", ["cheap", "fast", "dear"]),
        (Rank(cost=1, latency=1, quality=1), "chat", ["fast", "dear", "cheap"]),
        (Rank(cost=1, latency=0.1, quality=1), "math", ["cheap", "fast", "dear"]),
    ],
)
def test_models_of_a_tier_stand_by_their_weights(rank: Rank, intent: str, plan: list[str]) -> None:
    assert ranked(rank, intent) == plan


def test_a_price_is_that_of_a_request_that_reads_three_times_what_it_writes() -> None:
    assert [blended_price(model) for model in MODELS] == [12.0, 1.25, 5.0]


@given(st.builds(Rank, *[st.floats(0, 10)] * 3), st.permutations(range(5)))
@examples(200)
def test_what_is_alike_stays_as_it_is_listed(rank: Rank, order: list[int]) -> None:
    alike = [make_model(f"m{number}", quality={"default": 0.5}, latency_seconds=1.0) for number in order]

    assert ranked(rank, models=alike) == [model.name for model in alike]


@given(st.permutations(MODELS), st.floats(0.001, 1000))
@examples(100)
def test_only_the_proportion_of_weights_counts(models: list[Model], factor: float) -> None:
    weights = (1.0, 2.0, 3.0)

    assert ranked(Rank(*weights), models=models) == ranked(
        Rank(*(factor * weight for weight in weights)), models=models
    )


def test_weights_order_a_tier_and_no_two_tiers() -> None:
    models = [
        make_model("simple-dear", price=Price(100, 100)),
        make_model("complex-dear", Tier.COMPLEX, price=Price(2, 2)),
        make_model("complex-cheap", Tier.COMPLEX, price=Price(1, 1)),
        make_model("simple-cheap", price=Price(50, 50)),
    ]

    assert ranked(Rank(cost=1), models=models) == ["simple-cheap", "simple-dear", "complex-cheap", "complex-dear"]


def test_what_nobody_gave_a_figure_counts_for_nothing() -> None:
    free = [make_model("a", price=Price(0, 0)), make_model("b", price=Price(0, 0))]

    assert ranked(Rank(cost=1, latency=1, quality=1), models=free) == ["a", "b"]


def policy_by_quality() -> Policy:
    """Simple models as above, and two of each tier above them that differ in quality."""
    pairs = [
        make_model(f"{tier.label}-{name}", tier, quality={name: 1.0})
        for tier in (Tier.MODERATE, Tier.COMPLEX)
        for name in ("chat", "math")
    ]
    return make_policy([*MODELS, *pairs], ["complex-chat"], rank=Rank(quality=1))


def test_the_tiers_above_stand_by_the_intent_too() -> None:
    decision = decided(policy_by_quality(), request(), classification("math", difficulty=0.6))

    assert plan_of(decision) == [
        *("moderate-math", "moderate-chat", "complex-math", "complex-chat"),
        *("cheap", "fast", "dear"),
    ]


def test_an_intent_by_example_is_the_intent_of_the_order() -> None:
    reading = replace(classification("chat", difficulty=0.6), example=Example("math", 0.9))

    assert decided(policy_by_quality(), request(), reading).model.name == "moderate-math"


def test_a_conversation_stays_with_the_model_of_the_turn_that_first_needed_its_tier() -> None:
    """Its beginning is in that provider's prompt cache."""
    policy = policy_by_quality()
    math, chat = classification("math", difficulty=0.6), classification("chat", difficulty=0.6)
    easy, hard = classification("chat", difficulty=0.1), classification("chat", difficulty=0.8)

    assert decided(policy, request(), math).model.name == "moderate-math"
    assert decided(policy, request(), math, chat).model.name == "moderate-math"
    assert decided(policy, request(), chat, math, math).model.name == "moderate-chat"
    assert decided(policy, request(), easy, math, chat).model.name == "moderate-math"
    # until a turn needs a higher one
    assert decided(policy, request(), math, hard, easy).model.name == "complex-chat"


def test_what_was_not_classified_has_no_intent_to_be_ordered_by() -> None:
    policy = policy_by_quality()

    assert plan_of(decided_without(policy, request(), Reason.CLASSIFIER_FAILED))[0] == "complex-chat"
    assert plan_of(undecided(policy, request(model="cheap")))[:3] == ["cheap", "dear", "fast"]
