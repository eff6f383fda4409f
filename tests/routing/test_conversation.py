"""Which turns of a conversation are read."""

import asyncio
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.routing.api import Endpoint
from sidecar.routing.classification import Classification
from sidecar.routing.conversation import is_follow_up, turns_to_read
from sidecar.routing.decision import Decision
from sidecar.routing.request import parse_request
from sidecar.routing.signals import RequestHead
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import classification
from tests.fakes.policies import ladder
from tests.fakes.properties import examples
from tests.fakes.routers import make_router

A, B, C = "Tell me what an oak is, please.", "And what is a beech, in a few words?", "Compare the two."
LONG = "Prove that there are infinitely many primes. " * 5


@pytest.mark.parametrize(
    ("turns", "limit", "read"),
    [
        ([], 5, []),
        ([A], 5, [A]),
        ([A, B], 5, [A, B]),
        # a short follow-up is left out, wherever it stands
        ([A, "ok do it"], 5, [A]),
        ([A, "ok do it", "go on", "谢谢"], 5, [A]),
        ([A, "yes", B, "why?"], 5, [A, B]),
        # but not where it follows nothing
        (["hi"], 5, ["hi"]),
        (["hi", A], 5, ["hi", A]),
        (["hi", "hi"], 5, ["hi"]),
        # of more than the limit, the longest and the last
        ([A, LONG, B, "And that is why I ask you."], 3, [LONG, B, "And that is why I ask you."]),
        ([LONG, A, B, "And that is why I ask you."], 2, [LONG, "And that is why I ask you."]),
        ([A, LONG, B, "And that is why I ask you.", "thanks"], 2, [LONG, "And that is why I ask you."]),
        # of two that are as long, the first
        (
            ["aaaaa bbbbb ccccc ddddd eeeee", "ccccc ddddd eeeee aaaaa bbbbb", LONG],
            2,
            ["aaaaa bbbbb ccccc ddddd eeeee", LONG],
        ),
        # one is the last
        ([LONG, A], 1, [A]),
        ([LONG, A, "ok"], 1, [A]),
        ([A, A, A], 2, [A, A]),
    ],
)
def test_the_turns_that_are_read_are_those_that_say_most(turns: list[str], limit: int, read: list[str]) -> None:
    assert turns_to_read(turns, limit) == read


@pytest.mark.parametrize(
    ("turn", "is_one"),
    [
        ("ok", True),
        ("ok do it", True),
        ("yes please", True),
        ("Why?", True),
        ("谢谢", True),
        ("继续", True),
        ("one two three four", True),
        ("one two three four five", False),
        ("x" * 24, True),
        ("x" * 25, False),
        # in bytes: a few characters of Chinese say a lot
        ("请证明有无穷多个素", False),
        ("\ud83d", True),
    ],
)
def test_a_follow_up_is_short_in_words_and_in_bytes(turn: str, is_one: bool) -> None:
    assert is_follow_up(turn) is is_one


_TURNS = st.lists(st.sampled_from([A, B, C, LONG, "ok", "go on"]) | st.text(min_size=1, max_size=60), max_size=12)
_LIMITS = st.integers(1, 8)


def telling(turns: list[str]) -> list[str]:
    """Those that are no follow-up."""
    return [turn for number, turn in enumerate(turns) if number == 0 or not is_follow_up(turn)]


@given(_TURNS, _LIMITS)
@examples(300)
def test_some_are_read_in_their_order_and_no_more_than_the_limit(turns: list[str], limit: int) -> None:
    read = turns_to_read(turns, limit)

    assert len(read) <= limit
    assert bool(read) == bool(turns)
    remaining = iter(turns)
    assert all(turn in remaining for turn in read)
    assert read[-1:] == telling(turns)[-1:]


@given(_TURNS, _TURNS, _LIMITS)
@examples(300)
def test_up_to_the_limit_nothing_that_was_read_is_ever_left_out(
    turns: list[str], more: list[str], limit: int
) -> None:
    whole, before = turns + more, turns_to_read(turns, limit)
    assume(len(telling(whole)) <= limit)

    assert turns_to_read(whole, limit)[: len(before)] == before


@given(_TURNS, _LIMITS)
@examples(300)
def test_beyond_it_the_longest_of_the_earlier_ones_stay(turns: list[str], limit: int) -> None:
    earlier = sorted(map(len, telling(turns)[:-1]), reverse=True)

    assert sorted(map(len, turns_to_read(turns, limit)[:-1]), reverse=True) == earlier[: limit - 1]


class ByLength:
    """Finds a prompt the harder the longer it is."""

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """At once."""
        return classification(difficulty=min(1, len(prompt) / 100))


def tier_of(turns: list[str]) -> Tier:
    """What a router gives that conversation."""
    body = {"model": "auto", "messages": [{"role": "user", "content": turn} for turn in turns]}
    asked = parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode())
    router = make_router(ladder(), ByLength())
    result = asyncio.run(router.route(asked, RequestHead("/v1/chat/completions"))).result
    assert isinstance(result, Decision)
    return result.tier


@given(_TURNS, _TURNS)
@examples(100)
def test_the_tier_never_goes_down_while_the_longest_turns_are_the_hardest(turns: list[str], more: list[str]) -> None:
    turns = [LONG[:30], *turns]

    assert tier_of(turns) <= tier_of(turns + more)
