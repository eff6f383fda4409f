"""Which fault a request meets: a table of switched faults, by model or by provider."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

ACTIONS = ("reset", "hang", "truncate", "slow", "slow_sse", "refused")
DEFAULT_DELAY_MS = 500


class UnknownFaultError(ValueError):
    """The fault, provider or model that was asked for does not exist, or they do not go together."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: an HTTP status as text, or one of `ACTIONS`. `count` None: until it is cleared.

    `retry_after_seconds` goes with a status (429 has one anyway, as the real APIs do); `delay_ms` with the
    slow faults.
    """

    kind: str
    count: int | None = None
    delay_ms: int = DEFAULT_DELAY_MS
    retry_after_seconds: int | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status, if the fault is one."""
        return int(self.kind) if self.kind.isdecimal() else None

    def __post_init__(self) -> None:
        if self.kind.isdecimal():
            if not 400 <= int(self.kind) <= 599:
                raise UnknownFaultError(f"{self.kind} is not an error status (400 to 599)")
        elif self.kind not in ACTIONS:
            raise UnknownFaultError(f"unknown fault {self.kind!r}: an error status, or {', '.join(ACTIONS)}")
        if self.count is not None and self.count < 1:
            raise UnknownFaultError("count must be at least 1")
        if self.count is not None and self.kind == "refused":
            raise UnknownFaultError("a refused connection never arrives, so it cannot be counted")


class FaultTable:
    """The faults that are on. Keys are ("model" or "provider", name)."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str], Fault] = {}

    def set(self, scope: tuple[str, str], fault: Fault) -> None:
        """Switch a fault on, in place of the one that was there."""
        self._faults[scope] = fault

    def clear(self, scope: tuple[str, str] | None = None) -> None:
        """Switch one fault off, or all."""
        if scope is None:
            self._faults.clear()
        else:
            self._faults.pop(scope, None)

    def meet(self, provider: str, model: str | None) -> Fault | None:
        """The fault this request meets; a counted fault is used up by one."""
        if not self._faults:
            return None
        for scope in (("model", model or ""), ("provider", provider)):
            fault = self._faults.get(scope)
            if fault is not None:
                self._use(scope, fault)
                return fault
        return None

    def _use(self, scope: tuple[str, str], fault: Fault) -> None:
        if fault.count is None:
            return
        if fault.count > 1:
            self._faults[scope] = replace(fault, count=fault.count - 1)
        else:
            del self._faults[scope]

    def rows(self) -> Iterator[Mapping[str, object]]:
        """The faults that are on, for people to read."""
        for (kind, name), fault in self._faults.items():
            values = asdict(fault)
            yield {kind: name, "fault": values.pop("kind"), **values}
