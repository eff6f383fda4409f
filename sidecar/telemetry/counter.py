"""Counters that cost little to add to: OpenTelemetry asks for the sums when it needs them."""

from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation


class Counter:
    """Like OpenTelemetry's own, which takes ten times as long for an addition, and every request makes several."""

    def __init__(self, meter: Meter, name: str, *, unit: str = "", description: str) -> None:
        self._sums: dict[tuple[tuple[str, str], ...], float] = {}
        meter.create_observable_counter(name, [self._observe], unit=unit, description=description)

    def add(self, amount: float, labels: dict[str, str] | None = None) -> None:
        """`labels`: always in the same order."""
        key = tuple((labels or {}).items())
        self._sums[key] = self._sums.get(key, 0) + amount

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        # A copy: readers have threads of their own.
        return [Observation(total, dict(key)) for key, total in [*self._sums.items()]]
