"""Text for people: aligned columns that fit the terminal, and colour where there is one."""

import os
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _PLAIN = "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[0m"

# Of what is written to a file or a pipe; readers of those fold lines themselves.
_ENDLESS = 10_000

_GAP = "  "

# Narrower than this, a column of text says nothing any more: let the terminal fold it.
_NARROWEST = 20


@dataclass(frozen=True, slots=True)
class Paint:
    """Marks text, or leaves it as it is."""

    has_colour: bool = False

    def bold(self, text: str) -> str:
        """What to look at first."""
        return self._in(_BOLD, text)

    def dim(self, text: str) -> str:
        """What to look at last."""
        return self._in(_DIM, text)

    def good(self, text: str) -> str:
        """In order."""
        return self._in(_GREEN, text)

    def bad(self, text: str) -> str:
        """Not in order."""
        return self._in(_RED, text)

    def notable(self, text: str) -> str:
        """Neither."""
        return self._in(_YELLOW, text)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self.has_colour and text else text


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text goes: how wide it may be, and in which colours."""

    width: int = _ENDLESS
    paint: Paint = Paint()


def screen_of(out: TextIO) -> Screen:
    """Colour only on a terminal that has some, and not with NO_COLOR set (no-color.org)."""
    if not out.isatty():
        return Screen()
    has_colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Screen(shutil.get_terminal_size().columns, Paint(has_colour))


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text, and how to mark it once it is in its place."""

    text: str
    mark: str = ""
    """A method of Paint; empty: none."""


def table(
    rows: Iterable[Sequence[Cell | str]], screen: Screen, *, right: Iterable[int] = (), indent: str = ""
) -> str:
    """Columns as wide as what stands in them; the last is cut where the screen ends. `right` are numbers' columns."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    columns = max((len(row) for row in cells), default=0)
    widths = [max(display_width(row[at].text) for row in cells if at < len(row)) for at in range(columns)]
    to_right = frozenset(right)
    room = screen.width - len(indent) - sum(width + len(_GAP) for width in widths[:-1])
    lines = []
    for row in cells:
        shown = []
        for at, cell in enumerate(row):
            is_last = at == columns - 1
            text = _cut(cell.text, max(room, _NARROWEST)) if is_last else cell.text
            space = " " * (0 if is_last and at not in to_right else widths[at] - display_width(text))
            painted = getattr(screen.paint, cell.mark)(text) if cell.mark else text
            shown.append(f"{space}{painted}" if at in to_right else f"{painted}{space}")
        lines.append(f"{indent}{_GAP.join(shown)}".rstrip())
    return "\n".join(lines)


def display_width(text: str) -> int:
    """How many cells of a terminal it takes."""
    return sum(_cells(character) for character in text)


def counted(count: int, noun: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def one_line(text: str) -> str:
    """Without line breaks and escape sequences: what a client sent must not write to the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    kept, used = "", 1
    for character in text:
        used += _cells(character)
        if used > width:
            break
        kept += character
    return f"{kept}…"
