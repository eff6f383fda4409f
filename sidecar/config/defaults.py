"""What a policy says where it says nothing."""

from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule

# What each intent usually needs, for a classifier that tells no difficulty: see docs/taxonomy.md for their meanings.
DEFAULT_INTENT_TIERS = {
    "chat": Tier.SIMPLE,
    "factual_qa": Tier.SIMPLE,
    "classification": Tier.SIMPLE,
    "extraction": Tier.SIMPLE,
    "translation": Tier.MODERATE,
    "summarization": Tier.MODERATE,
    "rewriting": Tier.MODERATE,
    "writing": Tier.MODERATE,
    "explanation": Tier.MODERATE,
    "code_generation": Tier.COMPLEX,
    "code_debugging": Tier.COMPLEX,
    "expert_qa": Tier.COMPLEX,
    "planning": Tier.COMPLEX,
    "math": Tier.REASONING,
    "logical_reasoning": Tier.REASONING,
}

# Chosen for the shipped classifier on prompts it was not trained on; its model card has the figures.
DEFAULT_DIFFICULTY = DifficultyThresholds(moderate=0.125, complex=0.5, reasoning=0.8)
DEFAULT_MIN_CONFIDENCE = 0.4

DEFAULT_TIER_RULE = TierRule(
    difficulty=DEFAULT_DIFFICULTY,
    min_confidence=DEFAULT_MIN_CONFIDENCE,
    bounds={},
    usual_tiers=DEFAULT_INTENT_TIERS,
)
