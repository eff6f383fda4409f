"""A page as content: what it says, whichever way it is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

Value = str | int | float | bool | None


class Kind(Enum):
    """What a value is, and so how it is written."""

    TEXT = "text"
    COUNT = "count"
    USD = "usd"
    SAVING = "saving"
    """USD with its sign."""
    SHARE = "share"
    SECONDS = "seconds"
    NUMBER = "number"
    """Between 0 and 1: a score, a confidence."""


@dataclass(frozen=True, slots=True)
class Column:
    """Of a table; in programs' hands its values go by `key`."""

    key: str
    title: str
    kind: Kind = Kind.TEXT
    has_bar: bool = False
    """Whether a bar shows each value against the others."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows have a value for each column; None is not known."""

    key: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    title: str = ""
    is_over_time: bool = False
    """Whether its USD columns are drawn side by side, row by row."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence or two, tables, and what to know about them."""

    key: str
    title: str
    says: str
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the numbers at the top."""

    key: str
    title: str
    value: Value
    kind: Kind
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The report."""

    title: str
    subtitle: str
    figures: tuple[Figure, ...] = ()
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    """What is estimated, what is not known."""


_UNKNOWN = "–"  # noqa: RUF001  # a dash, for nothing


def write_value(value: Value, kind: Kind) -> str:
    """For people."""
    if value is None:
        return _UNKNOWN
    if isinstance(value, str):
        return clean(value)
    return _WRITERS[kind](float(value))


def clean(text: str) -> str:
    """On one line: what a client sent must not break a page."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _usd(value: float) -> str:
    amount = abs(value)
    sign = "-" if value < 0 else ""
    return f"{sign}${amount:,.2f}" if amount >= 1 or not amount else f"{sign}${_small(amount)}"


def _small(amount: float) -> str:
    """Three digits that say something."""
    return f"{amount:.3f}" if amount >= 0.1 else f"{amount:.3g}"


def _seconds(value: float) -> str:
    return f"{value:,.2f} s" if value >= 1 else f"{value * 1000:,.3g} ms"


_WRITERS: Mapping[Kind, Callable[[float], str]] = {
    Kind.TEXT: lambda value: f"{value:g}",
    Kind.COUNT: lambda value: f"{value:,.0f}",
    Kind.USD: _usd,
    Kind.SAVING: lambda value: f"{'+' if value > 0 else ''}{_usd(value)}",
    Kind.SHARE: lambda value: f"{value * 100:.1f} %",
    Kind.SECONDS: _seconds,
    Kind.NUMBER: lambda value: f"{value:.2f}",
}
