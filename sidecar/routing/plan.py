"""Plans: the models that may answer a request, in the order in which Envoy shall try them."""

from itertools import islice

from sidecar.routing.policy import Model, Plan, Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest
from sidecar.routing.tier import Tier

# The estimate of a request's tokens is off by about this at the most: refuse only what is surely too long.
_ESTIMATE_ERROR = 2

# More than the attempts of any sensible retry policy; a longer plan would only be carried about.
_LONGEST_PLAN = 8


def plan_from_tier(policy: Policy, tier: Tier, request: ChatRequest) -> Plan:
    """The tier's models as the policy lists them, the tiers above, the fallback, the tiers below.

    Raises RejectedError if no model can take the request.
    """
    return _keep_fitting(policy.plans[request.endpoint, tier], request)


def plan_from_model(policy: Policy, model: Model, request: ChatRequest) -> Plan:
    """That model, then those that may stand in for it, as from its own tier.

    Raises RejectedError if no model can take the request.
    """
    return _keep_fitting((model, *_stand_ins(policy, model, request)), request)


def plan_pinned(policy: Policy, model: Model, request: ChatRequest) -> Plan:
    """As `plan_from_model`, but the model itself stays whatever we think of it: it was asked for."""
    return (model, *_fitting(_stand_ins(policy, model, request), _tokens(request), request))[:_LONGEST_PLAN]


def _stand_ins(policy: Policy, model: Model, request: ChatRequest) -> Plan:
    return tuple(other for other in policy.plans[request.endpoint, model.tier] if other is not model)


def _keep_fitting(models: Plan, request: ChatRequest) -> Plan:
    """Those that can take the request; if none can, those that can if the estimate of its tokens is too high."""
    tokens = _tokens(request)
    fitting = _fitting(models, tokens, request) or _fitting(models, tokens // _ESTIMATE_ERROR, request)
    if not fitting:
        raise _refuse(models, request)
    return fitting


def _fitting(models: Plan, tokens: int, request: ChatRequest) -> Plan:
    """Those whose context window holds so many tokens, and whose provider takes all that the request sets."""
    able = (model for model in models if model.context >= tokens and model.unsupported.isdisjoint(request.parameters))
    return tuple(islice(able, _LONGEST_PLAN))


def _tokens(request: ChatRequest) -> int:
    """What a context window has to hold: the input and the output asked for."""
    return request.input_tokens + request.max_output_tokens


def _refuse(models: Plan, request: ChatRequest) -> RejectedError:
    if not models:
        message = f"no model of this gateway can be asked at /v1/{request.endpoint}"
        return RejectedError(Reason.NO_CANDIDATE, message, status=404)
    excluded = "; ".join(f"{model.name} {_why_not(model, request)}" for model in sorted(models, key=_by_tier))
    return RejectedError(
        Reason.NO_CANDIDATE,
        f"no model can take this request of about {_tokens(request)} tokens, output included: {excluded}",
        code=None if any(model.unsupported & request.parameters for model in models) else "context_length_exceeded",
    )


def _by_tier(model: Model) -> Tier:
    return model.tier


def _why_not(model: Model, request: ChatRequest) -> str:
    refused = sorted(model.unsupported & request.parameters)
    return f"does not support {', '.join(refused)}" if refused else f"holds {model.context}"
