"""What an endpoint answers: one JSON body, or a stream of server-sent events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A whole answer."""

    body: bytes


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """An answer in events, each with its `data:` line and blank line."""

    events: tuple[bytes, ...]


Answer = JsonAnswer | StreamAnswer


def json_answer(value: Mapping[str, Any]) -> JsonAnswer:
    """One JSON body."""
    return JsonAnswer(msgspec.json.encode(value))


def data_events(values: Iterable[Mapping[str, Any]]) -> StreamAnswer:
    """Events as chat completions send them: data only, and `[DONE]` at the end."""
    events = [b"data: %b\n\n" % msgspec.json.encode(value) for value in values]
    return StreamAnswer((*events, b"data: [DONE]\n\n"))


def named_events(values: Iterable[Mapping[str, Any]]) -> StreamAnswer:
    """Events as Responses and Messages send them: an `event:` line that repeats the type."""
    return StreamAnswer(
        tuple(b"event: %b\ndata: %b\n\n" % (value["type"].encode(), msgspec.json.encode(value)) for value in values)
    )
