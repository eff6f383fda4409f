"""Each request makes one record, in whatever order its parts come and whichever of them never do."""

import logging
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.outcomes.access_log_pb2 import RequestMethod
from sidecar.outcomes.entries import AttemptEntry, EdgeEntry, read_attempt, read_edge
from sidecar.outcomes.ledger import Ledger
from sidecar.routing.notice import DecisionNotice
from sidecar.routing.outcome import Result
from sidecar.routing.policy import Policy
from sidecar.routing.request_record import RequestRecord
from tests.fakes.access_log import attempt_entry, edge_entry, tokens
from tests.fakes.outcomes import notice_of, record_of, rejection_of
from tests.fakes.policies import ladder
from tests.fakes.properties import examples

POLICY = ladder()
RECORD = record_of(POLICY)

MOST_OPEN = 10_000


class Records:
    """A RecordObserver that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[RequestRecord] = []

    def observe_record(self, record: RequestRecord) -> None:
        """Another one."""
        self.all.append(record)


class BrokenObserver:
    """Raises for every record."""

    def observe_record(self, record: RequestRecord) -> None:
        """Never returns."""
        raise RuntimeError(f"cannot take {record.decision_id}")


class Bench:
    """A ledger with a clock that is set by hand."""

    def __init__(self, policy: Policy | None = POLICY) -> None:
        self.now = 1000.0
        self.is_fed = True
        self._records = Records()
        self.ledger = Ledger(lambda _: policy, [self._records], is_fed=lambda: self.is_fed, clock=lambda: self.now)

    def add(self, *parts: DecisionNotice | EdgeEntry | AttemptEntry) -> None:
        """One after the other."""
        for part in parts:
            match part:
                case DecisionNotice():
                    self.ledger.add_notice(part)
                case EdgeEntry():
                    self.ledger.add_edge(part)
                case AttemptEntry():
                    self.ledger.add_attempt(part)

    def wait(self, seconds: float) -> None:
        """And a tick."""
        self.now += seconds
        self.ledger.tick()

    @property
    def records(self) -> list[RequestRecord]:
        """Those since the last time."""
        records, self._records.all = self._records.all, []
        return records

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Open, evicted, late and unmatched."""
        return self.ledger.open, self.ledger.evicted, self.ledger.late, self.ledger.unmatched


def told(decision_id: str = "id-1") -> DecisionNotice:
    """By a worker."""
    return notice_of(RECORD, decision_id)


def ended(decision_id: str | None = "id-1", **more: Any) -> EdgeEntry:
    """By the edge."""
    decision = None if decision_id is None else {"decision_id": decision_id.encode(), "record": RECORD}
    return read_edge(edge_entry(decision, **more))


def tried(decision_id: str | None = "id-1", target: str = "simple", **more: Any) -> AttemptEntry:
    """By the listener `models`."""
    return read_attempt(attempt_entry(None if decision_id is None else decision_id.encode(), target.encode(), **more))


PARTS = (
    told(),
    ended(attempts=3, model=b"large"),
    tried(status=503, start=0.0),
    tried(target="complex-cluster", status=429, start=0.5),
    tried(target="large", start=1.0, usage=tokens(20, 7)),
)


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_the_order_in_which_parts_come_does_not_matter(order: tuple[int, ...]) -> None:
    bench = Bench()

    bench.add(*(PARTS[index] for index in order))

    (record,) = bench.records
    assert [(attempt.model, attempt.status) for attempt in record.attempts] == [
        ("simple", 503),
        ("complex", 429),
        ("large", 200),
    ]
    assert (record.result, record.decision_id, record.input_tokens) == (Result.SUCCESS, "id-1", 20)
    assert bench.counts == (0, 0, 0, 0)


def test_requests_do_not_get_into_each_other() -> None:
    bench = Bench()

    bench.add(told("a"), told("b"), tried("b"), ended("a"), ended("b"), tried("a"))

    assert [record.decision_id for record in bench.records] == ["b", "a"]


def test_a_rejection_needs_no_attempt() -> None:
    bench = Bench()

    bench.add(notice_of(rejection_of(POLICY), error="no such model"), ended(status=404, attempts=0, model=None))

    (record,) = bench.records
    assert (record.result, record.status, record.error) == (Result.REJECTED, 404, "no such model")


def test_what_is_missing_is_waited_for_and_then_done_without() -> None:
    bench = Bench()
    bench.add(told(), ended(attempts=2), tried())

    bench.wait(2.9)
    assert bench.records == []
    bench.wait(0.1)

    (record,) = bench.records
    assert (record.attempt_count, len(record.attempts), record.result) == (2, 1, Result.SUCCESS)
    bench.add(tried())
    assert (bench.records, bench.counts) == ([], (0, 0, 1, 0))


