"""One policy's decisions about a log: on records as they stand, and on texts by the classifier."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sidecar.config.compiling.meaning import hash_of_reading
from sidecar.policytools.calls import Answer
from sidecar.policytools.replay.on_record import NotOnRecordError, Recorder, assumptions, on_record
from sidecar.policytools.replay.summary import PER_USD, Outcome
from sidecar.routing.decision import NOT_READ, Decision, Evidence, decide
from sidecar.routing.plan import estimate_cost
from sidecar.routing.policy import ExampleIntent, Policy
from sidecar.routing.recorded import Record, evidence_from_record, read_record, signals_from_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.signals import Signals
from sidecar.routing.trail import Trail

_MILLISECONDS = 1000


class OutcomeMaker:
    """Says of decisions what a replay counts."""

    def __init__(self, policy: Policy) -> None:
        """The policy tells the usual latencies."""
        self._latencies = {
            model.name: round(model.latency_seconds * _MILLISECONDS)
            for model in policy.models.values()
            if model.latency_seconds is not None
        }

    def of_result(self, result: Decision | RejectedError, rule: str | None) -> Outcome:
        """Of what a policy decides now."""
        if isinstance(result, RejectedError):
            return Outcome(None, (), result.reason.value, rule, result.status, 0, None)
        plan = tuple([model.name for model in result.plan])
        cost = round(estimate_cost(result.model, result.signals) * PER_USD)
        latency = self._latencies.get(plan[0])
        return Outcome(result.tier.label, plan, result.reason.value, rule, 200, cost, latency)

    def of_record(self, record: Record) -> Outcome:
        """Of what was decided then."""
        plan = tuple([each.model for each in record.plan])
        cost = round(record.plan[0].cost * PER_USD) if plan else 0
        latency = self._latencies.get(plan[0]) if plan else None
        return Outcome(record.tier, plan, record.reason.value, record.rule, record.status, cost, latency)

    def of_answer(self, answer: Answer) -> Outcome:
        """Of what the router makes of a whole request."""
        return self.of_result(answer.result, read_record(answer.record).rule)


@dataclass(frozen=True, slots=True)
class _Reader:
    """A policy for the records of one recorder."""

    policy: Policy
    usable_examples: bool
    """Whether what a record says of examples is what this policy would say."""
    turns_then: int | None
    """How many turns were read at the most; None if that is not known."""
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a record says that its request was decided on, for one policy as for another."""

    record: Record
    signals: Signals
    evidence: Evidence


def grounds_of(record: Record, received: datetime) -> Grounds | None:
    """None if the body could not be read: that is so by whatever policy."""
    if record.signals is None:
        return None
    return Grounds(
        record, signals_from_record(record.signals, received), evidence_from_record(record, record.signals.turns)
    )


class RecordDecider:
    """Decides records anew, without the text and without a classifier."""

    def __init__(self, policy: Policy, known: Iterable[Policy], undated: datetime) -> None:
        """`known` are policies that may have made records, or others that read the same of a request.

        Of all others nothing is known but what a record itself shows.
        """
        self._policy = policy
        self._undated = undated
        self._readers = {hash_of_reading(each.hash): self._reader(each) for each in (*known, policy)}
        self._stranger = self._reader(None)
        self._outcomes = OutcomeMaker(policy)

    def assumed(self, record: Record) -> tuple[str, ...]:
        """What is taken for granted of that record."""
        return self._reader_of(record).assumed

    def decide(self, grounds: Grounds) -> Outcome:
        """Raises NotOnRecordError."""
        reader = self._reader_of(grounds.record)
        evidence, lack = self._evidence(reader, grounds.evidence, grounds.signals.turns)
        trail = Trail()
        try:
            result: Decision | RejectedError | None = decide(reader.policy, grounds.signals, evidence, trail)
        except RejectedError as rejection:
            result = rejection
        if result is None:
            raise NotOnRecordError(lack or ("classification",))
        return self._outcomes.of_result(result, trail.rule)

    def _reader_of(self, record: Record) -> _Reader:
        return self._readers.get(hash_of_reading(record.policy), self._stranger)

    def _reader(self, recorder: Policy | None) -> _Reader:
        known = Recorder(recorder)
        return _Reader(
            policy=on_record(self._policy, known, self._undated),
            usable_examples=not self._policy.examples
            or (recorder is not None and recorder.examples == self._policy.examples),
            turns_then=None if recorder is None else recorder.conversation_turns,
            assumed=tuple(assumptions(self._policy, known)),
        )

    def _evidence(self, reader: _Reader, evidence: Evidence, turns: int) -> tuple[Evidence, tuple[str, ...]]:
        """What of it holds for this policy too; and if it does not, what is lacking."""
        if not evidence.readings:
            return evidence, ()
        if not reader.usable_examples:
            return NOT_READ, tuple(f"examples {name}" for name in sorted(map(_name, self._policy.examples)))
        limit = self._policy.conversation_turns
        if limit != reader.turns_then and not _are_same_turns(evidence, turns, limit, reader.turns_then):
            if limit > 1:
                return NOT_READ, ("turns of the conversation",)
            evidence = Evidence(evidence.readings[-1:])
        if not self._policy.examples and any(reading.example is not None for reading in evidence.readings):
            bare = tuple(replace(reading, example=None) for reading in evidence.readings)
            evidence = replace(evidence, readings=bare)
        return evidence, ()


def _are_same_turns(evidence: Evidence, turns: int, limit: int, limit_then: int | None) -> bool:
    """Whether another limit would have had the same turns read."""
    read = len(evidence.readings) + evidence.unread
    if read == turns:  # all there are
        return read <= limit
    # Fewer than the limit: the others are short follow-ups.
    return limit_then is not None and read < limit_then and read <= limit


def _name(intent: ExampleIntent) -> str:
    return intent.name
