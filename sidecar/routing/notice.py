"""What a worker tells the collector of each exchange, and of itself: facts only, each one message."""

from typing import Literal

import msgspec

from sidecar.routing.api import Endpoint


class ShadowDecision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a policy that is only tried would have done."""

    policy: str
    """Its hash."""
    model: str | None
    """The first of its plan; None if it would have rejected the request."""
    agrees: bool
    """Whether that is what the active policy did."""


class DecisionNotice(msgspec.Struct, frozen=True, array_like=True, tag="decision"):
    """One request was decided or rejected. Everything else about it is in the decision record."""

    worker: int
    sequence: int
    """Counts a worker's notices from 0 on: where numbers are missing, notices were lost."""
    decision_id: str
    started_unix_nanos: int
    endpoint: Endpoint
    trace_headers: dict[str, str]
    """W3C `traceparent` and `tracestate` of Envoy's call, if it is traced."""
    parse_seconds: float
    classify_seconds: float
    decide_seconds: float
    """Without the time spent on the classifier."""
    record: bytes
    """The decision record (JSON), or that of the rejection."""
    classifier: str
    """Version of the model in use, whether or not it was asked."""
    is_cached: bool = False
    """Whether the classification of the turn to be answered was remembered."""
    error: str | None = None
    """What the client was told, of a rejection; else why there was no classification."""
    shadows: tuple[ShadowDecision, ...] = ()
    prompt: str | None = None
    """The last user turn, personal data blotted out; only of the share of requests that the policy wants sampled."""


class WorkerNotice(msgspec.Struct, frozen=True, array_like=True, tag="worker"):
    """How a worker is; every second, and when that changes."""

    worker: int
    sequence: int
    pid: int
    why_not_ready: str | None
    policy: str
    """Hash of the one in use; empty before the first."""
    classifier: str
    """Version of the model in use; empty before the first."""
    waiting: int = 0
    """Prompts that wait for a thread."""
    cache_entries: int = 0
    reload: Literal["ok", "failed"] | None = None
    """What a reload has just come to."""
    has_failed_to_reload: bool = False
    """Whether the last reload failed, so that an older policy is in use; told each time, to a new collector, too."""
    lost: int = 0
    """Notices of this worker that found no room, so far."""


Notice = DecisionNotice | WorkerNotice
