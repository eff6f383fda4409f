"""The mathematics of routing between a weak and a strong model, by what their answers to the same prompts were worth.

A router ranks requests by how much they need the strong model, and a threshold sends those above it there. The terms
are RouteLLM's (Ong et al. 2024, arXiv 2406.18665): the performance gap recovered (PGR), its average (APGR), and the
call-performance threshold (CPT). Grades are from 0 to 1, shares of strong calls too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 500

# Sums of the same grades in another order differ by less than this; a real gap between two models never does.
_ROUNDING = 1e-9


class Ranking:
    """Requests from the highest score to the lowest. Equal scores stay together: no threshold comes between them."""

    def __init__(self, scores: Floats) -> None:
        """`scores` has shape (n), n >= 1; infinities are allowed, nan is not."""
        self._order = np.argsort(-scores, kind="stable")
        falling = scores[self._order]
        self._ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        self.scores: Floats = falling[self._ends]
        """Shape (m): the different scores, falling."""

    def cumulate(self, values: Floats) -> Floats:
        """Shape (m + 1): the sum of `values` (n) over no request, those with the highest score, … all of them."""
        return np.append(0.0, np.cumsum(values[self._order])[self._ends])


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean grade against share of strong calls; linear between its points.

    Linear is exact: it is what to expect when equal scores go to the strong model one by one, in random order.
    """

    shares: Floats
    """Shape (m + 1), rising from 0 to 1."""
    qualities: Floats
    """Shape (m + 1): the mean grade at each share, from always weak to always strong."""

    @property
    def weak(self) -> float:
        """Mean grade without a strong call."""
        return float(self.qualities[0])

    @property
    def strong(self) -> float:
        """Mean grade with strong calls only."""
        return float(self.qualities[-1])

    @property
    def has_gap(self) -> bool:
        """Whether the strong model is the better one here; if not, there is nothing to recover."""
        return self.strong - self.weak > _ROUNDING

    def quality_at(self, share: float) -> float:
        """Mean grade with that share of strong calls."""
        return float(np.interp(share, self.shares, self.qualities))

    def share_for(self, quality: float) -> float:
        """The smallest share of strong calls with that mean grade; nan where none has it."""
        reached = np.flatnonzero(self.qualities >= quality - _ROUNDING)
        if not reached.size:
            return float("nan")
        first = int(reached[0])
        if first == 0:
            return 0.0
        around = slice(first - 1, first + 1)
        return float(np.interp(quality, self.qualities[around], self.shares[around]))

    def recovered(self, quality: float) -> float:
        """PGR: the share of the gap between always weak (0) and always strong (1); nan without a gap."""
        return (quality - self.weak) / (self.strong - self.weak) if self.has_gap else float("nan")

    def apgr(self) -> float:
        """PGR averaged over the share of strong calls, exactly, where the paper takes ten shares; random has 0.5."""
        mean = float(np.diff(self.shares) @ (self.qualities[1:] + self.qualities[:-1]) / 2)
        return self.recovered(mean)

    def cpt(self, recovered: float) -> float:
        """CPT: the smallest share of strong calls that recovers that share of the gap; nan without a gap."""
        return self.share_for(self.weak + recovered * (self.strong - self.weak)) if self.has_gap else float("nan")


def draw_curve(ranking: Ranking, weak: Floats, strong: Floats, weights: Floats | None = None) -> Curve:
    """The curve of a ranking, from the grades (n) of both models; `weights` (n) count requests more or less often."""
    weights = np.ones(len(weak)) if weights is None else weights
    total = float(weights.sum())
    gains = ranking.cumulate(weights * (strong - weak))
    return Curve(ranking.cumulate(weights) / total, (float(weights @ weak) + gains) / total)


def random_ranking(count: int) -> Ranking:
    """Requests drawn by lot: all score the same, so its curve is what is to be expected, a straight line."""
    return Ranking(np.zeros(count))


def oracle_ranking(weak: Floats, strong: Floats) -> Ranking:
    """The best that any router can do, by the grades (n) of both models: the most to gain goes first."""
    return Ranking(strong - weak)


def resamples(count: int, seed: int = 0) -> Iterator[Floats]:
    """Weights (count) of RESAMPLES bootstrap resamples: how often each request was drawn."""
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        yield np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)


def interval(values: list[float]) -> tuple[float, float]:
    """Bounds that 95 % of the values fall into, nan left out; nan if nothing is left."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
