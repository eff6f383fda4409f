"""Experiments: how many requests get which arm, what an arm does, and that whoever is in one stays in it."""

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.api import Endpoint
from sidecar.routing.conditions import PathIn
from sidecar.routing.decision import Decision
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.rules import Action, Arm, Requirement, Rule, Split, TierBounds
from sidecar.routing.signals import SignalReader
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, plan_of, undecided
from tests.fakes.policies import make_model, make_policy
from tests.fakes.properties import examples
from tests.fakes.requests import request

READER = SignalReader(headers={"user": "x-user-id", "tenant": "x-tenant-id", "conversation": "x-conversation-id"})

KEYS = [f"user-{number}" for number in range(10_000)]


def policy_with(*arms: Arm, by: str = "user", name: str = "canary") -> Policy:
    """One rule, which splits."""
    rule = Rule(name, PathIn(("*",)), Action(split=Split(by, arms)))
    models = [make_model("a", region="us"), make_model("b", Tier.COMPLEX, region="eu")]
    return make_policy(models, ["b"], rules=[rule], reader=READER)


def arms(**shares: float) -> tuple[Arm, ...]:
    """That do nothing."""
    return tuple(Arm(name, share, Action()) for name, share in shares.items())


def split(policy: Policy, asked: ChatRequest | None = None, **head: Any) -> Decision:
    """Of a prompt that is easy."""
    return decided(policy, asked or request(), classification(difficulty=0.1), **head)


def arm_of(policy: Policy, asked: ChatRequest | None = None, **head: Any) -> str:
    """Which one a request gets."""
    arm = split(policy, asked, **head).trail.arm
    assert arm is not None
    return arm


@pytest.mark.parametrize(
    "shares",
    [
        {"control": 0.9, "new": 0.1},
        {"a": 0.5, "b": 0.5},
        {"a": 0.2, "b": 0.3, "c": 0.4, "d": 0.1},
        {"a": 0.99, "b": 0.01},
        {"a": 1.0, "b": 0.0},
        {"a": 0.0, "b": 1.0},
        # a sum that floats do not quite make
        {f"arm{number}": 0.1 for number in range(10)},
    ],
    ids=str,
)
def test_each_arm_gets_its_share(shares: dict[str, float]) -> None:
    policy, asked = policy_with(*arms(**shares)), request()

    counts = Counter(arm_of(policy, asked, x_user_id=key) for key in KEYS)

    # Four standard deviations of a half are 0.02.
    assert {name: counts[name] / len(KEYS) for name in shares} == pytest.approx(shares, abs=0.02)
    assert all(counts[name] == 0 for name, share in shares.items() if share == 0)


def test_a_larger_share_takes_nobody_out_of_the_arm() -> None:
    asked = request()
    small, large = (policy_with(*arms(new=share, old=1 - share)) for share in (0.1, 0.3))

    moved = Counter(
        (arm_of(small, asked, x_user_id=key), arm_of(large, asked, x_user_id=key)) for key in KEYS[:2_000]
    )

    assert moved["new", "old"] == 0
    assert moved["old", "new"] > 0


HEADERS = {"user": "x_user_id", "tenant": "x_tenant_id", "conversation": "x_conversation_id"}


@pytest.mark.parametrize("by", HEADERS)
def test_whoever_is_in_an_arm_stays_in_it(by: str) -> None:
    policy = policy_with(*arms(a=0.5, b=0.5), by=by)

    for key in KEYS[:50]:
        others: dict[str, Any] = {header: "other" for name, header in HEADERS.items() if name != by}
        own: dict[str, Any] = {HEADERS[by]: key}
        found = {
            arm_of(policy, request("hi"), **own),
            arm_of(policy, request("something else", max_tokens=2), **own),
            arm_of(policy, request("hi"), **own, **others),
        }
        assert len(found) == 1


@pytest.mark.parametrize("by", HEADERS)
def test_the_arms_of_many_are_different(by: str) -> None:
    policy = policy_with(*arms(a=0.5, b=0.5), by=by)

    assert {arm_of(policy, request(), **{HEADERS[by]: key}) for key in KEYS[:50]} == {"a", "b"}


