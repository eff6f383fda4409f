"""Plans: the models that may answer a request, in the order in which Envoy shall try them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from sidecar.routing.policy import KNOWN_CAPABILITIES, Model, Plan
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.rules import Requirement
from sidecar.routing.signals import TENANT, Signals
from sidecar.routing.trail import Trail

# The estimate of what a request holds is off by about this at the most: refuse only what is surely too long.
_ESTIMATE_ERROR = 2

# More than the attempts of any sensible retry policy; a longer plan would only be carried about.
LONGEST_PLAN = 8

# What a request that sets no limit is taken to write, when its cost is estimated: the median answer of a chat model
# is a few hundred tokens.
USUAL_OUTPUT_TOKENS = 500

# What a request asks of a model by what it holds.
_CAPABILITIES = {"vision": "images", "tools": "tools", "json": "json", "streaming": "stream"}


@dataclass(frozen=True, slots=True)
class Needs:
    """Everything by which a model may be out."""

    signals: Signals
    requirement: Requirement
    is_cost_limited: bool = False
    """Whether the caller's limit counts."""

    @property
    def tokens(self) -> int:
        """What a context window has to hold: the input and the output asked for."""
        return self.signals.input_tokens + self.signals.max_output_tokens

    @property
    def least_tokens(self) -> int:
        """The same if the estimate is far too high. Only the input is estimated; the output's limit is as it says."""
        return self.signals.input_tokens // _ESTIMATE_ERROR + self.signals.max_output_tokens

    def why_not(self, model: Model, tokens: int) -> str | None:
        """Why that model cannot take the request; None if it can."""
        return self.why_forbidden(model) or self._why_unable(model, tokens)

    def why_forbidden(self, model: Model) -> str | None:
        """Why it must not, whether or not it could."""
        tenant = self.signals.headers.get(TENANT)
        required = self.requirement
        if model.tenants is not None and tenant not in model.tenants:
            return "is not for this tenant" if tenant else "is only for named tenants"
        if required.regions is not None and model.region not in required.regions:
            return f"runs in {model.region or 'no named region'}, allowed: {_words(required.regions)}"
        if required.providers is not None and model.provider not in required.providers:
            return f"is {model.provider}'s, allowed: {_words(required.providers)}"
        if model.provider in required.not_providers:
            return f"is {model.provider}'s, which is excluded"
        if not required.capabilities <= model.capabilities:
            return f"lacks {_words(required.capabilities - model.capabilities)}"
        return None

    def _why_unable(self, model: Model, tokens: int) -> str | None:
        signals = self.signals
        if model.deprecated is not None and signals.received.astimezone(UTC).date() >= model.deprecated:
            return f"is deprecated since {model.deprecated}"
        if not model.capabilities >= KNOWN_CAPABILITIES:  # most have them all, and this is asked of each
            lacking = {name for name, asked in _CAPABILITIES.items() if getattr(signals, asked)} - model.capabilities
            if lacking:
                return f"lacks {_words(lacking)}"
        if not model.unsupported.isdisjoint(signals.parameters):
            return f"does not support {_words(model.unsupported & signals.parameters)}"
        if model.context < tokens:
            return f"holds {model.context} tokens"
        if self.is_cost_limited and signals.max_cost is not None and estimate_cost(model, signals) > signals.max_cost:
            return f"would cost about {estimate_cost(model, signals):.2g} USD"
        return None


def estimate_cost(model: Model, signals: Signals) -> float:
    """USD that this request would cost on that model, if it writes as much as it may or as is usual."""
    output = signals.max_output_tokens or USUAL_OUTPUT_TOKENS
    return (signals.input_tokens * model.price.input + output * model.price.output) / 1e6


def choose(models: Plan, needs: Needs, trail: Trail) -> Plan:
    """Those that can take the request; if none can, those that can if the estimate of its input is too high.

    Raises RejectedError if no model can.
    """
    plan = _fitting(models, needs, needs.tokens, trail)
    if not plan:
        plan = _fitting(models, needs, needs.least_tokens, Trail())
        for model in plan:
            trail.excluded.pop(model.name, None)
    if not plan:
        raise _refuse(models, needs)
    return plan


def choose_pinned(model: Model, stand_ins: Plan, needs: Needs, trail: Trail) -> Plan:
    """As `choose`, but the model that was asked for stays whatever we think it can do.

    Raises RejectedError if the policy forbids it for this request.
    """
    why = needs.why_forbidden(model)
    if why is not None:
        raise RejectedError(Reason.NO_CANDIDATE, f"model: {model.name} {why}", status=403, param="model")
    others = (other for other in stand_ins if other is not model)
    return (model, *_fitting(others, needs, needs.tokens, trail))[:LONGEST_PLAN]


def _fitting(models: Iterable[Model], needs: Needs, tokens: int, trail: Trail) -> Plan:
    plan: list[Model] = []
    for model in models:
        why = needs.why_not(model, tokens)
        if why is None:
            plan.append(model)
            if len(plan) == LONGEST_PLAN:
                break
        else:
            trail.exclude(model.name, why)
    return tuple(plan)


def _refuse(models: Plan, needs: Needs) -> RejectedError:
    if not models:
        message = f"no model of this gateway can be asked at /v1/{needs.signals.endpoint}"
        return RejectedError(Reason.NO_CANDIDATE, message, status=404)
    by_tier = sorted(models, key=lambda model: model.tier)
    reasons = {model.name: needs.why_not(model, needs.tokens) for model in by_tier}
    is_only_length = all(needs.why_not(model, 0) is None for model in models)
    return RejectedError(
        Reason.NO_CANDIDATE,
        f"no model can take this request of about {needs.tokens} tokens, output included: "
        + "; ".join(f"{name} {why}" for name, why in reasons.items()),
        code="context_length_exceeded" if is_only_length else None,
    )


def _words(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
