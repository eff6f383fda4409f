"""Policies to decide by, without a file."""

from collections.abc import Iterable, Mapping

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Model, Policy, Price, build_plans
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule


def make_model(
    name: str,
    tier: Tier = Tier.SIMPLE,
    *,
    api: Api = Api.OPENAI,
    endpoints: Iterable[Endpoint] = (),
    context: int = 1_000_000,
    id_: str = "",
    cluster: str = "",
    unsupported: Iterable[str] = (),
) -> Model:
    """A model with an id and a cluster that are not its name; it can be asked at all endpoints of its API."""
    return Model(
        name=name,
        id=id_ or f"{name}-id",
        cluster=cluster or f"{name}-cluster",
        provider="acme",
        endpoints=frozenset(endpoints or (endpoint for endpoint in Endpoint if endpoint.api is api)),
        tier=tier,
        context=context,
        price=Price(1.0, 2.0),
        unsupported=frozenset(unsupported),
    )


def make_policy(
    models: Iterable[Model],
    fallbacks: Iterable[str],
    *,
    virtual_models: Iterable[str] = ("auto",),
    least_tiers: Mapping[str, Tier] | None = None,
) -> Policy:
    """A policy with thresholds of its own. The first of `fallbacks` that knows an endpoint answers there."""
    by_name = {model.name: model for model in models}
    by_endpoint = {at: by_name[name] for name in reversed([*fallbacks]) for at in by_name[name].endpoints}
    return Policy(
        models=by_name,
        virtual_models=frozenset(virtual_models),
        fallbacks=by_endpoint,
        tier_rule=TierRule(
            difficulty=DifficultyThresholds(moderate=0.5, complex=0.75, reasoning=0.9),
            min_confidence=0.5,
            least_tiers=least_tiers or {},
            usual_tiers=DEFAULT_INTENT_TIERS,
        ),
        plans=build_plans(by_name.values(), by_endpoint),
        hash="feedc0de",
    )


def ladder(*, least_tiers: Mapping[str, Tier] | None = None) -> Policy:
    """An OpenAI model for each tier, named after it, and two of Anthropic's; the fallbacks are complex and sonnet.

    Unless told otherwise it gives one intent a tier of its own: math is at least reasoning.
    """
    return make_policy(
        [
            *(make_model(tier.label, tier) for tier in Tier),
            make_model("haiku", Tier.SIMPLE, api=Api.ANTHROPIC),
            make_model("sonnet", Tier.COMPLEX, api=Api.ANTHROPIC),
        ],
        ["complex", "sonnet"],
        least_tiers={"math": Tier.REASONING} if least_tiers is None else least_tiers,
    )
