"""Would a nearly free first stage pay? Answers from words alone where they are as good as the model's.

    python -m training.first_stage sidecar/inference/model --data DIR

The first stage is TF-IDF and logistic regression, taught by the labels and by the model's own answers to the
collected prompts. It answers where its confidence is above a threshold, chosen on the validation sets as the lowest
at which it is right as often as the model on the same prompts; the model answers the rest. Even at no cost at all,
such a cascade is 1 / (1 - coverage) times as fast on the mean: at least half must be covered for twice.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.offline import metrics
from sidecar.offline.answers import Answers, answer
from sidecar.routing.tier import Tier
from training import data
from training.baselines import TfidfRegression
from training.data import Prompt
from training.tiers import DEFAULT_THRESHOLDS, labelled_tiers

_SEED = 17


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--data", type=Path, help="folder with intent/ and difficulty/")
    arguments = parser.parse_args()
    classifier = OnnxClassifier.load(arguments.folder)
    training = taught(data.training_prompts(arguments.data, _SEED), classifier)
    first = TfidfRegression(training, _SEED)
    validation, test = data.validation_prompts(), data.authored_test_prompts()
    threshold = lowest_threshold(validation, first, classifier)
    print(f"first stage answers from a confidence of {threshold:.2f}")
    for name, prompts in (("validation", validation), ("test", test)):
        print_cascade(name, prompts, first, classifier, threshold)


def taught(prompts: list[Prompt], classifier: OnnxClassifier) -> list[Prompt]:
    """With the model's intent and tier where a prompt has none of its own."""
    answers = answer(classifier, [p.text for p in prompts])
    tiers = DEFAULT_THRESHOLDS.tiers(answers.difficulties)
    return [
        replace(p, intent=int(answers.intents[i]) if p.intent is None else p.intent, tier=p.tier or Tier(tiers[i]))
        for i, p in enumerate(prompts)
    ]


def lowest_threshold(prompts: list[Prompt], first: TfidfRegression, classifier: OnnxClassifier) -> float:
    """1 (never) if there is none."""
    texts, gold = [p.text for p in prompts], np.array([p.intent for p in prompts])
    quick, full = first.answer(texts), answer(classifier, texts)
    for threshold in np.arange(0.2, 1.0, 0.01):
        covered = quick.confidences >= threshold
        if covered.any() and (quick.intents == gold)[covered].mean() >= (full.intents == gold)[covered].mean():
            return float(threshold)
    return 1.0


def print_cascade(
    name: str, prompts: list[Prompt], first: TfidfRegression, classifier: OnnxClassifier, threshold: float
) -> None:
    """What the cascade gains and loses."""
    texts, gold = [p.text for p in prompts], np.array([p.intent for p in prompts])
    quick, full = first.answer(texts), answer(classifier, texts)
    covered = quick.confidences >= threshold
    cascade = np.where(covered, quick.intents, full.intents)
    coverage = float(covered.mean())
    print(
        f"{name}: covers {coverage:.3f}, so at most {1 / (1 - coverage):.2f} times as fast;"
        f" macro-F1 {metrics.macro_f1(gold, cascade):.3f}, model alone {metrics.macro_f1(gold, full.intents):.3f};"
        f" covered: right {_share(quick, gold, covered):.3f} against {_share(full, gold, covered):.3f},"
        f" tier {_right_tier(prompts, quick, full, covered)}"
    )


def _share(answers: Answers, gold: NDArray[np.int64], rows: NDArray[np.bool_]) -> float:
    return float((answers.intents == gold)[rows].mean()) if rows.any() else float("nan")


def _right_tier(prompts: list[Prompt], quick: Answers, full: Answers, rows: NDArray[np.bool_]) -> str:
    """The first stage knows only "above simple": its best, against the model on the same question."""
    above = labelled_tiers(prompts) > 0
    return " against ".join(
        f"{np.mean((answers.difficulties >= cut) == above, where=rows):.3f}"
        for answers, cut in ((quick, 0.5), (full, DEFAULT_THRESHOLDS.moderate))
    )


if __name__ == "__main__":
    main()
