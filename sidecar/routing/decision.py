"""Decisions: from a request, and a classification where one was needed, to a plan with its reason."""

from dataclasses import dataclass

from sidecar.routing.classification import Classification
from sidecar.routing.plan import plan_from_model, plan_from_tier, plan_pinned
from sidecar.routing.policy import Model, Plan, Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.routing.tier import Tier


@dataclass(frozen=True, slots=True)
class Decision:
    """Which models shall answer, why, and on what evidence."""

    plan: Plan
    tier: Tier
    """What the prompt needs; the first model may be of another, if none of this one can take the request."""
    reason: Reason
    policy_hash: str
    classification: Classification | None = None

    @property
    def model(self) -> Model:
        """The first of the plan: the one that answers unless it fails."""
        return self.plan[0]


def decide_without_classifier(policy: Policy, request: ChatRequest) -> Decision | None:
    """The decision on a request that needs no classification; None if it needs one.

    Raises RejectedError for a model that the policy does not have.
    """
    if request.model in policy.virtual_models:
        return None if request.prompt else decide_fallback(policy, request, Reason.NO_PROMPT)
    model = policy.models.get(request.model)
    if model is None or request.endpoint not in model.endpoints:
        raise _unknown_model(policy, request)
    return Decision(plan_pinned(policy, model, request), model.tier, Reason.PINNED, policy.hash)


def decide_classified(policy: Policy, request: ChatRequest, classification: Classification) -> Decision:
    """The decision on a classified request."""
    tier, reason = policy.tier_rule.tier_of(classification)
    return Decision(plan_from_tier(policy, tier, request), tier, reason, policy.hash, classification)


def decide_fallback(policy: Policy, request: ChatRequest, reason: Reason) -> Decision:
    """The decision when nothing is known of the prompt."""
    fallback = policy.fallbacks.get(request.endpoint)
    if fallback is None:
        plan = plan_from_tier(policy, Tier.SIMPLE, request)
        return Decision(plan, plan[0].tier, reason, policy.hash)
    return Decision(plan_from_model(policy, fallback, request), fallback.tier, reason, policy.hash)


def _unknown_model(policy: Policy, request: ChatRequest) -> RejectedError:
    models = (model.name for model in policy.models.values() if request.endpoint in model.endpoints)
    known = ", ".join((*sorted(policy.virtual_models), *models))
    return RejectedError(
        Reason.UNKNOWN_MODEL,
        f"model: this gateway has no such model at /v1/{request.endpoint}; it has {known}",
        status=404,
        param="model",
        code="model_not_found",
    )
