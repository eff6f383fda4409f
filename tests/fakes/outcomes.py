"""Notices of decisions, and outcomes, of one request to the models of a policy."""

from typing import Any

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.notice import DecisionNotice
from sidecar.routing.outcome import Attempt, Outcome
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.record import decision_record, rejection_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.trail import Trail
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, signals_of
from tests.fakes.requests import request

NOON_NANOS = 1_772_452_800_000_000_000
"""2026-03-02T12:00:00Z."""


def notice_of(record: bytes, decision_id: str = "id-1", **more: Any) -> DecisionNotice:
    """As a worker sends it."""
    values: dict[str, Any] = {
        "worker": 0,
        "sequence": 0,
        "decision_id": decision_id,
        "started_unix_nanos": NOON_NANOS,
        "endpoint": Endpoint.CHAT_COMPLETIONS,
        "trace_headers": {},
        "parse_seconds": 0.0001,
        "classify_seconds": 0.005,
        "decide_seconds": 0.0002,
        "record": record,
        "classifier": "v1",
    }
    return DecisionNotice(**values | more)


def record_of(policy: Policy, *, api: Api = Api.OPENAI, difficulty: float = 0.1, **more: Any) -> bytes:
    """A decision's, on a prompt of that difficulty; `more` is in the request's body."""
    reading = classification(difficulty=difficulty)
    return decision_record(decided(policy, request(api=api, **more), reading), "v1")


def rejection_of(policy: Policy, message: str = "no such model") -> bytes:
    """The record of one with the status 404."""
    rejection = RejectedError(Reason.UNKNOWN_MODEL, message, status=404)
    return rejection_record(rejection, policy.hash, signals_of(policy, request(model="nobody")), Trail(), "v1")


def outcome(**more: Any) -> Outcome:
    """A whole answer of the model `simple`."""
    values: dict[str, Any] = {
        "started_unix_nanos": NOON_NANOS,
        "seconds": 1.5,
        "first_byte_seconds": 0.25,
        "status": 200,
        "flags": (),
        "details": "via_upstream",
        "model": "simple",
        "attempts": 1,
        "request_bytes": 400,
        "response_bytes": 900,
        "request_id": "req-1",
        "trace_id": "",
        "span_id": "",
        "path": "/v1/chat/completions",
    }
    return Outcome(**values | more)


def attempt(model: str | None = "simple-cluster", status: int = 200, *, start: float = 0.0, **more: Any) -> Attempt:
    """One that began `start` seconds after noon and took a second."""
    values: dict[str, Any] = {"seconds": 1.0} | more
    return Attempt(model=model, status=status, started_unix_nanos=NOON_NANOS + int(start * 1e9), **values)
