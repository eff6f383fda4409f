"""How difficulty, intent and doubt become a tier."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.classification import Classification, Example
from sidecar.routing.reason import Reason
from sidecar.routing.rules import TierBounds
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule
from tests.fakes.classifiers import classification
from tests.fakes.properties import examples

THRESHOLDS = DifficultyThresholds(moderate=0.2, complex=0.4, reasoning=0.6)

RULE = TierRule(
    difficulty=THRESHOLDS,
    min_confidence=0.5,
    bounds={
        "planning": TierBounds(Tier.SIMPLE),
        "translation": TierBounds(Tier.MODERATE),
        "refund": TierBounds(Tier.COMPLEX),
        "legal_threat": TierBounds(Tier.REASONING),
        "small_talk": TierBounds(most=Tier.MODERATE),
        "greeting": TierBounds(Tier.SIMPLE, Tier.SIMPLE),
    },
    usual_tiers={
        "chat": Tier.SIMPLE,
        "translation": Tier.MODERATE,
        "planning": Tier.SIMPLE,
        "math": Tier.REASONING,
        "refund": Tier.COMPLEX,
    },
)


def settled(evidence: Classification) -> tuple[Tier, Reason]:
    """The tier, and what settled it."""
    last = RULE.moves(evidence)[-1]
    return last.tier, last.reason


@pytest.mark.parametrize(
    ("difficulty", "tier"),
    [
        (0.0, Tier.SIMPLE),
        (0.199, Tier.SIMPLE),
        (0.2, Tier.MODERATE),
        (0.399, Tier.MODERATE),
        (0.4, Tier.COMPLEX),
        (0.599, Tier.COMPLEX),
        (0.6, Tier.REASONING),
        (1.0, Tier.REASONING),
    ],
)
def test_a_threshold_belongs_to_the_tier_it_opens(difficulty: float, tier: Tier) -> None:
    assert THRESHOLDS.tier_of(difficulty) is tier


def test_equal_thresholds_skip_the_tier_between() -> None:
    thresholds = DifficultyThresholds(moderate=0.5, complex=0.5, reasoning=1.0)

    assert [thresholds.tier_of(value) for value in (0.4, 0.5, 1.0)] == [Tier.SIMPLE, Tier.COMPLEX, Tier.REASONING]


@pytest.mark.parametrize(
    ("intent", "difficulty", "tier", "reason"),
    [
        # difficulty decides
        ("chat", 0.0, Tier.SIMPLE, Reason.DIFFICULTY),
        ("chat", 0.2, Tier.MODERATE, Reason.DIFFICULTY),
        ("chat", 0.4, Tier.COMPLEX, Reason.DIFFICULTY),
        ("chat", 1.0, Tier.REASONING, Reason.DIFFICULTY),
        # whatever the intent usually needs
        ("math", 0.0, Tier.SIMPLE, Reason.DIFFICULTY),
        ("math", 0.3, Tier.MODERATE, Reason.DIFFICULTY),
        # also for an intent that nobody heard of
        ("weather", 0.0, Tier.SIMPLE, Reason.DIFFICULTY),
        ("weather", 0.5, Tier.COMPLEX, Reason.DIFFICULTY),
        # the least tier of an intent raises it
        ("translation", 0.1, Tier.MODERATE, Reason.INTENT),
        ("refund", 0.1, Tier.COMPLEX, Reason.INTENT),
        ("refund", 0.3, Tier.COMPLEX, Reason.INTENT),
        ("legal_threat", 0.0, Tier.REASONING, Reason.INTENT),
        # and never lowers it
        ("planning", 0.0, Tier.SIMPLE, Reason.DIFFICULTY),
        ("planning", 0.9, Tier.REASONING, Reason.DIFFICULTY),
        ("translation", 0.2, Tier.MODERATE, Reason.DIFFICULTY),
        ("translation", 0.5, Tier.COMPLEX, Reason.DIFFICULTY),
        ("refund", 0.6, Tier.REASONING, Reason.DIFFICULTY),
        # the most of an intent lowers it
        ("small_talk", 0.1, Tier.SIMPLE, Reason.DIFFICULTY),
        ("small_talk", 0.9, Tier.MODERATE, Reason.INTENT),
        ("greeting", 0.9, Tier.SIMPLE, Reason.INTENT),
    ],
)
def test_difficulty_decides_unless_the_policy_gives_the_intent_more(
    intent: str, difficulty: float, tier: Tier, reason: Reason
) -> None:
    assert settled(classification(intent, difficulty=difficulty)) == (tier, reason)


@pytest.mark.parametrize(
    ("intent", "tier"),
    [
        ("chat", Tier.SIMPLE),
        ("math", Tier.REASONING),
        # what the policy says comes before what is usual, be it more or less
        ("translation", Tier.MODERATE),
        ("planning", Tier.SIMPLE),
        # and is enough where nothing is usual
        ("refund", Tier.COMPLEX),
    ],
)
def test_without_a_difficulty_the_tier_is_that_of_the_policy_or_else_the_usual_one(intent: str, tier: Tier) -> None:
    assert settled(classification(intent, difficulty=None)) == (tier, Reason.INTENT)


@pytest.mark.parametrize(
    ("intent", "confidence", "difficulty", "tier", "reason"),
    [
        ("chat", 0.5, 0.1, Tier.SIMPLE, Reason.DIFFICULTY),
        ("chat", 0.499, 0.1, Tier.MODERATE, Reason.LOW_CONFIDENCE),
        ("chat", 0.0, 0.3, Tier.COMPLEX, Reason.LOW_CONFIDENCE),
        ("weather", 0.1, 0.5, Tier.REASONING, Reason.LOW_CONFIDENCE),
        # beyond the least tier of the intent, too
        ("translation", 0.5, 0.1, Tier.MODERATE, Reason.INTENT),
        ("translation", 0.1, 0.1, Tier.COMPLEX, Reason.LOW_CONFIDENCE),
        # and without a difficulty
        ("chat", 0.5, None, Tier.SIMPLE, Reason.INTENT),
        ("chat", 0.0, None, Tier.MODERATE, Reason.LOW_CONFIDENCE),
        # where there is a tier above
        ("chat", 0.1, 0.6, Tier.REASONING, Reason.DIFFICULTY),
        ("legal_threat", 0.1, 0.1, Tier.REASONING, Reason.INTENT),
        ("math", 0.1, None, Tier.REASONING, Reason.INTENT),
        # and not beyond the most that the policy gives the intent
        ("small_talk", 0.1, 0.3, Tier.MODERATE, Reason.DIFFICULTY),
        ("greeting", 0.1, 0.0, Tier.SIMPLE, Reason.DIFFICULTY),
    ],
)
def test_doubt_raises_the_tier_by_one(
    intent: str, confidence: float, difficulty: float | None, tier: Tier, reason: Reason
) -> None:
    evidence = classification(intent, confidence=confidence, difficulty=difficulty)

    assert settled(evidence) == (tier, reason)


_SHARE = st.floats(0, 1)


@given(
    st.sampled_from(["chat", "translation", "refund", "legal_threat", "weather"]),
    st.tuples(_SHARE, _SHARE).map(sorted),
    st.tuples(_SHARE, _SHARE).map(sorted),
)
@examples(300)
def test_a_harder_or_more_doubtful_prompt_never_gets_a_lower_tier(
    intent: str, difficulties: list[float], confidences: list[float]
) -> None:
    easier = classification(intent, difficulty=difficulties[0], confidence=confidences[1])
    harder = classification(intent, difficulty=difficulties[1], confidence=confidences[0])

    assert RULE.tier_of(harder) >= RULE.tier_of(easier) >= RULE.bounds.get(intent, TierBounds()).least


@pytest.mark.parametrize(
    ("example", "difficulty", "confidence", "tier", "reason"),
    [
        ("greeting", 0.9, 0.9, Tier.SIMPLE, Reason.EXAMPLE),
        ("refund", 0.1, 0.9, Tier.COMPLEX, Reason.EXAMPLE),
        ("refund", 0.9, 0.9, Tier.REASONING, Reason.DIFFICULTY),
        # the classifier's doubt is about its own intents
        ("greeting", 0.9, 0.1, Tier.SIMPLE, Reason.EXAMPLE),
        ("refund", 0.1, 0.1, Tier.COMPLEX, Reason.EXAMPLE),
    ],
)
def test_an_intent_by_example_goes_before_the_classifiers(
    example: str, difficulty: float, confidence: float, tier: Tier, reason: Reason
) -> None:
    evidence = classification("legal_threat", difficulty=difficulty, confidence=confidence)

    assert settled(replace(evidence, example=Example(example, 0.8))) == (tier, reason)
