"""Lines of a log, read: a decision record, a request with its text, or both."""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from sidecar.config.compiling.requests import write_request
from sidecar.policytools.calls import Call
from sidecar.routing.api import Endpoint, find_endpoint
from sidecar.routing.recorded import Record, read_record
from sidecar.routing.signals import RequestHead
from sidecar.streams.lines import decode_json

Raw = msgspec.Raw

_ABSENT = msgspec.UNSET

# What Envoy writes for metadata that is not there, in JSON and in text.
_NO_METADATA = (None, "-", "")


class _Line(msgspec.Struct, gc=False):
    """What may stand on a line; everything else is passed over. Read only as far as it is needed."""

    record: Record | str | msgspec.UnsetType | None = _ABSENT
    """A decision record, as an object or as text: Envoy's access log has metadata as text."""
    policy: Raw | msgspec.UnsetType = _ABSENT
    """Of a line that is itself a record."""
    text: Raw | msgspec.UnsetType = _ABSENT
    body: Raw | msgspec.UnsetType = _ABSENT
    path: Raw | msgspec.UnsetType = _ABSENT
    headers: Raw | msgspec.UnsetType = _ABSENT
    time: Raw | msgspec.UnsetType = _ABSENT
    start_time: Raw | msgspec.UnsetType = _ABSENT
    """What Envoy's own JSON format calls it."""
    decision_id: Raw | msgspec.UnsetType = _ABSENT
    bypassed: Raw | msgspec.UnsetType = _ABSENT
    """Of a request record, whose text is a piece of the request, with holes."""
    feedback: Raw | msgspec.UnsetType = _ABSENT


_LINE = msgspec.json.Decoder(_Line)
_TEXT = msgspec.json.Decoder(str)
_HEADERS = msgspec.json.Decoder(dict[str, str])
_TIME = msgspec.json.Decoder(str | float | None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    record: Record | None
    """What was decided."""
    call: Call | None
    """The request itself; it says more than a record."""
    received: datetime | None
    written_id: Raw | msgspec.UnsetType

    @property
    def decision_id(self) -> str | None:
        """As the line has it; None if it has none."""
        try:
            return _TEXT.decode(self.written_id) if isinstance(self.written_id, Raw) else None
        except ValueError:
            return None


class EntryReader:
    """Reads lines for a policy: of a text it makes the request that a client of that policy would send."""

    def __init__(self, model: str, default_path: str, undated: datetime) -> None:
        """`model` is asked for texts at `default_path`; `undated` is the time of requests that have none."""
        self._model = model
        self._default_path = default_path
        self._undated = undated

    def read(self, written: bytes) -> Entry | None:
        """None for the line of a request that the router did not decide. Raises ValueError."""
        line = decode_json(written, _LINE)
        record = self._record(line, written)
        received = _received(line)
        call = self._call(line, received)
        if record is None and call is None:
            if line.record is line.text is line.body is line.feedback is _ABSENT:
                raise ValueError('expected a decision record, {"record": …}, {"text": …} or {"body": …}')
            return None
        return Entry(record, call, received, line.decision_id)

    def _record(self, line: _Line, written: bytes) -> Record | None:
        record = line.record
        if record is _ABSENT:
            is_record = line.policy is not _ABSENT and line.text is line.body is _ABSENT
            return read_record(written) if is_record else None
        if record in _NO_METADATA:
            return None
        return record if isinstance(record, Record) else read_record(record)

    def _call(self, line: _Line, received: datetime | None) -> Call | None:
        if isinstance(line.bypassed, Raw) or not (isinstance(line.text, Raw) or isinstance(line.body, Raw)):
            return None
        path = self._default_path if line.path is _ABSENT else decode_json(line.path, _TEXT)
        endpoint = find_endpoint("POST", path)
        if endpoint is None:
            return None
        headers = {} if line.headers is _ABSENT else decode_json(line.headers, _HEADERS)
        head = RequestHead(path, {name.lower(): value for name, value in headers.items()}, received or self._undated)
        return Call(endpoint, self._body(endpoint, line), head)

    def _body(self, endpoint: Endpoint, line: _Line) -> bytes:
        if isinstance(line.body, Raw):
            raw = bytes(line.body)
            return decode_json(raw, _TEXT).encode() if raw.startswith(b'"') else raw
        text = decode_json(line.text, _TEXT) if isinstance(line.text, Raw) else ""
        return msgspec.json.encode(write_request(endpoint, self._model, text))


def _received(line: _Line) -> datetime | None:
    """None if it does not say, or in no way that is known here."""
    raw = line.time if isinstance(line.time, Raw) else line.start_time
    if not isinstance(raw, Raw):
        return None
    try:
        time = _TIME.decode(raw)
        if isinstance(time, float | int):
            return datetime.fromtimestamp(time, UTC)
        read = datetime.fromisoformat(time or "")
    except (ValueError, OverflowError, OSError):
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
