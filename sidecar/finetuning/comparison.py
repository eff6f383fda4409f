"""Whether a new model is better than the one in use, on prompts that neither was trained on for the occasion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from sidecar.finetuning.prompt import Prompt
from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.offline import metrics
from sidecar.offline.answers import Answers, answer
from sidecar.routing.classification import Classification
from sidecar.routing.tier_rule import TierRule

_RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one model on the test prompts; None where nothing was labelled, or the labels are not the model's."""

    macro_f1: float | None
    accuracy: float | None
    calibration_error: float | None
    right_tier: float | None
    too_low: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The new model beside the one in use."""

    new: Figures
    in_use: Figures
    measure: str
    """What the difference is of: "macro-F1", "right tier", or "" when the two cannot be compared."""
    difference: float
    interval: tuple[float, float]
    """95 %, by resampling the test prompts, both models on the same ones."""

    @property
    def verdict(self) -> str:
        """One of "better", "worse", "no clear difference", "not comparable"."""
        if not self.measure:
            return "not comparable"
        if self.interval[0] > 0:
            return "better"
        return "worse" if self.interval[1] < 0 else "no clear difference"

    def as_json(self) -> dict[str, object]:
        """For the report beside the model."""
        return {**asdict(self), "verdict": self.verdict}


def compare(
    new: OnnxClassifier, in_use: OnnxClassifier, prompts: Sequence[Prompt], rule: TierRule, seed: int
) -> Comparison:
    """Both on all prompts; the prompts' intents are indices into the new model's."""
    texts = [prompt.text for prompt in prompts]
    answers, answers_in_use = answer(new, texts), answer(in_use, texts)
    tiers, tiers_in_use = _tiers(new, answers, rule), _tiers(in_use, answers_in_use, rule)
    intents = np.array([-1 if p.intent is None else p.intent for p in prompts])
    labels = np.array([-1 if p.tier is None else int(p.tier) for p in prompts])
    are_same_intents = new.intents == in_use.intents
    measure, of = _measure(intents, labels, are_same_intents=are_same_intents)
    found, found_in_use = answers.intents, answers_in_use.intents
    differences = [
        of(intents[rows], labels[rows], found[rows], tiers[rows])
        - of(intents[rows], labels[rows], found_in_use[rows], tiers_in_use[rows])
        for rows in _resamples(len(prompts), seed)
    ]
    low, high = np.nanquantile(differences[1:], [0.025, 0.975]) if measure else (0.0, 0.0)
    return Comparison(
        new=_figures(intents, labels, answers, tiers, has_these_intents=True),
        in_use=_figures(intents, labels, answers_in_use, tiers_in_use, has_these_intents=are_same_intents),
        measure=measure,
        difference=float(differences[0]),
        interval=(float(low), float(high)),
    )


_Measure = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], float]


def _measure(
    intents: NDArray[np.int64], labels: NDArray[np.int64], *, are_same_intents: bool
) -> tuple[str, _Measure]:
    if are_same_intents and (intents >= 0).any():
        return "macro-F1", lambda gold, _, found, __: _macro_f1(gold, found)
    if (labels >= 0).any():
        return "right tier", lambda _, gold, __, tiers: _share_right(gold, tiers)
    return "", lambda *_: 0.0


def _resamples(count: int, seed: int) -> list[NDArray[np.int64]]:
    """All rows first, then as many drawn with repetition."""
    rng = np.random.default_rng(seed)
    return [np.arange(count), *(rng.integers(0, count, count) for _ in range(_RESAMPLES))]


def _tiers(classifier: OnnxClassifier, answers: Answers, rule: TierRule) -> NDArray[np.int64]:
    classified = [
        Classification(
            intent=classifier.intents[intent],
            confidence=float(confidence),
            difficulty=None if np.isnan(difficulty) else float(difficulty),
            truncated=False,
        )
        for intent, confidence, difficulty in zip(
            answers.intents, answers.confidences, answers.difficulties, strict=True
        )
    ]
    return np.array([int(rule.tier_of(each)) for each in classified])


def _figures(
    intents: NDArray[np.int64],
    labels: NDArray[np.int64],
    answers: Answers,
    tiers: NDArray[np.int64],
    *,
    has_these_intents: bool,
) -> Figures:
    with_intent, with_tier = intents >= 0, labels >= 0
    is_judged = has_these_intents and with_intent.any()
    is_right = answers.intents[with_intent] == intents[with_intent]
    return Figures(
        macro_f1=_macro_f1(intents, answers.intents) if is_judged else None,
        accuracy=float(is_right.mean()) if is_judged else None,
        calibration_error=metrics.calibration_error(answers.confidences[with_intent], is_right)
        if is_judged
        else None,
        right_tier=_share_right(labels, tiers) if with_tier.any() else None,
        too_low=float(np.mean(tiers[with_tier] < labels[with_tier])) if with_tier.any() else None,
    )


def _macro_f1(gold: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    known = gold >= 0
    return metrics.macro_f1(gold[known], found[known]) if known.any() else float("nan")


def _share_right(gold: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    known = gold >= 0
    return float(np.mean(found[known] == gold[known])) if known.any() else float("nan")
