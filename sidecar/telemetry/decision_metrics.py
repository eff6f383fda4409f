"""Metrics of decisions, from what workers tell of them."""

from opentelemetry.metrics import Meter

from sidecar.routing.notice import DecisionNotice
from sidecar.routing.recorded import Record, read_record
from sidecar.telemetry.counter import Counter
from sidecar.telemetry.labels import OTHER, Names

# Shares and probabilities.
_TENTHS = [round(tenth / 10, 1) for tenth in range(1, 10)] + [0.95, 0.99]

# From a remembered classification to `message_timeout`, in seconds.
_DECISION_SECONDS = [
    0.0002,
    0.0005,
    0.001,
    0.002,
    0.004,
    0.006,
    0.008,
    0.01,
    0.015,
    0.02,
    0.03,
    0.04,
    0.06,
    0.1,
    0.25,
]

# The classifier's and the policy's own; a policy has a handful.
_MOST_INTENTS = 64
_MOST_RULES = 256

# Each edit of one makes another hash, and series stay until the next start.
_MOST_SHADOWS = 64


class DecisionMetrics:
    """What was decided, on what, and how long it took."""

    def __init__(self, meter: Meter) -> None:
        self._intents = Names(_MOST_INTENTS)
        self._rules = Names(_MOST_RULES)
        self._arms = Names(_MOST_RULES)
        self._shadow_policies = Names(_MOST_SHADOWS)
        self._decisions = Counter(
            meter,
            "llm.router.decisions",
            description="Requests decided or rejected, by the reason that settled them.",
        )
        self._matches = Counter(
            meter, "llm.router.rule.matches", description="Requests that a rule matched, by its name and arm."
        )
        self._shadows = Counter(
            meter,
            "llm.router.shadow.decisions",
            description="What shadow policies would have decided: as the active one?",
        )
        self._prompts = Counter(
            meter,
            "llm.router.prompts",
            description="Prompts classified, by intent, and whether their middle was not read.",
        )
        self._lookups = Counter(meter, "llm.router.cache.lookups", description="Prompts looked up in the cache.")
        self._confidence = meter.create_histogram(
            "llm.router.confidence",
            description="Of the classifier in the intent of the prompt.",
            explicit_bucket_boundaries_advisory=_TENTHS,
        )
        self._difficulty = meter.create_histogram(
            "llm.router.difficulty",
            description="Of the prompt, as the classifier tells it.",
            explicit_bucket_boundaries_advisory=_TENTHS,
        )
        self._seconds = meter.create_histogram(
            "llm.router.decision.duration",
            unit="s",
            description="From Envoy's question to our answer: reading, classifying, deciding.",
            explicit_bucket_boundaries_advisory=_DECISION_SECONDS,
        )
        self._classifier_seconds = meter.create_histogram(
            "llm.router.classifier.duration",
            unit="s",
            description="Waiting for the classifier, queue included; without prompts that were remembered.",
            explicit_bucket_boundaries_advisory=_DECISION_SECONDS,
        )
        self._parse_seconds = meter.create_histogram(
            "llm.router.parse.duration",
            unit="s",
            description="Reading the body.",
            explicit_bucket_boundaries_advisory=_DECISION_SECONDS,
        )

    def observe(self, notice: DecisionNotice) -> None:
        """One more."""
        record = _read(notice)
        reason, tier = (OTHER, "") if record is None else (record.reason.value, record.tier or "")
        self._decisions.add(1, {"api": notice.endpoint.api.value, "reason": reason, "tier": tier})
        self._observe_times(notice)
        for shadow in notice.shadows:
            policy = self._shadow_policies.bounded(shadow.policy)
            self._shadows.add(1, {"policy": policy, "agrees": "yes" if shadow.agrees else "no"})
        if record is not None and record.rule is not None:
            self._matches.add(1, {"rule": self._rules.bounded(record.rule), "arm": self._arms.bounded(record.arm)})
        if record is not None and record.readings:
            self._observe_reading(notice, record)

    def _observe_times(self, notice: DecisionNotice) -> None:
        self._parse_seconds.record(notice.parse_seconds)
        self._seconds.record(notice.parse_seconds + notice.classify_seconds + notice.decide_seconds)
        if notice.classify_seconds and not notice.is_cached:
            self._classifier_seconds.record(notice.classify_seconds)

    def _observe_reading(self, notice: DecisionNotice, record: Record) -> None:
        """Of the turn to be answered."""
        reading = record.readings[-1]
        truncated = "yes" if reading.truncated else "no"
        self._prompts.add(1, {"intent": self._intents.bounded(record.intent), "truncated": truncated})
        self._lookups.add(1, {"result": "hit" if notice.is_cached else "miss"})
        self._confidence.record(reading.confidence)
        if reading.difficulty is not None:
            self._difficulty.record(reading.difficulty)


def _read(notice: DecisionNotice) -> Record | None:
    """None for a record of another version of ours."""
    try:
        return read_record(notice.record)
    except ValueError:
        return None
