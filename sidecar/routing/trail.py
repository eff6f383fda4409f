"""The trail of a decision: what was looked at and what followed from it, noted down while it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.routing.classification import Classification
from sidecar.routing.reason import Reason
from sidecar.routing.tier import Tier

# A plan has eight models; of the thousands that a policy may have, no reader wants more.
_MOST_EXCLUDED = 16


@dataclass(frozen=True, slots=True)
class Move:
    """A step of the tier, and what made it."""

    reason: Reason
    tier: Tier


@dataclass(slots=True)
class Trail:
    """Grows during one decision; whoever reads it afterwards leaves it alone."""

    windows: Mapping[str, bool] = field(default_factory=dict)
    """The policy's time windows, and whether the request came in each."""
    requirements: list[str] = field(default_factory=list)
    """Names of those that apply."""
    rule: str | None = None
    """The one that matched."""
    arm: str | None = None
    """Of the rule's split."""
    readings: tuple[Classification, ...] = ()
    """Of the turns that were read, oldest first; the last is the one to be answered."""
    earlier: tuple[Classification, ...] = ()
    """Of the turns before that one, where that one could not be read."""
    unread: int = 0
    """Earlier turns for which there was no time."""
    missing: Reason | None = None
    """Why there are no readings and would have been none, whether or not that mattered."""
    moves: list[Move] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    """Models that came before one in the plan, and why they are not in it."""

    def move(self, reason: Reason, tier: Tier) -> None:
        """Note where the tier is now, if it changed."""
        if not self.moves or self.moves[-1].tier is not tier:
            self.moves.append(Move(reason, tier))

    def exclude(self, model: str, why: str) -> None:
        """Note a model that is out."""
        if len(self.excluded) < _MOST_EXCLUDED:
            self.excluded.setdefault(model, why)
