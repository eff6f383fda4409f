"""Which difficulty threshold sends which share of the requests to strong models, and what feedback says of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.reporting.page import Column, Kind, Section, Table, write_value
from sidecar.reporting.store import Row, Store

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)

# With fewer, a share of a half is known to no better than 10 points either way (1.96 standard errors).
_FEWEST = 100

# As many answers tell a mean score to about a tenth.
_FEWEST_SCORES = 30

_BANDS = 10

_STANDARD_ERRORS = 1.96

# How much better an answer has to be thought of to be worth a strong model.
_WORTH = 0.05

_STRONG = "tier IN ('complex', 'reasoning')"

# A threshold decides where the difficulty did; the others go where they go, whatever it is.
_DECIDED = (
    "reason IN ('difficulty', 'intent', 'example', 'low_confidence', 'conversation') AND difficulty IS NOT NULL"
)


def thresholds(store: Store) -> Section | None:
    """None where there are too few classified requests to say anything."""
    total, free, fixed, now = store.one(f"""
        SELECT count(*), count(*) FILTER (reason = 'difficulty'),
            count(*) FILTER (reason != 'difficulty' AND {_STRONG}), count(*) FILTER ({_STRONG})
        FROM requests WHERE {_DECIDED}
    """)  # noqa: S608
    if total < _FEWEST or not free:
        return None
    rows = [row for share in (*_SHARES, now / total) if (row := _row(store, share, total, free, fixed)) is not None]
    columns = (
        Column("share", "strong calls", Kind.SHARE),
        Column("threshold", "difficulty: {complex: …}"),
        Column("reached", "on this log", Kind.SHARE, has_bar=True),
    )
    table = Table("shares", columns, tuple(sorted(set(rows))))
    bands = _weak_scores(store)
    return Section(
        "thresholds",
        "Thresholds",
        f"Strong calls are those of the tiers complex and reasoning: {write_value(now / total, Kind.SHARE)} of the "
        f"{total:,} requests that were classified. These thresholds make it another share, or keep it where the "
        "classifier or the traffic changes; sidecar calibrate says how sure that is.",
        (table, *_show_scores(bands)),
        tuple(_suggest(store, bands)),
    )


def _row(store: Store, share: float, total: int, free: int, fixed: int) -> Row | None:
    """The share wanted, the threshold, the share had; None if no threshold comes near."""
    wanted = (share * total - fixed) / free
    if not 0 <= wanted <= 1:
        return None
    (exact,) = store.one(
        "SELECT quantile_cont(difficulty, ?) FROM requests WHERE reason = 'difficulty' AND difficulty IS NOT NULL",
        1 - wanted,
    )
    threshold = round(exact, 3)
    (above,) = store.one("SELECT count(*) FROM requests WHERE reason = 'difficulty' AND difficulty >= ?", threshold)
    return round(share, 4), f"{threshold:g}", round((fixed + above) / total, 4)


@dataclass(frozen=True, slots=True)
class _Scores:
    """Of some answers."""

    count: int
    total: float
    squares: float

    def __add__(self, other: "_Scores") -> "_Scores":
        return _Scores(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def standard_error(self) -> float:
        return math.sqrt(max(0.0, self.squares / self.count - self.mean**2) / self.count)


_NO_SCORES = _Scores(0, 0.0, 0.0)
_SUMS = "count(*), coalesce(sum(score), 0), coalesce(sum(score * score), 0)"


def _weak_scores(store: Store) -> list[tuple[float, _Scores]]:
    """By the difficulty from which a band begins, rising."""
    rows = store.ask(f"""
        SELECT floor(difficulty * {_BANDS}) / {_BANDS} AS band, {_SUMS} FROM requests
        WHERE reason = 'difficulty' AND NOT {_STRONG} AND difficulty IS NOT NULL AND score IS NOT NULL
        GROUP BY band ORDER BY band
    """)  # noqa: S608
    return [(band, _Scores(*sums)) for band, *sums in rows]


def _show_scores(bands: list[tuple[float, _Scores]]) -> tuple[Table, ...]:
    if sum(scores.count for _, scores in bands) < _FEWEST_SCORES:
        return ()
    columns = (
        Column("difficulty", "difficulty from"),
        Column("answers", "answers", Kind.COUNT),
        Column("score", "mean score", Kind.NUMBER, has_bar=True),
    )
    rows = tuple((f"{band:g}", scores.count, scores.mean) for band, scores in bands)
    return (Table("scores", columns, rows, "What is thought of weak models' answers"),)


def _suggest(store: Store, bands: list[tuple[float, _Scores]]) -> Iterator[str]:
    """Where strong models would gain most, if that is clear."""
    (sums,) = store.ask(f"SELECT {_SUMS} FROM requests WHERE {_STRONG} AND score IS NOT NULL")  # noqa: S608
    strong = _Scores(*sums)
    if strong.count < _FEWEST_SCORES:
        return
    best, best_gain, chosen, above = 0.0, 0.0, _NO_SCORES, _NO_SCORES
    for band, scores in reversed(bands):
        above += scores
        gain = above.count * (strong.mean - _WORTH) - above.total
        if gain > best_gain:
            best, best_gain, chosen = band, gain, above
    if chosen.count < _FEWEST_SCORES:
        return
    if strong.mean - chosen.mean > _STANDARD_ERRORS * math.hypot(strong.standard_error, chosen.standard_error):
        yield (
            f"From a difficulty of {best:g} on, {chosen.count:,} scored answers of weak models have a mean of "
            f"{chosen.mean:.2f}, those of strong models {strong.mean:.2f}: difficulty: {{complex: {best:g}}} sends "
            "such requests to strong models. Not everybody gives feedback, and strong models got other prompts."
        )
