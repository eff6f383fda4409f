"""The figures of the model card are what others mean by the same names."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from sidecar.offline.metrics import auc, calibration_error, macro_f1, macro_f1_interval


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_that_of_scikit_learn_over_the_labels_that_occur(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(0, 5, 200), rng.integers(0, 7, 200)

    theirs = f1_score(gold, predicted, labels=np.unique(gold), average="macro")

    assert macro_f1(gold, predicted) == pytest.approx(theirs)


def test_the_interval_of_macro_f1_holds_it_and_narrows_with_more_prompts() -> None:
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 3, 1_000)
    predicted = np.where(rng.random(1_000) < 0.7, gold, 0)

    widths = []
    for count in (50, 1_000):
        low, high = macro_f1_interval(gold[:count], predicted[:count])
        assert low < macro_f1(gold[:count], predicted[:count]) < high
        widths.append(high - low)

    assert widths[1] < widths[0] / 2


def test_answers_that_are_all_right_leave_no_doubt() -> None:
    assert macro_f1_interval([0, 1, 1, 2], [0, 1, 1, 2]) == (1.0, 1.0)


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
