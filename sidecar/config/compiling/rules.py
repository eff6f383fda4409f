"""`rules`, `requirements` and `virtual_models`."""

from collections.abc import Iterable

from sidecar.config.compiling.conditions import compile_when, keys_that_classify
from sidecar.config.compiling.names import Names
from sidecar.config.document import Loc
from sidecar.config.schema.rules import (
    WrittenAction,
    WrittenArm,
    WrittenRequirement,
    WrittenRule,
    WrittenSplit,
    WrittenVirtualModel,
)
from sidecar.routing.conditions import Condition, InTime, if_in_doubt, time_windows
from sidecar.routing.rules import (
    NO_REQUIREMENT,
    Action,
    Arm,
    Refusal,
    Requirement,
    Rule,
    Split,
    StandingRequirement,
    TierBounds,
    VirtualModel,
)
from sidecar.routing.signals import TENANT
from sidecar.routing.tier import Tier


def compile_requirements(names: Names) -> tuple[StandingRequirement, ...]:
    """As they are listed."""
    seen: dict[str, Loc] = {}
    return tuple(
        _compile_requirement(names, ("requirements", index), seen) for index in range(len(names.written.requirements))
    )


def compile_rules(names: Names) -> tuple[tuple[Rule, ...], dict[str, VirtualModel]]:
    """The policy's own rules, and the virtual models with theirs; no two have the same name."""
    seen: dict[str, Loc] = {}
    rules = _compile_rules(names, names.written.rules, ("rules",), seen)
    virtual_models = {
        name: _compile_virtual_model(names, name, written, seen)
        for name, written in names.written.virtual_models.items()
    }
    return rules, virtual_models


def _compile_requirement(names: Names, loc: Loc, seen: dict[str, Loc]) -> StandingRequirement:
    written = names.written.requirements[int(loc[1])]
    _check_unique(names, written.name, loc, seen)
    for key in keys_that_classify(written.when, (*loc, "when")):
        names.fault(
            "requirement-classifies",
            key,
            "a requirement holds before a prompt is classified, and however that ends",
        )
    return StandingRequirement(
        name=written.name,
        condition=if_in_doubt(compile_when(written.when, (*loc, "when"), names)),
        requirement=_compile_require(names, written.require, (*loc, "require")),
    )


def _compile_virtual_model(
    names: Names, name: str, written: WrittenVirtualModel, seen: dict[str, Loc]
) -> VirtualModel:
    loc = ("virtual_models", name)
    if name in names.written.models:
        names.fault("name-given-twice", loc, "a model has that name already")
    rules = _compile_rules(names, written.rules, (*loc, "rules"), seen)
    return VirtualModel(name, compile_action(names, written, loc), rules)


def _compile_rules(names: Names, written: Iterable[WrittenRule], loc: Loc, seen: dict[str, Loc]) -> tuple[Rule, ...]:
    rules = []
    by_condition: dict[Condition, str] = {}
    for index, each in enumerate(written):
        at = (*loc, index)
        _check_unique(names, each.name, at, seen)
        condition = compile_when(each.when, (*at, "when"), names)
        action = compile_action(names, each, at, split=each.split, reject=_compile_refusal(each))
        _check_reachable(names, each.name, condition, at, by_condition)
        rules.append(Rule(each.name, if_in_doubt(condition) if action.may_restrict else condition, action))
    return tuple(rules)


def find_windows(
    requirements: Iterable[StandingRequirement], rules: Iterable[Rule], virtual_models: Iterable[VirtualModel]
) -> dict[str, InTime]:
    """All that they look at, by what records call them."""
    of_virtual_models = (rule for virtual in virtual_models for rule in virtual.rules)
    conditional: list[Rule | StandingRequirement] = [*requirements, *rules, *of_virtual_models]
    return {str(window): window for each in conditional for window in time_windows(each.condition)}


def _check_unique(names: Names, name: str, loc: Loc, seen: dict[str, Loc]) -> None:
    if name in seen:
        line = names.document.line_of((*seen[name], "name"))
        names.fault("name-given-twice", (*loc, "name"), f"{name!r} is the name of the one in line {line} already")
    seen.setdefault(name, loc)


def _check_reachable(names: Names, name: str, own: Condition, loc: Loc, by_condition: dict[Condition, str]) -> None:
    """Only what is certain: one before it that is for every request, or for the very same ones."""
    for condition, said in ((_ALWAYS, "has no `when`"), (own, "has the same `when`")):
        if condition in by_condition:
            names.fault(
                "rule-unreachable",
                (*loc, "name"),
                f"{name} is never reached: {by_condition[condition]}, before it, {said}",
            )
            return
    by_condition[own] = name


_ALWAYS: Condition = compile_when(None, (), None)  # type: ignore[arg-type]


def compile_action(
    names: Names,
    written: WrittenAction,
    loc: Loc,
    *,
    split: WrittenSplit | None = None,
    reject: Refusal | None = None,
) -> Action:
    """With its names resolved."""
    names.check_all("model", written.models, (*loc, "models"))
    if written.pin is not None:
        names.check("model", written.pin, (*loc, "pin"))
    return Action(
        tier=written.tier,
        models=written.models or (),
        pin=written.pin,
        split=_compile_split(names, split, (*loc, "split")) if split is not None else None,
        reject=reject,
        bounds=TierBounds(
            Tier.SIMPLE if written.min_tier is None else written.min_tier,
            Tier.REASONING if written.max_tier is None else written.max_tier,
        ),
        requirement=_compile_require(names, written.require, (*loc, "require")),
    )


def _compile_refusal(written: WrittenRule) -> Refusal | None:
    return Refusal(written.reject.status, written.reject.message.strip()) if written.reject is not None else None


def _compile_split(names: Names, written: WrittenSplit, loc: Loc) -> Split:
    if written.by == TENANT:
        names.need_tenants((*loc, "by"), "the split goes by tenant")
    # By name, so that the order in which they happen to be written moves nobody to another arm.
    arms = sorted(written.arms.items())
    return Split(written.by, tuple(_compile_arm(names, name, arm, (*loc, "arms", name)) for name, arm in arms))


def _compile_arm(names: Names, name: str, written: WrittenArm, loc: Loc) -> Arm:
    return Arm(name, written.share, compile_action(names, written, loc))


def _compile_require(names: Names, written: WrittenRequirement | None, loc: Loc) -> Requirement:
    if written is None:
        return NO_REQUIREMENT
    names.check_all("provider", written.providers, (*loc, "providers"))
    names.check_all("provider", written.not_providers, (*loc, "not_providers"))
    return Requirement(
        capabilities=frozenset(written.capabilities or ()),
        regions=_set(written.regions),
        providers=_set(written.providers),
        not_providers=frozenset(written.not_providers or ()),
    )


def _set(words: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(words)
