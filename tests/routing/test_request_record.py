"""The request record: what a request was, what came of it, what that cost, and what it would have cost."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.notice import DecisionNotice, ShadowDecision
from sidecar.routing.outcome import Attempt, Outcome, Result, Usage
from sidecar.routing.policy import Policy, Price
from sidecar.routing.request_record import LoggedDecision, RequestRecord, build_request_record, write_line
from sidecar.routing.signals import SignalReader
from sidecar.routing.tier import Tier
from tests.fakes.outcomes import NOON_NANOS, attempt, notice_of, outcome, record_of, rejection_of
from tests.fakes.policies import make_model, make_policy
from tests.fakes.properties import examples

POLICY = make_policy(
    [
        make_model("simple", price=Price(1.0, 2.0), provider="acme"),
        make_model("large", Tier.COMPLEX, price=Price(10.0, 20.0, cached_input=1.0), provider="globex"),
        make_model("haiku", api=Api.ANTHROPIC, price=Price(0.5, 1.0)),
        make_model("sonnet", Tier.COMPLEX, api=Api.ANTHROPIC, price=Price(3.0, 15.0, 0.3, 3.75)),
    ],
    ["large", "sonnet"],
)
RECORD = record_of(POLICY)
REJECTION = rejection_of(POLICY)

USAGE = Usage(1_000, 500)


def policy_of(policy_hash: str) -> Policy:
    """Always the same."""
    return POLICY


def built(
    told: DecisionNotice | None, came: Outcome | None, *attempts: Attempt, logged: LoggedDecision | None = None
) -> RequestRecord:
    """With the policy above."""
    return build_request_record(told, came, attempts, policy_of, logged=logged)


def test_a_success_has_its_decision_its_answer_and_its_saving() -> None:
    record = built(notice_of(RECORD), outcome(usage=USAGE, trace_id="abc"), attempt(usage=USAGE))

    assert (record.result, record.bypassed, record.failed_over) == (Result.SUCCESS, False, False)
    assert (record.time, record.decision_id, record.trace_id) == ("2026-03-02T12:00:00.000000Z", "id-1", "abc")
    assert (record.endpoint, record.requested_model, record.virtual_model) == ("chat/completions", "auto", "auto")
    assert (record.intent, record.confidence, record.difficulty, record.tier) == ("chat", 0.9, 0.1, "simple")
    assert (record.plan, record.policy, record.classifier) == (["simple", "large"], "feedc0de", "v1")
    assert (record.model, record.provider, record.attempt_count, record.status) == ("simple", "acme", 1, 200)
    assert (record.input_tokens, record.output_tokens, record.estimated) == (1_000, 500, False)
    assert (record.cost, record.baseline_cost, record.saving) == (0.002, 0.02, 0.018)
    assert (record.seconds, record.first_byte_seconds) == (1.5, 0.25)
    assert (record.parse_seconds, record.classify_seconds, record.decide_seconds) == (0.0001, 0.005, 0.0002)
    (only,) = record.attempts
    assert (only.model, only.provider, only.status, only.cost) == ("simple", "acme", 200, 0.002)


def test_the_answer_of_an_attempt_that_was_thrown_away_is_billed_too() -> None:
    record = built(
        notice_of(RECORD),
        outcome(model="large", attempts=3, usage=Usage(1_000, 100)),
        attempt(status=503),
        attempt(status=460, usage=USAGE, start=0.25),
        attempt("large-cluster", usage=Usage(1_000, 100), start=0.5),
    )

    assert [each.cost for each in record.attempts] == [None, 0.002, 0.012]
    assert [each.start_seconds for each in record.attempts] == [0.0, 0.25, 0.5]
    assert (record.cost, record.baseline_cost, record.saving) == (0.014, 0.012, -0.002)
    assert (record.input_tokens, record.output_tokens, record.model) == (1_000, 100, "large")
    assert (record.result, record.failed_over, record.attempt_count) == (Result.SUCCESS, True, 3)


def test_all_that_was_thrown_away_is_billed_also_if_nothing_was_heard_of_the_last_attempt() -> None:
    record = built(notice_of(RECORD), outcome(attempts=2, usage=USAGE), attempt(status=460, usage=USAGE))

    assert (record.cost, record.attempt_count, len(record.attempts)) == (0.004, 2, 1)


def test_of_an_attempt_on_another_model_one_knows_also_if_it_was_not_heard_of() -> None:
    record = built(notice_of(RECORD), outcome(model="large", attempts=2), attempt("large-cluster"))

    assert record.failed_over


def test_when_all_fail_what_was_thrown_away_is_the_cost() -> None:
    failed = outcome(status=500, flags=("upstream_retry_limit_exceeded",), attempts=2, model="large")
    record = built(notice_of(RECORD), failed, attempt(status=460, usage=USAGE), attempt("large-cluster", 500))

    assert (record.result, record.cost, record.baseline_cost, record.saving) == (Result.FAILED, 0.002, None, None)
    assert (record.input_tokens, record.flags) == (None, ["upstream_retry_limit_exceeded"])


def test_a_stream_that_the_client_left_is_estimated_by_its_size() -> None:
    left = outcome(flags=("downstream_connection_termination",), response_bytes=20_000)
    broken_off = attempt(error="downstream_remote_reset")
    record = built(notice_of(record_of(POLICY, stream=True)), left, broken_off)

    assert (record.result, record.estimated, record.stream) == (Result.CANCELLED, True, True)
    assert record.input_tokens is not None and record.output_tokens == 100  # an event of 200 bytes for each
    assert record.cost is not None and record.cost == record.attempts[0].cost
    assert (record.attempts[0].error, record.attempts[0].output_tokens) == ("downstream_remote_reset", 100)


def test_an_answer_without_a_usage_is_estimated_by_its_size() -> None:
    record = built(notice_of(RECORD), outcome(response_bytes=4_400), attempt())

    assert (record.result, record.estimated, record.output_tokens) == (Result.SUCCESS, True, 1_000)


def test_a_usage_that_only_the_attempt_has_is_that_of_the_answer() -> None:
    record = built(notice_of(RECORD), outcome(), attempt(usage=USAGE))

    assert (record.input_tokens, record.estimated, record.cost) == (1_000, False, 0.002)


def test_that_of_another_attempt_is_not() -> None:
    record = built(notice_of(RECORD), outcome(attempts=2), attempt(status=460, usage=USAGE))

    assert record.estimated


def test_without_an_answer_there_are_no_tokens() -> None:
    gone = outcome(status=0, model=None, flags=("downstream_connection_termination",), response_bytes=0)
    record = built(notice_of(RECORD), gone, attempt(status=0, error="downstream_remote_reset"))

    assert (record.result, record.model, record.input_tokens) == (Result.CANCELLED, None, None)
    assert (record.cost, record.baseline_cost, record.saving, record.estimated) == (None, None, None, False)


def test_cached_input_has_its_own_price() -> None:
    usage = Usage(1_000, 0, cached_tokens=900)
    dear = built(notice_of(RECORD), outcome(model="large", usage=usage), attempt("large-cluster"))
    cheap = built(notice_of(RECORD), outcome(usage=usage), attempt())

    assert (dear.cost, dear.cached_tokens) == (0.0019, 900)
    assert (cheap.cost, cheap.baseline_cost, cheap.saving) == (0.001, 0.0019, 0.0009)  # `simple` has but one price


def test_what_is_put_into_the_cache_has_its_own_price() -> None:
    told = notice_of(record_of(POLICY, api=Api.ANTHROPIC, max_tokens=9), endpoint=Endpoint.MESSAGES)
    usage = Usage(1_000, 0, cached_tokens=100, cache_write_tokens=800)
    path = "/v1/messages"
    dear = built(told, outcome(model="sonnet", path=path, usage=usage), attempt("sonnet-cluster"))
    cheap = built(told, outcome(model="haiku", path=path, usage=usage), attempt("haiku-cluster"))

    assert (dear.cost, dear.cached_tokens, dear.cache_write_tokens) == (0.00333, 100, 800)
    assert dear.attempts[0].cache_write_tokens == 800
    assert (cheap.cost, cheap.baseline_cost) == (0.0005, 0.00333)


def test_the_baseline_is_the_fallback_of_the_same_endpoint() -> None:
    told = notice_of(record_of(POLICY, api=Api.ANTHROPIC, max_tokens=9), endpoint=Endpoint.MESSAGES)
    record = built(told, outcome(model="haiku", path="/v1/messages", usage=USAGE), attempt("haiku-cluster"))

    assert (record.cost, record.baseline_cost, record.saving) == (0.001, 0.0105, 0.0095)


def test_without_the_model_in_the_policy_there_is_no_cost_and_no_saving() -> None:
    record = built(
        notice_of(RECORD), outcome(model="gone", attempts=2, usage=USAGE), attempt(status=460, usage=USAGE)
    )

    assert (record.model, record.provider, record.cost, record.saving) == ("gone", None, None, None)
    assert record.baseline_cost == 0.02


def test_a_model_that_no_header_tells_is_that_of_the_attempt_with_the_same_status() -> None:
    assert built(notice_of(RECORD), outcome(model=None), attempt()).model == "simple"
    assert built(notice_of(RECORD), outcome(model=None, status=504), attempt(status=0)).model is None


def test_a_bypass_says_so_and_what_it_cost() -> None:
    record = built(None, outcome(model="large", usage=USAGE), attempt("large"))

    assert (record.bypassed, record.decision_id, record.record) == (True, None, None)
    assert (record.endpoint, record.result, record.plan) == ("chat/completions", Result.SUCCESS, [])
    assert (record.cost, record.baseline_cost, record.saving) == (0.02, 0.02, 0.0)
    assert (record.policy, record.stream, record.intent, record.failed_over) == ("feedc0de", None, None, False)


def test_a_bypass_without_a_usage_is_taken_for_a_stream() -> None:
    record = built(None, outcome(model="large", request_bytes=400, response_bytes=20_000), attempt("large"))

    assert (record.input_tokens, record.output_tokens, record.estimated) == (100, 100, True)


def test_a_decision_of_which_only_the_log_tells_is_no_bypass() -> None:
    record = built(None, outcome(usage=USAGE), attempt(), logged=LoggedDecision("id-9", RECORD))

    assert (record.bypassed, record.decision_id, record.intent, record.plan[0]) == (False, "id-9", "chat", "simple")
    assert (record.endpoint, record.classifier, record.saving) == ("chat/completions", "v1", 0.018)
    assert (record.parse_seconds, record.classify_seconds, record.decide_seconds) == (None, None, None)


def test_a_rejection_costs_nothing_and_has_its_status() -> None:
    told = notice_of(REJECTION, error="no such model")
    heard = built(told, outcome(status=404, attempts=0, model=None, details="ext_proc_error"))
    unheard = built(told, None)

    for record in (heard, unheard):
        assert (record.result, record.status, record.error) == (Result.REJECTED, 404, "no such model")
        assert (record.model, record.plan, record.cost, record.input_tokens) == (None, [], None, None)
        assert (record.requested_model, record.virtual_model, record.reason) == ("nobody", None, "unknown_model")


def test_a_decision_without_an_outcome_is_unknown() -> None:
    record = built(notice_of(RECORD, trace_headers={"traceparent": "00-0af7-b7ad-01"}), None)

    assert (record.result, record.status, record.seconds, record.attempts) == (Result.UNKNOWN, 0, None, [])
    assert (record.plan[0], record.model, record.cost, record.request_id) == ("simple", None, None, "")
    assert (record.time, record.trace_id) == ("2026-03-02T12:00:00.000000Z", "0af7")


@pytest.mark.parametrize(
    ("came", "result"),
    [
        ({}, Result.SUCCESS),
        ({"status": 201}, Result.SUCCESS),
        ({"status": 400}, Result.CLIENT_ERROR),
        ({"status": 429, "flags": ("rate_limited",), "attempts": 0}, Result.CLIENT_ERROR),
        ({"status": 429, "flags": ("upstream_retry_limit_exceeded",), "attempts": 2}, Result.FAILED),
        ({"flags": ("upstream_remote_reset",)}, Result.FAILED),
        ({"status": 503, "flags": ("no_healthy_upstream",)}, Result.FAILED),
        ({"status": 504, "details": "response_timeout"}, Result.FAILED),
        ({"status": 0, "flags": ("downstream_remote_reset",)}, Result.CANCELLED),
        ({"flags": ("downstream_connection_termination", "upstream_remote_reset")}, Result.CANCELLED),
    ],
)
def test_the_result_is_what_the_client_saw(came: dict[str, Any], result: Result) -> None:
    assert built(notice_of(RECORD), outcome(**came)).result is result


def test_a_record_that_cannot_be_read_costs_only_what_is_in_it() -> None:
    record = built(notice_of(b'{"policy": 7}'), outcome(usage=USAGE), attempt())

    assert (record.decision_id, record.bypassed, record.result) == ("id-1", False, Result.SUCCESS)
    assert (record.record, record.plan, record.cost, record.saving) == (None, [], 0.002, 0.018)
    assert record.error is not None and "$.policy" in record.error


def test_a_line_has_every_key_and_the_decision_record_in_it() -> None:
    shadow = ShadowDecision("beef", "large", agrees=False)
    line = write_line(built(notice_of(RECORD, shadows=(shadow,)), outcome(), attempt()))

    written = json.loads(line)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert list(written) == [name for name in RequestRecord.__struct_fields__ if name != "text"]
    assert written["record"] == json.loads(RECORD)
    assert written["shadows"] == [{"policy": "beef", "model": "large", "agrees": False}]


def test_the_prompt_is_in_it_only_if_it_was_sampled() -> None:
    without = write_line(built(notice_of(RECORD), outcome()))
    sampled = write_line(built(notice_of(RECORD, prompt="What is an [name]?"), outcome()))

    assert b"oak" not in without and "text" not in json.loads(without)
    assert json.loads(sampled)["text"] == "What is an [name]?"


def test_the_tenant_is_the_policys() -> None:
    policy = make_policy([make_model("simple")], ["simple"], reader=SignalReader(headers={"tenant": "x-tenant-id"}))
    signals = json.loads(RECORD)
    signals["signals"]["headers"] = {"tenant": "globex"}

    record = build_request_record(notice_of(json.dumps(signals).encode()), None, (), lambda _: policy)

    assert record.tenant == "globex"


COUNTS = st.integers(0, 2**40)
USAGES = st.builds(Usage, *5 * [COUNTS], is_estimated=st.booleans())
MODELS = st.sampled_from(["simple", "large", "simple-cluster", "haiku", "gone", ""]) | st.none()
STATUSES = st.sampled_from([0, 200, 204, 400, 404, 429, 460, 500, 503])
NANOS = st.sampled_from([0, NOON_NANOS]) | st.integers(-(2**63), 2**75)
SECONDS = st.floats(0, 1e9)
FLAGS = st.lists(
    st.sampled_from(["downstream_connection_termination", "upstream_remote_reset", "rate_limited"]), max_size=2
).map(tuple)
ATTEMPTS = st.builds(
    Attempt,
    model=MODELS,
    started_unix_nanos=NANOS,
    seconds=SECONDS,
    status=STATUSES,
    error=st.none() | st.text(),
    usage=st.none() | USAGES,
)
OUTCOMES = st.builds(
    Outcome,
    started_unix_nanos=NANOS,
    seconds=SECONDS,
    first_byte_seconds=st.none() | SECONDS,
    status=STATUSES,
    flags=FLAGS,
    details=st.text(),
    model=MODELS,
    attempts=st.integers(0, 4),
    request_bytes=COUNTS,
    response_bytes=COUNTS,
    request_id=st.text(),
    trace_id=st.text(),
    span_id=st.text(),
    path=st.sampled_from(["/v1/chat/completions", "/v1/messages"]) | st.text(),
    usage=st.none() | USAGES,
)
RECORDS = st.sampled_from([RECORD, REJECTION, record_of(POLICY, stream=True), b"", b"{}", b"\xff", RECORD[:-9]])
NOTICES = st.builds(
    notice_of,
    RECORDS,
    st.text(min_size=1),
    endpoint=st.sampled_from(Endpoint),
    started_unix_nanos=NANOS,
    trace_headers=st.dictionaries(st.just("traceparent"), st.text()),
    error=st.none() | st.text(),
    prompt=st.none() | st.text(),
)


def read_back(line: bytes) -> tuple[RequestRecord, object]:
    """All of it but the decision record, which msgspec cannot read as raw JSON where null may be; and that."""
    written = json.loads(line)
    decision = written.pop("record")
    return msgspec.convert({**written, "record": None}, RequestRecord), decision


@given(
    told=st.none() | NOTICES,
    came=st.none() | OUTCOMES,
    attempts=st.lists(ATTEMPTS, max_size=4),
    logged=st.none() | st.builds(LoggedDecision, st.text(min_size=1), RECORDS),
    policy=st.sampled_from([POLICY, None]),
)
@examples(400)
def test_any_request_makes_one_line_whose_sums_are_right(
    told: DecisionNotice | None,
    came: Outcome | None,
    attempts: list[Attempt],
    logged: LoggedDecision | None,
    policy: Policy | None,
) -> None:
    record = build_request_record(told, came, attempts, lambda _: policy, logged=logged)

    line = write_line(record)
    assert line.count(b"\n") == 1
    assert read_back(line) == (
        msgspec.structs.replace(record, record=None),
        None if record.record is None else json.loads(bytes(record.record)),
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record.time)
    costs = [record.cost, record.baseline_cost, *(each.cost for each in record.attempts)]
    assert all(cost is None or cost >= 0 for cost in costs)
    assert (record.saving is None) == (record.cost is None or record.baseline_cost is None)
    known = [each.cost for each in record.attempts if each.cost is not None]
    assert record.cost is None or record.cost >= max(known, default=0) * (1 - 1e-9)
    assert record.bypassed == (told is None and logged is None)
