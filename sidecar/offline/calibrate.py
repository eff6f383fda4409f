"""`sidecar calibrate`: the difficulty threshold that a log of prompts asks for."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sidecar.offline.loading import Setup
from sidecar.offline.quality import Curve, Floats, Ranking, draw_curve, interval, resamples
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule
from sidecar.streams.lines import InputError, Line
from sidecar.streams.ordered import in_order

# With fewer, a share of a half is known to no better than 10 points either way (1.96 standard errors).
FEWEST_LINES = 100

# Sums of the same grades in another order differ by less.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Target:
    """What the threshold shall bring about: a share of strong calls, or a quality."""

    tier: Tier
    """Whose threshold it is; requests of this tier or a higher one are the strong calls."""
    strong_share: float = 0.0
    quality: float | None = None
    """Mean grade of the answers; where it is given, it decides."""


Entry = tuple[float, float, float]
"""One prompt of a log, as the columns of Log."""


@dataclass(frozen=True, slots=True)
class Log:
    """What is known of n prompts."""

    difficulties: Floats
    """Shape (n); infinite where intent or doubt give the tier whatever the difficulty is."""
    weak: Floats
    strong: Floats
    """Grades of both models' answers, shape (n) each; nan where there are none."""

    @property
    def graded(self) -> int:
        """How many prompts have grades."""
        return int((~np.isnan(self.weak)).sum())


@dataclass(frozen=True, slots=True)
class Spread:
    """Where 95 % of the bootstrap resamples of the log lie."""

    thresholds: tuple[float, float]
    """Chosen anew on each."""
    strong_shares: tuple[float, float]
    qualities: tuple[float, float]
    """With the threshold as it is."""
    reached: float
    """Share of them on which the target can be reached."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what it does to the log."""

    target: Target
    log: Log
    before: DifficultyThresholds
    after: DifficultyThresholds
    curve: Curve
    """All that thresholds can do; qualities are nan unless all prompts have grades."""
    chosen: int
    """The point of the curve."""
    spread: Spread


def read_entries(lines: Iterable[Line], setup: Setup, target: Target, threads: int) -> Iterator[Entry]:
    """An entry for each line, in their order. Raises InputError and ClassifierFailedError."""
    if not setup.classifier.has_difficulty:
        raise InputError("the model tells no difficulty, so there is no threshold to find")
    without = _without_difficulty(setup.tier_rule, target.tier)

    def read(line: Line) -> Entry:
        grades = line.find_grades() if target.quality is None else line.grades()
        classification = setup.classifier.classify(line.string("text"))
        is_lifted = without.tier_of(classification) >= target.tier
        difficulty = math.inf if is_lifted or classification.difficulty is None else classification.difficulty
        return (difficulty, *(grades or (math.nan, math.nan)))

    return in_order(lines, read, threads)


def calibrate(entries: Iterable[Entry], before: DifficultyThresholds, target: Target) -> Calibration:
    """Raises InputError if there are too few entries, or the target cannot be reached."""
    rows = list(entries)
    if len(rows) < FEWEST_LINES:
        raise InputError(f"{len(rows)} prompts are too few to calibrate on: expected {FEWEST_LINES} or more")
    log = Log(*np.array(rows).T)
    cuts = Cuts(log)
    curve = cuts.curve()
    chosen = cuts.choose(curve, target)
    if chosen is None:
        raise InputError(_why_not(cuts, curve, target))
    return Calibration(
        target=target,
        log=log,
        before=before,
        after=move_threshold(before, target.tier, cuts.threshold(chosen)),
        curve=curve,
        chosen=chosen,
        spread=_spread(cuts, target, chosen, len(log.difficulties)),
    )


def move_threshold(thresholds: DifficultyThresholds, tier: Tier, threshold: float) -> DifficultyThresholds:
    """With that threshold for the tier; one that stands in its way moves along, for they must rise with the tier."""
    moved = {
        label: min(value, threshold) if Tier[label.upper()] < tier else max(value, threshold)
        for label, value in asdict(thresholds).items()
    }
    return DifficultyThresholds(**moved | {tier.label: threshold})


def shortest_between(low: float, high: float) -> float:
    """The number with the fewest decimals that is above `low` and not above `high`, for people to read."""
    for decimals in range(16):
        number = math.floor(high * 10.0**decimals) / 10.0**decimals
        if low < number <= high:
            return number
    return high


class Cuts:
    """All thresholds that split the log differently: cut k sends up what has the k highest difficulties."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._ranking = Ranking(log.difficulties)
        # A cut's threshold is above the highest difficulty that stays, and at most the lowest that goes up. A policy
        # can say 0 to 1, so what goes up whatever the difficulty is goes up with the first cut that is possible.
        self._above = np.append(self._ranking.scores, -1.0)
        self.highest: Floats = np.minimum(1.0, np.append(1.0, self._ranking.scores))
        self._is_possible: NDArray[np.bool_] = self._above < self.highest

    def curve(self, weights: Floats | None = None) -> Curve:
        """Point k is what cut k does."""
        return draw_curve(self._ranking, self._log.weak, self._log.strong, weights)

    def threshold(self, cut: int) -> float:
        """A difficulty that makes this cut."""
        return shortest_between(float(self._above[cut]), float(self.highest[cut]))

    def choose(self, curve: Curve, target: Target) -> int | None:
        """The cut whose share is closest; or the first that has the quality, if any has."""
        if target.quality is None:
            distances = np.where(self._is_possible, np.abs(curve.shares - target.strong_share), np.inf)
            return int(distances.argmin())
        reached = np.flatnonzero(self._is_possible & (curve.qualities >= target.quality - _ROUNDING))
        return int(reached[0]) if reached.size else None

    def best(self, curve: Curve) -> int:
        """The cut with the highest quality."""
        return int(np.where(self._is_possible, curve.qualities, -1.0).argmax())


def _without_difficulty(rule: TierRule, tier: Tier) -> TierRule:
    """The same rule, but no difficulty is enough for this tier or a higher one."""
    out_of_reach = {each.label: math.inf for each in Tier if each >= tier}
    return replace(rule, difficulty=replace(rule.difficulty, **out_of_reach))


def _spread(cuts: Cuts, target: Target, chosen: int, prompts: int) -> Spread:
    thresholds, shares, qualities = [], [], []
    for weights in resamples(prompts):
        curve = cuts.curve(weights)
        again = cuts.choose(curve, target)
        thresholds.append(math.nan if again is None else float(cuts.highest[again]))
        shares.append(float(curve.shares[chosen]))
        qualities.append(float(curve.qualities[chosen]))
    return Spread(
        thresholds=interval(thresholds),
        strong_shares=interval(shares),
        qualities=interval(qualities),
        reached=1 - float(np.isnan(thresholds).mean()),
    )


def _why_not(cuts: Cuts, curve: Curve, target: Target) -> str:
    best = cuts.best(curve)
    return (
        f"a quality of {target.quality:g} cannot be reached on this log: always weak has {curve.weak:.3f}, always "
        f"strong {curve.strong:.3f}, and the best threshold, {cuts.threshold(best):g} with "
        f"{curve.shares[best]:.1%} strong calls, {curve.qualities[best]:.3f}"
    )
