"""Exchanges for observers to see."""

from dataclasses import replace
from typing import Any

from sidecar.notices.channel import LONGEST_NOTICE, decode, open_channel
from sidecar.notices.sender import NoticeSender, WorkerState
from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange
from sidecar.routing.notice import DecisionNotice
from sidecar.routing.record import decision_record, rejection_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.routing.trail import Trail
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, signals_of
from tests.fakes.policies import ladder
from tests.fakes.requests import request

TRACE_ID, PARENT_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
SAMPLED = {"traceparent": f"00-{TRACE_ID:032x}-{PARENT_ID:016x}-01", "tracestate": "vendor=1"}
UNSAMPLED = {"traceparent": f"00-{TRACE_ID:032x}-{PARENT_ID:016x}-00"}
STARTED = 1_700_000_000_000_000_000


def exchange(
    asked: ChatRequest | None = None, result: Decision | RejectedError | None = None, **more: Any
) -> Exchange:
    """A classified one, unless told otherwise."""
    asked = asked or request()
    result = result or decided(ladder(), asked, classification("math", confidence=0.8, difficulty=0.25))
    whole = Exchange(
        decision_id="d1",
        endpoint=asked.endpoint,
        trace_headers=SAMPLED,
        started_unix_nanos=STARTED,
        parse_seconds=0.001,
        classify_seconds=0.02,
        decide_seconds=0.003,
        request=asked,
        result=result,
        record=_record(asked, result),
        classifier_version="model-7",
    )
    return replace(whole, **more)


def notice(told: Exchange, *, sampled: str | None = None) -> DecisionNotice:
    """What the collector gets of it, over a real channel; `sampled`: what may be kept of its prompt."""
    sending, receiving = open_channel()
    with sending, receiving:
        NoticeSender(sending, 0, lambda: WorkerState(None), lambda decision_id, prompt: sampled).observe(told)
        received = decode(receiving.recv(LONGEST_NOTICE))
    assert isinstance(received, DecisionNotice)
    return received


def _record(asked: ChatRequest, result: Decision | RejectedError) -> bytes:
    if isinstance(result, Decision):
        return decision_record(result, "model-7")
    policy = ladder()
    return rejection_record(result, policy.hash, signals_of(policy, asked), Trail(), "model-7")
