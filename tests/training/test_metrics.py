"""The figures of the model card are what others mean by the same names."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from training.answers import Answers
from training.labels import INTENTS
from training.metrics import auc, calibration_error, macro_f1
from training.tiers import Thresholds, best_thresholds, figures, served_tiers


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_that_of_scikit_learn_over_the_labels_that_occur(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(0, 5, 200), rng.integers(0, 7, 200)

    theirs = f1_score(gold, predicted, labels=np.unique(gold), average="macro")

    assert macro_f1(gold, predicted) == pytest.approx(theirs)


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_that_of_scikit_learn_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, is_positive = rng.integers(0, 10, 200) / 10, rng.random(200) < 0.3

    assert auc(scores, is_positive) == pytest.approx(roc_auc_score(is_positive, scores))


def test_auc_of_one_kind_only_is_not_a_number() -> None:
    assert np.isnan(auc(np.array([0.1, 0.2]), np.array([True, True])))


@pytest.mark.parametrize(
    ("confidences", "right", "expected"),
    [
        ([0.95] * 20, [True] * 19 + [False], 0.0),
        ([1.0] * 4, [True, True, False, False], 0.5),
        ([0.25, 0.25, 0.85, 0.85], [False, False, True, True], 0.2),
    ],
)
def test_calibration_error_is_the_gap_between_confidence_and_accuracy(
    confidences: list[float], right: list[bool], expected: float
) -> None:
    assert calibration_error(np.array(confidences), np.array(right)) == pytest.approx(expected)


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
