"""What people and programs send to the console, checked; every mistake is told with its place."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from sidecar.routing.api import Endpoint, find_endpoint
from sidecar.routing.feedback import Feedback

FEEDBACK_BYTES = 8_192
EXPLAIN_BYTES = 1_048_576
"""The most of each that is read."""

_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
_LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_LONGEST_COMMENT = 2_000

# RFC 9110: a token. Names of HTTP/2's own, which begin with a colon, are none.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")
_MOST_HEADERS = 32


class InputError(Exception):
    """What is wrong, and what was expected."""


class _WrittenFeedback(msgspec.Struct, forbid_unknown_fields=True):
    decision_id: str
    score: float | None = None
    label: str | None = None
    comment: str | None = None


class Question(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A request of which somebody wants to know what would become of it."""

    path: str
    body: msgspec.Raw
    headers: dict[str, str] = {}


_FEEDBACK = msgspec.json.Decoder(_WrittenFeedback)
_QUESTION = msgspec.json.Decoder(Question)


def read_feedback(body: bytes, now: datetime | None = None) -> Feedback:
    """Raises InputError."""
    written: _WrittenFeedback = _decode(_FEEDBACK, body)
    if not _ID.fullmatch(written.decision_id):
        raise InputError("decision_id: expected the value of a response's x-llm-decision-id header")
    if written.score is None and written.label is None:
        raise InputError("expected a score from 0 to 1, or a label, or both")
    if written.score is not None and not 0 <= written.score <= 1:
        raise InputError(f"score: {written.score:g} is not from 0 to 1")
    if written.label is not None and not _LABEL.fullmatch(written.label):
        raise InputError("label: expected 1 to 64 characters on one line")
    if written.comment is not None and len(written.comment) > _LONGEST_COMMENT:
        raise InputError(f"comment: expected {_LONGEST_COMMENT} characters at the most, got {len(written.comment)}")
    time = (now or datetime.now(UTC)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Feedback(time, written.decision_id, written.score, written.label, written.comment)


def read_question(body: bytes) -> Question:
    """With header names in lower case. Raises InputError."""
    question: Question = _decode(_QUESTION, body)
    if find_endpoint("POST", question.path) is None:
        known = ", ".join(f"/v1/{endpoint}" for endpoint in Endpoint)
        raise InputError(f"path: expected one of {known}")
    if len(question.headers) > _MOST_HEADERS:
        raise InputError(f"headers: expected {_MOST_HEADERS} at the most, got {len(question.headers)}")
    for name, value in question.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InputError(f"headers: {name!r} is no header's name")
        if not _HEADER_VALUE.fullmatch(value):
            raise InputError(f"headers: the value of {name} has to be printable ASCII, 4,096 characters at the most")
    headers = {name.lower(): value for name, value in question.headers.items()}
    return msgspec.structs.replace(question, headers=headers)


def _decode(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InputError(_told(str(error))) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a JSON object ({error})") from error


def _told(message: str) -> str:
    """msgspec's `Expected `float`, got `str` - at `$.score``, with the place in front as in all our messages."""
    what, _, place = message.replace("`", "").partition(" - at $")
    what = what[:1].lower() + what[1:]
    return f"{place.lstrip('.')}: {what}" if place else what
