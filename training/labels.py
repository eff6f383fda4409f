"""Owns the label sets: intents in the order of the model's outputs, tiers from cheapest to dearest."""

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.routing.tier import Tier

INTENTS = tuple(DEFAULT_INTENT_TIERS)

TIERS = tuple(tier.label for tier in Tier)

DEFAULT_TIER = {intent: tier.label for intent, tier in DEFAULT_INTENT_TIERS.items()}

# Difficulty is the probability that a cheap model's answer is not good enough. Nobody measured that for the
# authored prompts, so each tier label stands for a plausible value, never quite 0 or 1.
TIER_DIFFICULTY = {"simple": 0.05, "moderate": 0.4, "complex": 0.75, "reasoning": 0.95}
