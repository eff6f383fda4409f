"""From a classification to the tier that the request needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.routing.classification import Classification
from sidecar.routing.reason import Reason
from sidecar.routing.tier import Tier


@dataclass(frozen=True, slots=True)
class DifficultyThresholds:
    """From which difficulty on a request needs at least that tier."""

    moderate: float
    complex: float
    reasoning: float

    def tier_of(self, difficulty: float) -> Tier:
        """The lowest tier that this difficulty allows."""
        if difficulty >= self.reasoning:
            return Tier.REASONING
        if difficulty >= self.complex:
            return Tier.COMPLEX
        return Tier.MODERATE if difficulty >= self.moderate else Tier.SIMPLE


@dataclass(frozen=True, slots=True)
class TierRule:
    """How much difficulty, intent and doubt count.

    Difficulty decides: within every intent there are trivial requests and hard ones. What a policy says of an intent
    is the least that its requests get. Both and doubt only ever raise the tier, since a wrong answer costs the user
    more than a dear one costs the operator.
    """

    difficulty: DifficultyThresholds
    min_confidence: float
    least_tiers: Mapping[str, Tier]
    """By intent, as the policy says."""
    usual_tiers: Mapping[str, Tier]
    """By intent, for classifications without a difficulty."""

    def unplaced(self, intents: Iterable[str]) -> list[str]:
        """Those that only a difficulty could give a tier."""
        return [intent for intent in intents if intent not in self.least_tiers and intent not in self.usual_tiers]

    def tier_of(self, classification: Classification) -> tuple[Tier, Reason]:
        """The tier, and what settled it."""
        intent = classification.intent
        least = self.least_tiers.get(intent)
        if classification.difficulty is None:
            tier, reason = self.usual_tiers[intent] if least is None else least, Reason.INTENT
        else:
            tier, reason = self.difficulty.tier_of(classification.difficulty), Reason.DIFFICULTY
            if least is not None and least > tier:
                tier, reason = least, Reason.INTENT
        if classification.confidence < self.min_confidence and tier.above > tier:
            return tier.above, Reason.LOW_CONFIDENCE
        return tier, reason
