"""`rules`, `requirements`, `virtual_models`: what happens to which requests."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from sidecar.config.schema.conditions import When
from sidecar.config.schema.values import (
    Fraction,
    Listed,
    Name,
    OneOrMore,
    Prose,
    TierName,
    Written,
    at_most_one,
    enumerated,
    fault,
    need_any,
    one_of,
)
from sidecar.routing.signals import CONVERSATION, TENANT, USER

_KEYS = (USER, TENANT, CONVERSATION)

_ROUNDING = 1e-6


class WrittenRequirement(Written):
    """What every model of a plan has to satisfy."""

    capabilities: OneOrMore[Name] | None = None
    """Everything that it has to have."""
    regions: Annotated[OneOrMore[Name] | None, Field(examples=[["eu"]])] = None
    """One of these has to be its region."""
    providers: OneOrMore[Name] | None = None
    """One of these has to be its provider."""
    not_providers: OneOrMore[Name] | None = None
    """None of these may be its provider."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        need_any(self)
        return self


class WrittenAction(Written):
    """What happens to a request. At most one of the keys that choose."""

    choices: ClassVar[tuple[str, ...]] = ("tier", "models", "pin")

    tier: TierName | None = None
    """That tier; the prompt is not classified."""
    models: OneOrMore[Name] | None = None
    """These models and no others, in this order; the prompt is not classified."""
    pin: Name | None = None
    """This model, and those that usually stand in for it; the prompt is not classified."""
    min_tier: TierName | None = None
    """A tier below is raised to it."""
    max_tier: TierName | None = None
    """A tier above is lowered to it; stronger models still stand in when others fail."""
    require: WrittenRequirement | None = None
    """What every model of the plan has to satisfy."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        choice = at_most_one(self, self.choices)
        self._check_tiers()
        for key in ("min_tier", "max_tier"):
            if key in self.model_fields_set and choice in ("models", "pin", "reject"):
                raise fault("key-without-effect", f"has no effect beside {choice}", at=(key,))
        if self.require is not None and choice == "reject":
            raise fault("key-without-effect", "has no effect beside reject", at=("require",))
        return self

    def _check_tiers(self) -> None:
        least, tier, most = self.min_tier, self.tier, self.max_tier
        if least is not None and most is not None and least > most:
            raise fault("min-above-max", f"{least.label} is above max_tier, which is {most.label}", at=("min_tier",))
        if tier is not None and least is not None and tier < least:
            raise fault("min-above-max", f"{least.label} is above tier, which is {tier.label}", at=("min_tier",))
        if tier is not None and most is not None and tier > most:
            raise fault("min-above-max", f"{most.label} is below tier, which is {tier.label}", at=("max_tier",))


class _WrittenShare(Written):
    share: Fraction
    """Of the requests, 0 to 1; all shares add up to 1."""


class WrittenArm(WrittenAction, _WrittenShare):
    """One way of a split, with an action of its own or none."""


class WrittenSplit(Written):
    """An experiment: whoever is in an arm stays in it, on every replica."""

    by: Annotated[str, one_of(_KEYS), enumerated(_KEYS)]
    """Who stays together. `user`, `tenant` and `conversation` are told by the headers that `signals.headers` gives
    these names; without the header, a conversation is told by its first turn, and a user by the conversation."""
    arms: Annotated[dict[Name, WrittenArm], Field(min_length=2)]
    """By name."""

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        total = sum(arm.share for arm in self.arms.values())
        if abs(total - 1) > _ROUNDING:
            raise fault("shares-not-one", f"the shares add up to {total:g}, not to 1", at=("arms",))
        return self


class WrittenRefusal(Written):
    """The answer to a request that is not wanted, in its API's own shape."""

    status: Annotated[int, Field(ge=400, le=499)] = 403
    """The HTTP status."""
    message: Prose
    """What the caller reads."""


class _WrittenNamed(Written):
    name: Name
    """What records and tests call it."""
    when: When | None = None
    """Which requests it is for. Default: all."""


class WrittenStandingRequirement(_WrittenNamed):
    """Holds for every request that it is for, whatever rule that matches; needs no classification."""

    require: WrittenRequirement
    """What every model of the plan has to satisfy."""


class WrittenRule(WrittenAction, _WrittenNamed):
    """What happens to the requests that it is for; of several, to those that no rule before it was for."""

    choices: ClassVar[tuple[str, ...]] = ("tier", "models", "pin", "split", "reject")

    split: WrittenSplit | None = None
    """An experiment between several actions."""
    reject: WrittenRefusal | None = None
    """No model answers."""


class WrittenVirtualModel(WrittenAction):
    """A name that callers ask for to be routed. What is said of it here comes before any rule."""

    rules: Listed[WrittenRule] = ()
    """Tried before the policy's own."""
