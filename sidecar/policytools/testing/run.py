"""Routing tests, run: each request decided as it would be served, and compared with what is expected of it."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from sidecar.config.running import Expectation, RoutingTest
from sidecar.policytools.calls import Answer, Call, decide_call
from sidecar.routing.api import find_endpoint
from sidecar.routing.recorded import Record, read_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.router import Router
from sidecar.routing.signals import RequestHead
from sidecar.streams.lines import InputError

_NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that came out otherwise."""

    key: str
    """Of `expect`."""
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Tested:
    """A test that was run."""

    test: RoutingTest
    mismatches: tuple[Mismatch, ...]
    why: str
    """How the decision came about, on one line."""
    seconds: float

    @property
    def has_passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.mismatches


async def run_tests(router: Router, tests: Iterable[RoutingTest], now: datetime) -> list[Tested]:
    """In their order. Raises InputError for a path that is not the router's."""
    return [await _run(router, test, now) for test in tests]


async def _run(router: Router, test: RoutingTest, now: datetime) -> Tested:
    endpoint = find_endpoint("POST", test.path)
    if endpoint is None:
        raise InputError(f"line {test.line}: {test.name}: no request is routed at {test.path}")
    head = RequestHead(test.path, test.headers, test.at or now)
    started = time.perf_counter()
    answer = await decide_call(router, Call(endpoint, msgspec.json.encode(test.request), head))
    seconds = time.perf_counter() - started
    record = read_record(answer.record)
    return Tested(test, tuple(_compare(test.expect, record)), _why(answer, record), seconds)


def _compare(expect: Expectation, record: Record) -> Iterator[Mismatch]:
    expected_and_got: Iterable[tuple[str, tuple[object, ...], object]] = (
        ("tier", tuple(tier.label for tier in expect.tier), record.tier),
        ("model", expect.model, record.model),
        ("reason", expect.reason, record.reason),
        ("rule", expect.rule, record.rule),
        ("intent", expect.intent, record.intent),
        ("arm", expect.arm, record.arm),
        ("status", expect.status, record.status),
    )
    for key, expected, got in expected_and_got:
        if expected and got not in expected:
            yield Mismatch(key, " or ".join(map(str, expected)), _NOTHING if got is None else str(got))
    plan = [each.model for each in record.plan]
    if not set(expect.not_model).isdisjoint(plan):
        yield Mismatch("not_model", f"a plan without {' and '.join(expect.not_model)}", ", ".join(plan))


def _why(answer: Answer, record: Record) -> str:
    parts = [f"rule {record.rule}" if record.rule is not None else "no rule"]
    parts += [f"arm {record.arm}"] if record.arm is not None else []
    parts += [f"requirements {', '.join(record.requirements)}"] if record.requirements else []
    parts += [f"intent {record.intent}"] if record.intent is not None else []
    parts += [" → ".join(f"{tier} ({reason})" for reason, tier in record.moves)] if record.moves else []
    parts += [answer.result.message] if isinstance(answer.result, RejectedError) else []
    return "; ".join(parts)
