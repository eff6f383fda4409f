"""Owns the tier that a prompt ends up in, for measuring it and for choosing the thresholds behind it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from sidecar.config.compile import DEFAULT_DIFFICULTY
from sidecar.finetuning.prompt import Prompt
from sidecar.offline.answers import Answers
from training.labels import DEFAULT_TIER, INTENTS, TIERS

INTENT_TIERS = np.array([TIERS.index(DEFAULT_TIER[intent]) for intent in INTENTS])


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Difficulty from which on a prompt needs at least the tier of that name."""

    moderate: float
    complex: float
    reasoning: float

    def tiers(self, difficulties: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index into TIERS of each difficulty."""
        return np.searchsorted([self.moderate, self.complex, self.reasoning], difficulties, side="right")


DEFAULT_THRESHOLDS = Thresholds(**asdict(DEFAULT_DIFFICULTY))


@dataclass(frozen=True, slots=True)
class TierFigures:
    """Shares of prompts, against the labelled tier."""

    accuracy: float
    too_low: float
    too_high: float
    within_one: float

    def __str__(self) -> str:
        return (
            f"right {self.accuracy:.3f}  too low {self.too_low:.3f}  too high {self.too_high:.3f}"
            f"  within one {self.within_one:.3f}"
        )


def labelled_tiers(prompts: Sequence[Prompt]) -> NDArray[np.int64]:
    """Index into TIERS of each prompt's label."""
    return np.array([int(p.tier) for p in prompts if p.tier is not None])


def served_tiers(
    answers: Answers, thresholds: Thresholds, min_confidence: float, *, is_intent_floor: bool
) -> NDArray[np.int64]:
    """Tier of the difficulty, or of the intent where that is higher; one higher still when unsure."""
    tiers = thresholds.tiers(answers.difficulties)
    if is_intent_floor:
        tiers = np.maximum(tiers, INTENT_TIERS[answers.intents])
    return np.minimum(tiers + (answers.confidences < min_confidence), len(TIERS) - 1)


def figures(gold: NDArray[np.int64], served: NDArray[np.int64]) -> TierFigures:
    """How often the served tier is the labelled one, and which way it misses."""
    return TierFigures(
        accuracy=float(np.mean(served == gold)),
        too_low=float(np.mean(served < gold)),
        too_high=float(np.mean(served > gold)),
        within_one=float(np.mean(abs(served - gold) <= 1)),
    )


def best_thresholds(
    answers: Answers,
    gold: NDArray[np.int64],
    min_confidence: float,
    too_low_cost: float,
    *,
    is_intent_floor: bool,
) -> Thresholds:
    """Thresholds with the fewest tier errors, a prompt sent too low costing `too_low_cost` times one too high."""
    grid = np.round(np.arange(0.05, 0.96, 0.025), 3)

    def cost(thresholds: Thresholds) -> float:
        served = served_tiers(answers, thresholds, min_confidence, is_intent_floor=is_intent_floor)
        steps = served - gold
        return float(np.where(steps < 0, -steps * too_low_cost, steps).sum())

    return min((Thresholds(*map(float, c)) for c in itertools.combinations(grid, 3)), key=cost)
