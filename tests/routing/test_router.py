"""A classifier that is late, full or broken turns into a decision all the same."""

import asyncio

import pytest

from sidecar.routing.classification import (
    ClassifierFailedError,
    ClassifierOverloadedError,
    ClassifierTimeoutError,
    ClassifierUnavailableError,
)
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.router import Router
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import AnsweringClassifier, FailingClassifier, HangingClassifier, classification
from tests.fakes.policies import ladder
from tests.fakes.requests import request

AMPLE_SECONDS = 60.0


@pytest.mark.asyncio
async def test_a_classifier_that_answers_decides() -> None:
    classifier = AnsweringClassifier(classification("math", difficulty=0.95))

    routed = await Router(ladder(), classifier, AMPLE_SECONDS).route(request("2 + 2?"))

    assert (routed.decision.tier, routed.decision.reason) == (Tier.REASONING, Reason.DIFFICULTY)
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
    routed = await Router(ladder(), FailingClassifier(error), AMPLE_SECONDS).route(request())

    assert (routed.decision.model.name, routed.decision.reason) == ("complex", reason)
    assert routed.decision.classification is None


@pytest.mark.asyncio
async def test_a_classifier_that_hangs_is_cancelled_and_the_fallback_answers() -> None:
    classifier = HangingClassifier()

    routed = await Router(ladder(), classifier, 0.001).route(request())

    assert (routed.decision.model.name, routed.decision.reason) == ("complex", Reason.CLASSIFIER_TIMEOUT)
    assert classifier.cancelled.is_set()
    assert routed.classify_seconds >= 0.001


@pytest.mark.asyncio
async def test_an_answer_that_is_right_on_time_counts() -> None:
    routed = await Router(ladder(), AnsweringClassifier(), deadline_seconds=0).route(request())

    assert routed.decision.reason is Reason.DIFFICULTY


@pytest.mark.asyncio
async def test_requests_wait_side_by_side() -> None:
    classifier = HangingClassifier()
    router = Router(ladder(), classifier, AMPLE_SECONDS)
    waiting = [asyncio.create_task(router.route(request())) for _ in range(20)]
    await classifier.asked.wait()

    classifier.answer.set_result(classification())

    assert {routed.decision.reason for routed in await asyncio.gather(*waiting)} == {Reason.DIFFICULTY}


@pytest.mark.asyncio
async def test_a_request_that_is_cancelled_cancels_its_classification() -> None:
    classifier = HangingClassifier()
    waiting = asyncio.create_task(Router(ladder(), classifier, AMPLE_SECONDS).route(request()))
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

    routed = await Router(ladder(), classifier, AMPLE_SECONDS).route(request(prompt, model))

    assert (routed.decision.reason, routed.classify_seconds) == (reason, 0.0)
    assert classifier.prompts == []


@pytest.mark.asyncio
async def test_a_rejection_is_raised_and_asks_nobody() -> None:
    classifier = AnsweringClassifier()

    with pytest.raises(RejectedError):
        await Router(ladder(), classifier, AMPLE_SECONDS).route(request(model="gpt-9"))

    assert classifier.prompts == []