def conversation(*turns: str) -> ChatRequest:
    """User turns alone."""
    messages = [{"role": "user", "content": turn} for turn in turns]
    return parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps({"model": "auto", "messages": messages}).encode())


@pytest.mark.parametrize("by", ["user", "conversation"])
def test_without_the_header_a_conversation_is_told_by_its_first_turn(by: str) -> None:
    policy = policy_with(*arms(a=0.5, b=0.5), by=by)

    for key in KEYS[:50]:
        begun, gone_on = conversation(key), conversation(key, "and what then?", "go on")
        assert arm_of(policy, begun) == arm_of(policy, gone_on)
    assert {arm_of(policy, conversation(key)) for key in KEYS[:50]} == {"a", "b"}


def test_without_its_header_a_user_is_told_by_the_conversations() -> None:
    policy = policy_with(*arms(a=0.5, b=0.5))

    assert {arm_of(policy, x_conversation_id=key) for key in KEYS[:50]} == {"a", "b"}
    for key in KEYS[:50]:
        assert arm_of(policy, request("hi"), x_conversation_id=key) == arm_of(
            policy, request("there"), x_conversation_id=key
        )


def test_requests_of_no_tenant_are_in_one_arm() -> None:
    policy = policy_with(*arms(a=0.5, b=0.5), by="tenant")

    assert len({arm_of(policy, request(key)) for key in KEYS[:50]}) == 1


def test_two_experiments_split_the_same_people_each_in_its_own_way() -> None:
    asked = request()
    one, other = (policy_with(*arms(a=0.5, b=0.5), name=name) for name in ("one", "other"))

    pairs = Counter((arm_of(one, asked, x_user_id=key), arm_of(other, asked, x_user_id=key)) for key in KEYS)

    assert {pair: count / len(KEYS) for pair, count in pairs.items()} == pytest.approx(
        dict.fromkeys([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")], 0.25), abs=0.02
    )


@given(st.text(), st.floats(0, 1))
@examples(200)
def test_every_key_has_an_arm(key: str, share: float) -> None:
    policy = policy_with(*arms(a=share, b=1 - share))

    assert arm_of(policy, request(key)) in ("a", "b")
    assert arm_of(policy, x_user_id=key) == arm_of(policy, x_user_id=key)


_ELSEWHERE = """
import sys
from tests.routing.test_split import KEYS, arm_of, arms, policy_with
policy = policy_with(*arms(a=0.2, b=0.3, c=0.5))
print(" ".join(arm_of(policy, x_user_id=key) for key in KEYS[:300]))
"""


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_another_process_gives_everybody_the_same_arm(seed: str) -> None:
    policy = policy_with(*arms(a=0.2, b=0.3, c=0.5))

    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout.split() == [arm_of(policy, x_user_id=key) for key in KEYS[:300]]


@pytest.mark.parametrize(
    ("action", "plan", "reason"),
    [
        (Action(), ["a", "b"], Reason.DIFFICULTY),
        (Action(tier=Tier.COMPLEX), ["b", "a"], Reason.RULE),
        (Action(pin="b"), ["b", "a"], Reason.RULE),
        (Action(models=("b",)), ["b"], Reason.RULE),
        (Action(bounds=TierBounds(Tier.COMPLEX)), ["b", "a"], Reason.RULE),
        (Action(requirement=Requirement(regions=frozenset(("eu",)))), ["b"], Reason.DIFFICULTY),
    ],
)
def test_an_arm_does_what_a_rule_can_do(action: Action, plan: list[str], reason: Reason) -> None:
    policy = policy_with(Arm("new", 1, action))

    decision = split(policy)

    assert (plan_of(decision), decision.reason) == (plan, reason)
    assert (decision.trail.rule, decision.trail.arm) == ("canary", "new")
    assert (undecided(policy, request()) is not None) is action.settles
