"""How models do, as seen from what became of the requests to them."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from sidecar.routing.outcome import Result
from sidecar.routing.request_record import AttemptRecord, RequestRecord

# Names come from Envoy's configuration, which may outlive many policies.
_MODELS_KEPT = 4_000

# What counts as lately.
_ATTEMPTS_KEPT = 50
_TIMES_KEPT = 128

_HEALTHY, _DEGRADED = 0.95, 0.5

_LONGEST_ERROR = 120

# Refusals that are not about the one request: a bad key, an id that the provider does not know, a limit.
_REFUSED = frozenset((401, 403, 404, 408, 429))

Health = Literal["healthy", "degraded", "failing"]


class ModelHealth(msgspec.Struct, frozen=True):
    """Of one model."""

    model: str
    health: Health
    """By the last attempts."""
    attempts: int
    failed: int
    failovers: int
    """How often another model was asked after this one."""
    success: float
    """Share of the last attempts."""
    p50: float | None
    """Seconds to the first byte, of the last requests that it answered at the first attempt."""
    p95: float | None
    last_error: str | None
    last_error_time: str | None


@dataclass(slots=True)
class _Counts:
    changed: int = 0
    attempts: int = 0
    failed: int = 0
    failovers: int = 0
    lately: deque[bool] = field(default_factory=lambda: deque(maxlen=_ATTEMPTS_KEPT))
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_TIMES_KEPT))
    last_error: str | None = None
    last_error_time: str | None = None

    def describe(self, model: str) -> ModelHealth:
        success = sum(self.lately) / len(self.lately) if self.lately else 1.0
        times = sorted(self.times)
        return ModelHealth(
            model=model,
            health="healthy" if success >= _HEALTHY else "degraded" if success >= _DEGRADED else "failing",
            attempts=self.attempts,
            failed=self.failed,
            failovers=self.failovers,
            success=round(success, 4),
            p50=_quantile(times, 0.5),
            p95=_quantile(times, 0.95),
            last_error=self.last_error,
            last_error_time=self.last_error_time,
        )


class ModelsHealth:
    """Of all models that were asked."""

    def __init__(self) -> None:
        self._counts: dict[str, _Counts] = {}

    def add(self, record: RequestRecord, number: int) -> None:
        """`number` counts records."""
        if not record.attempts:
            self._add_unseen(record, number)
        for place, attempt in enumerate(record.attempts):
            following = record.attempts[place + 1 :]
            error = _error_of(attempt, is_last=not following, result=record.result)
            counts = self._add(attempt.model, record.time, error, number)
            counts.failovers += any(later.model != attempt.model for later in following)
        is_first_answer = record.attempt_count == 1 and record.result is Result.SUCCESS
        if is_first_answer and record.model is not None and record.first_byte_seconds is not None:
            self._find(record.model).times.append(record.first_byte_seconds)

    def since(self, number: int) -> list[ModelHealth]:
        """Of those that changed after that record, in no order."""
        return [counts.describe(model) for model, counts in self._counts.items() if counts.changed > number]

    def _add_unseen(self, record: RequestRecord, number: int) -> None:
        """Of a request of whose attempts Envoy told nothing but who answered."""
        if record.model is not None and record.attempt_count:
            is_failure = record.result is Result.FAILED
            self._add(record.model, record.time, _describe(record.status, None) if is_failure else None, number)

    def _add(self, model: str | None, time: str, error: str | None, number: int) -> _Counts:
        counts = self._find(model or "")
        counts.changed = number
        counts.attempts += 1
        counts.failed += error is not None
        counts.lately.append(error is None)
        if error is not None:
            counts.last_error, counts.last_error_time = error, time
        return counts

    def _find(self, model: str) -> _Counts:
        counts = self._counts.get(model)
        if counts is None:
            if len(self._counts) >= _MODELS_KEPT:
                del self._counts[min(self._counts, key=lambda name: self._counts[name].changed)]
            counts = self._counts[model] = _Counts()
        return counts


def _error_of(attempt: AttemptRecord, *, is_last: bool, result: Result) -> str | None:
    """None for an attempt that is not held against the model."""
    if is_last and result is Result.CANCELLED:
        return None  # the client hung up, which Envoy's log of the attempt calls a reset
    is_broken = attempt.error is not None or attempt.status == 0
    if is_broken or attempt.status >= 500 or attempt.status in _REFUSED:
        return _describe(attempt.status, attempt.error)
    return None


def _describe(status: int, error: str | None) -> str:
    words = [str(status) if status else "no answer", error or ""]
    return " ".join(filter(None, words))[:_LONGEST_ERROR]


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
