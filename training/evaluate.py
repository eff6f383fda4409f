"""Measure a model folder on prompts from authors and sources it never saw, beside the baselines.

    python -m training.evaluate sidecar/inference/model [--data DIR] [--fp32 FILE]

Without --data: left-out authored sets, and baselines trained on the authored training sets. With it: left-out
source families too, and baselines trained on the model's own training rows. Needs no torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training import data, metrics, tiers
from training.answers import Answers, Model
from training.baselines import LengthOnly, TfidfRegression
from training.data import Prompt
from training.labels import TIERS

_COLUMNS = "{:34} {:16} {:>5} {:>8} {:>13} {:>6} {:>6} {:>6} {:>6}".format(
    "group", "system", "n", "macro-F1", "95 %", "acc", "tier", "ECE", "AUC"
)
# The shipped seed draws the shipped rows; another one would train the baseline on other rows than the model's.
_SEED = 17
_MIN_CONFIDENCES = (0.0, 0.4, 0.5, 0.6)


class Answering(Protocol):
    """The model and its baselines, seen alike."""

    def answer(self, texts: list[str]) -> Answers: ...


def main() -> None:
    arguments = _parser().parse_args()
    model = Model(arguments.folder)
    training = data.training_prompts(arguments.data, _SEED)
    systems: dict[str, Answering] = {
        "model": model,
        TfidfRegression.name: TfidfRegression(training, _SEED),
        LengthOnly.name: LengthOnly(training),
    }
    print(f"model {model.config['version']}; baselines trained on {len(training)} prompts\n")
    print_intents(systems, arguments.data)
    if arguments.data:
        print_difficulties(systems, data.difficulty_test_prompts(arguments.data))
    print_confidence(model)
    print_tiers(model)
    if arguments.fp32:
        print_agreement(model, Model(arguments.folder, arguments.fp32))
    print_speed(model)


def intent_groups(prompts: list[Prompt]) -> dict[str, NDArray[np.bool_]]:
    """Which prompts are in each left-out group, by its name."""

    authored = np.array([p.is_authored for p in prompts])
    lengths = np.array([len(p.text) for p in prompts])
    groups = {"authored: all left out": authored}
    for name in data.TEST_SETS:
        groups[f"authored: {name}"] = np.array([p.group == name for p in prompts])
    groups["authored: not English"] = np.array([p.language != "en" for p in prompts])
    groups["authored: up to 80 characters"] = authored & (lengths <= 80)
    groups["authored: over 500 characters"] = authored & (lengths > 500)
    if not authored.all():
        groups["collected: all left out"] = ~authored
        for family in data.TEST_INTENT_FAMILIES:
            groups[f"collected: {family}"] = np.array([data.is_of_family(p.group, (family,)) for p in prompts])
    return groups


def print_intents(systems: dict[str, Answering], data_folder: Path | None) -> None:
    """Intent figures; AUC is of the difficulty against "the label is above simple", where there is one."""
    prompts = data.authored_test_prompts()
    if data_folder:
        prompts += data.collected_test_prompts(data_folder, _SEED)
    gold = np.array([p.intent for p in prompts])
    is_above_simple = np.array([p.tier is not None and p.tier != "simple" for p in prompts])
    answers = {name: system.answer([p.text for p in prompts]) for name, system in systems.items()}
    print("Intent (macro-F1 over the intents a group has; tier: of the intent)")
    print(_COLUMNS)
    for group, rows in intent_groups(prompts).items():
        for name in systems:
            print(f"{group:34} {name:16} {_intent_row(answers[name].take(rows), gold[rows], is_above_simple[rows])}")


def _intent_row(answers: Answers, gold: NDArray[np.int64], is_above_simple: NDArray[np.bool_]) -> str:
    is_right = answers.intents == gold
    low, high = metrics.macro_f1_interval(gold, answers.intents)
    is_same_tier = tiers.INTENT_TIERS[answers.intents] == tiers.INTENT_TIERS[gold]
    return (
        f"{len(gold):5} {metrics.macro_f1(gold, answers.intents):8.3f} {f'{low:.3f}-{high:.3f}':>13}"
        f" {is_right.mean():6.3f} {is_same_tier.mean():6.3f}"
        f" {metrics.calibration_error(answers.confidences, is_right):6.3f}"
        f" {metrics.auc(answers.difficulties, is_above_simple):6.3f}"
    )


def print_difficulties(systems: dict[str, Answering], prompts: list[Prompt]) -> None:
    """AUC against "the named cheap model answered wrongly", within each left-out source."""
    print("\nDifficulty against a cheap model's graded answers (left-out sources)")
    for source in sorted({p.group for p in prompts}):
        rows = [p for p in prompts if p.group == source]
        is_wrong = np.array([p.weak_ok is not None and p.weak_ok < 0.5 for p in rows])
        scores = {name: system.answer([p.text for p in rows]).difficulties for name, system in systems.items()}
        columns = "  ".join(f"{name} {metrics.auc(score, is_wrong):.3f}" for name, score in scores.items())
        print(f"{source:34} n {len(rows):4}  AUC  {columns}")


def print_confidence(model: Model) -> None:
    """What is kept, and how right it is, at each confidence threshold."""
    prompts = data.authored_test_prompts()
    answers = model.answer([p.text for p in prompts])
    is_right = answers.intents == np.array([p.intent for p in prompts])
    print("\nConfidence (left-out authored sets)")
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        kept = answers.confidences >= threshold
        print(f">= {threshold}  coverage {kept.mean():.3f}  accuracy {is_right[kept].mean():.3f}")


def print_tiers(model: Model) -> None:
    """Thresholds chosen on the validation set, judged on the test sets against the labelled tiers."""
    chosen_on, judged_on = data.validation_prompts(), data.authored_test_prompts()
    chosen_answers = model.answer([p.text for p in chosen_on])
    judged_answers = model.answer([p.text for p in judged_on])
    chosen_gold, gold = tiers.labelled_tiers(chosen_on), tiers.labelled_tiers(judged_on)
    print("\nTier against the label (thresholds from the validation set)")
    majority = np.full(len(gold), np.bincount(chosen_gold).argmax())
    print(f"always {TIERS[majority[0]]}: {tiers.figures(gold, majority)}")
    by_intent = tiers.INTENT_TIERS[judged_answers.intents]
    print(f"intent alone: {tiers.figures(gold, by_intent)}")
    for is_intent_floor in (True, False):
        print("higher of intent and difficulty" if is_intent_floor else "difficulty alone")
        for min_confidence in _MIN_CONFIDENCES:
            for too_low_cost in (1.0, 2.0, 3.0):
                thresholds = tiers.best_thresholds(
                    chosen_answers, chosen_gold, min_confidence, too_low_cost, is_intent_floor=is_intent_floor
                )
                served = tiers.served_tiers(
                    judged_answers, thresholds, min_confidence, is_intent_floor=is_intent_floor
                )
                print(
                    f"  min_confidence {min_confidence}  too low costs {too_low_cost}  {tiers.figures(gold, served)}"
                    f"  from {thresholds.moderate}/{thresholds.complex}/{thresholds.reasoning}"
                )


def print_agreement(model: Model, original: Model) -> None:
    """Share of prompts whose intent is the same before and after quantisation."""
    texts = [p.text for p in data.authored_test_prompts()]
    small, large = model.answer(texts), original.answer(texts)
    same = float(np.mean(small.intents == large.intents))
    shift = float(np.abs(small.difficulties - large.difficulties).mean())
    print(f"\nint8 against fp32: same intent {same:.4f}, mean difference of difficulty {shift:.4f}")


def print_speed(model: Model) -> None:
    """Time of the graph by length."""
    figures = "  ".join(f"{n} tokens {model.median_milliseconds(n):.1f} ms" for n in (16, 64, 128))
    print(f"\nmedian on one thread: {figures}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--data", type=Path, help="folder with intent/ and difficulty/")
    parser.add_argument("--fp32", type=Path, help="the float graph, to compare the int8 one with")
    return parser


if __name__ == "__main__":
    main()
