"""The one place where a classifier that is late, full or broken turns into a decision all the same."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sidecar.routing.classification import (
    Classification,
    Classifier,
    ClassifierTimeoutError,
    ClassifierUnavailableError,
    ExampleMatcher,
)
from sidecar.routing.conversation import turns_to_read
from sidecar.routing.decision import NOT_READ, Decision, Evidence, decide
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.record import decision_record, rejection_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.routing.signals import TENANT, RequestHead, Signals
from sidecar.routing.trail import Trail


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of a request, and what it took."""

    result: Decision | RejectedError
    signals: Signals
    record: bytes
    """Of the decision or of the rejection."""
    policy_hash: str
    classify_seconds: float = 0.0
    """Time spent waiting for the classifier; 0.0 if it was not asked."""
    failure: ClassifierUnavailableError | None = None
    """Why it gave no classification."""


@dataclass(slots=True)
class _Wait:
    """For whom the classifier is asked, and what that came to."""

    owner: str
    seconds: float = 0.0
    failure: ClassifierUnavailableError | None = None
    trail: Trail = field(default_factory=Trail)


@dataclass(frozen=True, slots=True)
class Routers:
    """All that decide at one moment; a new policy is another object."""

    active: "Router"
    shadows: tuple["Router", ...] = ()
    """Asked after the active one has answered, and never followed."""

    @property
    def wanted_headers(self) -> frozenset[str]:
        """All request headers that one of them looks at."""
        return self.active.wanted_headers.union(*(shadow.wanted_headers for shadow in self.shadows))


class Router:
    """Decides requests by one policy and one classifier, within a deadline."""

    def __init__(
        self,
        policy: Policy,
        classifier: Classifier,
        matcher: ExampleMatcher,
        *,
        deadline_seconds: float,
        classifier_version: str = "",
    ) -> None:
        self.policy = policy
        self.classifier_version = classifier_version
        self.wanted_headers = policy.reader.wanted_headers
        self._classifier = classifier
        self._matcher = matcher
        self._deadline_seconds = deadline_seconds

    async def route(self, request: ChatRequest, head: RequestHead, owner: str | None = None) -> Routed:
        """Raises nothing that a classifier or a request could do.

        `owner` is whose classifications are remembered; None: the tenant's, as this policy tells it.
        """
        signals = self.policy.read(request, head)
        wait = _Wait(signals.headers.get(TENANT, "") if owner is None else owner)
        try:
            decision = await self._decide(request, signals, wait)
        except RejectedError as rejection:
            record = rejection_record(rejection, self.policy.hash, signals, wait.trail, self.classifier_version)
            return Routed(rejection, signals, record, self.policy.hash, wait.seconds, wait.failure)
        record = decision_record(decision, self.classifier_version)
        return Routed(decision, signals, record, self.policy.hash, wait.seconds, wait.failure)

    async def _decide(self, request: ChatRequest, signals: Signals, wait: _Wait) -> Decision:
        evidence = NOT_READ if request.prompt else Evidence(missing=Reason.NO_PROMPT)
        decision = decide(self.policy, signals, evidence, wait.trail)
        if decision is not None:
            return decision
        wait.trail = Trail()
        evidence = await self._read(request, wait)
        decision = decide(self.policy, signals, evidence, wait.trail)
        if decision is None:  # cannot happen: the evidence is final
            raise AssertionError("undecided with all the evidence there is")
        return decision

    async def _read(self, request: ChatRequest, wait: _Wait) -> Evidence:
        turns = turns_to_read(request.user_turns, self.policy.conversation_turns)
        started = time.perf_counter()
        *earlier, last = await self._classify(turns, wait.owner)
        wait.seconds = time.perf_counter() - started
        known = tuple(self._with_example(each) for each in earlier if isinstance(each, Classification))
        unread = len(earlier) - len(known)
        if isinstance(last, Classification):
            return Evidence((*known, self._with_example(last)), unread)
        wait.failure = last
        return Evidence(missing=last.reason, unread=unread, earlier=known)

    def _with_example(self, reading: Classification) -> Classification:
        example = self._matcher.match(reading.embedding)
        return reading if example is None else replace(reading, example=example)

    async def _classify(
        self, turns: Sequence[str], owner: str
    ) -> Sequence[Classification | ClassifierUnavailableError]:
        """Of each turn, or why there is none."""
        if len(turns) == 1:
            return [await self._within_deadline(turns[0], owner)]
        # The last first: it gets a thread before the others do.
        tasks = [asyncio.ensure_future(self._within_deadline(turn, owner)) for turn in reversed(turns)]
        return (await asyncio.gather(*tasks))[::-1]

    async def _within_deadline(self, turn: str, owner: str) -> Classification | ClassifierUnavailableError:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._classifier.classify(turn, owner)
        except TimeoutError:
            return ClassifierTimeoutError()
        except ClassifierUnavailableError as error:
            return error
