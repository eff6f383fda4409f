"""The request record: everything known of one request, its decision and its outcome, on one line of JSON.

Metrics, spans, the console, `replay` and `report` all read this one; docs/records.md describes it for people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from sidecar.routing.api import Endpoint, find_endpoint
from sidecar.routing.notice import DecisionNotice, ShadowDecision
from sidecar.routing.outcome import Attempt, Outcome, Result, Usage, cost_of, estimate_usage, result_of, total_cost
from sidecar.routing.policy import Model, Policy
from sidecar.routing.recorded import Record, read_record
from sidecar.routing.signals import TENANT

_COST_DIGITS = 8
_SECOND_DIGITS = 6

_EPOCH = datetime(1970, 1, 1)  # in UTC, as all times here
_LAST_MICROSECOND = (datetime.max - _EPOCH) // timedelta(microseconds=1)


class AttemptRecord(msgspec.Struct, frozen=True):
    """One request to one model."""

    model: str | None
    """Its name in the policy; null if it is not known."""
    provider: str | None
    """Who runs it."""
    status: int
    """0 if there was no answer."""
    seconds: float
    """From its first byte to its last."""
    error: str | None
    """Envoy's word for what broke it off."""
    input_tokens: int | None
    """As the provider reported them, null if it did not; of the one that answered, as of the request."""
    output_tokens: int | None
    """Likewise."""
    cached_tokens: int | None
    """Likewise."""
    cache_write_tokens: int | None
    """Likewise."""
    cost: float | None
    """USD; of an answer that was thrown away, too."""
    start_seconds: float = 0.0
    """From the first byte of the request to its own."""


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Of one request. What is not known is null; no key is ever missing but `text`."""

    time: str
    """When the request began, RFC 3339 in UTC, microseconds."""
    decision_id: str | None
    """Null if the router was passed by."""
    trace_id: str
    """Hexadecimal; empty if it was not traced."""
    span_id: str
    """Of Envoy's span of it, the one that all others stand below; empty if nothing was heard of that."""
    request_id: str
    """Envoy's x-request-id; empty if nothing was heard of the outcome."""
    result: Result
    """`success`; `client_error`, a 4xx; `rejected` by the policy; `cancelled` by the client; `failed`, no model gave
    a whole answer; `unknown`, nothing was heard of it."""
    bypassed: bool
    """Whether Envoy went on without the router, by its default plan."""

    endpoint: Endpoint | None
    """Below `/v1/`."""
    tenant: str | None
    """By the header that the policy calls `tenant`."""
    requested_model: str | None
    """As the client wrote it."""
    virtual_model: str | None
    """The requested one, if it is a virtual model."""
    stream: bool | None
    """Whether the client asked for a stream."""

    reason: str | None
    """The word that says what settled the decision."""
    tier: str | None
    """As decided."""
    rule: str | None
    """The one that matched."""
    arm: str | None
    """Of its split."""
    intent: str | None
    """Of the turn to be answered; of the examples that it is like, if there are any."""
    confidence: float | None
    """Of the classifier, 0 to 1."""
    difficulty: float | None
    """0 to 1."""
    plan: list[str]
    """The models in the order in which they are asked."""
    policy: str
    """Hash of the one that decided."""
    classifier: str
    """Version of the model in use."""
    cached: bool
    """Whether the classification was remembered."""
    shadows: list[dict[str, str | bool | None]]
    """What policies that are only tried would have done: `policy`, `model`, `agrees`."""

    model: str | None
    """The one that answered."""
    provider: str | None
    """Its provider."""
    attempts: list[AttemptRecord]
    """In their order."""
    attempt_count: int
    """As Envoy counted; more than `attempts` has if some of them were not heard of."""
    status: int
    """Of HTTP, as the client saw it; 0 if it is not known."""
    flags: list[str]
    """Envoy's words for what went wrong."""
    details: str
    """Envoy's `response_code_details`."""
    error: str | None
    """What the client was told, of a rejection; else why there was no classification."""

    input_tokens: int | None
    """Those of the cache included; of the answer that the client got, as all tokens here."""
    output_tokens: int | None
    """Reasoning included."""
    cached_tokens: int | None
    """Input that the provider had in its cache."""
    cache_write_tokens: int | None
    """Input that it put there, as Anthropic tells and bills it."""
    reasoning_tokens: int | None
    """Part of the output."""
    estimated: bool
    """Whether the tokens were counted by size."""
    cost: float | None
    """USD, of all attempts."""
    baseline_cost: float | None
    """USD, had the policy's fallback given the answer."""
    saving: float | None
    """`baseline_cost` less `cost`; below zero if routing cost more."""

    seconds: float | None
    """From the first byte of the request to the last of the answer."""
    first_byte_seconds: float | None
    """From there to the first of the answer."""
    parse_seconds: float | None
    """The router's reading of the body."""
    classify_seconds: float | None
    """Its wait for the classifier."""
    decide_seconds: float | None
    """All else of the decision."""

    record: msgspec.Raw | None
    """The decision record."""
    text: str | msgspec.UnsetType = msgspec.UNSET
    """The prompt, personal data blotted out; only where the policy wants some sampled."""

    @property
    def failed_over(self) -> bool:
        """Whether another model was asked than the first of the plan, or more than one."""
        asked = {self.model, *(attempt.model for attempt in self.attempts)} - {None}
        return len(asked.union(self.plan[:1])) > 1


