"""What a rule may ask of a request: conditions on its signals, and on its classification where one is needed.

A condition is data and a method; they compose by `AllOf`, `AnyOf` and `Not`. None of them looks at the prompt's
text: that was done once, when the signals were read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import time, tzinfo
from typing import Literal, Protocol

from sidecar.routing.classification import Classification
from sidecar.routing.signals import Signals

Amount = Literal["input_tokens", "max_output_tokens", "turns", "tools", "images", "code_fences"]
Flag = Literal["json", "stream"]
Word = Literal["model", "endpoint", "language", "script"]
NameSet = Literal["keywords", "patterns"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Condition(Protocol):
    """Whether a request is one that a rule is about."""

    @property
    def needs_classification(self) -> bool:
        """Whether it cannot be told from the signals alone."""
        ...

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """`classification` is only None where none is needed."""
        ...


class _OfSignals:
    """A condition that the signals settle."""

    __slots__ = ()

    @property
    def needs_classification(self) -> bool:
        return False


class _OfClassification:
    """A condition that only a classification settles."""

    __slots__ = ()

    @property
    def needs_classification(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class AllOf:
    """All hold; so does the empty one."""

    conditions: tuple[Condition, ...]

    @property
    def needs_classification(self) -> bool:
        """Whether any of them does."""
        return any(condition.needs_classification for condition in self.conditions)

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """In the order they are written, up to the first that doesn't."""
        return all(condition.holds(signals, classification) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds."""

    conditions: tuple[Condition, ...]

    @property
    def needs_classification(self) -> bool:
        """Whether any of them does."""
        return any(condition.needs_classification for condition in self.conditions)

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """In the order they are written, up to the first that does."""
        return any(condition.holds(signals, classification) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Not:
    """The other one does not hold."""

    condition: Condition

    @property
    def needs_classification(self) -> bool:
        """As the other one."""
        return self.condition.needs_classification

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """The opposite."""
        return not self.condition.holds(signals, classification)


@dataclass(frozen=True, slots=True)
class AmountWithin(_OfSignals):
    """A count is neither below nor above."""

    amount: Amount
    least: float
    most: float

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """Both bounds included."""
        amount: int = getattr(signals, self.amount)
        return self.least <= amount <= self.most


@dataclass(frozen=True, slots=True)
class FlagIs(_OfSignals):
    """Something is asked for, or is not."""

    flag: Flag
    value: bool

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """Compared as it is."""
        return bool(getattr(signals, self.flag)) is self.value


@dataclass(frozen=True, slots=True)
class WordIn(_OfSignals):
    """A signal that is one word is one of these."""

    word: Word
    words: frozenset[str]

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """Compared as it is written."""
        word: str = getattr(signals, self.word)
        return word in self.words


@dataclass(frozen=True, slots=True)
class PathIn(_OfSignals):
    """The path is one of these, or begins as one that ends in `*`."""

    paths: tuple[str, ...]

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """Without the query; spelled oddly, as with a slash at its end, it is still the path of its endpoint."""
        called = (signals.path, f"/v1/{signals.endpoint}")
        return any(
            any(each.startswith(path[:-1]) for each in called) if path.endswith("*") else path in called
            for path in self.paths
        )


@dataclass(frozen=True, slots=True)
class HeaderIs(_OfSignals):
    """A header that the policy names has one of these values; with none given, any value at all."""

    name: str
    values: frozenset[str] | None

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """False for a header that is absent or empty."""
        value = signals.headers.get(self.name)
        return value is not None and (self.values is None or value in self.values)


@dataclass(frozen=True, slots=True)
class NamesFound(_OfSignals):
    """Something of one of these keyword or pattern lists was found where the policy has them looked for."""

    kind: NameSet
    names: frozenset[str]
    in_request: bool = False
    """Whether that is everywhere in the request, and not in its prompt alone."""
    if_unsearched: bool = False
    """Whether it holds for a request that could not be searched."""

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """At least one."""
        is_found = not self.names.isdisjoint(getattr(signals, self.kind))
        return is_found or (self.if_unsearched and self.is_unsearched(signals))

    def is_unsearched(self, signals: Signals) -> bool:
        """Whether nobody knows what stands there: a body too large to be read has no prompt either."""
        return signals.personal_data is None and (self.in_request or not signals.turns)


@dataclass(frozen=True, slots=True)
class PersonalDataFound(_OfSignals):
    """Personal data of one of these kinds stands in the request; with none given, of any kind."""

    kinds: frozenset[str] | None

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """True for a request too large to be searched: what is not known to be harmless must not get out."""
        found = signals.personal_data
        if found is None:
            return True
        return bool(found) if self.kinds is None else not self.kinds.isdisjoint(found)


@dataclass(frozen=True, slots=True)
class InTime(_OfSignals):
    """It is one of these days, between these times of the day; a window that ends before it starts spans midnight."""

    days: frozenset[int]
    """0 is Monday. Across midnight, the day on which the window started."""
    start: time
    end: time
    zone: tzinfo

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """The start included, the end not; the same start and end are the whole day."""
        now = signals.received.astimezone(self.zone)
        clock, day = now.time(), now.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= clock < self.end
        if clock >= self.start:
            return day in self.days
        return clock < self.end and (day - 1) % 7 in self.days

    def __str__(self) -> str:
        """`sat,sun 18:00-24:00 Europe/Berlin`: as decision records call it."""
        days = "" if len(self.days) == len(DAYS) else ",".join(DAYS[day] for day in sorted(self.days)) + " "
        end = f"{self.end:%H:%M}" if self.end > time(0) else "24:00"
        return f"{days}{self.start:%H:%M}-{end} {self.zone}"


@dataclass(frozen=True, slots=True)
class IntentIn(_OfClassification):
    """The intent is one of these; an intent by example counts before the classifier's."""

    intents: frozenset[str]

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """False without a classification."""
        return classification is not None and classification.settled_intent in self.intents


@dataclass(frozen=True, slots=True)
class ReadingWithin(_OfClassification):
    """Difficulty or confidence is neither below nor above."""

    reading: Literal["difficulty", "confidence"]
    least: float
    most: float

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        """Both bounds included; False if the classifier does not tell it."""
        value = getattr(classification, self.reading, None)
        return value is not None and self.least <= value <= self.most


def if_in_doubt(condition: Condition, *, holds: bool = True) -> Condition:
    """The same, but for requests that could not be searched for keywords and patterns it holds, or does not."""
    if isinstance(condition, AllOf | AnyOf):
        return type(condition)(tuple([if_in_doubt(each, holds=holds) for each in condition.conditions]))
    if isinstance(condition, Not):
        return Not(if_in_doubt(condition.condition, holds=not holds))
    return replace(condition, if_unsearched=holds) if isinstance(condition, NamesFound) else condition


def time_windows(condition: Condition) -> Iterator[InTime]:
    """Those that it looks at."""
    if isinstance(condition, AllOf | AnyOf):
        for each in condition.conditions:
            yield from time_windows(each)
    elif isinstance(condition, Not):
        yield from time_windows(condition.condition)
    elif isinstance(condition, InTime):
        yield condition
