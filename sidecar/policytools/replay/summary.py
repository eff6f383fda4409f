"""What a replay came to, in numbers that can be added: over lines, chunks, processes and machines.

All sums are of whole numbers, so that it makes no difference in which order they are added.
"""

from collections.abc import Iterable, Mapping
from typing import Self, TypeVar

import msgspec

NO_RULE = "-"
"""The name of no rule, where rules are counted."""

PER_USD = 10**8
"""Costs are counted in hundred-millionths, to which records round them."""

_MOST_CHANGES = 20
_MOST_BROKEN = 10

Counts = dict[str, int]

T = TypeVar("T", bound=msgspec.Struct)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one request by one policy."""

    tier: str | None
    """None for a rejection."""
    plan: tuple[str, ...]
    reason: str
    rule: str | None
    status: int
    """Of a rejection, else 200."""
    cost: int
    """Of the first model."""
    latency_ms: int | None
    """Usual one of the first model; None if the policy does not say."""

    @property
    def model(self) -> str | None:
        """The first of the plan."""
        return self.plan[0] if self.plan else None

    def as_json(self) -> dict[str, object]:
        """With the cost in USD."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return {**plain, "model": self.model, "cost": self.cost / PER_USD}


class Change(msgspec.Struct, frozen=True):
    """A request that gets another plan, tier or status."""

    line: int
    decision_id: str | None
    """If the line says it."""
    old: Outcome
    new: Outcome

    def as_json(self) -> dict[str, object]:
        """On one line."""
        return {
            "line": self.line,
            "decision_id": self.decision_id,
            "old": self.old.as_json(),
            "new": self.new.as_json(),
        }


class Tally(msgspec.Struct):
    """How often everything came out by one policy."""

    lines: int = 0
    tiers: Counts = {}
    models: Counts = {}
    """First models; of rejections their status."""
    reasons: Counts = {}
    rules: Counts = {}
    cost: int = 0
    latency_ms: int = 0
    """The sum, of the requests whose latency is known."""
    latencies: int = 0
    """How many those are."""

    def count(self, outcome: Outcome) -> None:
        """One more."""
        self.lines += 1
        _increase(self.tiers, outcome.tier or f"rejected {outcome.status}")
        _increase(self.models, outcome.model or f"rejected {outcome.status}")
        _increase(self.reasons, outcome.reason)
        _increase(self.rules, outcome.rule or NO_RULE)
        self.cost += outcome.cost
        if outcome.latency_ms is not None:
            self.latency_ms += outcome.latency_ms
            self.latencies += 1

    @property
    def usd(self) -> float:
        """The cost."""
        return self.cost / PER_USD

    @property
    def mean_latency_ms(self) -> float | None:
        """None if nothing is known."""
        return self.latency_ms / self.latencies if self.latencies else None

    def __add__(self, other: "Tally") -> "Tally":
        return _sum_fields(self, other)


class Summary(msgspec.Struct):
    """What a number of lines came to."""

    lines: int = 0
    passed: int = 0
    """Lines of requests that the router did not decide."""
    broken: int = 0
    first_broken: tuple[tuple[int, str], ...] = ()
    """Line and fault of the first ones."""
    undecidable: int = 0
    """Lines that only say enough with the request's text."""
    needed: Counts = {}
    """What they would have to say; one line may lack several."""
    assumed: Counts = {}
    """What was taken for granted, and for how many lines."""
    old: Tally = msgspec.field(default_factory=Tally)
    new: Tally = msgspec.field(default_factory=Tally)
    """Of the same lines as `old`."""
    alone: Tally = msgspec.field(default_factory=Tally)
    """By the new policy, of lines without an old decision."""
    changed_models: Counts = {}
    """First models, as `old → new`."""
    changed_tiers: Counts = {}
    changed_plans: int = 0
    changed_rules: Counts = {}
    """Changed requests by the rule that matches them now."""
    changed_reasons: Counts = {}
    """The same by reason."""
    changed: int = 0
    changes: tuple[Change, ...] = ()
    """The first ones."""

    def count(self, old: Outcome | None, new: Outcome) -> bool:
        """Whether it is a change."""
        if old is None:
            self.alone.count(new)
            return False
        self.old.count(old)
        self.new.count(new)
        if old.plan == new.plan and old.tier == new.tier and old.status == new.status:
            return False
        self._count_change(old, new)
        return True

    def keep(self, change: Change) -> None:
        """If it is one of the first."""
        if len(self.changes) < _MOST_CHANGES:
            self.changes = (*self.changes, change)

    def fault(self, line: int, message: str) -> None:
        """A line that cannot be read."""
        self.broken += 1
        if len(self.first_broken) < _MOST_BROKEN:
            self.first_broken = (*self.first_broken, (line, message))

    def lack(self, what: Iterable[str]) -> None:
        """A line that cannot be decided for want of these."""
        self.undecidable += 1
        for each in what:
            _increase(self.needed, each)

    def assume(self, what: Iterable[str]) -> None:
        """Of one line."""
        for each in what:
            _increase(self.assumed, each)

    def _count_change(self, old: Outcome, new: Outcome) -> None:
        self.changed += 1
        self.changed_plans += old.plan != new.plan
        _increase(self.changed_rules, new.rule or NO_RULE)
        _increase(self.changed_reasons, new.reason)
        if old.tier != new.tier:
            _increase(self.changed_tiers, f"{old.tier or old.status} → {new.tier or new.status}")
        if old.model != new.model:
            _increase(self.changed_models, f"{old.model or old.status} → {new.model or new.status}")

    def __add__(self, other: "Summary") -> "Summary":
        total = _sum_fields(self, other)
        total.first_broken = total.first_broken[:_MOST_BROKEN]
        total.changes = total.changes[:_MOST_CHANGES]
        return total

    def encode(self) -> bytes:
        """For `decode`, here or elsewhere."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """What `encode` made."""
        return msgspec.json.decode(encoded, type=cls)


def _increase(counts: Counts, name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _merge(one: Mapping[str, int], other: Mapping[str, int]) -> Counts:
    merged = dict(one)
    for name, count in other.items():
        merged[name] = merged.get(name, 0) + count
    return merged


def _sum_fields(one: T, other: T) -> T:
    """Counts by name, everything else as it is added."""
    sums = []
    for name in one.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        sums.append(_merge(mine, theirs) if isinstance(mine, dict) else mine + theirs)
    return type(one)(*sums)
