"""The plan that stands in Envoy's own configuration: which models answer which chat requests without a decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.config.bypass import broken_by
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Model, Policy
from sidecar.routing.tier import Tier


@dataclass(frozen=True, slots=True)
class ChatRoute:
    """Endpoints of one API that have the same default plan."""

    name: str
    api: Api
    endpoints: tuple[Endpoint, ...]
    models: tuple[Model, ...]
    """All that a decision on these endpoints may name, in the order of the default plan."""
    default_plan: tuple[Model, ...]
    """Those of them that may answer whatever comes: what is required for some requests holds for them too. All, if
    not even the fallback may."""

    @property
    def default(self) -> Model:
        """The model that answers when nothing is decided."""
        return self.default_plan[0]

    @property
    def is_choosy(self) -> bool:
        """Whether some models may answer only what was decided."""
        return self.default_plan != self.models


def plan_chat_routes(policy: Policy) -> list[ChatRoute]:
    """All chat endpoints of each API that the policy's models speak; the first of an API has the API's name."""
    return [route for api in Api for route in _routes_of(api, policy)]


def unspoken_apis(policy: Policy) -> list[Api]:
    """Those that no model of the policy speaks."""
    spoken = {endpoint.api for model in policy.models.values() for endpoint in model.endpoints}
    return [api for api in Api if api not in spoken]


def _routes_of(api: Api, policy: Policy) -> list[ChatRoute]:
    endpoints = [endpoint for endpoint in Endpoint if endpoint.api is api]
    plans = {endpoint: _default_plan(endpoint, policy) for endpoint in endpoints}
    able = [endpoint for endpoint in endpoints if plans[endpoint]]
    if not able:
        return []
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        # Requests to an endpoint that nobody offers need a route too: the sidecar refuses them.
        plan = plans[endpoint] or plans[able[0]]
        groups.setdefault(plan[0].name, []).append(endpoint)
    merged = [_merge([plans[endpoint] for endpoint in group]) for group in groups.values()]
    return [
        ChatRoute(
            name=api.value if index == 0 else f"{api}-{group[0].replace('/', '-')}",
            api=api,
            endpoints=tuple(group),
            models=models,
            default_plan=_allowed(models, policy),
        )
        for index, (group, models) in enumerate(zip(groups.values(), merged, strict=True))
    ]


def _default_plan(endpoint: Endpoint, policy: Policy) -> list[Model]:
    """The fallback, its equals and those above it, then those below, nearest first: as the sidecar plans."""
    models = [model for model in policy.models.values() if endpoint in model.endpoints]
    fallback = policy.fallbacks.get(endpoint)
    start = fallback.tier if fallback else Tier.SIMPLE
    above = sorted((model for model in models if model.tier >= start), key=lambda model: model.tier)
    below = sorted((model for model in models if model.tier < start), key=lambda model: -model.tier)
    order = [fallback, *above, *below] if fallback else [*above, *below]
    return list({model.name: model for model in order}.values())


def _allowed(models: tuple[Model, ...], policy: Policy) -> tuple[Model, ...]:
    allowed = tuple(model for model in models if not broken_by(model, policy))
    return allowed if models[0] in allowed else models


def _merge(plans: Sequence[list[Model]]) -> tuple[Model, ...]:
    """One order for several endpoints: models that all of them offer come before those that would answer some 404."""
    offering = [plan for plan in plans if plan]
    every = [model for plan in offering for model in plan]
    first, *rest = {model.name: model for model in every}.values()
    return (first, *sorted(rest, key=lambda model: -sum(model in plan for plan in offering)))
