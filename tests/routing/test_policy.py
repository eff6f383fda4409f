"""Tiers, and the plans that are worked out beforehand."""

import itertools
import json

import pytest

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.inference.onnx_classifier import SHIPPED_MODEL
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.ranking import build_plans
from sidecar.routing.tier import Tier
from tests.fakes.policies import ladder, make_model


def test_tiers_rise_one_by_one_and_the_highest_stays() -> None:
    assert [tier.above for tier in Tier] == [Tier.MODERATE, Tier.COMPLEX, Tier.REASONING, Tier.REASONING]
    assert [tier.label for tier in Tier] == ["simple", "moderate", "complex", "reasoning"]


def test_every_intent_of_the_shipped_classifier_has_a_usual_tier() -> None:
    config = json.loads((SHIPPED_MODEL / "config.json").read_text())
    assert set(config["id2label"].values()) == set(DEFAULT_INTENT_TIERS)


@pytest.mark.parametrize(
    ("api", "tier", "plan"),
    [
        (Api.OPENAI, Tier.SIMPLE, ["simple", "moderate", "complex", "reasoning"]),
        (Api.OPENAI, Tier.MODERATE, ["moderate", "complex", "reasoning", "simple"]),
        (Api.OPENAI, Tier.COMPLEX, ["complex", "reasoning", "moderate", "simple"]),
        (Api.OPENAI, Tier.REASONING, ["reasoning", "complex", "moderate", "simple"]),
        (Api.ANTHROPIC, Tier.SIMPLE, ["haiku", "sonnet"]),
        (Api.ANTHROPIC, Tier.MODERATE, ["sonnet", "haiku"]),
        (Api.ANTHROPIC, Tier.COMPLEX, ["sonnet", "haiku"]),
        (Api.ANTHROPIC, Tier.REASONING, ["sonnet", "haiku"]),
    ],
)
def test_a_plan_goes_up_from_its_tier_then_to_the_fallback_and_down(api: Api, tier: Tier, plan: list[str]) -> None:
    for endpoint in (each for each in Endpoint if each.api is api):
        assert [model.name for model in ladder().models_by_preference(endpoint, tier)] == plan


def test_there_is_a_plan_for_every_endpoint_and_tier() -> None:
    assert set(ladder().plans) == set(itertools.product(Endpoint, Tier, [""]))


@pytest.mark.parametrize(
    ("tier", "plan"),
    [
        (Tier.SIMPLE, ["s1", "s2", "m1", "m2", "r1"]),
        (Tier.MODERATE, ["m1", "m2", "r1", "s2", "s1"]),
        (Tier.COMPLEX, ["r1", "s2", "m1", "m2", "s1"]),
        (Tier.REASONING, ["r1", "s2", "m1", "m2", "s1"]),
    ],
)
def test_a_tier_stands_as_listed_and_a_low_fallback_before_the_nearest_tier_below(
    tier: Tier, plan: list[str]
) -> None:
    tiers = {"m1": Tier.MODERATE, "s1": Tier.SIMPLE, "r1": Tier.REASONING, "s2": Tier.SIMPLE, "m2": Tier.MODERATE}
    models = {name: make_model(name, tier) for name, tier in tiers.items()}

    plans = build_plans(models.values(), {Endpoint.RESPONSES: models["s2"]})

    assert [model.name for model in plans[Endpoint.RESPONSES, tier, ""]] == plan


def test_without_any_fallback_a_plan_turns_at_the_top() -> None:
    low, high = make_model("low"), make_model("high", Tier.COMPLEX)

    plans = build_plans([high, low], {})

    assert plans[Endpoint.CHAT_COMPLETIONS, Tier.SIMPLE, ""] == (low, high)
    assert plans[Endpoint.CHAT_COMPLETIONS, Tier.MODERATE, ""] == (high, low)
    assert plans[Endpoint.CHAT_COMPLETIONS, Tier.REASONING, ""] == (high, low)
    assert plans[Endpoint.MESSAGES, Tier.SIMPLE, ""] == ()
