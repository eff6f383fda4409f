"""The policy as the router runs it: checked, frozen, with every plan that it can lead to worked out beforehand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.routing.api import Endpoint
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import TierRule

Plan = tuple["Model", ...]
"""Models in the order in which Envoy shall try them."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the policy's `models`."""

    name: str
    id: str
    """What its provider calls it: the value of `model` in a request."""
    cluster: str
    """The Envoy cluster that leads to it."""
    provider: str
    endpoints: frozenset[Endpoint]
    """What its provider can be asked at; all of one API."""
    tier: Tier
    context: int
    """Tokens of input and output together."""
    price: Price
    unsupported: frozenset[str] = frozenset()
    """Parameters of a request that its provider refuses for it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which model may answer what. Immutable; a changed policy is another object with another hash."""

    models: Mapping[str, Model]
    virtual_models: frozenset[str]
    fallbacks: Mapping[Endpoint, Model]
    tier_rule: TierRule
    plans: Mapping[tuple[Endpoint, Tier], Plan]
    """As `build_plans` makes them."""
    hash: str
    """Hexadecimal; the same policy has the same hash on every replica."""


def build_plans(models: Iterable[Model], fallbacks: Mapping[Endpoint, Model]) -> dict[tuple[Endpoint, Tier], Plan]:
    """For each endpoint and tier, all models in the order in which they may answer.

    The tier's as listed, the tiers above, the fallback, and last the tiers below, nearest first: a weak answer beats
    none. Worked out once, so that a request costs no sorting however many models there are.
    """
    upward = sorted(models, key=lambda model: model.tier)  # stable: within a tier the listed order stays
    downward = sorted(upward, key=lambda model: -model.tier)
    plans = {}
    for endpoint in Endpoint:
        fallback = [fallbacks[endpoint]] if endpoint in fallbacks else []
        for tier in Tier:
            above = [model for model in upward if model.tier >= tier]
            below = [model for model in downward if model.tier < tier]
            order = (model for model in (*above, *fallback, *below) if endpoint in model.endpoints)
            plans[endpoint, tier] = tuple({model.name: model for model in order}.values())
    return plans
