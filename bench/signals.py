"""The signals alone: what is read of a request before any model has, whatever text it has."""

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import median
from bench.prompts import chat_body
from bench.signal_texts import make_texts
from bench.sizes import Sizes
from sidecar.routing.api import Endpoint
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.signals import RequestHead, SignalReader

TEXT_BYTES = 10_000
"""Of each text. 10 kB take a person some minutes to read."""


@dataclass(frozen=True, slots=True)
class SignalsRow:
    """One text; the time is the median of that many readings, in ms of the processor."""

    text: str
    readings: int
    ms: float


def measure_signals(sizes: Sizes) -> list[SignalsRow]:
    """A row for each text."""
    return [
        SignalsRow(name, sizes.signal_readings, median(_read(text, sizes.signal_readings)) * 1000)
        for name, text in make_texts(TEXT_BYTES)
    ]


def _read(text: str, readings: int) -> Iterator[float]:
    """Seconds for each."""
    endpoint = Endpoint.CHAT_COMPLETIONS
    head = RequestHead(f"/v1/{endpoint}")
    reader = SignalReader()
    body = chat_body(text).encode()
    gc.collect()
    for _ in range(readings):
        yield _time(reader, parse_request(endpoint, body), head)


def _time(reader: SignalReader, request: ChatRequest, head: RequestHead) -> float:
    started = time.process_time()  # of this process alone: other work on the machine does not count
    reader.read(request, head)
    return time.process_time() - started
