"""The decision record: what is in it, that it is the same everywhere, and what is never in it."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.api import Endpoint
from sidecar.routing.classification import (
    Classification,
    Classifier,
    ClassifierOverloadedError,
    ClassifierTimeoutError,
    Example,
)
from sidecar.routing.conditions import HeaderIs, IntentIn, InTime, NamesFound, PersonalDataFound
from sidecar.routing.decision import Decision
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.policy import CallersMay, Policy, Price
from sidecar.routing.reason import Reason
from sidecar.routing.record import rejection_record
from sidecar.routing.rejection import RejectedError, invalid_request
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.router import Routed
from sidecar.routing.rules import Action, Arm, Refusal, Requirement, Rule, Split, StandingRequirement, TierBounds
from sidecar.routing.signals import RequestHead, SignalReader, hash_name
from sidecar.routing.tier import Tier
from sidecar.routing.trail import Trail
from tests.fakes.classifiers import AnsweringClassifier, FailingClassifier, classification
from tests.fakes.policies import make_model, make_policy
from tests.fakes.properties import examples
from tests.fakes.requests import request
from tests.fakes.routers import make_router

EU = Requirement(regions=frozenset(("eu",)))

POLICY = make_policy(
    [
        make_model("small", region="us", price=Price(0.15, 0.6), capabilities=("tools", "json", "streaming")),
        make_model("large", Tier.COMPLEX, region="eu", price=Price(2.5, 10), unsupported=("temperature", "top_p")),
        make_model("spare", Tier.COMPLEX, region="eu", price=Price(1 / 3, 2 / 3)),
    ],
    ["spare"],
    rules=[
        Rule(
            "incident",
            NamesFound("keywords", frozenset(("incident", "loss"))),
            Action(bounds=TierBounds(Tier.COMPLEX)),
        ),
        Rule("closed", HeaderIs("plan", frozenset(("none",))), Action(reject=Refusal(402, "pay first, s3cret"))),
        Rule("math", IntentIn(frozenset(("math", "code_generation"))), Action(requirement=EU)),
        Rule(
            "canary",
            HeaderIs("plan", None),
            Action(split=Split("user", (Arm("a", 0.5, Action()), Arm("b", 0.5, Action(pin="large"))))),
        ),
    ],
    requirements=[StandingRequirement("stays", PersonalDataFound(None), EU)],
    reader=SignalReader(
        headers={"user": "x-user-id", "conversation": "x-conversation-id", "tenant": "x-tenant-id", "plan": "x-plan"},
        keywords={
            name: PhraseList((word,)) for name, word in (("incident", "outage"), ("loss", "loss"), ("z", "zebra"))
        },
        patterns={"ticket": PatternList(("[A-Z]+-[0-9]+",)), "order": PatternList(("#[0-9]+",))},
        parameters=frozenset(("temperature", "top_p", "logit_bias")),
    ),
    callers_may=CallersMay(set_tier=True, set_max_cost=True),
)

READING = Classification(
    "chat", 0.123456789, 0.1 + 0.2, truncated=False, likeliest=(("chat", 0.123456789), ("math", 1 / 3), ("qa", 1e-9))
)


def routed(
    asked: ChatRequest | None = None,
    classifier: Classifier | None = None,
    *,
    policy: Policy = POLICY,
    path: str = "",
    **headers: str,
) -> Routed:
    """By a router of its own."""
    asked = asked or request()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    head = RequestHead(path or f"/v1/{asked.endpoint}", named, datetime(2026, 3, 1, tzinfo=UTC))
    return asyncio.run(make_router(policy, classifier or AnsweringClassifier(READING)).route(asked, head))


def record_of(*args: Any, **more: Any) -> Any:
    """Read."""
    return json.loads(routed(*args, **more).record)


def test_a_record_says_what_was_decided_and_on_what_grounds() -> None:
    asked = request("There is an outage, write to anna@example.org about AB-1.", temperature=0.5, stream=True)

    assert record_of(asked, x_user_id="anna", x_plan="free", x_llm_tier="simple") == {
        "policy": "feedc0de",
        "classifier": None,
        "reason": "rule",
        "tier": "complex",
        "model": "spare",
        "plan": [{"model": "spare", "cost": 0.00034067}],
        "rule": "incident",
        "arm": None,
        "requirements": ["stays"],
        "moves": [["caller", "simple"], ["rule", "complex"]],
        "excluded": {
            "large": "does not support temperature",
            "small": "runs in us, allowed: eu",
        },
        "classification": "skipped",
        "readings": [],
        "earlier": [],
        "unread": 0,
        "signals": {
            "endpoint": "chat/completions",
            "path": "/v1/chat/completions",
            "model": "auto",
            "input_tokens": 22,
            "max_output_tokens": 0,
            "turns": 1,
            "tools": 0,
            "images": 0,
            "json": False,
            "stream": True,
            "code_fences": 0,
            "script": "latin",
            "language": "en",
            "parameters": ["temperature"],
            "keywords": ["incident"],
            "patterns": ["ticket"],
            "personal_data": {"email": 1},
            "headers": {"plan": "free", "user": f"#{hash_name('anna')}"},
            "keys": {
                "conversation": hash_name(asked.prompt),
                "tenant": hash_name(""),
                "user": hash_name("anna"),
            },
            "tier": "simple",
            "max_cost": None,
            "time": {},
        },
    }


@pytest.mark.parametrize(
    ("asked", "reason"),
    [(request(), "low_confidence"), (request(model="small"), "pinned"), (request(model="x"), "unknown_model")],
)
def test_of_the_time_only_the_policys_windows_are_recorded(asked: ChatRequest, reason: str) -> None:
    week, zone = frozenset(range(7)), ZoneInfo("Europe/Berlin")
    windows = [
        InTime(week, time(0), time(6), UTC),
        InTime(week, time(2), time(6), zone),
        InTime(frozenset((0, 4)), time(20), time(0), zone),
    ]
    policy = replace(POLICY, rules=(), windows={str(window): window for window in windows})

    record = record_of(asked, policy=policy)

    assert record["reason"] == reason
    assert record["signals"]["time"] == {
        "00:00-06:00 UTC": True,
        "02:00-06:00 Europe/Berlin": False,
        "mon,fri 20:00-24:00 Europe/Berlin": False,
    }


def test_a_reading_is_recorded_with_rounded_numbers() -> None:
    record = record_of()

    assert (record["classifier"], record["classification"]) == ("model-7", "done")
    assert record["readings"] == [
        {
            "intent": "chat",
            "confidence": 0.1235,
            "difficulty": 0.3,
            "truncated": False,
            "likeliest": [["chat", 0.1235], ["math", 0.3333], ["qa", 0.0]],
            "example": None,
        }
    ]
    assert record["moves"] == [["difficulty", "simple"], ["low_confidence", "moderate"]]


def test_an_example_is_recorded_beside_the_classifiers_own_intent() -> None:
    reading = replace(READING, example=Example("refund", 2 / 3))

    recorded = record_of(classifier=AnsweringClassifier(reading))["readings"][0]

    assert (recorded["intent"], recorded["example"]) == ("chat", ["refund", 0.6667])


@pytest.mark.parametrize(
    "reading",
    [
        replace(READING, cached=True),
        replace(READING, embedding=object()),
        replace(READING, confidence=0.12345, difficulty=0.30000001),
    ],
)
def test_what_makes_no_difference_is_not_recorded(reading: Classification) -> None:
    assert routed(classifier=AnsweringClassifier(reading)).record == routed().record


def test_a_cost_is_what_a_request_would_cost_to_a_hundred_millionth() -> None:
    asked = replace(request(max_tokens=1_000), input_tokens=1_234)

    costs = {each["model"]: each["cost"] for each in record_of(asked)["plan"]}

    assert costs == {"large": 0.013085, "spare": 0.001078, "small": 0.0007851}


@pytest.mark.parametrize(
    ("classifier", "reason", "tier"),
    [
        (FailingClassifier(ClassifierTimeoutError()), "classifier_timeout", "complex"),
        (FailingClassifier(ClassifierOverloadedError()), "classifier_overloaded", "complex"),
    ],
)
def test_a_fallback_is_recorded_as_one(classifier: Classifier, reason: str, tier: str) -> None:
    record = record_of(classifier=classifier)

    assert (record["reason"], record["tier"], record["classifier"]) == (reason, tier, None)
    assert (record["moves"], record["readings"]) == ([[reason, tier]], [])
    assert record["classification"] == reason


def test_a_classifier_that_failed_is_recorded_though_a_later_rule_settles_it() -> None:
    later = Rule("later", HeaderIs("plan", None), Action(tier=Tier.SIMPLE))
    policy = replace(POLICY, rules=(*POLICY.rules[:3], later))

    record = record_of(classifier=FailingClassifier(ClassifierTimeoutError()), policy=policy, x_plan="free")

    assert (record["reason"], record["rule"], record["readings"]) == ("rule", "later", [])
    assert record["classification"] == "classifier_timeout"


@pytest.mark.parametrize(
    ("asked", "headers", "expected"),
    [
        (request(model="gpt-9"), {}, {"reason": "unknown_model", "status": 404, "rule": None}),
        (request(), {"x_plan": "none"}, {"reason": "rejected_by_rule", "status": 402, "rule": "closed"}),
        (
            request("anna@example.org", "small"),
            {},
            {"reason": "no_candidate", "status": 403, "requirements": ["stays"]},
        ),
        (
            request(),
            {"x_llm_max_cost": "0"},
            {
                "reason": "no_candidate",
                "status": 400,
                "excluded": {
                    "large": "would cost about 0.005 USD",
                    "small": "would cost about 0.0003 USD",
                    "spare": "would cost about 0.00034 USD",
                },
            },
        ),
    ],
)
def test_a_rejection_is_recorded_with_its_grounds(
    asked: ChatRequest, headers: dict[str, Any], expected: dict[str, object]
) -> None:
    record = record_of(asked, **headers)

    assert {key: record[key] for key in expected} == expected
    assert not record.keys() & {"model", "plan", "tier"}
    assert record["signals"]["model"] == asked.model


def test_a_body_that_could_not_be_read_has_no_signals() -> None:
    rejection = invalid_request("messages: missing", param="messages")

    record = json.loads(rejection_record(rejection, "feedc0de", None, Trail(), ""))

    assert record == {"policy": "feedc0de", "classifier": None, "reason": "invalid_request", "status": 400}


def test_a_message_is_not_recorded() -> None:
    assert b"s3cret" not in routed(x_plan="none").record


@pytest.mark.parametrize(
    "value", ["\x00\x1f\x7f", '"\\', "\r\nx-evil: 1", "\xff\xfe", "\u2028".encode().decode("latin-1")]
)
def test_whatever_a_header_holds_a_record_is_json_on_one_line(value: str) -> None:
    record = routed(x_tenant_id=f"a{value}b", path="/v1/chat/completions;\x01\xe9").record

    assert json.loads(record)["signals"]["headers"]["tenant"] == f"a{value}b"
    assert not any(byte < 0x20 for byte in record)


def test_no_record_grows_with_the_request() -> None:
    asked = request("word " * 100_000, "auto", metadata={"a": "b" * 100_000})
    unknown = request(model="x" * 1_000_000)

    for each in (asked, unknown):
        assert len(routed(each, path="/v1/chat/completions;" + "a" * 50_000, x_plan="p" * 50_000).record) < 4_000


_HEADERS = ("x_user_id", "x_conversation_id")
_TEXT = st.text(max_size=40)


@st.composite
def secrets(draw: st.DrawFn) -> tuple[ChatRequest, dict[str, Any]]:
    """A request of any API in which all that somebody said, and who said it, has the word in it."""

    def secret() -> str:
        return f"{draw(_TEXT)}s3cret{draw(_TEXT)}"

    said = [{"role": "user", "content": secret()} for _ in range(draw(st.integers(1, 3)))]
    members = {
        "model": draw(st.sampled_from(("auto", "small", "large", "gpt-9"))),
        "messages": [{"role": "system", "content": secret()}, *said, {"role": "tool", "content": secret()}],
        "system": secret(),
        "input": secret(),
        "instructions": secret(),
        "prompt": secret(),
        "user": secret(),
        "tools": [{"type": "function", "function": {"name": "s3cret"}}],
        "metadata": {"s3cret": "s3cret"},
        "temperature": draw(st.none() | st.just(1)),
    }
    headers = {name: f"s3cret{draw(st.text(st.characters(max_codepoint=255), max_size=9))}" for name in _HEADERS}
    return parse_request(draw(st.sampled_from(Endpoint)), json.dumps(members).encode()), headers


@given(
    secrets(),
    st.sampled_from(("", "none", "free")),
    st.sampled_from([AnsweringClassifier(READING), FailingClassifier(ClassifierTimeoutError())]),
)
@examples(200)
def test_nothing_that_was_said_nor_who_said_it_is_ever_recorded(
    made: tuple[ChatRequest, dict[str, Any]], plan: str, classifier: Classifier
) -> None:
    asked, headers = made

    record = routed(asked, classifier, x_plan=plan, **headers).record

    assert b"s3cret" not in record
    assert isinstance(json.loads(record), dict)


def canonical_records() -> list[bytes]:
    """Of requests that have something of everything."""
    parameters: list[dict[str, Any]] = [{}, {"temperature": 1, "top_p": 1, "logit_bias": {}}]
    sent: list[dict[str, Any]] = [
        {},
        {"x_plan": "free", "x_user_id": "anna", "x_tenant_id": "acme"},
        {"x_plan": "none"},
    ]
    text = "outage, loss, zebra, AB-1, #5, anna@example.org, 4111 1111 1111 1111"
    return [
        routed(request(text, model, **more), AnsweringClassifier(reading), **headers).record
        for model in ("auto", "large", "gpt-9")
        for more in parameters
        for reading in (READING, classification("math"), classification("code_generation"))
        for headers in sent
    ]


_ELSEWHERE = """
from tests.routing.test_record import canonical_records
print(b"\\n".join(canonical_records()).decode())
"""


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_another_process_writes_the_same_bytes(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"},
        check=True,
        capture_output=True,
    )

    assert done.stdout.splitlines() == canonical_records()


def test_a_decision_and_a_rejection_are_told_apart_by_their_status() -> None:
    routes, rejects = routed(), routed(x_plan="none")

    assert isinstance(routes.result, Decision) and isinstance(rejects.result, RejectedError)
    assert rejects.result.reason is Reason.REJECTED_BY_RULE
    assert "status" not in json.loads(routes.record) and json.loads(rejects.record)["status"] == 402
