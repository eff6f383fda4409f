"""Measure a model folder on prompts from authors and sources it never saw, beside the baselines.

    python -m training.evaluate sidecar/inference/model [--data DIR] [--float DIR] [--plots docs/images]

Without --data: left-out authored sets, and baselines trained on the authored training sets. With it: left-out
source families too, and baselines trained on the model's own training rows. Needs no torch.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from sidecar.config.compile import DEFAULT_MIN_CONFIDENCE
from sidecar.finetuning import augment
from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.offline import metrics
from sidecar.offline.answers import Answers, answer, median_milliseconds
from training import data, plots, tiers
from training.baselines import LengthOnly, TfidfRegression
from training.data import Prompt
from training.labels import TIERS
from training.tiers import DEFAULT_THRESHOLDS, Thresholds

_COLUMNS = "{:30} {:16} {:>5} {:>8} {:>13} {:>6} {:>6} {:>6} {:>7} {:>8} {:>10} {:>6}".format(
    "group", "system", "n", "macro-F1", "95 %", "acc", "ECE", "tier", "too low", "too high", "within one", "AUC"
)
# The shipped seed draws the shipped rows; another one would train the baseline on other rows than the model's.
_SEED = 17
_TOO_LOW_COST = 2.0


class Answering(Protocol):
    """The model and its baselines, seen alike."""

    def answer(self, texts: list[str]) -> Answers: ...


class Model:
    """A model folder."""

    name = "model"

    def __init__(self, folder: Path) -> None:
        self.classifier = OnnxClassifier.load(folder)

    def answer(self, texts: list[str]) -> Answers:
        return answer(self.classifier, texts)


def main() -> None:
    arguments = _parser().parse_args()
    model = Model(arguments.folder)
    training = data.training_prompts(arguments.data, _SEED)
    systems: dict[str, Answering] = {
        Model.name: model,
        TfidfRegression.name: TfidfRegression(training, _SEED),
        LengthOnly.name: LengthOnly(training),
    }
    print(f"model {model.classifier.version}; baselines trained on {len(training)} prompts\n")
    judged = data.authored_test_prompts()
    answers = model.answer([p.text for p in judged])
    print_groups(systems, arguments.data)
    if arguments.data:
        print_difficulties(systems, data.difficulty_test_prompts(arguments.data))
    print_confidence(judged, answers)
    print_calibration(model, judged, answers)
    print_tiers(model, judged, answers)
    print_robustness(model, judged, answers)
    if arguments.float:
        print_agreement(judged, answers, Model(arguments.float))
    print_speed(model.classifier)
    if arguments.plots:
        plots.write(arguments.plots, judged, answers)


def groups(prompts: list[Prompt]) -> dict[str, NDArray[np.bool_]]:
    """Which prompts are in each left-out group, by its name."""
    authored = np.array([p.is_authored for p in prompts])
    lengths = np.array([len(p.text) for p in prompts])
    languages = np.array([p.language for p in prompts])
    found = {"authored: all left out": authored}
    for name in data.TEST_SETS:
        found[f"authored: {name}"] = np.array([p.group == name for p in prompts])
    found["authored: English"] = authored & (languages == "en")
    found["authored: not English"] = authored & (languages != "en")
    for language in sorted(set(languages[authored]) - {"en"}):
        if (rows := authored & (languages == language)).sum() >= 15:
            found[f"authored: {language}"] = rows
    for low, high in ((0, 80), (80, 200), (200, 500), (500, 10**9)):
        name = f"{low + 1}-{high}" if high < 10**9 else f"over {low}"
        found[f"authored: {name} characters"] = authored & (lengths > low) & (lengths <= high)
    if not authored.all():
        found["collected: all left out"] = ~authored
        for family in data.TEST_INTENT_FAMILIES:
            found[f"collected: {family}"] = np.array([data.is_of_family(p.group, (family,)) for p in prompts])
    return found


def print_groups(systems: dict[str, Answering], data_folder: Path | None) -> None:
    """Intent and tier figures; AUC is of the difficulty against "the label is above simple"."""
    prompts = data.authored_test_prompts()
    if data_folder:
        prompts += data.collected_test_prompts(data_folder, _SEED)
    gold = np.array([p.intent for p in prompts])
    labels = np.array([-1 if p.tier is None else int(p.tier) for p in prompts])
    answers = {name: system.answer([p.text for p in prompts]) for name, system in systems.items()}
    thresholds = {name: thresholds_of(system) for name, system in systems.items()}
    thresholds[Model.name] = DEFAULT_THRESHOLDS
    print("Left-out groups (macro-F1 over the intents a group has; tier: difficulty against the label, the model by")
    print("the policy's default thresholds, a baseline by the best ones on the validation sets)")
    print(_COLUMNS)
    for group, rows in groups(prompts).items():
        for name in systems:
            row = _row(answers[name].take(rows), gold[rows], labels[rows], thresholds[name])
            print(f"{group:30} {name:16} {row}")


def thresholds_of(system: Answering) -> Thresholds:
    """Those with which the system does best on the validation sets."""
    prompts = data.validation_prompts()
    answers = system.answer([p.text for p in prompts])
    return tiers.best_thresholds(answers, tiers.labelled_tiers(prompts), 0.0, _TOO_LOW_COST, is_intent_floor=False)


def _row(answers: Answers, gold: NDArray[np.int64], labels: NDArray[np.int64], thresholds: Thresholds) -> str:
    is_right = answers.intents == gold
    low, high = metrics.macro_f1_interval(gold, answers.intents)
    intent = (
        f"{len(gold):5} {metrics.macro_f1(gold, answers.intents):8.3f} {f'{low:.3f}-{high:.3f}':>13}"
        f" {is_right.mean():6.3f} {metrics.calibration_error(answers.confidences, is_right):6.3f}"
    )
    known = labels >= 0
    if not known.any():
        return intent
    tier = tiers.figures(labels[known], thresholds.tiers(answers.difficulties[known]))
    return (
        f"{intent} {tier.accuracy:6.3f} {tier.too_low:7.3f} {tier.too_high:8.3f} {tier.within_one:10.3f}"
        f" {metrics.auc(answers.difficulties[known], labels[known] > 0):6.3f}"
    )


def print_difficulties(systems: dict[str, Answering], prompts: list[Prompt]) -> None:
    """AUC against "the named cheap model answered wrongly", within each left-out source."""
    print(
        "\nDifficulty against a cheap model's graded answers (left-out sources; evaluate_routing says what it saves)"
    )
    for source in sorted({p.group for p in prompts}):
        rows = [p for p in prompts if p.group == source]
        is_wrong = np.array([p.weak_ok is not None and p.weak_ok < 0.5 for p in rows])
        scores = {name: system.answer([p.text for p in rows]).difficulties for name, system in systems.items()}
        columns = "  ".join(f"{name} {metrics.auc(score, is_wrong):.3f}" for name, score in scores.items())
        print(f"{source:30} n {len(rows):4}  AUC  {columns}")


def print_confidence(prompts: Sequence[Prompt], answers: Answers) -> None:
    """What is kept, and how right it is, when the model may abstain: by confidence, and by margin to the next."""
    is_right = answers.intents == np.array([p.intent for p in prompts])
    ranked = np.sort(answers.probabilities, axis=1)
    margins = ranked[:, -1] - ranked[:, -2]
    print("\nAbstention (left-out authored sets)")
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        kept = answers.confidences >= threshold
        # As many prompts by margin as by confidence: only then does accuracy say which is the better sign of doubt.
        by_margin = margins >= np.sort(margins)[::-1][max(0, int(kept.sum()) - 1)]
        print(
            f"confidence >= {threshold}  coverage {kept.mean():.3f}  accuracy {is_right[kept].mean():.3f}"
            f"  by margin {is_right[by_margin].mean():.3f}"
        )


def print_calibration(model: Model, judged: Sequence[Prompt], answers: Answers) -> None:
    """Would isotonic regression, on the validation sets, tell the confidence better than the one temperature does?"""
    chosen_on = data.validation_prompts()
    chosen = model.answer([p.text for p in chosen_on])
    is_right_there = chosen.intents == np.array([p.intent for p in chosen_on])
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(chosen.confidences, is_right_there)
    is_right = answers.intents == np.array([p.intent for p in judged])
    shipped = metrics.calibration_error(answers.confidences, is_right)
    other = metrics.calibration_error(isotonic.predict(answers.confidences), is_right)
    print(f"\nCalibration error: {shipped:.3f} as shipped, {other:.3f} with isotonic regression on top")


def print_tiers(model: Model, judged: list[Prompt], answers: Answers) -> None:
    """The default rule, and others with thresholds chosen on the validation sets, against the labelled tiers."""
    chosen_on = data.validation_prompts()
    chosen_answers = model.answer([p.text for p in chosen_on])
    chosen_gold, gold = tiers.labelled_tiers(chosen_on), tiers.labelled_tiers(judged)
    print("\nTier against the label, left-out authored sets (thresholds from the validation sets)")
    majority = np.full(len(gold), np.bincount(chosen_gold).argmax())
    print(f"always {TIERS[majority[0]]}: {tiers.figures(gold, majority)}")
    print(f"usual tier of the intent: {tiers.figures(gold, tiers.INTENT_TIERS[answers.intents])}")
    for min_confidence in (0.0, DEFAULT_MIN_CONFIDENCE):
        served = tiers.served_tiers(answers, DEFAULT_THRESHOLDS, min_confidence, is_intent_floor=False)
        print(f"default thresholds, min_confidence {min_confidence}: {tiers.figures(gold, served)}")
    for is_intent_floor in (False, True):
        print("higher of difficulty and usual tier" if is_intent_floor else "difficulty")
        for too_low_cost in (1.0, 1.5, 2.0, 3.0, 4.0):
            best = tiers.best_thresholds(
                chosen_answers, chosen_gold, 0.0, too_low_cost, is_intent_floor=is_intent_floor
            )
            served = tiers.served_tiers(answers, best, 0.0, is_intent_floor=is_intent_floor)
            print(
                f"  too low costs {too_low_cost}  {tiers.figures(gold, served)}"
                f"  from {best.moderate}/{best.complex}/{best.reasoning}"
            )


def print_robustness(model: Model, prompts: Sequence[Prompt], answers: Answers) -> None:
    """Share of prompts whose intent, or tier by difficulty, is another one after a change that means nothing."""
    rng = random.Random(_SEED)
    changes = {
        "typos": lambda text: augment.with_typos(text, rng),
        "lower case": str.lower,
        "upper case": str.upper,
        "whitespace": lambda text: "  ".join(text.split(" ")) + "\n",
        "courtesies": lambda text: augment.with_courtesy(text, rng),
        "instruction moved to the end": augment.reordered,
    }
    tiers_before = DEFAULT_THRESHOLDS.tiers(answers.difficulties)
    print("\nRobustness (left-out authored sets; of the texts that the change alters)")
    for name, change in changes.items():
        texts = [change(p.text) for p in prompts]
        altered = np.array([text != p.text for text, p in zip(texts, prompts, strict=True)])
        changed = model.answer(texts)
        intents = (changed.intents != answers.intents)[altered].mean()
        moved = (DEFAULT_THRESHOLDS.tiers(changed.difficulties) != tiers_before)[altered].mean()
        print(f"{name:30} n {altered.sum():4}  intent {intents:.3f}  tier {moved:.3f}")


def print_agreement(prompts: Sequence[Prompt], small: Answers, original: Model) -> None:
    """Share of prompts with the same intent, and the same tier, before and after quantisation."""
    large = original.answer([p.text for p in prompts])
    same = float(np.mean(small.intents == large.intents))
    same_tier = float(
        np.mean(DEFAULT_THRESHOLDS.tiers(small.difficulties) == DEFAULT_THRESHOLDS.tiers(large.difficulties))
    )
    shift = float(np.abs(small.difficulties - large.difficulties).mean())
    print(
        f"\nint8 against float32: same intent {same:.4f}, same tier {same_tier:.4f},"
        f" mean difference of difficulty {shift:.4f}"
    )


def print_speed(classifier: OnnxClassifier) -> None:
    """Time of the graph by length."""
    figures = "  ".join(f"{n} tokens {median_milliseconds(classifier, n):.1f} ms" for n in (16, 32, 64, 128))
    print(f"\nmedian on one thread: {figures}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--data", type=Path, help="folder with intent/ and difficulty/")
    parser.add_argument("--float", type=Path, help="model folder with the float graph, to compare the int8 one with")
    parser.add_argument("--plots", type=Path, help="folder for the plots; needs matplotlib")
    return parser


if __name__ == "__main__":
    main()
