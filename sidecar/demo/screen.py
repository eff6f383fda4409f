"""What the demo prints: progress, and after that one line per event."""

import os
import sys
from typing import TextIO

_BOLD, _DIM, _GREEN, _RED, _YELLOW, _PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[33m", "\033[0m"


class Screen:
    """Writes lines, each at once; colour only on a terminal, and not with NO_COLOR set."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._has_colour = self._out.isatty() and not os.environ.get("NO_COLOR")

    def step(self, name: str, text: str) -> None:
        """Something is up."""
        self._line(f"  {self._in(_GREEN, name.ljust(9))} {text}")

    def event(self, text: str) -> None:
        """Something happened while it runs."""
        self._line(self._in(_YELLOW, text))

    def trouble(self, text: str) -> None:
        """It cannot go on."""
        self._line(self._in(_RED, text))

    def title(self, text: str) -> None:
        """The first line, and the last."""
        self._line(self._in(_BOLD, text))

    def advice(self, comment: str, command: str) -> None:
        """A command to copy, and what it shows."""
        self._line(f"{self._in(_DIM, f'# {comment}')}\n{command}\n")

    def plain(self, text: str = "") -> None:
        """Anything else."""
        self._line(text)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._has_colour else text

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
