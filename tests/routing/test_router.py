"""A classifier that is late, full or broken turns into a decision all the same."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from sidecar.routing.api import Endpoint
from sidecar.routing.classification import (
    Classification,
    Classifier,
    ClassifierFailedError,
    ClassifierOverloadedError,
    ClassifierTimeoutError,
    ClassifierUnavailableError,
    Embedding,
    Example,
    ExampleMatcher,
)
from sidecar.routing.decision import Decision
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.router import Routed
from sidecar.routing.signals import RequestHead, SignalReader
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import AnsweringClassifier, FailingClassifier, HangingClassifier, classification
from tests.fakes.policies import ladder
from tests.fakes.requests import request
from tests.fakes.routers import AMPLE_SECONDS, make_router


async def routed_by(
    classifier: Classifier,
    asked: ChatRequest,
    *,
    policy: Policy | None = None,
    matcher: ExampleMatcher | None = None,
    deadline_seconds: float = AMPLE_SECONDS,
    **headers: str,
) -> Routed:
    """By a router of its own."""
    router = make_router(policy, classifier, matcher=matcher, deadline_seconds=deadline_seconds)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await router.route(asked, RequestHead(f"/v1/{asked.endpoint}", named))


def decision_of(routed: Routed) -> Decision:
    """What was decided, when nothing was rejected."""
    assert isinstance(routed.result, Decision)
    return routed.result


@pytest.mark.asyncio
async def test_a_classifier_that_answers_decides() -> None:
    classifier = AnsweringClassifier(classification("math", difficulty=0.95))

    routed = await routed_by(classifier, request("2 + 2?"))

    assert (decision_of(routed).tier, decision_of(routed).reason) == (Tier.REASONING, Reason.DIFFICULTY)
    assert classifier.prompts == ["2 + 2?"]
    assert routed.classify_seconds > 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClassifierFailedError("damaged"), Reason.CLASSIFIER_FAILED),
        (ClassifierOverloadedError(), Reason.CLASSIFIER_OVERLOADED),
        (ClassifierTimeoutError(), Reason.CLASSIFIER_TIMEOUT),
        (ClassifierUnavailableError(), Reason.CLASSIFIER_FAILED),
    ],
)
async def test_an_error_of_the_classifier_is_a_reason(error: ClassifierUnavailableError, reason: Reason) -> None:
    routed = await routed_by(FailingClassifier(error), request())

    assert (decision_of(routed).model.name, decision_of(routed).reason) == ("complex", reason)
    assert decision_of(routed).classification is None


@pytest.mark.asyncio
async def test_a_classifier_that_hangs_is_cancelled_and_the_fallback_answers() -> None:
    classifier = HangingClassifier()

    routed = await routed_by(classifier, request(), deadline_seconds=0.001)

    assert (decision_of(routed).model.name, decision_of(routed).reason) == ("complex", Reason.CLASSIFIER_TIMEOUT)
    assert classifier.cancelled.is_set()
    assert routed.classify_seconds >= 0.001


@pytest.mark.asyncio
async def test_an_answer_that_is_right_on_time_counts() -> None:
    routed = await routed_by(AnsweringClassifier(), request(), deadline_seconds=0)

    assert decision_of(routed).reason is Reason.DIFFICULTY


@pytest.mark.asyncio
async def test_requests_wait_side_by_side() -> None:
    classifier = HangingClassifier()
    waiting = [asyncio.create_task(routed_by(classifier, request())) for _ in range(20)]
    await classifier.asked.wait()

    classifier.answer.set_result(classification())

    assert {decision_of(routed).reason for routed in await asyncio.gather(*waiting)} == {Reason.DIFFICULTY}


@pytest.mark.asyncio
async def test_a_request_that_is_cancelled_cancels_its_classification() -> None:
    classifier = HangingClassifier()
    waiting = asyncio.create_task(routed_by(classifier, request()))
    await classifier.asked.wait()

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert classifier.cancelled.is_set()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("prompt", "model", "reason"), [("hi", "simple", Reason.PINNED), (" ", "auto", Reason.NO_PROMPT)]
)
async def test_what_needs_no_classification_asks_nobody(prompt: str, model: str, reason: Reason) -> None:
    classifier = AnsweringClassifier()

    routed = await routed_by(classifier, request(prompt, model))

    assert (decision_of(routed).reason, routed.classify_seconds) == (reason, 0.0)
    assert classifier.prompts == []


@pytest.mark.asyncio
async def test_a_rejection_is_a_result_and_asks_nobody() -> None:
    classifier = AnsweringClassifier()

    routed = await routed_by(classifier, request(model="gpt-9"))

    assert routed.result.reason is Reason.UNKNOWN_MODEL
    assert classifier.prompts == []


def conversation(*turns: str) -> ChatRequest:
    """User turns with an answer between each two."""
    messages: list[object] = []
    for turn in turns:
        messages += [{"role": "user", "content": turn}, {"role": "assistant", "content": "Done."}]
    body = {"model": "auto", "messages": messages[:-1]}
    return parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode())


HARD, EASY = "Prove that there are infinitely many primes.", "And what is the capital of Norway, by the way?"


class KnowingClassifier:
    """Finds HARD hard and all else easy; some prompts it cannot read."""

    def __init__(self, *unreadable: str) -> None:
        self._unreadable = unreadable
        self.prompts: list[str] = []

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """Raises ClassifierOverloadedError."""
        self.prompts.append(prompt)
        if prompt in self._unreadable:
            raise ClassifierOverloadedError
        return classification(difficulty=0.95 if prompt == HARD else 0.1)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("turns", "tier", "reason"),
    [
        ((EASY,), Tier.SIMPLE, Reason.DIFFICULTY),
        ((HARD,), Tier.REASONING, Reason.DIFFICULTY),
        ((EASY, HARD), Tier.REASONING, Reason.DIFFICULTY),
        ((HARD, EASY), Tier.REASONING, Reason.CONVERSATION),
        ((HARD, "ok do it"), Tier.REASONING, Reason.DIFFICULTY),
        ((EASY, HARD, "thanks", "谢谢", "why?"), Tier.REASONING, Reason.DIFFICULTY),
        ((HARD, *["go on"] * 30), Tier.REASONING, Reason.DIFFICULTY),
        (("ok do it", EASY), Tier.SIMPLE, Reason.DIFFICULTY),
    ],
)
async def test_within_a_conversation_the_tier_never_goes_down(
    turns: tuple[str, ...], tier: Tier, reason: Reason
) -> None:
    decision = decision_of(await routed_by(KnowingClassifier(), conversation(*turns)))

    assert (decision.tier, decision.reason) == (tier, reason)


@pytest.mark.asyncio
async def test_an_earlier_turn_that_cannot_be_read_in_time_is_left_out_and_noted() -> None:
    decision = decision_of(await routed_by(KnowingClassifier(HARD), conversation(HARD, EASY)))

    assert (decision.tier, decision.trail.unread) == (Tier.SIMPLE, 1)


@pytest.mark.asyncio
async def test_a_conversation_whose_last_turn_cannot_be_read_stays_where_it_is() -> None:
    decision = decision_of(await routed_by(KnowingClassifier(EASY), conversation(HARD, EASY)))

    assert (decision.tier, decision.reason) == (Tier.REASONING, Reason.CLASSIFIER_OVERLOADED)
    assert [(move.reason, move.tier) for move in decision.trail.moves] == [
        (Reason.CLASSIFIER_OVERLOADED, Tier.COMPLEX),
        (Reason.CONVERSATION, Tier.REASONING),
    ]


@pytest.mark.asyncio
async def test_easy_turns_before_one_that_cannot_be_read_leave_it_to_the_fallback() -> None:
    decision = decision_of(await routed_by(KnowingClassifier(HARD), conversation(EASY, HARD)))

    assert (decision.tier, decision.reason) == (Tier.COMPLEX, Reason.CLASSIFIER_OVERLOADED)


@pytest.mark.asyncio
async def test_no_more_turns_are_read_than_the_policy_says() -> None:
    classifier = KnowingClassifier()
    turns = [f"Tell me about number {n}, please, in some detail." for n in range(9)]

    await routed_by(classifier, conversation(HARD * 2, *turns), policy=replace(ladder(), conversation_turns=3))

    assert sorted(classifier.prompts) == sorted([HARD * 2, turns[0], turns[-1]])


class ByWord:
    """An ExampleMatcher for embeddings that are words."""

    def __init__(self, word: str) -> None:
        self._word = word

    def match(self, embedding: Embedding | None) -> Example | None:
        """What is that very word is close."""
        return Example("refund", 0.8) if embedding == self._word else None


class EmbeddingClassifier:
    """Finds everything easy; the embedding of a prompt is the prompt."""

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """At once."""
        return replace(classification(difficulty=0.1), embedding=prompt)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("turns", "tier", "reason"),
    [
        (("Give me my money back, please.",), Tier.COMPLEX, Reason.EXAMPLE),
        ((EASY,), Tier.SIMPLE, Reason.DIFFICULTY),
        # of whichever turn
        (("Give me my money back, please.", EASY), Tier.COMPLEX, Reason.CONVERSATION),
        ((EASY, "Give me my money back, please."), Tier.COMPLEX, Reason.EXAMPLE),
    ],
)
async def test_each_turn_that_is_read_is_compared_with_the_policys_examples(
    turns: tuple[str, ...], tier: Tier, reason: Reason
) -> None:
    policy = ladder(least_tiers={"refund": Tier.COMPLEX})
    matcher = ByWord("Give me my money back, please.")

    routed = await routed_by(EmbeddingClassifier(), conversation(*turns), policy=policy, matcher=matcher)

    assert (decision_of(routed).tier, decision_of(routed).reason) == (tier, reason)


@pytest.mark.asyncio
@pytest.mark.parametrize(("sent", "owner"), [({"x_tenant_id": "acme"}, "acme"), ({}, ""), ({"x_tenant_id": " "}, "")])
async def test_what_is_remembered_belongs_to_the_tenant(sent: dict[str, Any], owner: str) -> None:
    classifier = AnsweringClassifier()
    policy = replace(ladder(), reader=SignalReader(headers={"tenant": "x-tenant-id"}))

    await routed_by(classifier, conversation(EASY, HARD), policy=policy, **sent)

    assert classifier.owners == [owner, owner]


@pytest.mark.asyncio
async def test_the_turn_to_be_answered_is_read_first() -> None:
    classifier = KnowingClassifier()

    await routed_by(classifier, conversation(EASY, HARD))

    assert classifier.prompts == [HARD, EASY]
