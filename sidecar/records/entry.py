"""What the record log holds: records, and what people thought of answers."""

import msgspec

from sidecar.routing.feedback import Feedback
from sidecar.routing.request_record import RequestRecord, write_line

Entry = RequestRecord | Feedback

_ENCODER = msgspec.json.Encoder()


def entry_line(entry: Entry) -> bytes:
    """One line of JSON, its end included."""
    if isinstance(entry, Feedback):
        return _ENCODER.encode({"feedback": entry}) + b"\n"
    return write_line(entry)