class RecordObserver(Protocol):
    """The port through which telemetry and the console learn of finished requests."""

    def observe_record(self, record: RequestRecord) -> None:
        """Must neither block nor raise."""
        ...


PolicyOf = Callable[[str], Policy | None]
"""The policy of that hash, or the one in use if that one is no longer known; None before the first."""

_ENCODER = msgspec.json.Encoder()


def unix_nanos(time: str) -> int:
    """Of a time as records and feedback have it."""
    return (datetime.fromisoformat(time).replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1) * 1_000


def write_line(record: RequestRecord) -> bytes:
    """One line of JSON."""
    return _ENCODER.encode(record) + b"\n"


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """What Envoy's log has of a decision: enough if its notice was lost."""

    decision_id: str
    record: bytes


def build_request_record(
    notice: DecisionNotice | None,
    outcome: Outcome | None,
    attempts: Sequence[Attempt],
    policy_of: PolicyOf,
    *,
    logged: LoggedDecision | None = None,
) -> RequestRecord:
    """At least one of notice and outcome is there. Attempts in the order in which they were made.

    Models may be told by their name or by their cluster. Raises nothing.
    """
    told = _Told(notice, logged)
    policy = policy_of(told.decision.policy if told.decision is not None else "")
    return _Accounts(policy, told, outcome, attempts).record()


class _Told:
    """The decision, as far as anybody told of it."""

    def __init__(self, notice: DecisionNotice | None, logged: LoggedDecision | None) -> None:
        self.notice = notice
        self.decision: Record | None = None
        self.record: bytes | None = None
        self.error = notice.error if notice is not None else None
        source = notice or logged
        self.decision_id = source.decision_id if source is not None else None
        if source is None:
            return
        try:
            self.decision, self.record = read_record(source.record), source.record
        except ValueError as error:  # of another version of ours
            self.error = f"the decision record cannot be read: {error}"

    @property
    def classifier(self) -> str:
        if self.notice is not None:
            return self.notice.classifier
        return (self.decision.classifier if self.decision is not None else None) or ""

    @property
    def is_rejected(self) -> bool:
        return self.decision is not None and self.decision.model is None


