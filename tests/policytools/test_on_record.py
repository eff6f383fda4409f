"""What another policy can tell from a record, and what it says it cannot."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from sidecar.policytools.replay.replay import Replay
from sidecar.policytools.replay.summary import Summary
from sidecar.routing.classification import Classification, Example
from tests.fakes.classifiers import classification
from tests.fakes.policy_files import NOON, answer, log_line, write_policy

PROMPT = "There is an outage in ticket OPS-7"

WITHOUT = ""
SIGNALS = """
signals:
  headers: {tenant: x-tenant-id, user: x-user-id, plan: x-plan}
  keywords: {incident: [outage], chore: [typo]}
  patterns: {ticket: '[A-Z]+-[0-9]+'}
"""
OTHER_SIGNALS = """
signals:
  headers: {tenant: x-org, user: x-user-id, plan: x-tariff}
  keywords: {incident: [outage, downtime], chore: [typo]}
  patterns: {ticket: '#[0-9]+'}
"""


IN_REQUEST = SIGNALS.replace("[outage]", "{any: outage, in: request}")


def rule(when: str, then: str = "tier: complex") -> str:
    return f"rules: [{{name: r, when: {when}, {then}}}]"


def replayed(
    folder: Path,
    old: str,
    new: str,
    *readings: Classification,
    turns: tuple[str, ...] = (PROMPT,),
    headers: dict[str, str] | None = None,
    against: bool = False,
    received: datetime | None = NOON,
) -> Summary:
    """One request that the old policy decided, by the new one."""
    then = write_policy(folder, old, "old.yaml")
    body = {"model": "auto", "messages": [{"role": "user", "content": turn} for turn in turns]}
    record = answer(then, json.dumps(body).encode(), *readings, headers=headers).record
    replay = Replay(write_policy(folder, new, "new.yaml"), then if against else None)
    with replay.open() as opened:
        return opened.summarise([log_line(record, received)])


def needs(summary: Summary) -> list[str]:
    """What the record does not say; empty if it was decided."""
    assert summary.undecidable + summary.new.lines == summary.lines == 1
    return sorted(summary.needed)


@pytest.mark.parametrize(
    ("old", "new", "needed"),
    [
        # the same is read
        (SIGNALS, SIGNALS + rule("{keywords: incident}"), []),
        (SIGNALS, SIGNALS + rule("{keywords: chore}"), []),
        (SIGNALS, SIGNALS + rule("{header: {plan: none}}"), []),
        # what is read is another thing, and the record's policy is not known
        (WITHOUT, SIGNALS + rule("{keywords: incident}"), ["keywords incident"]),
        (WITHOUT, SIGNALS + rule("{keywords: [incident, chore]}"), ["keywords chore", "keywords incident"]),
        (WITHOUT, SIGNALS + rule("{patterns: ticket}"), ["patterns ticket"]),
        (WITHOUT, SIGNALS + rule("{not: {patterns: ticket}}"), ["patterns ticket"]),
        (WITHOUT, SIGNALS + rule("{header: {plan: free}}"), ["header plan"]),
        # what was found was found, whoever looked for it
        (SIGNALS, OTHER_SIGNALS + rule("{keywords: incident}"), []),
        (SIGNALS, OTHER_SIGNALS + rule("{keywords: chore}"), ["keywords chore"]),
        (SIGNALS, OTHER_SIGNALS + rule("{header: {plan: free}}"), ["header plan"]),
        # it is no matter where something else settles it
        (WITHOUT, SIGNALS + rule("{keywords: incident, tools: true}"), []),
        (WITHOUT, SIGNALS + rule("{any: [{keywords: incident}, {tools: false}]}"), []),
        (WITHOUT, SIGNALS + rule("{any: [{all: [{keywords: incident}]}, {tools: true}]}"), ["keywords incident"]),
    ],
)
def test_what_a_stranger_s_record_does_not_say_is_named(
    tmp_path: Path, old: str, new: str, needed: list[str]
) -> None:
    assert needs(replayed(tmp_path, old, new)) == needed


@pytest.mark.parametrize(
    ("new", "needed"),
    [
        (SIGNALS + rule("{keywords: [incident, chore]}"), []),
        (OTHER_SIGNALS + rule("{keywords: chore}"), []),
        (OTHER_SIGNALS + rule("{keywords: incident}"), ["keywords incident"]),
        (OTHER_SIGNALS + rule("{patterns: ticket}"), ["patterns ticket"]),
        (SIGNALS.replace("[outage]", "{any: outage, in: prompt}") + rule("{keywords: incident}"), []),
        (IN_REQUEST + rule("{keywords: incident}"), ["keywords incident"]),
        (OTHER_SIGNALS + rule("{header: {plan: any}}"), ["header plan"]),
        (OTHER_SIGNALS + rule("{header: {user: none}}"), []),
    ],
)
def test_with_the_policy_that_made_it_only_what_changed_is_unknown(
    tmp_path: Path, new: str, needed: list[str]
) -> None:
    assert needs(replayed(tmp_path, SIGNALS, new, against=True)) == needed


def test_of_a_request_that_could_not_be_searched_no_record_needs_to_say_more(tmp_path: Path) -> None:
    """A rule that forbids something is for it, whatever it looks for."""
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "tools": [{}] * 200_001})
    record = answer(write_policy(tmp_path, WITHOUT, "old.yaml"), body.encode()).record
    new = write_policy(tmp_path, IN_REQUEST + rule("{keywords: [incident, chore]}", "reject: {message: never}"))

    with Replay(new).open() as opened:
        summary = opened.summarise([log_line(record)])

    assert needs(summary) == []
    assert summary.new.rules == {"r": 1}


def test_people_are_told_apart_by_the_hashes_of_their_names(tmp_path: Path) -> None:
    new = SIGNALS + rule("{header: {user: [anna, bert]}}")

    for user, matched in (("anna", {"r": 1}), ("carl", {"-": 1})):
        assert replayed(tmp_path, SIGNALS, new, headers={"x-user-id": user}).new.rules == matched


@pytest.mark.parametrize(("received", "needed"), [(NOON, []), (None, ["time"])])
def test_a_window_of_time_needs_the_time(tmp_path: Path, received: datetime | None, needed: list[str]) -> None:
    new = rule('{time: {from: "10:00", to: "14:00"}}')

    assert needs(replayed(tmp_path, WITHOUT, new, received=received)) == needed


@pytest.mark.parametrize(
    ("when", "needed"),
    [
        ('{time: {from: "10:00", to: "14:00"}}', []),
        ('{time: {from: "10:00", to: "14:00", zone: UTC, days: [sun, mon, tue, wed, thu, fri, sat]}}', []),
        ('{not: {time: {from: "14:00", to: "20:00"}}}', []),
        ('{time: {from: "10:00", to: "15:00"}}', ["time"]),
    ],
)
def test_a_window_that_the_record_names_needs_no_time(tmp_path: Path, when: str, needed: list[str]) -> None:
    old = rule('{any: [{time: {from: "10:00", to: "14:00"}}, {time: {from: "14:00", to: "20:00"}}]}')

    summary = replayed(tmp_path, old, rule(when), received=None)

    assert needs(summary) == needed
    assert summary.new.rules == ({} if needed else {"r": 1})


def test_a_request_that_was_not_classified_has_to_be_where_no_rule_settles_it(tmp_path: Path) -> None:
    old = rule("{tools: false}")

    assert needs(replayed(tmp_path, old, WITHOUT)) == ["classification"]
    assert needs(replayed(tmp_path, old, rule("{images: false}", "models: [small]"))) == []
    assert needs(replayed(tmp_path, old, rule("{intent: math}"))) == ["classification"]


EXAMPLES = "intents: {refund: {examples: [I want my money back, Please refund me], tier: complex}}"
MORE_EXAMPLES = EXAMPLES.replace("Please refund me", "Refund, please")


@pytest.mark.parametrize(
    ("old", "new", "needed", "tier"),
    [
        (EXAMPLES, EXAMPLES + "\nmin_confidence: 0.1", [], "complex"),
        (EXAMPLES, WITHOUT, [], "simple"),
        (EXAMPLES, MORE_EXAMPLES, ["examples refund"], None),
        (WITHOUT, EXAMPLES, ["examples refund"], None),
        (WITHOUT, EXAMPLES + "\n" + rule("{tools: false}"), [], "complex"),
    ],
)
def test_examples_that_the_record_s_policy_did_not_have_are_named(
    tmp_path: Path, old: str, new: str, needed: list[str], tier: str | None
) -> None:
    reading = Classification("chat", 0.9, 0.01, False, example=Example("refund", 0.8) if old is EXAMPLES else None)

    summary = replayed(tmp_path, old, new, reading)

    assert needs(summary) == needed
    assert list(summary.new.tiers) == ([] if tier is None else [tier])


HARD, EASY = classification(difficulty=0.7), classification(difficulty=0.01)
THREE = ("Prove the theorem for all primes.", "What is the capital of Mongolia?", PROMPT)


@pytest.mark.parametrize(
    ("then", "now", "needed", "tier"),
    [
        (5, 5, [], "complex"),
        (5, 3, [], "complex"),
        (5, 2, ["turns of the conversation"], None),
        (5, 1, [], "simple"),
        (2, 5, ["turns of the conversation"], None),
        (1, 1, [], "simple"),
    ],
)
def test_a_conversation_is_decided_by_the_turns_that_were_read(
    tmp_path: Path, then: int, now: int, needed: list[str], tier: str | None
) -> None:
    """The last turn is read first."""
    old, new = f"conversation: {{turns: {then}}}", f"conversation: {{turns: {now}}}\nmin_confidence: 0.1"

    summary = replayed(tmp_path, old, new, EASY, EASY, HARD, turns=THREE, against=True)

    assert needs(summary) == needed
    assert list(summary.new.tiers) == ([] if tier is None else [tier])


def test_follow_ups_are_no_turns_that_were_left_out(tmp_path: Path) -> None:
    new = "conversation: {turns: 7}"

    assert needs(replayed(tmp_path, WITHOUT, new, EASY, turns=(PROMPT, "ok do it"), against=True)) == []


SPLIT = rule("{tools: true}", "split: {by: tenant, arms: {a: {share: 0.5}, b: {share: 0.5}}}")


@pytest.mark.parametrize(
    ("old", "new", "is_known", "assumed"),
    [
        (SIGNALS, SIGNALS + SPLIT, True, []),
        (SIGNALS, OTHER_SIGNALS + SPLIT, True, ["split by tenant as the record's policy knew it"]),
        (SIGNALS, OTHER_SIGNALS + SPLIT, False, ["split by tenant as the record's policy knew it"]),
        (SIGNALS, OTHER_SIGNALS, False, []),
    ],
)
def test_what_is_taken_for_granted_is_said(
    tmp_path: Path, old: str, new: str, is_known: bool, assumed: list[str]
) -> None:
    assert sorted(replayed(tmp_path, old, new, against=is_known).assumed) == assumed


def test_parameters_and_tenants_of_a_stranger_are_taken_as_absent_and_that_is_said(tmp_path: Path) -> None:
    new = write_policy(tmp_path, "signals: {headers: {tenant: x-org}}", "new.yaml")
    limited = new.read_text().replace("latency_ms: 500", "unsupported: [temperature, top_p], tenants: [acme]")
    new.write_text(limited)
    record = answer(
        write_policy(tmp_path), b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}]}'
    ).record

    with Replay(new).open() as opened:
        summary = opened.summarise([log_line(record)])

    assert summary.assumed == {
        "not set unless the record says so: temperature, top_p": 1,
        "no tenant unless the record says so, for small": 1,
    }
