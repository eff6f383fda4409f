"""The order in which models may answer: by tier, and within a tier as listed or by weighted cost, latency, quality.

Everything here is worked out once for a policy, so that a request costs no sorting however many models there are. It
depends on nothing of a request but its tier and its intent: that is also what keeps a conversation on one model, and
its prompt in the provider's cache.
"""

from collections.abc import Iterable, Mapping, Sequence

from sidecar.routing.api import Endpoint
from sidecar.routing.policy import Model, Plan, Plans, Rank
from sidecar.routing.tier import Tier

_DEFAULT = "default"

# What a model is priced at when it is compared with others: chat requests read about three times what they write.
_INPUT_SHARE = 0.75


def build_plans(
    models: Iterable[Model],
    fallbacks: Mapping[Endpoint, Model],
    rank: Rank = Rank(),  # noqa: B008  # it is frozen
) -> Plans:
    """For each endpoint, tier and intent that has an order of its own: all models as they may answer.

    The tier's, the tiers above, the fallback, and last the tiers below, nearest first: a weak answer beats none.
    """
    listed = list(models)
    plans: dict[tuple[Endpoint, Tier, str], Plan] = {}
    for intent in ("", *_intents_with_quality(listed, rank)):
        ranked = _ranked(listed, rank, intent)
        for endpoint in Endpoint:
            for tier in Tier:
                plans[endpoint, tier, intent] = _plan(ranked, fallbacks.get(endpoint), endpoint, tier)
    return plans


def blended_price(model: Model) -> float:
    """USD per million tokens of an ordinary request."""
    return _INPUT_SHARE * model.price.input + (1 - _INPUT_SHARE) * model.price.output


def _plan(ranked: Sequence[Model], fallback: Model | None, endpoint: Endpoint, tier: Tier) -> Plan:
    upward = sorted(ranked, key=lambda model: model.tier)  # stable: within a tier the rank stays
    downward = sorted(ranked, key=lambda model: -model.tier)
    above = [model for model in upward if model.tier >= tier]
    below = [model for model in downward if model.tier < tier]
    order = (*above, *([fallback] if fallback is not None else ()), *below)
    return tuple({model.name: model for model in order if endpoint in model.endpoints}.values())


def _intents_with_quality(models: Iterable[Model], rank: Rank) -> list[str]:
    if not rank.quality:
        return []
    return sorted({intent for model in models for intent in model.quality if intent != _DEFAULT})


def _ranked(models: Sequence[Model], rank: Rank, intent: str) -> list[Model]:
    """Each tier by itself, since a cost or a latency only says something beside those it competes with."""
    ranked: list[Model] = []
    for tier in Tier:
        peers = [model for model in models if model.tier is tier]
        dearest = max((blended_price(model) for model in peers), default=0.0) or 1.0
        slowest = max((model.latency_seconds or 0.0 for model in peers), default=0.0) or 1.0

        def penalty(model: Model, dearest: float = dearest, slowest: float = slowest) -> float:
            return (
                rank.cost * blended_price(model) / dearest
                + rank.latency * (model.latency_seconds or 0.0) / slowest
                - rank.quality * _quality(model, intent)
            )

        ranked += sorted(peers, key=penalty)
    return ranked


def _quality(model: Model, intent: str) -> float:
    return model.quality.get(intent, model.quality.get(_DEFAULT, 0.0))
