"""Digits as they are written: in groups, with marks between."""

import re
import unicodedata
from dataclasses import dataclass

_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_GROUP = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class DigitGroups:
    """Groups of digits, and what stands before and between them, all in ASCII."""

    lead: str
    """`+`, `(`, both or nothing."""
    groups: tuple[str, ...]
    separators: tuple[str, ...]
    """One less than groups."""
    sizes: tuple[int, ...]
    """How many digits each group has."""

    @property
    def digits(self) -> str:
        """All of them, nothing between."""
        return "".join(self.groups)

    @property
    def is_uniform(self) -> bool:
        """Whether the same stands between all groups."""
        return len(set(self.separators)) <= 1


def parse_digit_groups(run: str) -> DigitGroups:
    """Of a run in ASCII that ends in a digit."""
    lead, *between = _GROUP.split(run)
    groups = tuple(_GROUP.findall(run))
    return DigitGroups(lead, groups, tuple(between[:-1]), tuple(map(len, groups)))


def to_ascii(run: str) -> str:
    """The same with the digits, spaces, dashes and parentheses that ASCII has, whatever script's they are."""
    if run.isascii():
        return run
    plain = unicodedata.normalize("NFKC", run).translate(_DASHES)
    return "".join(str(unicodedata.decimal(character, character)) for character in plain)
