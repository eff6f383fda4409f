"""Sums of what happened, by the minute, of the last day."""

from datetime import datetime

import msgspec

from sidecar.routing.outcome import Result
from sidecar.routing.request_record import RequestRecord
from sidecar.routing.tier import Tier

_MINUTES_KEPT = 24 * 60
_SECONDS = 60
_PLACES = {tier.label: int(tier) for tier in Tier}


class Minute(msgspec.Struct, array_like=True):
    """All requests that began in it."""

    minute: int
    """Since 1970."""
    changed: int
    """Number of the last record that counted here."""
    requests: int
    tiers: list[int]
    """In their order, and last those without one."""
    cost: float
    baseline_cost: float
    saving: float
    failed: int
    failed_over: int


class Minutes:
    """At most a day of them; what is older is forgotten."""

    def __init__(self) -> None:
        self._minutes: dict[int, Minute] = {}

    def add(self, record: RequestRecord, number: int) -> None:
        """`number` counts records."""
        minute = self._find(int(datetime.fromisoformat(record.time).timestamp()) // _SECONDS)
        minute.changed = number
        minute.requests += 1
        minute.tiers[_PLACES.get(record.tier or "", len(Tier))] += 1
        minute.cost += record.cost or 0.0
        minute.baseline_cost += record.baseline_cost or 0.0
        minute.saving += record.saving or 0.0
        minute.failed += record.result is Result.FAILED
        minute.failed_over += record.failed_over

    def since(self, number: int) -> list[Minute]:
        """Those that changed after that record, in no order."""
        return [minute for minute in self._minutes.values() if minute.changed > number]

    def _find(self, key: int) -> Minute:
        minute = self._minutes.get(key)
        if minute is None:
            minute = self._minutes[key] = Minute(key, 0, 0, [0] * (len(Tier) + 1), 0.0, 0.0, 0.0, 0, 0)
            if len(self._minutes) > _MINUTES_KEPT:
                del self._minutes[min(self._minutes)]
        return minute
