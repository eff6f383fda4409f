"""The plan that stands in Envoy's own configuration: which models answer which chat requests without a decision."""

from collections.abc import Sequence
from dataclasses import dataclass

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

    @property
    def default(self) -> Model:
        """The model that answers when nothing is decided."""
        return self.models[0]


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
    return [
        ChatRoute(
            name=api.value if index == 0 else f"{api}-{group[0].replace('/', '-')}",
            api=api,
            endpoints=tuple(group),
            models=_merge([plans[endpoint] for endpoint in group]),
        )
        for index, group in enumerate(groups.values())
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


def _merge(plans: Sequence[list[Model]]) -> tuple[Model, ...]:
    """One order for several endpoints: models that all of them offer come before those that would answer some 404."""
    offering = [plan for plan in plans if plan]
    every = [model for plan in offering for model in plan]
    first, *rest = {model.name: model for model in every}.values()
    return (first, *sorted(rest, key=lambda model: -sum(model in plan for plan in offering)))
