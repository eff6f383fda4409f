"""Rules: what a policy does with the requests that a condition describes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from sidecar.routing.conditions import Condition
from sidecar.routing.tier import Tier

_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Requirement:
    """What every model of a plan has to satisfy. None: any will do."""

    capabilities: frozenset[str] = frozenset()
    regions: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    not_providers: frozenset[str] = frozenset()

    def __and__(self, other: "Requirement") -> "Requirement":
        """Both."""
        if other is NO_REQUIREMENT or self is NO_REQUIREMENT:  # of nearly all requests
            return self if other is NO_REQUIREMENT else other
        return Requirement(
            self.capabilities | other.capabilities,
            _both(self.regions, other.regions),
            _both(self.providers, other.providers),
            self.not_providers | other.not_providers,
        )


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


NO_REQUIREMENT = Requirement()


@dataclass(frozen=True, slots=True)
class TierBounds:
    """The least and the most that a decided tier may be; models outside still stand in when the others fail."""

    least: Tier = Tier.SIMPLE
    most: Tier = Tier.REASONING

    def clamp(self, tier: Tier) -> Tier:
        """The nearest within."""
        return max(self.least, min(self.most, tier))


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that the policy does not want."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Action:
    """What happens. At most one of tier, models, pin, split and reject."""

    tier: Tier | None = None
    models: tuple[str, ...] = ()
    """Only these, in this order."""
    pin: str | None = None
    """This model first, then those that may stand in for it."""
    split: "Split | None" = None
    reject: Refusal | None = None
    bounds: TierBounds = TierBounds()
    requirement: Requirement = NO_REQUIREMENT

    @property
    def settles(self) -> bool:
        """Whether no classification is needed any more."""
        return self.tier is not None or bool(self.models) or self.pin is not None or self.reject is not None

    @property
    def restricts(self) -> bool:
        """Whether it says itself what must not happen."""
        return self.reject is not None or self.requirement != NO_REQUIREMENT

    @property
    def may_restrict(self) -> bool:
        """Whether it, or an arm of its split, does."""
        return self.restricts or (self.split is not None and any(arm.action.restricts for arm in self.split.arms))


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of a split."""

    name: str
    share: float
    """Of all requests, 0 to 1."""
    action: Action


@dataclass(frozen=True, slots=True)
class Split:
    """An experiment: requests with the same key always take the same arm, on every replica."""

    by: str
    """One of the signals' keys: tenant, user, conversation."""
    arms: tuple[Arm, ...]

    def arm_of(self, rule: str, keys: Mapping[str, str]) -> Arm:
        """By the key and the rule's name, so that two experiments don't split the same people the same way."""
        digest = blake2b(f"{rule}\n{keys[self.by]}".encode(), digest_size=8).hexdigest()
        place = int(digest, 16) / 16**_HASH_DIGITS
        for arm in self.arms[:-1]:
            if place < arm.share:
                return arm
            place -= arm.share
        return self.arms[-1]


@dataclass(frozen=True, slots=True)
class Rule:
    """An action for the requests that a condition describes."""

    name: str
    condition: Condition
    action: Action


@dataclass(frozen=True, slots=True)
class StandingRequirement:
    """A requirement of all requests that a condition describes, whatever rule they match."""

    name: str
    condition: Condition
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class VirtualModel:
    """A name that is routed, with what the policy does with its requests before any rule."""

    name: str
    action: Action = field(default_factory=Action)
    rules: tuple[Rule, ...] = ()
    """Tried before the policy's own."""