def test_a_decision_whose_notice_was_lost_is_read_of_the_log() -> None:
    bench = Bench()
    bench.add(ended(), tried())
    assert bench.records == []

    bench.wait(3)

    (record,) = bench.records
    assert (record.decision_id, record.bypassed, record.intent, record.plan[0]) == ("id-1", False, "chat", "simple")
    assert (record.parse_seconds, record.classifier) == (None, "v1")
    bench.add(told())
    bench.wait(1000)
    assert (bench.records, bench.counts) == ([], (0, 0, 1, 0))


def test_a_decision_without_an_outcome_is_unknown_after_a_quarter_of_an_hour() -> None:
    bench = Bench()
    bench.add(told())

    bench.wait(899)
    assert bench.records == []
    bench.wait(1)

    (record,) = bench.records
    assert (record.result, record.decision_id, record.status) == (Result.UNKNOWN, "id-1", 0)
    bench.add(ended(), tried())
    bench.wait(1000)
    assert (bench.records, bench.counts) == ([], (0, 0, 2, 0))


def test_the_first_request_of_an_envoy_may_take_as_long_as_any_other() -> None:
    """Its log connects when that one is over."""
    bench = Bench()
    bench.is_fed = False
    bench.add(told("a"), told("b"))

    bench.wait(890)
    assert bench.records == []
    bench.add(ended("a"), tried("a"))
    bench.wait(9)

    assert [(record.decision_id, record.result) for record in bench.records] == [("a", Result.SUCCESS)]


def test_with_no_envoy_connected_and_one_waited_for_in_vain_all_are_unknown_after_a_minute() -> None:
    bench = Bench()
    bench.is_fed = False
    bench.add(told("a"))
    bench.wait(870)
    bench.add(told("b"))
    bench.wait(30)
    assert [record.decision_id for record in bench.records] == ["a"]

    bench.wait(29)
    assert bench.records == []
    bench.wait(1)
    assert [(record.decision_id, record.result) for record in bench.records] == [("b", Result.UNKNOWN)]


@pytest.mark.parametrize("is_connected", [True, False])
def test_one_envoy_that_says_anything_is_waited_for_again(is_connected: bool) -> None:
    bench = Bench()
    bench.is_fed = False
    bench.add(told("a"))
    bench.wait(900)
    bench.add(told("b"), told("c"), ended("c"), tried("c"))
    bench.is_fed = is_connected
    assert [record.decision_id for record in bench.records] == ["a", "c"]

    bench.wait(899)
    assert bench.records == []
    bench.add(ended("b"), tried("b"))

    assert [record.result for record in bench.records] == [Result.SUCCESS]


def test_a_connected_envoy_is_waited_for_whatever_came_of_an_earlier_request() -> None:
    bench = Bench()
    bench.add(told("a"))
    bench.wait(900)
    bench.add(told("b"))

    bench.wait(899)

    assert [record.decision_id for record in bench.records] == ["a"]


def test_an_outcome_that_is_there_does_not_wait_for_the_connection() -> None:
    bench = Bench()
    bench.add(told(), ended(attempts=2))
    bench.is_fed = False

    bench.wait(3)

    assert [record.result for record in bench.records] == [Result.SUCCESS]


def test_a_bypass_is_joined_by_the_request_id() -> None:
    bench = Bench()

    bench.add(tried(None, request_id=b"r-7"), ended(None, request_id=b"r-7"))

    (record,) = bench.records
    assert (record.bypassed, record.decision_id, record.request_id) == (True, None, "r-7")
    assert (record.model, [attempt.model for attempt in record.attempts]) == ("simple", ["simple"])


@pytest.mark.parametrize(
    "entry",
    [
        {"path": b"/v1/models", "method": RequestMethod.GET, "attempts": 0},
        {"path": b"/v1/embeddings"},
        {"path": b"/v1/chat/completions", "attempts": 0, "status": 413},
        {"path": b"/v1/chat/completions", "method": RequestMethod.GET},
    ],
)
def test_what_was_never_for_the_router_makes_no_record(entry: dict[str, Any]) -> None:
    first, then = Bench(), Bench()

    first.add(tried(None), ended(None, **entry))
    then.add(ended(None, **entry), tried(None))

    for bench in (first, then):
        bench.wait(1000)
        assert (bench.records, bench.counts) == ([], (0, 0, 0, 0))


