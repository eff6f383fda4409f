"""The catalogue: which names a caller may ask for."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from sidecar.routing.api import Endpoint
from sidecar.routing.policy import Model, Policy


def names_for_caller(policy: Policy, tenant: str | None, endpoints: AbstractSet[Endpoint]) -> list[str]:
    """Virtual models first, then the models that can be asked at one of the endpoints, as they are listed."""
    return [*policy.virtual_models, *(model.name for model in models_for_caller(policy, tenant, endpoints))]


def models_for_caller(policy: Policy, tenant: str | None, endpoints: AbstractSet[Endpoint]) -> Iterable[Model]:
    """Those that this tenant may name; none where the policy lets nobody name models."""
    if not policy.callers_may.name_models:
        return []
    return [
        model
        for model in policy.models.values()
        if not endpoints.isdisjoint(model.endpoints) and (model.tenants is None or tenant in model.tenants)
    ]
