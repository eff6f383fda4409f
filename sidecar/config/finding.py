"""Findings: what is told of a file that a person wrote, where in it, why it matters and how to mend it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The file cannot be used."""
    WARNING = "warning"
    """It can, but hardly as it was meant."""
    NOTE = "note"
    """Nothing is wrong: something could not be checked, or has to be done later."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them. `line` and `column` count from 1; both are 0 for the file as a whole."""

    id: str
    """Of the rule that it breaks, in kebab-case."""
    severity: Severity
    file: Path
    line: int
    column: int
    message: str
    """The place as dotted keys, what stands there and what was expected."""
    reason: str
    """Why there is such a rule."""
    fix: str
    """How to mend it."""

    def __str__(self) -> str:
        """`file:line:column: message`, as compilers write it and editors understand it."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)
        return f"{place}: {self.message}"

    def explained(self) -> str:
        """The same with severity and id, and below it, indented, the reason and the fix."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)
        lines = [f"{place}: {self.severity}: {self.message} [{self.id}]", f"    why: {self.reason}"]
        return "\n".join([*lines, f"    fix: {self.fix}"] if self.fix else lines)
