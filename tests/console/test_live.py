"""What the page shows: bounded, whatever comes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sidecar.console.live import LiveRequests
from sidecar.console.model_health import ModelHealth
from sidecar.routing.outcome import Result
from sidecar.routing.request_record import AttemptRecord, RequestRecord
from tests.fakes.live_requests import Traffic, read_policy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TRAFFIC = Traffic(read_policy().policy)
RECORD = TRAFFIC.one(NOON)


def record(**changes: Any) -> RequestRecord:
    """One that succeeded at once, unless told otherwise."""
    values: dict[str, Any] = {
        "time": "2026-03-02T12:00:10.000000Z",
        "result": Result.SUCCESS,
        "tier": "complex",
        "model": "gpt-5",
        "attempts": [attempt()],
        "attempt_count": 1,
        "status": 200,
        "first_byte_seconds": 0.25,
        "cost": 0.01,
        "baseline_cost": 0.03,
        "saving": 0.02,
    }
    return msgspec.structs.replace(RECORD, **values | changes)


def attempt(model: str | None = "gpt-5", status: int = 200, error: str | None = None) -> AttemptRecord:
    """One request to one model."""
    return AttemptRecord(model, "openai", status, 0.5, error, None, None, None, None, None)


def live(*records: RequestRecord) -> LiveRequests:
    """That has seen these."""
    requests = LiveRequests()
    for each in records:
        requests.observe_record(each)
    return requests


def health(requests: LiveRequests, model: str = "gpt-5") -> ModelHealth:
    """Of one model."""
    return next(each for each in requests.everything().models if each.model == model)


def test_the_last_thousand_are_remembered() -> None:
    requests = live(*[record() for _ in range(1_100)])

    everything = requests.everything()

    assert (len(everything.rows), everything.rows[0].number, everything.rows[-1].number) == (1_000, 101, 1_100)
    assert requests.find("100") is None
    assert requests.find("101") is not None


def test_an_update_has_what_is_new_and_at_most_a_page_of_it() -> None:
    requests = live(*[record() for _ in range(5)])
    assert [row.number for row in requests.since(3).rows] == [4, 5]

    for _ in range(500):
        requests.observe_record(record())

    assert [row.number for row in requests.since(5).rows] == list(range(306, 506))


def test_only_minutes_and_models_that_changed_are_told_again() -> None:
    requests = live(record(), record(time="2026-03-02T12:01:10.000000Z", attempts=[attempt("gpt-4.1")]))

    changes = requests.since(1)

    assert [minute.requests for minute in changes.minutes] == [1]
    assert [model.model for model in changes.models] == ["gpt-4.1"]


def test_minutes_sum_up() -> None:
    requests = live(record(), record(tier=None, result=Result.FAILED, cost=None, baseline_cost=None, saving=None))

    (minute,) = requests.everything().minutes

    assert minute.minute == NOON.timestamp() // 60
    assert (minute.requests, minute.tiers, minute.failed) == (2, [0, 0, 1, 0, 1], 1)
    assert (minute.cost, minute.baseline_cost, minute.saving) == (0.01, 0.03, 0.02)


def test_a_day_of_minutes_is_kept() -> None:
    requests = LiveRequests()
    for minute in range(1_500):
        time = (NOON + timedelta(minutes=minute)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        requests.observe_record(record(time=time))

    minutes = requests.everything().minutes

    assert len(minutes) == 1_440
    assert min(minute.minute for minute in minutes) == NOON.timestamp() // 60 + 60


def test_a_record_is_trimmed_to_what_is_shown_and_never_has_the_prompt() -> None:
    requests = live(
        record(
            tenant="t" * 10_000,
            error="e" * 100_000,
            text="the prompt",
            record=msgspec.Raw(b'{"x":"' + b"x" * 50_000 + b'"}'),
            attempts=[attempt() for _ in range(1_000)],
        )
    )

    found = requests.find("1")

    assert found is not None and len(found) < 8_000
    assert json.loads(found)["request"]["record"] is None
    assert b"the prompt" not in found


def test_all_that_may_come_makes_rows() -> None:
    requests = LiveRequests()
    for each in TRAFFIC.history(30, NOON, a_minute=30):
        requests.observe_record(each)

    everything = requests.everything()

    assert len(everything.rows) == min(requests.number, 1_000)
    assert {row.bypassed for row in everything.rows} == {True, False}
    assert {row.result for row in everything.rows} >= set(Result) - {Result.UNKNOWN}


def test_failovers_count_for_the_model_that_was_left() -> None:
    requests = live(record(attempts=[attempt("gpt-5", 503), attempt("gpt-4.1")], attempt_count=2, model="gpt-4.1"))

    left, taken = health(requests), health(requests, "gpt-4.1")

    assert (left.attempts, left.failed, left.failovers, left.last_error) == (1, 1, 1, "503")
    assert (taken.attempts, taken.failed, taken.failovers, taken.last_error) == (1, 0, 0, None)


@pytest.mark.parametrize(
    ("failures", "expected"), [(2, "healthy"), (3, "degraded"), (25, "degraded"), (26, "failing")]
)
def test_health_is_of_the_last_fifty_attempts(failures: int, expected: str) -> None:
    failed = record(attempts=[attempt(status=500)], result=Result.FAILED)
    requests = live(*[failed] * 50, *[record()] * (50 - failures), *[failed] * failures)

    assert health(requests).health == expected


@pytest.mark.parametrize(
    ("status", "failed"), [(200, 0), (400, 0), (422, 0), (401, 1), (404, 1), (429, 1), (500, 1), (0, 1)]
)
def test_what_a_model_is_blamed_for(status: int, failed: int) -> None:
    assert health(live(record(attempts=[attempt(status=status)]))).failed == failed


def test_a_client_that_hangs_up_is_not_the_models_fault() -> None:
    cancelled = record(result=Result.CANCELLED, attempts=[attempt(error="downstream_remote_reset")])
    timed_out = record(attempts=[attempt(status=0, error="downstream_remote_reset"), attempt("gpt-4.1")])

    assert health(live(cancelled)).failed == 0
    assert health(live(timed_out)).last_error == "no answer downstream_remote_reset"


def test_without_a_word_of_attempts_the_outcome_counts() -> None:
    requests = live(record(attempts=[]), record(attempts=[], result=Result.FAILED, status=503))

    assert (health(requests).attempts, health(requests).failed, health(requests).last_error) == (2, 1, "503")


def test_times_are_of_answers_at_the_first_attempt() -> None:
    times = [record(first_byte_seconds=hundredth / 100) for hundredth in range(1, 101)]
    late = record(first_byte_seconds=99.0, attempt_count=2)

    told = health(live(*times, late))

    assert (told.p50, told.p95) == (0.51, 0.96)


def test_models_without_end_do_not_fill_the_memory() -> None:
    requests = live(*[record(attempts=[attempt(f"model-{number}")]) for number in range(4_100)])

    models = {model.model for model in requests.everything().models}

    assert len(models) <= 4_001
    assert "model-4099" in models and "model-0" not in models
