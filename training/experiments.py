"""Try variants of the recipe at a smaller scale, and print what each is worth.

    python -m training.experiments [--data DIR] [--epochs 1.3] [NAME...]

Each is fitted on the authored training sets (and collected prompts where it says so), and judged by its float
network on the left-out authored sets: validation (a1, a24), by which a variant is chosen, and test. Results are added
to `--results` as they come, one JSON line each, so that a long list can be interrupted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sidecar.finetuning.fit import Settings, fit, fit_temperature
from sidecar.offline import metrics
from sidecar.offline.answers import Answers
from training import data, tiers
from training.base_model import extended_base
from training.build import print_progress
from training.data import Prompt
from training.labels import INTENTS
from training.teaching import Teacher, readings, taught
from training.vocabulary import NEW_TOKENS


@dataclass(frozen=True, slots=True)
class Variant:
    """One change to the recipe."""

    settings: Callable[[Settings], Settings] = lambda settings: settings
    prompts: Callable[[list[Prompt]], list[Prompt]] = lambda prompts: prompts
    layers: int = 6
    new_tokens: int = NEW_TOKENS
    is_collected: bool = False
    teachers: tuple[str, ...] = ()
    """Variants that are fitted first, and whose mean is taught."""


def _without_copies(prompts: list[Prompt]) -> list[Prompt]:
    return [replace(p, copies=0) for p in prompts]


def _doubled_weight_of_collected(prompts: list[Prompt]) -> list[Prompt]:
    return [p if p.is_authored else replace(p, weight=2 * p.weight) for p in prompts]


VARIANTS = {
    "recipe": Variant(),
    "another seed": Variant(settings=lambda s: replace(s, seed=s.seed + 1)),
    "third seed": Variant(settings=lambda s: replace(s, seed=s.seed + 2)),
    "English vocabulary only": Variant(new_tokens=0),
    "no careless copies": Variant(prompts=_without_copies, settings=lambda s: replace(s, epochs=2 * s.epochs)),
    "no label smoothing": Variant(settings=lambda s: replace(s, label_smoothing=0.0)),
    "label smoothing 0.1": Variant(settings=lambda s: replace(s, label_smoothing=0.1)),
    "2 lowest layers frozen": Variant(settings=lambda s: replace(s, frozen_layers=2)),
    "4 lowest layers frozen": Variant(settings=lambda s: replace(s, frozen_layers=4)),
    "encoder frozen": Variant(settings=lambda s: replace(s, frozen_layers=6, head_learning_rate=5e-3)),
    "learning rate 1e-4": Variant(settings=lambda s: replace(s, encoder_learning_rate=1e-4)),
    "learning rate 4e-4": Variant(settings=lambda s: replace(s, encoder_learning_rate=4e-4)),
    "word embeddings trained": Variant(settings=lambda s: replace(s, embedding_learning_rate=2e-4)),
    "authors equally strict": Variant(settings=lambda s: replace(s, author_offsets=False)),
    "tier loss doubled": Variant(settings=lambda s: replace(s, tier_weight=2 * s.tier_weight)),
    "3-layer student": Variant(layers=3),
    "4-layer student": Variant(layers=4),
    "with collected prompts": Variant(is_collected=True),
    "with collected prompts, doubled": Variant(is_collected=True, prompts=_doubled_weight_of_collected),
    "taught by three": Variant(teachers=("recipe", "another seed", "third seed")),
    "3-layer student, taught by three": Variant(layers=3, teachers=("recipe", "another seed", "third seed")),
}


def main() -> None:
    arguments = _parser().parse_args()
    torch.set_num_threads(arguments.threads)
    laboratory = Laboratory(arguments.data, arguments.epochs, arguments.work)
    for name in arguments.names or VARIANTS:
        started = time.monotonic()
        fitted = laboratory.fitted(name)
        row = {"variant": name, "minutes": round((time.monotonic() - started) / 60, 1)}
        row |= figures(fitted)
        with arguments.results.open("a", encoding="utf-8") as results:
            results.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


class Laboratory:
    """Fits variants, each once for a work folder; other prompts need another folder."""

    def __init__(self, data_folder: Path | None, epochs: float, work: Path) -> None:
        self._data_folder = data_folder
        self._epochs = epochs
        self._work = work
        work.mkdir(parents=True, exist_ok=True)

    def fitted(self, name: str) -> Teacher:
        """The variant's network, from the work folder when it was fitted before."""
        variant = VARIANTS[name]
        settings = variant.settings(Settings(epochs=self._epochs))
        prompts = variant.prompts(data.training_prompts(self._data_folder if variant.is_collected else None, seed=17))
        base = extended_base(prompts, variant.layers, variant.new_tokens)
        fitted = Teacher(base.new_classifier(len(INTENTS), settings.seed), base.prompt_tokenizer())
        weights = self._work / f"{name}.pt"
        if weights.exists():
            fitted.network.load_state_dict(torch.load(weights, weights_only=True))
            fitted.network.eval()
            return fitted
        if variant.teachers:
            prompts = taught(prompts, [self.fitted(teacher) for teacher in variant.teachers])
        checkpoint = self._work / f"{name}.checkpoint"
        fit(fitted.network, prompts, fitted.tokenizer, settings, checkpoint, progress=print_progress)
        fit_temperature(fitted.network, data.validation_prompts(), fitted.tokenizer)
        torch.save(fitted.network.state_dict(), weights)
        checkpoint.unlink()
        return fitted


def figures(fitted: Teacher) -> dict[str, float]:
    """Rounded figures on the validation sets and on the test sets."""
    validation, test = data.validation_prompts(), data.authored_test_prompts()
    validation_answers, test_answers = (
        Answers(intents.astype(np.float64), difficulties.astype(np.float64))
        for intents, difficulties, _ in (readings(fitted, validation), readings(fitted, test))
    )
    thresholds = tiers.best_thresholds(
        validation_answers, tiers.labelled_tiers(validation), 0.0, too_low_cost=2.0, is_intent_floor=False
    )
    row = {}
    for name, prompts, answers in (("validation", validation, validation_answers), ("test", test, test_answers)):
        row |= {f"{name} {key}": round(value, 3) for key, value in _figures(prompts, answers, thresholds).items()}
    return row


def _figures(prompts: Sequence[Prompt], answers: Answers, thresholds: tiers.Thresholds) -> dict[str, float]:
    gold = np.array([p.intent for p in prompts])
    is_foreign = np.array([p.language != "en" for p in prompts])
    is_right = answers.intents == gold
    tier_gold = tiers.labelled_tiers(list(prompts))
    tier = tiers.figures(tier_gold, thresholds.tiers(answers.difficulties))
    return {
        "macro-F1": metrics.macro_f1(gold, answers.intents),
        "accuracy": float(is_right.mean()),
        "not English": float(is_right[is_foreign].mean()),
        "ECE": metrics.calibration_error(answers.confidences, is_right),
        "tier": tier.accuracy,
        "too low": tier.too_low,
        "AUC": metrics.auc(answers.difficulties, tier_gold > 0),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(VARIANTS)}; all by default")
    parser.add_argument("--data", type=Path, help="folder with intent/ and difficulty/")
    parser.add_argument("--epochs", type=float, default=1.3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/experiments"))
    parser.add_argument("--results", type=Path, default=Path("build/experiments.jsonl"))
    return parser


if __name__ == "__main__":
    main()
