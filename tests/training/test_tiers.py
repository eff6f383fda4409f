"""A measured tier is what the rule says, and chosen thresholds fit what they were chosen on."""

import numpy as np
import pytest

from sidecar.offline.answers import Answers
from training.labels import INTENTS
from training.tiers import Thresholds, best_thresholds, figures, served_tiers


def _answers(intents: list[str], confidence: float, difficulties: list[float]) -> Answers:
    probabilities = np.full((len(intents), len(INTENTS)), (1 - confidence) / (len(INTENTS) - 1))
    probabilities[range(len(intents)), [INTENTS.index(intent) for intent in intents]] = confidence
    return Answers(probabilities, np.array(difficulties))


@pytest.mark.parametrize(
    ("intent", "confidence", "difficulty", "is_intent_floor", "tier"),
    [
        ("chat", 0.9, 0.1, True, 0),
        ("chat", 0.9, 0.5, True, 2),
        ("math", 0.9, 0.1, True, 3),
        ("math", 0.9, 0.1, False, 0),
        ("chat", 0.3, 0.1, True, 1),
        ("math", 0.3, 0.9, True, 3),
    ],
)
def test_a_tier_is_the_higher_of_two_and_one_more_when_unsure(
    intent: str, confidence: float, difficulty: float, is_intent_floor: bool, tier: int
) -> None:
    served = served_tiers(
        _answers([intent], confidence, [difficulty]),
        Thresholds(moderate=0.2, complex=0.5, reasoning=0.8),
        min_confidence=0.4,
        is_intent_floor=is_intent_floor,
    )

    assert served.tolist() == [tier]


def test_chosen_thresholds_separate_what_can_be_separated() -> None:
    gold = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    answers = _answers(["chat"] * 8, 0.9, [0.02, 0.12, 0.22, 0.28, 0.52, 0.58, 0.91, 0.97])

    thresholds = best_thresholds(answers, gold, min_confidence=0.0, too_low_cost=1.0, is_intent_floor=False)

    assert figures(gold, thresholds.tiers(answers.difficulties)).accuracy == 1.0
