"""Numbers as they are written: digits in groups, with marks between, and what that makes of them."""

import re
from collections.abc import Callable
from typing import NamedTuple

from sidecar.routing.personal_data.names import Name

DIGITS = b"0123456789"
MARKS = b" -./()+"

_SPACED = bytes.maketrans(MARKS, b" " * len(MARKS))
_VALUES = bytes.maketrans(DIGITS, bytes(range(10)))
_GROUP = re.compile(rb"[0-9]+")


class DigitGroups(NamedTuple):
    """How a number is written, whatever its digits are."""

    shape: bytes
    """With a 0 where a group begins with one, and a 9 for any other digit."""
    sizes: tuple[int, ...]
    """How many digits each group has."""

    @property
    def lead(self) -> bytes:
        """What stands before the first group: `+`, `(`, both or nothing."""
        return self.shape[: len(self.shape) - len(self.shape.lstrip(MARKS))]

    @property
    def begins_with_zero(self) -> bool:
        """Whether its first group does."""
        return self.shape.lstrip(MARKS).startswith(b"0")

    @property
    def is_row_of_zeros(self) -> bool:
        """Whether all its groups begin with one."""
        return self.shape.count(b"0") == len(self.sizes)

    @property
    def separators(self) -> list[bytes]:
        """What stands between each two groups."""
        return _GROUP.split(self.shape)[1:-1]

    @property
    def marks(self) -> bytes:
        """All that stands between the groups, in one piece."""
        return b"".join(self.separators)

    @property
    def is_uniform(self) -> bool:
        """Whether the same stands between all groups."""
        return len(set(self.separators)) <= 1


class Form(NamedTuple):
    """One way to write a number of some kind."""

    kind: str
    is_valid: Callable[[bytes], object]
    """Whether something is true of the digits alone."""
    marks: bytes | None = None
    """What stands between the groups, if only that makes it one."""
    name: Name | None = None
    """What has to stand before it where too many numbers would pass."""


def parse_digit_groups(shape: bytes) -> DigitGroups:
    """Of digits, spaces and the marks that may stand between."""
    return DigitGroups(shape, tuple(map(len, shape.translate(_SPACED).split())))


def values_of(digits: bytes) -> bytes:
    """Each digit as the number that it is."""
    return digits.translate(_VALUES)
