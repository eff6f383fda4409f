"""What the page shows: the last requests, sums by the minute, and how models do. Bounded, whatever comes."""

from collections import deque
from typing import Any

import msgspec

from sidecar.console.minutes import Minute, Minutes
from sidecar.console.model_health import ModelHealth, ModelsHealth
from sidecar.routing.outcome import Result
from sidecar.routing.request_record import RequestRecord

_RECORDS_KEPT = 1_000

# More than a browser can show in the second between two updates.
_ROWS_PER_UPDATE = 200

# Of what a client or a provider may write as long as it likes. Whole records are in the record log.
_LONGEST_TEXT = 500
_LONGEST_RECORD = 16_384
_MOST_ATTEMPTS = 16

_ENCODER = msgspec.json.Encoder()

_TEXTS = (
    "decision_id",
    "trace_id",
    "request_id",
    "tenant",
    "requested_model",
    "virtual_model",
    "rule",
    "arm",
    "intent",
    "model",
    "provider",
    "details",
    "error",
)


class Row(msgspec.Struct, frozen=True):
    """One request, as a line of a table."""

    number: int
    """Counts requests; the page asks for the whole record by it."""
    time: str
    decision_id: str | None
    tenant: str | None
    requested_model: str | None
    model: str | None
    tier: str | None
    reason: str | None
    rule: str | None
    intent: str | None
    result: Result
    status: int
    cost: float | None
    saving: float | None
    seconds: float | None
    first_byte_seconds: float | None
    attempts: int
    failed_over: bool
    bypassed: bool


class Changes(msgspec.Struct, frozen=True):
    """What is new since some record; sums and healths are whole, so hearing of one twice does no harm."""

    number: int
    """Of the newest record."""
    rows: list[Row]
    """Oldest first."""
    minutes: list[Minute]
    models: list[ModelHealth]


class LiveRequests:
    """A RecordObserver that remembers about a thousand requests, and the sums of a day."""

    def __init__(self) -> None:
        self._records: deque[tuple[int, RequestRecord]] = deque(maxlen=_RECORDS_KEPT)
        self._minutes = Minutes()
        self._models = ModelsHealth()
        self._number = 0

    @property
    def number(self) -> int:
        """Of the newest record; 0 before the first."""
        return self._number

    def observe_record(self, record: RequestRecord) -> None:
        """Takes some microseconds."""
        self._number += 1
        self._minutes.add(record, self._number)
        self._models.add(record, self._number)
        self._records.append((self._number, _trim(record)))

    def everything(self) -> Changes:
        """All that is remembered."""
        return self._changes(-1, _RECORDS_KEPT)

    def since(self, number: int) -> Changes:
        """Of more rows than a page can show, the newest."""
        return self._changes(number, _ROWS_PER_UPDATE)

    def find(self, key: str) -> bytes | None:
        """The record (JSON) with that number or decision id; None if it is not, or no longer, there."""
        is_number = key.isascii() and key.isdecimal() and len(key) < len(str(2**63))
        wanted = int(key) if is_number else -1
        for number, record in reversed(self._records):
            if number == wanted or record.decision_id == key:
                return _ENCODER.encode({"number": number, "request": record})
        return None

    def _changes(self, number: int, most: int) -> Changes:
        newest: list[Row] = []
        for each, record in reversed(self._records):
            if each <= number or len(newest) == most:
                break
            newest.append(_row(each, record))
        newest.reverse()
        return Changes(self._number, newest, self._minutes.since(number), self._models.since(number))


def _trim(record: RequestRecord) -> RequestRecord:
    """Without the prompt, and without what is longer than a page shows."""
    changes: dict[str, Any] = {
        name: value[:_LONGEST_TEXT]
        for name in _TEXTS
        if (value := getattr(record, name)) is not None and len(value) > _LONGEST_TEXT
    }
    if record.text is not msgspec.UNSET:
        changes["text"] = msgspec.UNSET
    if record.record is not None and len(bytes(record.record)) > _LONGEST_RECORD:
        changes["record"] = None
    if len(record.attempts) > _MOST_ATTEMPTS:
        changes["attempts"] = record.attempts[-_MOST_ATTEMPTS:]
    return msgspec.structs.replace(record, **changes) if changes else record


def _row(number: int, record: RequestRecord) -> Row:
    return Row(
        number=number,
        time=record.time,
        decision_id=record.decision_id,
        tenant=record.tenant,
        requested_model=record.requested_model,
        model=record.model,
        tier=record.tier,
        reason=record.reason,
        rule=record.rule,
        intent=record.intent,
        result=record.result,
        status=record.status,
        cost=record.cost,
        saving=record.saving,
        seconds=record.seconds,
        first_byte_seconds=record.first_byte_seconds,
        attempts=record.attempt_count,
        failed_over=record.failed_over,
        bypassed=record.bypassed,
    )
