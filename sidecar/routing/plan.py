"""Plans: the models that may answer a request, in the order in which Envoy shall try them."""

from sidecar.routing.policy import Model, Plan, Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.routing.tier import Tier

# The estimate of a request's tokens has been off by no more than this: refuse only what is surely too long.
_ESTIMATE_ERROR = 2


def plan_from_tier(policy: Policy, tier: Tier, request: ChatRequest) -> Plan:
    """The tier's models as the policy lists them, then the tiers above, and the fallback to close.

    Raises RejectedError if no model can take the request.
    """
    return _keep_fitting(policy.climbs[request.endpoint, tier], policy, request)


def plan_from_model(policy: Policy, model: Model, request: ChatRequest) -> Plan:
    """That model, then those that may stand in for it: its own tier, the tiers above, the fallback.

    Raises RejectedError if no model can take the request.
    """
    return _keep_fitting((model, *_stand_ins(policy, model, request)), policy, request)


def plan_pinned(policy: Policy, model: Model, request: ChatRequest) -> Plan:
    """As `plan_from_model`, but the model stays if it looks too small: it was asked for, the size is an estimate."""
    tokens = request.input_tokens + request.max_output_tokens
    return (model, *_fitting(_stand_ins(policy, model, request), tokens))


def _stand_ins(policy: Policy, model: Model, request: ChatRequest) -> Plan:
    return tuple(other for other in policy.climbs[request.endpoint, model.tier] if other is not model)


def _keep_fitting(plan: Plan, policy: Policy, request: ChatRequest) -> Plan:
    """Only the models whose context window holds the input and the output asked for.

    If none of the plan does, any model that does, whatever its tier; if none at all, those that may if the estimate
    is too high.
    """
    everything = policy.climbs[request.endpoint, Tier.SIMPLE]
    tokens = request.input_tokens + request.max_output_tokens
    return (
        _fitting(plan, tokens)
        or _fitting(everything, tokens)
        or _fitting(plan, tokens // _ESTIMATE_ERROR)
        or _fitting(everything, tokens // _ESTIMATE_ERROR)
        or _refuse(everything, request, tokens)
    )


def _fitting(models: Plan, tokens: int) -> Plan:
    return tuple(model for model in models if model.context >= tokens)


def _refuse(everything: Plan, request: ChatRequest, tokens: int) -> Plan:
    if not everything:
        message = f"no model of this gateway can be asked at /v1/{request.endpoint}"
        raise RejectedError(Reason.NO_CANDIDATE, message, status=404)
    windows = ", ".join(f"{model.name} {model.context}" for model in everything)
    raise RejectedError(
        Reason.NO_CANDIDATE,
        f"about {tokens} tokens of input and requested output fit into no model's context window ({windows})",
        param="messages",
    )
