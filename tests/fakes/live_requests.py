"""A gateway's traffic, made up: real decisions of an example policy, with outcomes as Envoy's log has them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.config.compile import compile_document
from sidecar.config.document import read_document
from sidecar.config.told import validate
from sidecar.console.policy_view import PolicyView
from sidecar.routing.classification import Classification
from sidecar.routing.decision import Decision, Evidence, decide
from sidecar.routing.notice import DecisionNotice, ShadowDecision
from sidecar.routing.outcome import Attempt, Outcome, Usage
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.record import decision_record, rejection_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.routing.request_record import RequestRecord, build_request_record
from sidecar.routing.signals import RequestHead
from sidecar.routing.trail import Trail
from tests.fakes.requests import request

EXAMPLE = Path(__file__).parents[2] / "examples" / "premium-and-free.yaml"

CLASSIFIER = "2026-11-28-d1ca5922"

_TENANTS = (("acme", "premium"), ("globex", "enterprise"), ("initech", "free"), ("umbrella", "premium"))

# Intent, and about how difficult its prompts are.
_INTENTS = (
    ("chat", 0.03),
    ("summarization", 0.2),
    ("code_generation", 0.55),
    ("math", 0.9),
    ("translation", 0.1),
)


def read_policy(file: Path = EXAMPLE, **changes: object) -> PolicyView:
    """As the collector has it; `changes` are keys of the file."""
    document = read_document(file)
    assert isinstance(document.data, dict)
    document.data.update(changes)
    return PolicyView(compile_document(document, validate(document)).policy, document.data)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What may come of a request, and how often."""

    weight: int
    statuses: tuple[int, ...] = (200,)
    flag: str | None = None
    is_heard_of: bool = True


_KINDS = (
    _Kind(180),
    _Kind(2, (503, 200)),
    _Kind(1, (429, 503, 200)),
    _Kind(1, (503, 500), flag="upstream_retry_limit_exceeded"),
    _Kind(4, flag="downstream_connection_termination"),
    _Kind(2, (400,)),
    _Kind(1, is_heard_of=False),
)

_SICK, _SICKNESS = "gpt-5", _Kind(1, (503, 200))


