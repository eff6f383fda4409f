"""Decisions made without a server, a classifier or a clock."""

from datetime import UTC, datetime
from typing import Any

from sidecar.routing.classification import Classification, Embedding, Example
from sidecar.routing.decision import NOT_READ, Decision, Evidence, decide
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.request import ChatRequest
from sidecar.routing.signals import RequestHead, Signals
from sidecar.routing.trail import Trail

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday's."""


class NoExamples:
    """An ExampleMatcher of a policy that gives no examples."""

    def match(self, embedding: Embedding | None) -> Example | None:
        """Never one."""
        return None


def signals_of(policy: Policy, request: ChatRequest, at: datetime = NOON, path: str = "", **headers: str) -> Signals:
    """As the policy reads them; an underscore in a header's name is a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return policy.reader.read(request, RequestHead(path or f"/v1/{request.endpoint}", named, at))


def undecided(policy: Policy, request: ChatRequest, **head: Any) -> Decision | None:
    """The decision if it needs no classification, else None. Raises RejectedError."""
    evidence = NOT_READ if request.prompt else Evidence(missing=Reason.NO_PROMPT)
    return decide(policy, signals_of(policy, request, **head), evidence, Trail())


def decided(policy: Policy, request: ChatRequest, *readings: Classification, **head: Any) -> Decision:
    """With what a classifier says of the turns, oldest first. Raises RejectedError."""
    return _decided(policy, signals_of(policy, request, **head), Evidence(readings))


def decided_without(
    policy: Policy, request: ChatRequest, missing: Reason = Reason.CLASSIFIER_TIMEOUT, **head: Any
) -> Decision:
    """With a classifier that has nothing to say. Raises RejectedError."""
    return _decided(policy, signals_of(policy, request, **head), Evidence(missing=missing))


def _decided(policy: Policy, signals: Signals, evidence: Evidence) -> Decision:
    decision = decide(policy, signals, evidence, Trail())
    assert decision is not None
    return decision


def plan_of(decision: Decision | None) -> list[str]:
    """The names of its models, for reading."""
    assert decision is not None
    return [model.name for model in decision.plan]
