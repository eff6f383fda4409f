"""Owns the label sets: intents in the order of the model's outputs, tiers from cheapest to dearest."""

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.routing.tier import Tier

INTENTS = tuple(DEFAULT_INTENT_TIERS)

TIERS = tuple(tier.label for tier in Tier)

DEFAULT_TIER = {intent: tier.label for intent, tier in DEFAULT_INTENT_TIERS.items()}
