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
    """As `plan_from_model`, but the model itself stays whatever we think of it: it was asked for."""
    return (model, *_fitting(_stand_ins(policy, model, request), _tokens(request), request))


def _stand_ins(policy: Policy, model: Model, request: ChatRequest) -> Plan:
    return tuple(other for other in policy.climbs[request.endpoint, model.tier] if other is not model)


def _keep_fitting(plan: Plan, policy: Policy, request: ChatRequest) -> Plan:
    """Only the models that can take the request.

    If none of the plan can, any model that can, whatever its tier; if none at all, those that can if the estimate of
    its tokens is too high.
    """
    everything = policy.climbs[request.endpoint, Tier.SIMPLE]
    for tokens in (_tokens(request), _tokens(request) // _ESTIMATE_ERROR):
        for models in (plan, everything):
            fitting = _fitting(models, tokens, request)
            if fitting:
                return fitting
    raise _refuse(everything, request)


def _fitting(models: Plan, tokens: int, request: ChatRequest) -> Plan:
    """Those whose context window holds so many tokens, and whose provider takes all that the request sets."""
    return tuple(
        model for model in models if model.context >= tokens and model.unsupported.isdisjoint(request.parameters)
    )


def _tokens(request: ChatRequest) -> int:
    """What a context window has to hold: the input and the output asked for."""
    return request.input_tokens + request.max_output_tokens


def _refuse(everything: Plan, request: ChatRequest) -> RejectedError:
    if not everything:
        message = f"no model of this gateway can be asked at /v1/{request.endpoint}"
        return RejectedError(Reason.NO_CANDIDATE, message, status=404)
    excluded = "; ".join(f"{model.name} {_why_not(model, request)}" for model in everything)
    message = f"no model can take this request of about {_tokens(request)} tokens, output included: {excluded}"
    return RejectedError(Reason.NO_CANDIDATE, message)


def _why_not(model: Model, request: ChatRequest) -> str:
    refused = sorted(model.unsupported & request.parameters)
    return f"does not support {', '.join(refused)}" if refused else f"holds {model.context}"
