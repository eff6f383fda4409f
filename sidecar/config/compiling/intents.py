"""`intents`, `difficulty` and `min_confidence`: from a classification to a tier."""

from sidecar.config.compiling.names import Names
from sidecar.config.defaults import DEFAULT_INTENT_TIERS
from sidecar.config.schema.policy_file import WrittenIntent
from sidecar.routing.policy import ExampleIntent
from sidecar.routing.rules import TierBounds
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule


def compile_tier_rule(names: Names) -> TierRule:
    """With the defaults filled in."""
    written = names.written
    usual_tiers = {intent: _usual_tier(intent, setting) for intent, setting in written.intents.items()}
    return TierRule(
        difficulty=DifficultyThresholds(
            written.difficulty.moderate, written.difficulty.complex, written.difficulty.reasoning
        ),
        min_confidence=written.min_confidence,
        bounds={intent: _bounds(setting) for intent, setting in written.intents.items()},
        usual_tiers=DEFAULT_INTENT_TIERS | {intent: tier for intent, tier in usual_tiers.items() if tier is not None},
    )


def compile_examples(names: Names) -> tuple[ExampleIntent, ...]:
    """The intents that are told by examples, by name."""
    examples = []
    for intent, setting in sorted(names.written.intents.items()):
        if not isinstance(setting, WrittenIntent) or setting.examples is None:
            continue
        if intent in DEFAULT_INTENT_TIERS:
            names.fault(
                "intent-built-in",
                ("intents", intent),
                "the classifier has an intent of that name: take another",
            )
        examples.append(ExampleIntent(intent, setting.examples, setting.threshold))
    return tuple(examples)


def _bounds(setting: Tier | WrittenIntent) -> TierBounds:
    if isinstance(setting, Tier):
        return TierBounds(setting)
    if setting.tier is not None:
        return TierBounds(setting.tier, setting.tier)
    return TierBounds(
        Tier.SIMPLE if setting.min_tier is None else setting.min_tier,
        Tier.REASONING if setting.max_tier is None else setting.max_tier,
    )


def _usual_tier(intent: str, setting: Tier | WrittenIntent) -> Tier | None:
    """What it gets from a classifier that tells no difficulty; None if the policy doesn't say."""
    if isinstance(setting, Tier):
        return setting
    if setting.tier is not None or setting.min_tier is not None:
        return setting.min_tier if setting.tier is None else setting.tier
    usual = DEFAULT_INTENT_TIERS.get(intent, setting.max_tier)
    return None if usual is None else _bounds(setting).clamp(usual)
