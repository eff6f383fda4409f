"""Owns the figures that the model card quotes, in numpy, each as published elsewhere unless it says otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def macro_f1(gold: ArrayLike, predicted: ArrayLike) -> float:
    """Mean F1 over the labels that occur in `gold` (a group may lack some intents)."""
    gold, predicted = np.asarray(gold), np.asarray(predicted)
    scores = []
    for label in np.unique(gold):
        hits = np.sum((gold == label) & (predicted == label))
        scores.append(2 * hits / (np.sum(gold == label) + np.sum(predicted == label)))
    return float(np.mean(scores))


def macro_f1_interval(gold: ArrayLike, predicted: ArrayLike, seed: int = 0) -> tuple[float, float]:
    """Bounds that 95 % of 500 bootstrap resamples of the prompts fall into."""
    gold, predicted = np.asarray(gold), np.asarray(predicted)
    rng = np.random.default_rng(seed)
    samples = (rng.integers(0, len(gold), len(gold)) for _ in range(500))
    low, high = np.quantile([macro_f1(gold[s], predicted[s]) for s in samples], [0.025, 0.975])
    return float(low), float(high)


def calibration_error(confidences: NDArray[np.float64], is_right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error over equal-width bins: |accuracy - confidence|, weighted by bin size."""
    places = np.minimum((confidences * bins).astype(int), bins - 1)
    gaps = [
        np.sum(places == b) * abs(is_right[places == b].mean() - confidences[places == b].mean())
        for b in np.unique(places)
    ]
    return float(sum(gaps) / len(confidences))


def auc(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative, ties counting half; nan without both kinds."""
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(ranks[inverse][is_positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
