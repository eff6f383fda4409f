"""What a terminal shows while a stream is worked through."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")

_SECONDS_BETWEEN = 0.2

# Wide enough to cover what was written before, which may be longer.
_WIDTH = 48


def with_progress(
    items: Iterable[T],
    terminal: TextIO | None,
    *,
    unit: str = "prompts",
    size: Callable[[T], int] = lambda _: 1,
    share: Callable[[], float | None] = lambda: None,
) -> Iterator[T]:
    """The same items; how far it is, and how fast, is rewritten in place on the terminal, if any.

    `size` is how many units an item is; `share` is how much of all is done, 0 to 1, where that is known.
    """
    if terminal is None:
        yield from items
        return
    count = 0
    started = shown = time.monotonic()
    try:
        for item in items:
            yield item
            count += size(item)
            if time.monotonic() - shown >= _SECONDS_BETWEEN:
                shown = time.monotonic()
                _show(terminal, unit, count, shown - started, share())
    finally:
        _show(terminal, unit, count, time.monotonic() - started, None, end="\n")


def _show(terminal: TextIO, unit: str, count: int, seconds: float, share: float | None, end: str = "") -> None:
    line = f"{count:,} {unit}, {count / max(seconds, 1e-9):,.0f} per second"
    line += "" if share is None else f", {share:.0%}"
    terminal.write(f"\r{line:<{_WIDTH}}{end}")
    terminal.flush()