class Traffic:
    """Request records, the same for the same seed."""

    def __init__(self, policy: Policy, seed: int = 7) -> None:
        self._policy = policy
        self._random = random.Random(seed)

    def history(self, minutes: int, now: datetime, a_minute: int = 6) -> Iterator[RequestRecord]:
        """Oldest first, up to now."""
        last = now.timestamp()
        for minute in range(minutes, 0, -1):
            seconds = [self._random.random() * 60 for _ in range(self._random.randint(a_minute // 2, a_minute * 2))]
            for second in sorted(seconds):
                yield self.one(datetime.fromtimestamp(last - minute * 60 + second, UTC))

    def one(self, at: datetime, **named: str) -> RequestRecord:
        """One request, which began then; `named` may have `tenant` and `model`."""
        chance = self._random
        tenant, plan = chance.choice(_TENANTS)
        asked = request(
            "Please look at this. " * chance.randint(1, 400),
            named.get("model", chance.choices(("auto", "auto-max", "gpt-9"), (90, 9, 1))[0]),
            stream=chance.random() < 0.4,
        )
        headers = {"x-tenant-id": named.get("tenant", tenant), "x-plan": plan, "x-user-id": f"user-{chance.random()}"}
        notice, result = self._decide(asked, RequestHead("/v1/chat/completions", headers, at))
        if chance.random() < 0.01:
            notice = None
        kind = chance.choices(_KINDS, [kind.weight for kind in _KINDS])[0]
        if not kind.is_heard_of and notice is not None:
            return build_request_record(notice, None, (), lambda _: self._policy)
        plan_of_it = result.plan if isinstance(result, Decision) else ()
        if plan_of_it and plan_of_it[0].name == _SICK and chance.random() < 0.3:
            kind = _SICKNESS
        outcome, attempts = self._outcome([model.name for model in plan_of_it], kind, at)
        return build_request_record(notice, outcome, attempts, lambda _: self._policy)

    def _decide(
        self, asked: ChatRequest, head: RequestHead
    ) -> tuple[DecisionNotice | None, Decision | RejectedError]:
        signals = self._policy.reader.read(asked, head)
        evidence, trail = self._evidence(), Trail()
        result: Decision | RejectedError
        try:
            decision = decide(self._policy, signals, evidence, trail)
            assert decision is not None
        except RejectedError as error:
            result, record = error, rejection_record(error, self._policy.hash, signals, trail, CLASSIFIER)
        else:
            result, record = decision, decision_record(decision, CLASSIFIER)
        failure = "no classification within 40 ms" if evidence.missing is not None else None
        shadow = ShadowDecision("5ad0f1b8c3e97742", self._random.choice(list(self._policy.models)), agrees=False)
        notice = DecisionNotice(
            worker=0,
            sequence=0,
            decision_id=f"{self._random.getrandbits(128):032x}",
            started_unix_nanos=int(head.received.timestamp() * 1e9),
            endpoint=asked.endpoint,
            trace_headers={"traceparent": f"00-{self._random.getrandbits(128):032x}-00000000000000a1-01"},
            parse_seconds=0.0001 + self._random.random() * 0.0003,
            classify_seconds=0.003 + self._random.random() * 0.01,
            decide_seconds=0.00005 + self._random.random() * 0.0001,
            record=record,
            classifier=CLASSIFIER,
            is_cached=self._random.random() < 0.2,
            error=result.message if isinstance(result, RejectedError) else failure,
            shadows=(shadow,) if self._random.random() < 0.2 else (),
        )
        return notice, result

    def _evidence(self) -> Evidence:
        if self._random.random() < 0.03:
            return Evidence(missing=Reason.CLASSIFIER_TIMEOUT)
        return Evidence(tuple([self._reading() for _ in range(self._random.choice((1, 1, 1, 2, 3)))]))

    def _reading(self) -> Classification:
        intent, difficulty = self._random.choice(_INTENTS)
        confidence = self._random.betavariate(8, 1.5)
        others = [name for name, _ in _INTENTS if name != intent][:2]
        shares = (confidence, (1 - confidence) * 0.7, (1 - confidence) * 0.3)
        return Classification(
            intent=intent,
            confidence=confidence,
            difficulty=min(1.0, max(0.0, self._random.gauss(difficulty, 0.12))),
            truncated=False,
            likeliest=tuple(zip((intent, *others), shares, strict=True)),
            example=None,
        )

    def _outcome(self, plan: list[str], kind: _Kind, at: datetime) -> tuple[Outcome, list[Attempt]]:
        started = int(at.timestamp() * 1e9)
        statuses = kind.statuses[: len(plan)]
        usage = Usage(self._random.randint(50, 4_000), self._random.randint(20, 900), self._random.choice((0, 0, 32)))
        attempts = [
            Attempt(model, started, self._took(status), status, None, usage if status == 200 else None)
            for model, status in zip(plan, statuses, strict=False)
        ]
        status = statuses[-1] if statuses else 403
        first = 0.1 + self._random.expovariate(4)
        outcome = Outcome(
            started_unix_nanos=started,
            seconds=first + sum(attempt.seconds for attempt in attempts),
            first_byte_seconds=first + sum(attempt.seconds for attempt in attempts[:-1]),
            status=status,
            flags=(kind.flag,) if kind.flag is not None and statuses else (),
            details="via_upstream" if statuses else "ext_proc_immediate",
            model=attempts[-1].model if attempts else None,
            attempts=len(attempts),
            request_bytes=2_000,
            response_bytes=3_000,
            request_id=f"{self._random.getrandbits(64):016x}",
            trace_id=f"{self._random.getrandbits(128):032x}",
            span_id=f"{self._random.getrandbits(64):016x}",
            path="/v1/chat/completions",
            usage=usage if status == 200 else None,
        )
        return outcome, attempts

    def _took(self, status: int) -> float:
        return self._random.expovariate(1) + 0.3 if status == 200 else self._random.random() * 0.4
