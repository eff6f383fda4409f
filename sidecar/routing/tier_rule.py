"""From a classification to the tier that the request needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.routing.classification import Classification
from sidecar.routing.reason import Reason
from sidecar.routing.rules import TierBounds
from sidecar.routing.tier import Tier
from sidecar.routing.trail import Move


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
    bounds what its requests get. Doubt only ever raises the tier, since a wrong answer costs the user more than a
    dear one costs the operator; it has no say where the policy's own examples settled the intent.
    """

    difficulty: DifficultyThresholds
    min_confidence: float
    bounds: Mapping[str, TierBounds]
    """By intent, as the policy says."""
    usual_tiers: Mapping[str, Tier]
    """By intent, for classifications without a difficulty; as the policy says, else what is usual."""

    def unplaced(self, intents: Iterable[str]) -> list[str]:
        """Those that only a difficulty could give a tier."""
        return [intent for intent in intents if intent not in self.usual_tiers]

    def tier_of(self, classification: Classification) -> Tier:
        """Where the moves end."""
        return self.moves(classification)[-1].tier

    def moves(self, classification: Classification) -> list[Move]:
        """How the tier comes about, step by step; the last one has the tier, and what settled it."""
        bounds = self.bounds.get(classification.settled_intent)
        moves = [self._first(classification, bounds)]
        if bounds is not None:
            reason = Reason.INTENT if classification.example is None else Reason.EXAMPLE
            _go(moves, reason, bounds.clamp(moves[-1].tier))
        if classification.example is None and classification.confidence < self.min_confidence:
            raised = moves[-1].tier.above
            _go(moves, Reason.LOW_CONFIDENCE, raised if bounds is None else bounds.clamp(raised))
        return moves

    def _first(self, classification: Classification, bounds: TierBounds | None) -> Move:
        if classification.difficulty is not None:
            return Move(Reason.DIFFICULTY, self.difficulty.tier_of(classification.difficulty))
        usual = self.usual_tiers.get(classification.intent, Tier.SIMPLE)
        return Move(Reason.INTENT, usual if bounds is None else bounds.clamp(usual))


def _go(moves: list[Move], reason: Reason, tier: Tier) -> None:
    if tier is not moves[-1].tier:
        moves.append(Move(reason, tier))