def test_attempts_of_nothing_are_forgotten_and_counted() -> None:
    bench = Bench()
    bench.add(tried("a"), tried("a"), tried(None, request_id=b"r-1"))
    assert bench.counts == (2, 0, 0, 0)

    bench.wait(900)

    assert (bench.records, bench.counts) == ([], (0, 0, 0, 3))


def test_what_is_said_twice_counts_once() -> None:
    bench = Bench()

    bench.add(told(), ended(attempts=2), ended(attempts=2), tried(), tried(start=1.0), ended(), told(), tried())

    assert len(bench.records) == 1
    assert bench.counts == (0, 0, 4, 0)


def test_no_more_than_ten_thousand_are_open_and_the_oldest_goes() -> None:
    bench = Bench()
    bench.add(*(told(str(number)) for number in range(MOST_OPEN)))
    assert bench.records == []

    bench.add(told("new"), tried("newer"))

    assert [(record.decision_id, record.result) for record in bench.records] == [
        ("0", Result.UNKNOWN),
        ("1", Result.UNKNOWN),
    ]
    assert bench.counts == (MOST_OPEN, 2, 0, 0)


def test_those_that_only_lack_an_attempt_go_before_those_without_an_outcome() -> None:
    bench = Bench()
    bench.add(*(told(str(number)) for number in range(MOST_OPEN)), ended("7", attempts=2))

    bench.add(told("new"))

    assert [(record.decision_id, record.result) for record in bench.records] == [("7", Result.SUCCESS)]


def test_attempts_without_end_are_not_all_kept() -> None:
    bench = Bench()
    bench.add(told(), *(tried() for _ in range(5000)), ended())

    (record,) = bench.records
    assert len(record.attempts) < 100


def test_ids_of_long_ago_are_forgotten() -> None:
    bench = Bench()
    bench.add(told("first"), ended("first"), tried("first"))

    for number in range(20_000):
        bench.add(told(str(number)), ended(str(number), attempts=0))
    bench.add(ended("first"))

    assert bench.counts == (1, 0, 0, 0)


def test_closing_finishes_all() -> None:
    bench = Bench()
    bench.add(told("a"), told("b"), ended("b", attempts=2), tried("c"))

    bench.ledger.close()

    assert [(record.decision_id, record.result) for record in bench.records] == [
        ("b", Result.SUCCESS),
        ("a", Result.UNKNOWN),
    ]
    assert bench.counts == (0, 0, 0, 1)


def test_without_a_policy_there_is_a_record_all_the_same() -> None:
    bench = Bench(policy=None)

    bench.add(told(), ended(), tried(target="simple-cluster"))

    (record,) = bench.records
    assert (record.result, record.attempts[0].model, record.cost) == (Result.SUCCESS, "simple-cluster", None)


def test_a_broken_observer_takes_nobody_down_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    before, after = Records(), Records()
    ledger = Ledger(lambda _: POLICY, [before, BrokenObserver(), after], is_fed=lambda: True, clock=lambda: 0.0)

    for name in ("a", "b"):
        ledger.add_notice(told(name))
        ledger.add_edge(ended(name, attempts=0))

    assert [record.decision_id for record in before.all] == [record.decision_id for record in after.all] == ["a", "b"]
    (logged,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "BrokenObserver" in logged.getMessage() and logged.exc_info is not None


NAMES = st.sampled_from(["a", "b", "c"])
STEPS: st.SearchStrategy[Callable[[Bench], None]] = st.one_of(
    NAMES.map(lambda name: lambda bench: bench.add(told(name))),
    st.tuples(NAMES | st.none(), st.integers(0, 3)).map(
        lambda each: lambda bench: bench.add(ended(each[0], attempts=each[1]))
    ),
    (NAMES | st.none()).map(lambda name: lambda bench: bench.add(tried(name))),
    st.sampled_from([1.0, 3.0, 60.0, 900.0]).map(lambda seconds: lambda bench: bench.wait(seconds)),
    st.booleans().map(lambda is_fed: lambda bench: setattr(bench, "is_fed", is_fed)),
)


@given(steps=st.lists(STEPS, max_size=40))
@examples(200)
def test_whatever_happens_no_request_has_two_records_and_none_stays(steps: list[Callable[[Bench], None]]) -> None:
    bench = Bench()

    for step in steps:
        step(bench)
    bench.ledger.close()

    ids = [record.decision_id or record.request_id for record in bench.records]
    assert len(ids) == len(set(ids))
    assert bench.ledger.open == 0