class _Accounts:
    """One request's figures, worked out."""

    def __init__(
        self, policy: Policy | None, told: _Told, outcome: Outcome | None, attempts: Sequence[Attempt]
    ) -> None:
        self._policy = policy
        self._told = told
        self._outcome = outcome
        self._signals = told.decision.signals if told.decision is not None else None
        self._attempts = [(self._name_of(attempt.model), attempt) for attempt in attempts]
        self._model = self._find_answering_model()
        self._final = self._find_final_attempt()
        self._usage = self._find_usage()

    def record(self) -> RequestRecord:
        told, outcome, signals, usage = self._told, self._outcome, self._signals, self._usage
        notice, decision = told.notice, told.decision
        reading = decision.readings[-1] if decision is not None and decision.readings else None
        cost, baseline = self._cost(), self._baseline()
        requested = signals.model if signals is not None else None
        return RequestRecord(
            time=self._time(),
            decision_id=told.decision_id,
            trace_id=self._trace_id(),
            span_id=outcome.span_id if outcome is not None else "",
            request_id=outcome.request_id if outcome is not None else "",
            result=self._result(),
            bypassed=told.decision_id is None,
            endpoint=self._endpoint(),
            tenant=signals.headers.get(TENANT) if signals is not None else None,
            requested_model=requested,
            virtual_model=requested if self._is_virtual(requested) else None,
            stream=signals.stream if signals is not None else None,
            reason=decision.reason.value if decision is not None else None,
            tier=decision.tier if decision is not None else None,
            rule=decision.rule if decision is not None else None,
            arm=decision.arm if decision is not None else None,
            intent=decision.intent if decision is not None else None,
            confidence=reading.confidence if reading is not None else None,
            difficulty=reading.difficulty if reading is not None else None,
            plan=[planned.model for planned in decision.plan] if decision is not None else [],
            policy=decision.policy if decision is not None else (self._policy.hash if self._policy else ""),
            classifier=told.classifier,
            cached=notice.is_cached if notice is not None else False,
            shadows=[_describe_shadow(shadow) for shadow in notice.shadows] if notice is not None else [],
            model=self._model,
            provider=self._provider(self._model),
            attempts=[self._describe(index) for index in range(len(self._attempts))],
            attempt_count=max(outcome.attempts if outcome is not None else 0, len(self._attempts)),
            status=self._status(),
            flags=list(outcome.flags) if outcome is not None else [],
            details=outcome.details if outcome is not None else "",
            error=told.error,
            input_tokens=usage.input_tokens if usage is not None else None,
            output_tokens=usage.output_tokens if usage is not None else None,
            cached_tokens=usage.cached_tokens if usage is not None else None,
            cache_write_tokens=usage.cache_write_tokens if usage is not None else None,
            reasoning_tokens=usage.reasoning_tokens if usage is not None else None,
            estimated=usage is not None and usage.is_estimated,
            cost=_rounded(cost, _COST_DIGITS),
            baseline_cost=_rounded(baseline, _COST_DIGITS),
            saving=None if cost is None or baseline is None else round(baseline - cost, _COST_DIGITS),
            seconds=_rounded(outcome.seconds, _SECOND_DIGITS) if outcome is not None else None,
            first_byte_seconds=_rounded(outcome.first_byte_seconds, _SECOND_DIGITS) if outcome is not None else None,
            parse_seconds=_rounded(notice.parse_seconds, _SECOND_DIGITS) if notice is not None else None,
            classify_seconds=_rounded(notice.classify_seconds, _SECOND_DIGITS) if notice is not None else None,
            decide_seconds=_rounded(notice.decide_seconds, _SECOND_DIGITS) if notice is not None else None,
            record=msgspec.Raw(told.record) if told.record is not None else None,
            text=notice.prompt if notice is not None and notice.prompt is not None else msgspec.UNSET,
        )

    def _result(self) -> Result:
        if self._told.is_rejected:
            return Result.REJECTED
        return Result.UNKNOWN if self._outcome is None else result_of(self._outcome)

    def _status(self) -> int:
        """A rejection is answered with its own, also where nothing was heard of that."""
        if self._outcome is not None:
            return self._outcome.status
        decision = self._told.decision
        return decision.status if decision is not None and self._told.is_rejected else 0

    def _started_nanos(self) -> int:
        notice = self._told.notice
        first = self._outcome.started_unix_nanos if self._outcome is not None else 0
        return first or (notice.started_unix_nanos if notice is not None else 0)

    def _time(self) -> str:
        moment = _EPOCH + timedelta(microseconds=min(max(0, self._started_nanos() // 1_000), _LAST_MICROSECOND))
        return moment.isoformat(timespec="microseconds") + "Z"

    def _trace_id(self) -> str:
        if self._outcome is not None and self._outcome.trace_id:
            return self._outcome.trace_id
        notice = self._told.notice
        parts = notice.trace_headers.get("traceparent", "").split("-") if notice is not None else []
        return parts[1] if len(parts) > 1 else ""

    def _endpoint(self) -> Endpoint | None:
        if self._told.notice is not None:
            return self._told.notice.endpoint
        if self._signals is not None:
            return self._signals.endpoint
        return find_endpoint("POST", self._outcome.path) if self._outcome is not None else None

    def _is_virtual(self, model: str | None) -> bool:
        return self._policy is not None and model in self._policy.virtual_models

    def _name_of(self, told: str | None) -> str | None:
        """A model's, by its name or by its cluster; as it was told if the policy has no such model any more."""
        if told is None or self._policy is None or told in self._policy.models:
            return told
        return next((model.name for model in self._policy.models.values() if model.cluster == told), told)

    def _find_model(self, name: str | None) -> Model | None:
        return self._policy.models.get(name) if self._policy is not None and name is not None else None

    def _provider(self, name: str | None) -> str | None:
        model = self._find_model(name)
        return model.provider if model is not None else None

    def _find_answering_model(self) -> str | None:
        outcome = self._outcome
        if outcome is None:
            return None
        if outcome.model is not None or not self._attempts:
            return self._name_of(outcome.model)
        name, last = self._attempts[-1]
        return name if last.status and last.status == outcome.status else None

    def _find_final_attempt(self) -> int | None:
        """Which one gave the answer that the client got; None if that one was not heard of."""
        if self._outcome is None or self._model is None or not self._attempts:
            return None
        name, last = self._attempts[-1]
        return len(self._attempts) - 1 if (name, last.status) == (self._model, self._outcome.status) else None

    def _find_usage(self) -> Usage | None:
        """Of the answer that the client got, or of the part of it that it got."""
        outcome = self._outcome
        if outcome is None or not (outcome.attempts or self._attempts):
            return None
        reported = outcome.usage
        if reported is None and self._final is not None:
            reported = self._attempts[self._final][1].usage
        if reported is not None:
            return reported
        if not 200 <= outcome.status < 300:
            return None
        signals = self._signals
        # An answer that is one JSON object has its tokens in it, always. Of what comes without, most is streams.
        is_stream = signals is None or signals.stream
        return estimate_usage(outcome, signals.input_tokens if signals is not None else None, is_stream=is_stream)

    def _cost(self) -> float | None:
        """Of the answer, and of those before it that were thrown away. None if that of the answer is not known."""
        others = [self._cost_of_attempt(index) for index in range(len(self._attempts)) if index != self._final]
        if self._usage is None:
            return total_cost(others)
        model = self._find_model(self._model)
        return total_cost([cost_of(model, self._usage), *others]) if model is not None else None

    def _cost_of_attempt(self, index: int) -> float | None:
        name, attempt = self._attempts[index]
        usage = self._usage if index == self._final else attempt.usage
        model = self._find_model(name)
        return cost_of(model, usage) if model is not None and usage is not None else None

    def _baseline(self) -> float | None:
        endpoint = self._endpoint()
        if self._policy is None or self._usage is None or endpoint is None:
            return None
        fallback = self._policy.fallbacks.get(endpoint)
        return cost_of(fallback, self._usage) if fallback is not None else None

    def _describe(self, index: int) -> AttemptRecord:
        name, attempt = self._attempts[index]
        usage = self._usage if index == self._final else attempt.usage
        return AttemptRecord(
            model=name,
            provider=self._provider(name),
            status=attempt.status,
            seconds=round(attempt.seconds, _SECOND_DIGITS),
            error=attempt.error,
            input_tokens=usage.input_tokens if usage is not None else None,
            output_tokens=usage.output_tokens if usage is not None else None,
            cached_tokens=usage.cached_tokens if usage is not None else None,
            cache_write_tokens=usage.cache_write_tokens if usage is not None else None,
            cost=_rounded(self._cost_of_attempt(index), _COST_DIGITS),
            start_seconds=round((attempt.started_unix_nanos - self._started_nanos()) / 1e9, _SECOND_DIGITS),
        )


def _describe_shadow(shadow: ShadowDecision) -> dict[str, str | bool | None]:
    return {"policy": shadow.policy, "model": shadow.model, "agrees": shadow.agrees}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
