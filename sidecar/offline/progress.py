"""What a terminal shows while prompts are worked through."""

import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")

_SECONDS_BETWEEN = 0.2

# Wide enough to cover what was written before, which may be longer.
_WIDTH = 48


def with_progress(items: Iterable[T], terminal: TextIO | None) -> Iterator[T]:
    """The same items; how many there were, and how many a second, is rewritten in place on the terminal, if any."""
    if terminal is None:
        yield from items
        return
    count = 0
    started = shown = time.monotonic()
    try:
        for item in items:
            yield item
            count += 1
            if time.monotonic() - shown >= _SECONDS_BETWEEN:
                shown = time.monotonic()
                _show(terminal, count, shown - started)
    finally:
        _show(terminal, count, time.monotonic() - started, end="\n")


def _show(terminal: TextIO, count: int, seconds: float, end: str = "") -> None:
    line = f"{count:,} prompts, {count / max(seconds, 1e-9):,.0f} per second"
    terminal.write(f"\r{line:<{_WIDTH}}{end}")
    terminal.flush()
