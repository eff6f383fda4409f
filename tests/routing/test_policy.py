"""Tiers, thresholds, and the climbs that are worked out beforehand."""

import itertools
import json

import pytest

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.inference.onnx_classifier import SHIPPED_MODEL
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import DifficultyThresholds, build_climbs
from sidecar.routing.tier import Tier
from tests.fakes.policies import ladder, make_model


@pytest.mark.parametrize(
    ("difficulty", "tier"),
    [
        (0.0, Tier.SIMPLE),
        (0.199, Tier.SIMPLE),
        (0.2, Tier.MODERATE),
        (0.4, Tier.COMPLEX),
        (0.6, Tier.REASONING),
        (1.0, Tier.REASONING),
    ],
)
def test_a_threshold_belongs_to_the_tier_it_opens(difficulty: float, tier: Tier) -> None:
    assert DifficultyThresholds(moderate=0.2, complex=0.4, reasoning=0.6).tier_of(difficulty) is tier


def test_equal_thresholds_skip_the_tier_between() -> None:
    thresholds = DifficultyThresholds(moderate=0.5, complex=0.5, reasoning=1.0)

    assert [thresholds.tier_of(value) for value in (0.4, 0.5, 1.0)] == [Tier.SIMPLE, Tier.COMPLEX, Tier.REASONING]


def test_tiers_rise_one_by_one_and_the_highest_stays() -> None:
    assert [tier.above for tier in Tier] == [Tier.MODERATE, Tier.COMPLEX, Tier.REASONING, Tier.REASONING]
    assert [tier.label for tier in Tier] == ["simple", "moderate", "complex", "reasoning"]


def test_every_intent_of_the_shipped_classifier_has_a_tier() -> None:
    config = json.loads((SHIPPED_MODEL / "config.json").read_text())
    assert set(config["id2label"].values()) == set(DEFAULT_INTENT_TIERS)


def test_there_is_a_climb_for_every_endpoint_and_tier() -> None:
    climbs = ladder().climbs

    assert set(climbs) == set(itertools.product(Endpoint, Tier))
    for (endpoint, tier), climb in climbs.items():
        names = [model.name for model in climb]
        if endpoint.api is Api.ANTHROPIC:
            assert names == (["haiku", "sonnet"] if tier is Tier.SIMPLE else ["sonnet"])
        else:
            above = [each.label for each in Tier if each >= tier]
            assert names == above if "complex" in above else [*above, "complex"]


def test_without_any_fallback_a_climb_ends_at_the_top() -> None:
    low, high = make_model("low"), make_model("high", Tier.COMPLEX)

    climbs = build_climbs([high, low], {})

    assert climbs[Endpoint.CHAT_COMPLETIONS, Tier.SIMPLE] == (low, high)
    assert climbs[Endpoint.CHAT_COMPLETIONS, Tier.REASONING] == ()
    assert climbs[Endpoint.MESSAGES, Tier.SIMPLE] == ()
