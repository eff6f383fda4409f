"""The one place where a classifier that is late, full or broken turns into a decision all the same."""

import asyncio
import time
from dataclasses import dataclass

from sidecar.routing.classification import (
    Classification,
    Classifier,
    ClassifierTimeoutError,
    ClassifierUnavailableError,
)
from sidecar.routing.decision import (
    Decision,
    decide_classified,
    decide_fallback,
    decide_without_classifier,
)
from sidecar.routing.policy import Policy
from sidecar.routing.request import ChatRequest


@dataclass(frozen=True, slots=True)
class Routed:
    """A decision and what it took."""

    decision: Decision
    classify_seconds: float
    """Time spent waiting for the classifier; 0.0 if it was not asked."""
    failure: ClassifierUnavailableError | None = None
    """Why it gave no classification."""


class Router:
    """Decides requests by one policy and one classifier, within a deadline."""

    def __init__(self, policy: Policy, classifier: Classifier, deadline_seconds: float) -> None:
        self._policy = policy
        self._classifier = classifier
        self._deadline_seconds = deadline_seconds

    async def route(self, request: ChatRequest) -> Routed:
        """Raises RejectedError, and nothing else that a classifier could do."""
        decision = decide_without_classifier(self._policy, request)
        if decision is not None:
            return Routed(decision, 0.0)
        started = time.perf_counter()
        try:
            classification = await self._classify(request.prompt)
        except ClassifierUnavailableError as error:
            decision = decide_fallback(self._policy, request, error.reason)
            return Routed(decision, time.perf_counter() - started, error)
        waited = time.perf_counter() - started
        return Routed(decide_classified(self._policy, request, classification), waited)

    async def _classify(self, prompt: str) -> Classification:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._classifier.classify(prompt)
        except TimeoutError as error:
            raise ClassifierTimeoutError from error
