"""An exchange: one HTTP request as the router saw it, from its first byte to its answer; what observers are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.routing.api import Endpoint
from sidecar.routing.classification import ClassifierUnavailableError
from sidecar.routing.decision import Decision
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.routing.router import Routed


@dataclass(frozen=True, slots=True)
class Exchange:
    """Everything about one request that may be written down; observers never write the prompt."""

    decision_id: str
    endpoint: Endpoint
    trace_headers: Mapping[str, str]
    """W3C `traceparent` and `tracestate` of Envoy's call, if it is traced."""
    started_unix_nanos: int
    parse_seconds: float
    classify_seconds: float
    decide_seconds: float
    """Without the time spent on the classifier."""
    request: ChatRequest | None
    """None if the body could not be read."""
    result: Decision | RejectedError
    record: bytes
    """The decision record, or that of the rejection."""
    classifier_version: str
    """Of the model in use, whether or not it was asked."""
    failure: ClassifierUnavailableError | None = None
    """What the classifier had instead of an answer."""
    shadows: tuple[Routed, ...] = ()
    """What the policies that are only tried would have decided."""


class ExchangeObserver(Protocol):
    """The port through which telemetry learns of exchanges, after Envoy has its answer."""

    def observe(self, exchange: Exchange) -> None:
        """Must neither block nor raise."""
        ...
