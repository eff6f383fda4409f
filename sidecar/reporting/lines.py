"""Lines of a record log, read as far as a report needs them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from sidecar.routing.feedback import Feedback
from sidecar.routing.outcome import Result
from sidecar.streams.lines import decode_json
from sidecar.streams.source import Source

# Naming all of a million says no more.
_MOST_NAMED = 5


# As records have it.
_LENGTH_OF_TIME = len("2026-03-02T12:00:00.000000Z")

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Status = Annotated[int, msgspec.Meta(ge=0, le=999)]


class AttemptLine(msgspec.Struct, gc=False):
    """As AttemptRecord."""

    model: str | None = None
    status: Status = 0
    error: str | None = None
    cost: float | None = None


class _Reading(msgspec.Struct, gc=False):
    likeliest: list[tuple[str, float]] = []


class _Decision(msgspec.Struct, gc=False):
    readings: list[_Reading] = []


class RecordLine(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """As RequestRecord. Only the time and the result have to be there: a record may be of another version."""

    time: str
    result: Result
    decision_id: str | None = None
    bypassed: bool = False
    tenant: str | None = None
    reason: str | None = None
    tier: str | None = None
    intent: str | None = None
    second: str | None = None
    """The next likeliest intent."""
    confidence: float | None = None
    difficulty: float | None = None
    plan: list[str] = []
    policy: str | None = None
    classifier: str | None = None
    cached: bool = False
    model: str | None = None
    attempts: list[AttemptLine] = []
    status: Status = 0
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    estimated: bool = False
    cost: float | None = None
    baseline_cost: float | None = None
    saving: float | None = None
    seconds: float | None = None
    first_byte_seconds: float | None = None
    parse_seconds: float | None = None
    classify_seconds: float | None = None
    decide_seconds: float | None = None
    text: str | None = None
    record: _Decision | None = None


class _FeedbackLine(msgspec.Struct, gc=False):
    feedback: Feedback


class _Kind(msgspec.Struct, gc=False):
    """Enough of a line to tell what it is."""

    feedback: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    time: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


Fault = tuple[str, str]
"""Where it is, and what is wrong."""

_RECORD = msgspec.json.Decoder(RecordLine)
_FEEDBACK = msgspec.json.Decoder(_FeedbackLine)
_KIND = msgspec.json.Decoder(_Kind)

# No record is without its result, and feedback begins with its name: most lines need no second look.
_FEEDBACK_START = b'{"feedback"'


@dataclass(slots=True)
class Read:
    """What was read, for the notes of a report."""

    lines: int = 0
    """Blank ones left out."""
    broken: int = 0
    first_broken: list[Fault] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def note(self, place: str, fault: str) -> None:
        """A line that cannot be read."""
        self.broken += 1
        if len(self.first_broken) < _MOST_NAMED:
            self.first_broken.append((place, fault))


Entries = tuple[list[RecordLine], list[Feedback]]


def read_entries(source: Source, read: Read) -> Iterator[Entries]:
    """In chunks. Raises InputError for a compressed log that is damaged."""
    read.sources.append(source.name)
    for chunk in source.chunks():
        yield _read_chunk(enumerate(chunk.lines, chunk.first_line), source.name, read)


def _read_chunk(lines: Iterable[tuple[int, bytes]], name: str, read: Read) -> Entries:
    records: list[RecordLine] = []
    feedback: list[Feedback] = []
    for number, written in lines:
        if written.isspace():
            continue
        read.lines += 1
        try:
            if written.startswith(_FEEDBACK_START):
                feedback.append(decode_json(written, _FEEDBACK).feedback)
            else:
                records.append(_read_record(written))
        except ValueError as error:
            read.note(f"{name}:{number}", _explain(written, error))
    return records, feedback


def _read_record(written: bytes) -> RecordLine:
    line = decode_json(written, _RECORD)
    line.time = _in_utc(line.time)
    decision, line.record = line.record, None
    if decision is not None and decision.readings and len(decision.readings[-1].likeliest) > 1:
        line.second = decision.readings[-1].likeliest[1][0]
    return line


def _in_utc(time: str) -> str:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise ValueError(f"time: {error}") from error
    if time.endswith("Z") and len(time) == _LENGTH_OF_TIME:
        return time
    if moment.tzinfo is None:
        raise ValueError(f"time: expected an offset, got {time!r}")
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError as error:
        raise ValueError(f"time: {error}") from error


def _explain(written: bytes, error: ValueError) -> str:
    """A line of another log is not told what a record lacks."""
    try:
        kind = decode_json(written, _KIND)
    except ValueError:
        return str(error)
    if kind.time is msgspec.UNSET or kind.result is msgspec.UNSET:
        return "expected a request record, or feedback"
    return str(error)
