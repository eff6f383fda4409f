"""The plots of the model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sidecar.offline.answers import Answers
from training import tiers
from training.data import Prompt
from training.labels import INTENTS
from training.tiers import DEFAULT_THRESHOLDS

# USD per million output tokens of the four models of examples/router.yaml, cheapest tier first.
_TIER_PRICES = np.array([0.40, 0.60, 10.0, 4.40])


def write(folder: Path, prompts: Sequence[Prompt], answers: Answers) -> None:
    """confusion.png, reliability.png and cost-quality.png of these prompts."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _confusion(folder / "confusion.png", prompts, answers)
    _reliability(folder / "reliability.png", prompts, answers)
    _cost_quality(folder / "cost-quality.png", prompts, answers)


def _confusion(file: Path, prompts: Sequence[Prompt], answers: Answers) -> None:
    from matplotlib import pyplot

    counts = np.zeros((len(INTENTS), len(INTENTS)))
    np.add.at(counts, ([p.intent for p in prompts], answers.intents), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    figure, axes = pyplot.subplots(figsize=(8, 7))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            axes.text(
                column,
                row,
                f"{share:.0%}",
                ha="center",
                va="center",
                size=7,
                color="white" if share > 0.5 else "black",
            )
    axes.set_xticks(range(len(INTENTS)), INTENTS, rotation=60, ha="right", size=8)
    axes.set_yticks(range(len(INTENTS)), INTENTS, size=8)
    axes.set_xlabel("found")
    axes.set_ylabel("labelled")
    axes.set_title(f"Intents of {len(prompts)} prompts from left-out sets")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _reliability(file: Path, prompts: Sequence[Prompt], answers: Answers) -> None:
    from matplotlib import pyplot

    is_right = answers.intents == np.array([p.intent for p in prompts])
    places = np.minimum((answers.confidences * 10).astype(int), 9)
    bins = np.unique(places)
    figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(5, 6), height_ratios=(3, 1), sharex=True)
    top.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--", label="perfect")
    top.plot(
        [answers.confidences[places == b].mean() for b in bins],
        [is_right[places == b].mean() for b in bins],
        marker="o",
        label="model",
    )
    top.set_ylabel("share that is right")
    top.legend()
    top.set_title("Confidence in the intent, left-out sets")
    bottom.hist(answers.confidences, bins=np.linspace(0, 1, 11), color="tab:blue")
    bottom.set_xlabel("confidence")
    bottom.set_ylabel("prompts")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _cost_quality(file: Path, prompts: Sequence[Prompt], answers: Answers) -> None:
    """Share of prompts served at their labelled tier or above, against the price, for all ways to set thresholds."""
    from matplotlib import pyplot

    gold = tiers.labelled_tiers(list(prompts))
    order = np.argsort(answers.difficulties)
    lengths = np.argsort([len(p.text) for p in prompts])
    figure, axes = pyplot.subplots(figsize=(6, 4.5))
    dearest = _TIER_PRICES[2]
    for name, ranking in (("model", order), ("length only", lengths)):
        costs, qualities = [], []
        # Two models only, the cheapest and the flagship: the plain trade that a threshold makes.
        for strong in np.linspace(0, len(gold), 51).astype(int):
            served = np.zeros(len(gold), dtype=int)
            served[ranking[len(gold) - strong :]] = 2
            costs.append(_TIER_PRICES[served].mean() / dearest)
            qualities.append(np.mean((gold == 0) | (served == 2)))
        axes.plot(costs, qualities, label=f"{name}, one threshold, two models")
    axes.plot([_TIER_PRICES[0] / dearest, 1], [np.mean(gold == 0), 1], color="grey", linestyle="--", label="random")
    served = DEFAULT_THRESHOLDS.tiers(answers.difficulties)
    axes.scatter(
        [_TIER_PRICES[served].mean() / dearest],
        [np.mean(served >= gold)],
        color="tab:red",
        zorder=3,
        label="default policy, four tiers",
    )
    axes.set_xlabel("cost of output tokens, all to the flagship = 1")
    axes.set_ylabel("prompts served at their tier or above")
    axes.set_title("Cost and quality, left-out sets")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
