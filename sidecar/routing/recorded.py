"""Decision records, read: what was decided, and what it was decided on, so that it can be decided again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from sidecar.routing.api import Endpoint
from sidecar.routing.classification import Classification, Example
from sidecar.routing.decision import NOT_READ, Evidence
from sidecar.routing.reason import Reason
from sidecar.routing.signals import Signals
from sidecar.routing.tier import Tier

_TIERS = {tier.label: tier for tier in Tier}

# With these there were no readings and would have been none.
_MISSING: dict[str, Reason] = {
    reason.value: reason
    for reason in (
        Reason.NO_PROMPT,
        Reason.CLASSIFIER_TIMEOUT,
        Reason.CLASSIFIER_OVERLOADED,
        Reason.CLASSIFIER_FAILED,
    )
}


class PlannedModel(msgspec.Struct, frozen=True, gc=False):
    """A model of the plan."""

    model: str
    cost: float
    """USD, estimated."""


class RecordedReading(msgspec.Struct, frozen=True, gc=False):
    """What the classifier said of one turn."""

    intent: str
    confidence: float
    difficulty: float | None
    truncated: bool
    likeliest: tuple[tuple[str, float], ...]
    example: tuple[str, float] | None

    @property
    def settled_intent(self) -> str:
        """As of a Classification."""
        return self.example[0] if self.example is not None else self.intent

    def classification(self) -> Classification:
        """As the router had it, but for the embedding."""
        return Classification(
            intent=self.intent,
            confidence=self.confidence,
            difficulty=self.difficulty,
            truncated=self.truncated,
            likeliest=self.likeliest,
            example=None if self.example is None else Example(*self.example),
        )


class RecordedSignals(msgspec.Struct, frozen=True):
    """As a decision record has them."""

    endpoint: Endpoint
    path: str
    model: str
    input_tokens: int
    max_output_tokens: int
    turns: int
    tools: int
    images: int
    json: bool
    stream: bool
    code_fences: int
    script: str
    language: str
    parameters: frozenset[str]
    keywords: frozenset[str]
    patterns: frozenset[str]
    personal_data: dict[str, int] | None
    headers: dict[str, str]
    keys: dict[str, str]
    tier: str | None
    max_cost: float | None
    time: dict[str, bool] = {}
    """The policy's time windows, and whether the request came in each."""


class Record(msgspec.Struct, frozen=True):
    """Of a decision or of a rejection."""

    policy: str
    reason: Reason
    classifier: str | None = None
    tier: str | None = None
    """None for a rejection, as `model`."""
    model: str | None = None
    plan: list[PlannedModel] = []
    status: int = 200
    """Of a rejection, else 200."""
    rule: str | None = None
    arm: str | None = None
    requirements: list[str] = []
    moves: list[tuple[Reason, str]] = []
    excluded: dict[str, str] = {}
    classification: str | None = None
    """`done`, `skipped`, or why there is none; None in records that were made before they said so."""
    readings: list[RecordedReading] = []
    earlier: list[RecordedReading] = []
    """Of earlier turns, where the one to be answered could not be read."""
    unread: int = 0
    signals: RecordedSignals | None = None
    """None if the body could not be read."""

    @property
    def intent(self) -> str | None:
        """Of the turn to be answered, if it was read."""
        return self.readings[-1].settled_intent if self.readings else None


_DECODER = msgspec.json.Decoder(Record)


def read_record(record: bytes | str) -> Record:
    """Raises ValueError for anything else, with what is wrong and where."""
    return _DECODER.decode(record)


@dataclass(frozen=True, slots=True)
class SignalsOnRecord(Signals):
    """With what a record says of the time, which is less than the time itself."""

    windows: Mapping[str, bool] = field(default_factory=dict)
    """Time windows, and whether the request came in each."""


def signals_from_record(recorded: RecordedSignals, received: datetime) -> SignalsOnRecord:
    """As they were read of the request; a record does not say when that was.

    Headers that name a person have the hash for a value, after a `#`.
    """
    return SignalsOnRecord(
        endpoint=recorded.endpoint,
        path=recorded.path,
        model=recorded.model,
        input_tokens=recorded.input_tokens,
        max_output_tokens=recorded.max_output_tokens,
        turns=recorded.turns,
        tools=recorded.tools,
        images=recorded.images,
        json=recorded.json,
        stream=recorded.stream,
        code_fences=recorded.code_fences,
        script=recorded.script,
        language=recorded.language,
        received=received,
        parameters=recorded.parameters,
        keywords=recorded.keywords,
        patterns=recorded.patterns,
        personal_data=recorded.personal_data,
        headers=recorded.headers,
        keys=recorded.keys,
        tier=None if recorded.tier is None else _TIERS[recorded.tier],
        max_cost=recorded.max_cost,
        windows=recorded.time,
    )


def evidence_from_record(record: Record, turns: int) -> Evidence:
    """What was known of the prompt, which has that many turns."""
    if record.readings:
        return Evidence(_classifications(record.readings), record.unread)
    missing = _MISSING.get(record.classification or record.reason)
    if missing is not None:
        return Evidence(missing=missing, unread=record.unread, earlier=_classifications(record.earlier))
    return NOT_READ if turns else Evidence(missing=Reason.NO_PROMPT)


def _classifications(readings: list[RecordedReading]) -> tuple[Classification, ...]:
    return tuple([reading.classification() for reading in readings])
