"""Policies to decide by, without a file."""

from collections.abc import Iterable, Mapping
from datetime import date

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import KNOWN_CAPABILITIES, CallersMay, ExampleIntent, Model, Policy, Price, Rank
from sidecar.routing.ranking import build_plans
from sidecar.routing.rules import Rule, StandingRequirement, TierBounds, VirtualModel
from sidecar.routing.signals import SignalReader
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
    provider: str = "acme",
    price: Price = Price(1.0, 2.0),  # noqa: B008  # it is frozen
    unsupported: Iterable[str] = (),
    capabilities: Iterable[str] = KNOWN_CAPABILITIES,
    region: str | None = None,
    tenants: Iterable[str] | None = None,
    deprecated: date | None = None,
    quality: Mapping[str, float] | None = None,
    latency_seconds: float | None = None,
) -> Model:
    """A model with an id and a cluster that are not its name; it can be asked at all endpoints of its API."""
    return Model(
        name=name,
        id=id_ or f"{name}-id",
        cluster=cluster or f"{name}-cluster",
        provider=provider,
        endpoints=frozenset(endpoints or (endpoint for endpoint in Endpoint if endpoint.api is api)),
        tier=tier,
        context=context,
        price=price,
        unsupported=frozenset(unsupported),
        capabilities=frozenset(capabilities),
        region=region,
        tenants=None if tenants is None else frozenset(tenants),
        deprecated=deprecated,
        quality=quality or {},
        latency_seconds=latency_seconds,
    )


def make_policy(
    models: Iterable[Model],
    fallbacks: Iterable[str],
    *,
    virtual_models: Iterable[str | VirtualModel] = ("auto",),
    least_tiers: Mapping[str, Tier] | None = None,
    bounds: Mapping[str, TierBounds] | None = None,
    rules: Iterable[Rule] = (),
    requirements: Iterable[StandingRequirement] = (),
    examples: Iterable[ExampleIntent] = (),
    rank: Rank = Rank(),  # noqa: B008  # it is frozen
    reader: SignalReader | None = None,
    callers_may: CallersMay = CallersMay(),  # noqa: B008  # it is frozen
    conversation_turns: int = 5,
) -> Policy:
    """A policy with thresholds of its own. The first of `fallbacks` that knows an endpoint answers there.

    `least_tiers` and `bounds` both bound intents. The reader looks for the parameters that a model does not take,
    unless another one is given.
    """
    by_name = {model.name: model for model in models}
    by_endpoint = {at: by_name[name] for name in reversed([*fallbacks]) for at in by_name[name].endpoints}
    routed = [VirtualModel(each) if isinstance(each, str) else each for each in virtual_models]
    unsupported = frozenset[str]().union(*(model.unsupported for model in by_name.values()))
    return Policy(
        models=by_name,
        virtual_models={each.name: each for each in routed},
        fallbacks=by_endpoint,
        tier_rule=TierRule(
            difficulty=DifficultyThresholds(moderate=0.5, complex=0.75, reasoning=0.9),
            min_confidence=0.5,
            bounds={intent: TierBounds(tier) for intent, tier in (least_tiers or {}).items()} | dict(bounds or {}),
            usual_tiers=DEFAULT_INTENT_TIERS | dict(least_tiers or {}),
        ),
        plans=build_plans(by_name.values(), by_endpoint, rank),
        hash="feedc0de",
        reader=reader or SignalReader(parameters=unsupported),
        requirements=tuple(requirements),
        rules=tuple(rules),
        examples=tuple(examples),
        conversation_turns=conversation_turns,
        callers_may=callers_may,
    )


def ladder(
    *,
    least_tiers: Mapping[str, Tier] | None = None,
    rules: Iterable[Rule] = (),
    callers_may: CallersMay = CallersMay(),  # noqa: B008  # it is frozen
) -> Policy:
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
        rules=rules,
        callers_may=callers_may,
    )
