"""Measure how well the difficulty decides between a weak and a strong model, on prompts that both have answered.

    python -m training.evaluate_routing LABELLED.jsonl... [--model DIR] [--quality GRADE]

Each line is {"text", "weak", "strong"}: the last two are grades of the models' answers, 0 to 1 (or "weak_ok" and
"strong_ok"); "source" too, if there are several. Beside the classifier stand the number of characters, a draw by lot,
and an oracle that knows the grades. Needs no torch.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sidecar.inference.onnx_classifier import SHIPPED_MODEL, ModelFolderError, OnnxClassifier
from sidecar.offline.answers import answer
from sidecar.offline.quality import (
    Floats,
    Ranking,
    draw_curve,
    interval,
    oracle_ranking,
    random_ranking,
    resamples,
)
from sidecar.streams.lines import InputError, Line, read_lines

_SHARES = tuple(tenths / 10 for tenths in range(11))

# A source with fewer says nothing by itself: such sources are shown as one.
_FEWEST_ROWS = 20

# RouteLLM's headline figures ask for this much of the strong model's quality.
_SHARE_OF_STRONG = 0.95


@dataclass(frozen=True, slots=True)
class Labelled:
    """n prompts, and what both models' answers to them are worth."""

    texts: list[str]
    sources: list[str]
    """Empty for a prompt that names none."""
    weak: Floats
    strong: Floats


@dataclass(frozen=True, slots=True)
class Wanted:
    """The quality to reach, and what a call of each model costs, in any one currency."""

    quality: float | None
    """None: a share of the strong model's."""
    cost_weak: float
    cost_strong: float

    def saved(self, strong_share: float) -> float:
        """The share of what always strong costs that is not spent."""
        return (1 - strong_share) * (1 - self.cost_weak / self.cost_strong)

    def __str__(self) -> str:
        target = f"{_SHARE_OF_STRONG:.0%} of always strong's" if self.quality is None else f"{self.quality:g}"
        return f"for a quality of {target}, at {self.cost_weak:g} a weak call and {self.cost_strong:g} a strong one"


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    if not 0 <= arguments.cost_weak < arguments.cost_strong:
        parser.error("--cost-strong has to be above --cost-weak")
    try:
        labelled = load_labelled(arguments.files)
        classifier = OnnxClassifier.load(arguments.model)
    except (InputError, ModelFolderError, OSError) as error:
        parser.error(str(error))
    if not classifier.has_difficulty:
        parser.error(f"{arguments.model}: the model tells no difficulty")
    wanted = Wanted(arguments.quality, arguments.cost_weak, arguments.cost_strong)
    scores = {
        "ours": answer(classifier, labelled.texts).difficulties,
        "length only": np.array([len(text) for text in labelled.texts], dtype=np.float64),
    }
    print(f"model {classifier.version}")
    print("quality: mean grade at each share of strong calls; APGR with the 95 % of its bootstrap resamples")
    print(f"saved: cost against always strong {wanted}")
    for name, rows in groups(labelled.sources).items():
        print()
        weak, strong = labelled.weak[rows], labelled.strong[rows]
        rankings = {system: Ranking(score[rows]) for system, score in scores.items()}
        rankings |= {"random": random_ranking(len(weak)), "oracle": oracle_ranking(weak, strong)}
        print_group(name, rankings, weak, strong, wanted)


def load_labelled(files: list[Path]) -> Labelled:
    """All lines of all files. Raises InputError and OSError."""
    lines = [line for file in files for line in _read(file)]
    if not lines:
        raise InputError("there are no prompts to measure on")
    weak, strong = np.array([line.grades() for line in lines]).T
    return Labelled(
        texts=[line.string("text") for line in lines],
        sources=[line.string("source") if "source" in line.members else "" for line in lines],
        weak=weak,
        strong=strong,
    )


def groups(sources: list[str]) -> dict[str, NDArray[np.bool_]]:
    """Which prompts are in each group, by its name: all, each source, and what is left of small ones."""
    counts = Counter(sources)
    shown = {source: source if count >= _FEWEST_ROWS else "other sources" for source, count in counts.items()}
    names = np.array([shown[source] for source in sources])
    parts = {name: names == name for name in sorted({*names})}
    return {"all": np.ones(len(sources), dtype=bool)} | (parts if len(parts) > 1 else {})


def print_group(name: str, rankings: dict[str, Ranking], weak: Floats, strong: Floats, wanted: Wanted) -> None:
    """One table: a line for each way to choose who is sent to the strong model, by the grades (n) of both."""
    has_gap = draw_curve(rankings["random"], weak, strong).has_gap
    note = "" if has_gap else "; the strong model is no better, so there is no gap to recover"
    print(f"{name} ({len(weak):,} prompts, weak {weak.mean():.3f}, strong {strong.mean():.3f}{note})")
    heads = "".join(f"{f'{share:.0%}':>6}" for share in _SHARES)
    print(f"{'':12}{heads}{'APGR':>8}{'95 %':>17}{'CPT(50 %)':>11}{'CPT(80 %)':>11}{'saved':>8}")
    for system, ranking in rankings.items():
        print(f"{system:12}{_row(ranking, weak, strong, wanted)}")


def _row(ranking: Ranking, weak: Floats, strong: Floats, wanted: Wanted) -> str:
    curve = draw_curve(ranking, weak, strong)
    apgrs = [draw_curve(ranking, weak, strong, weights).apgr() for weights in resamples(len(weak))]
    spread = "{:.3f} to {:.3f}".format(*interval(apgrs)) if curve.has_gap else "-"
    quality = _SHARE_OF_STRONG * curve.strong if wanted.quality is None else wanted.quality
    return (
        "".join(f"{curve.quality_at(share):6.3f}" for share in _SHARES)
        + f"{_figure(curve.apgr(), '.3f'):>8}{spread:>17}"
        + f"{_figure(curve.cpt(0.5), '.1%'):>11}{_figure(curve.cpt(0.8), '.1%'):>11}"
        + f"{_figure(wanted.saved(curve.share_for(quality)), '.1%'):>8}"
    )


def _figure(value: float, style: str) -> str:
    return "-" if math.isnan(value) else format(value, style)


def _read(file: Path) -> Iterator[Line]:
    with file.open("rb") as source:
        yield from read_lines(source, str(file))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="LABELLED.jsonl")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, metavar="DIR", help="(default: the shipped one)")
    parser.add_argument(
        "--quality", type=float, metavar="GRADE", help="the mean grade to reach (default: 95 %% of always strong's)"
    )
    parser.add_argument("--cost-weak", type=float, default=0.0, metavar="X", help="of a call (default: 0)")
    parser.add_argument("--cost-strong", type=float, default=1.0, metavar="Y", help="of a call (default: 1)")
    return parser


if __name__ == "__main__":
    main()
