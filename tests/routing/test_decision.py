"""From a request, and what a classifier says of it, to a plan with its reason."""

import pytest

from sidecar.routing.api import Api
from sidecar.routing.decision import Decision
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without, plan_of, undecided
from tests.fakes.policies import ladder, make_model, make_policy
from tests.fakes.requests import request

FROM_SIMPLE = ["simple", "moderate", "complex", "reasoning"]
FROM_MODERATE = ["moderate", "complex", "reasoning", "simple"]
FROM_COMPLEX = ["complex", "reasoning", "moderate", "simple"]
FROM_REASONING = ["reasoning", "complex", "moderate", "simple"]  # the fallback, then downward


@pytest.mark.parametrize(
    ("difficulty", "tier", "plan"),
    [
        (0.1, Tier.SIMPLE, FROM_SIMPLE),
        (0.5, Tier.MODERATE, FROM_MODERATE),
        (0.75, Tier.COMPLEX, FROM_COMPLEX),
        (0.9, Tier.REASONING, FROM_REASONING),
    ],
)
def test_a_classified_request_gets_the_plan_of_its_tier(difficulty: float, tier: Tier, plan: list[str]) -> None:
    evidence = classification(difficulty=difficulty)

    decision = decided(ladder(), request(), evidence)

    assert (decision.tier, decision.reason, plan_of(decision)) == (tier, Reason.DIFFICULTY, plan)
    assert decision.model is decision.plan[0]
    assert decision.classification is evidence
    assert decision.policy_hash == ladder().hash


@pytest.mark.parametrize(
    ("confidence", "tier", "reason", "plan"),
    [
        (0.9, Tier.MODERATE, Reason.INTENT, FROM_MODERATE),
        (0.1, Tier.COMPLEX, Reason.LOW_CONFIDENCE, FROM_COMPLEX),
    ],
)
def test_a_classified_request_gets_its_tier_and_reason_from_the_rule_of_the_policy(
    confidence: float, tier: Tier, reason: Reason, plan: list[str]
) -> None:
    policy = ladder(least_tiers={"chat": Tier.MODERATE})

    decision = decided(policy, request(), classification("chat", confidence=confidence))

    assert (decision.tier, decision.reason, plan_of(decision)) == (tier, reason, plan)


@pytest.mark.parametrize(
    ("api", "model", "tier", "plan"),
    [
        (Api.OPENAI, "simple", Tier.SIMPLE, FROM_SIMPLE),
        (Api.OPENAI, "complex", Tier.COMPLEX, FROM_COMPLEX),
        (Api.OPENAI, "reasoning", Tier.REASONING, FROM_REASONING),
        (Api.ANTHROPIC, "haiku", Tier.SIMPLE, ["haiku", "sonnet"]),
        (Api.ANTHROPIC, "sonnet", Tier.COMPLEX, ["sonnet", "haiku"]),
    ],
)
def test_a_model_of_the_policy_is_pinned(api: Api, model: str, tier: Tier, plan: list[str]) -> None:
    decision = undecided(ladder(), request(model=model, api=api))

    assert decision is not None
    assert (decision.tier, decision.reason, plan_of(decision)) == (tier, Reason.PINNED, plan)
    assert decision.classification is None


def test_a_pinned_model_comes_before_those_listed_before_it_in_its_tier() -> None:
    policy = make_policy([make_model("a"), make_model("b"), make_model("c", Tier.COMPLEX)], ["c"])

    decision = undecided(policy, request(model="b"))

    assert decision is not None
    assert plan_of(decision) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("api", "model", "known"),
    [
        (Api.OPENAI, "gpt-9", "auto, simple, moderate, complex, reasoning"),
        (Api.OPENAI, "", "auto, simple, moderate, complex, reasoning"),
        (Api.OPENAI, "Auto", "auto, simple, moderate, complex, reasoning"),
        (Api.OPENAI, "simple ", "auto, simple, moderate, complex, reasoning"),
        (Api.OPENAI, "simple-id", "auto, simple, moderate, complex, reasoning"),
        (Api.OPENAI, "simple-cluster", "auto, simple, moderate, complex, reasoning"),
        (Api.OPENAI, "haiku", "auto, simple, moderate, complex, reasoning"),
        (Api.ANTHROPIC, "simple", "auto, haiku, sonnet"),
    ],
)
def test_a_model_that_does_not_speak_this_api_is_unknown(api: Api, model: str, known: str) -> None:
    with pytest.raises(RejectedError) as refused:
        undecided(ladder(), request(model=model, api=api))

    assert (refused.value.reason, refused.value.status) == (Reason.UNKNOWN_MODEL, 404)
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")
    assert refused.value.message.endswith(f"it has {known}")


@pytest.mark.parametrize("prompt", ["hi", " x ", "\ufffd", "0"])
def test_a_virtual_model_needs_a_classification(prompt: str) -> None:
    assert undecided(ladder(), request(prompt)) is None


@pytest.mark.parametrize(
    "prompt",
    ["", " ", "\n\t\u00a0\u3000", pytest.param('{"a":1}' * 200_001, id="pasted JSON, too much to read")],
)
@pytest.mark.parametrize(("api", "plan"), [(Api.OPENAI, FROM_COMPLEX), (Api.ANTHROPIC, ["sonnet", "haiku"])])
def test_nothing_to_classify_goes_to_the_fallback(prompt: str, api: Api, plan: list[str]) -> None:
    decision = undecided(ladder(), request(prompt, api=api))

    assert decision is not None
    assert (decision.tier, decision.reason, plan_of(decision)) == (Tier.COMPLEX, Reason.NO_PROMPT, plan)


@pytest.mark.parametrize(
    "reason", [Reason.CLASSIFIER_TIMEOUT, Reason.CLASSIFIER_OVERLOADED, Reason.CLASSIFIER_FAILED]
)
@pytest.mark.parametrize(("api", "plan"), [(Api.OPENAI, FROM_COMPLEX), (Api.ANTHROPIC, ["sonnet", "haiku"])])
def test_the_fallback_answers_with_its_own_tier_and_plan(reason: Reason, api: Api, plan: list[str]) -> None:
    decision = decided_without(ladder(), request(api=api), reason)

    assert (decision.tier, decision.reason, plan_of(decision)) == (Tier.COMPLEX, reason, plan)


@pytest.mark.parametrize("model", ["auto", "simple"])
def test_the_same_request_gives_the_same_decision(model: str) -> None:
    def decide_once() -> Decision:
        policy, asked = ladder(), request(model=model)
        return undecided(policy, asked) or decided(policy, asked, classification())

    assert decide_once() == decide_once()
