"""A record says enough to decide its request again: the same policy comes to the same decision."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.compile import load_config
from sidecar.policytools.calls import Answer
from sidecar.policytools.replay.decide import OutcomeMaker, RecordDecider, grounds_of
from sidecar.policytools.replay.summary import Outcome
from sidecar.routing.api import Endpoint
from sidecar.routing.classification import (
    Classification,
    ClassifierFailedError,
    ClassifierOverloadedError,
    ClassifierTimeoutError,
    ClassifierUnavailableError,
)
from sidecar.routing.recorded import read_record, signals_from_record
from sidecar.routing.signals import describe_signals
from tests.fakes.policy_files import NOON, answer
from tests.fakes.properties import examples
from tests.fakes.serving import EXAMPLES

POLICIES = {
    name: EXAMPLES / f"{name}.yaml" for name in ("coding", "cost-saver", "eu-only", "premium-and-free", "ab-test")
}
CONFIGS = {name: load_config(file) for name, file in POLICIES.items()}

INTENTS = ("chat", "math", "code_generation", "translation", "extraction")

TEXTS = (
    "hi there",
    "ok do it",
    "Write a commit message.",
    "Write to anna@example.org, IBAN DE89 3704 0044 0532 0130 00",
    "Der Patient AZ-2024/118 hat Fieber",
    "```py\nx\n```",
    "word " * 3000,
    "",
)

HEADERS = {
    "x-tenant-id": ("globex", "acme"),
    "x-user-id": ("user-1", "user-2"),
    "x-plan": ("free", "premium"),
    "x-agent-role": ("planner", "search"),
    "x-job-class": ("batch",),
    "x-data-class": ("secret", "confidential"),
    "x-llm-tier": ("complex",),
    "x-llm-max-cost": ("0.001", "1"),
    "x-beta": ("yes",),
}


def rounded(most: int = 1) -> st.SearchStrategy[float]:
    """As records have it."""
    return st.integers(0, 10_000 * most).map(lambda number: number / 10_000)


@st.composite
def classifications(draw: st.DrawFn) -> Classification:
    intent, confidence = draw(st.sampled_from(INTENTS)), draw(rounded())
    difficulty = draw(st.none() | rounded())
    return Classification(intent, confidence, difficulty, draw(st.booleans()), likeliest=((intent, confidence),))


@st.composite
def bodies(draw: st.DrawFn, name: str) -> dict[str, Any]:
    policy = CONFIGS[name].policy
    turns = draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=7))
    body: dict[str, Any] = {
        "model": draw(
            st.sampled_from([*policy.virtual_models, *policy.virtual_models, *policy.models, "unheard-of"])
        ),
        "messages": [{"role": "user", "content": turn} for turn in turns],
    }
    options: dict[str, Any] = {
        "temperature": 0.2,
        "max_tokens": 5000,
        "stream": True,
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_object"},
    }
    chosen = draw(st.sets(st.sampled_from(sorted(options))))
    return body | {key: options[key] for key in sorted(chosen)}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Answer, datetime]:
    """The policy, what it made of the request, and when."""
    name = draw(st.sampled_from(sorted(POLICIES)))
    failures = st.sampled_from([ClassifierTimeoutError(), ClassifierOverloadedError(), ClassifierFailedError()])
    one_of: st.SearchStrategy[Classification | ClassifierUnavailableError] = failures | classifications()
    answers = draw(st.lists(one_of, min_size=5, max_size=5))
    headers = {header: draw(st.sampled_from(values)) for header, values in HEADERS.items() if draw(st.booleans())}
    received = NOON + timedelta(hours=draw(st.integers(0, 200)))
    endpoint = draw(st.sampled_from([Endpoint.CHAT_COMPLETIONS, Endpoint.MESSAGES]))
    body = json.dumps(draw(bodies(name))).encode()
    return (
        name,
        answer(POLICIES[name], body, *answers, endpoint=endpoint, headers=headers, received=received),
        received,
    )


def decided_again(name: str, record: bytes, received: datetime) -> Outcome:
    grounds = grounds_of(read_record(record), received)
    assert grounds is not None
    return RecordDecider(CONFIGS[name].policy, (), datetime(2020, 1, 1, tzinfo=UTC)).decide(grounds)


@examples(400)
@given(requests())
def test_the_same_policy_decides_a_record_as_it_decided_the_request(made: tuple[str, Answer, datetime]) -> None:
    name, then, received = made
    makers = OutcomeMaker(CONFIGS[name].policy)

    again = decided_again(name, then.record, received)

    assert again == makers.of_answer(then) == makers.of_record(read_record(then.record))


def test_a_record_that_does_not_say_whether_the_prompt_was_classified_is_read_by_its_reason() -> None:
    then = answer(POLICIES["coding"], b'{"model": "auto", "messages": [{"role": "user", "content": ""}]}')
    older = msgspec.json.decode(then.record)
    assert older.pop("classification") == older["reason"] == "no_prompt"

    assert decided_again("coding", msgspec.json.encode(older), NOON).reason == "no_prompt"


@examples(200)
@given(requests())
def test_signals_are_those_that_were_read(made: tuple[str, Answer, datetime]) -> None:
    _, then, received = made
    assert then.routed is not None
    recorded = read_record(then.record).signals
    assert recorded is not None

    again = signals_from_record(recorded, received)

    assert describe_signals(again) == describe_signals(then.routed.signals)
    assert again.received == then.routed.signals.received


@pytest.mark.parametrize(
    "written",
    [b"", b"[]", b"{}", b'{"policy": "p", "reason": "because"}', b'{"policy": "p", "reason": "rule", "signals": {}}'],
)
def test_what_is_no_record_is_refused(written: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_record(written)


def test_the_records_of_unreadable_bodies_are_read_too(tmp_path: Path) -> None:
    then = answer(POLICIES["coding"], b"no JSON")

    record = read_record(then.record)

    assert (record.status, record.signals, record.plan) == (400, None, [])
    assert grounds_of(record, NOON) is None
