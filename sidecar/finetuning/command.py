"""What `sidecar train` shows."""

import argparse
import os
import sys
import time

from sidecar.finetuning.comparison import Comparison, Figures
from sidecar.finetuning.train import Trained, TrainOptions, describe, train
from sidecar.offline.loading import load_setup
from sidecar.policytools.printing import write_json, write_text
from sidecar.processors import available_processors

_SECONDS_BETWEEN_LINES = 30.0

_ROWS = (
    ("macro-F1", "macro_f1"),
    ("accuracy", "accuracy"),
    ("calibration error", "calibration_error"),
    ("right tier", "right_tier"),
    ("tier too low", "too_low"),
)


def run_train(options: argparse.Namespace) -> None:
    """Raises InputError."""
    setup = load_setup(options.policy, options.model)
    progress = _Progress()
    told = TrainOptions(
        data=options.data,
        out=options.out,
        start=setup.folder,
        epochs=options.epochs,
        seed=options.seed,
        threads=options.threads or available_processors(),
    )
    trained = train(told, setup.tier_rule, progress)
    progress.close()
    if options.json:
        write_json({"model": str(options.out.resolve()), **describe(trained, told)})
    else:
        write_text(render(trained, options))


def render(trained: Trained, options: argparse.Namespace) -> str:
    """The result, for reading."""
    parts = trained.parts
    lines = [
        f"{options.out}: version {trained.version}",
        f"{len(parts.train)} prompts to learn from, {len(parts.validation)} to stop by, {len(parts.test)} to judge by"
        + (f"; {trained.labelled.repeated} repeated left out" if trained.labelled.repeated else ""),
        "",
        f"{'':20}{'new':>8}{'in use':>8}",
        *_rows(trained.comparison.new, trained.comparison.in_use),
        "",
        _verdict(trained.comparison),
        f"To use it, write into the policy:  classifier: {{model: {options.out.resolve()}}}",
    ]
    return "\n".join(lines) + "\n"


def _rows(new: Figures, in_use: Figures) -> list[str]:
    return [
        f"{title:20}{_figure(getattr(new, name))}{_figure(getattr(in_use, name))}"
        for title, name in _ROWS
        if getattr(new, name) is not None
    ]


def _figure(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:8.3f}"


def _verdict(comparison: Comparison) -> str:
    if not comparison.measure:
        return "The model in use has other intents, so the two cannot be compared."
    low, high = comparison.interval
    change = f"{comparison.measure} {comparison.difference:+.3f}, 95 % between {low:+.3f} and {high:+.3f}"
    return {
        "better": f"The new model is better: {change}.",
        "worse": f"The new model is WORSE than the one in use: {change}.",
        "no clear difference": f"No clear difference from the model in use: {change}.",
    }[comparison.verdict]


class _Progress:
    """One line that changes on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = os.isatty(sys.stderr.fileno())
        self._shown = 0.0

    def __call__(self, done: int, steps: int, loss: float, seconds_left: float) -> None:
        line = f"step {done} of {steps}, loss {loss:.3f}, {seconds_left / 60:.1f} min left at most"
        if self._is_terminal:
            sys.stderr.write(f"\r{line:<60}")
        elif done == steps or time.monotonic() - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """A run may end before its last step, so only its end tells that the line is done."""
        if self._is_terminal:
            sys.stderr.write("\n")
