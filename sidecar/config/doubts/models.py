"""Models that get no requests, and fallbacks that should not get them."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain

from sidecar.config.compiling.holes import why_not
from sidecar.config.compiling.models import apis_of
from sidecar.config.doubts.subject import Subject
from sidecar.config.finding import Finding
from sidecar.routing.policy import Model, Policy
from sidecar.routing.rules import Action, Rule
from sidecar.routing.tier import Tier

# Long enough to choose another model and to try it.
_DAYS_OF_NOTICE = 30


def find_deprecated_models(subject: Subject) -> Iterator[Finding]:
    """Soon, or already."""
    for name, model in subject.policy.models.items():
        day = model.deprecated
        if day is None or day > subject.today + timedelta(days=_DAYS_OF_NOTICE):
            continue
        left = (day - subject.today).days
        when = f"from {day} on, in {left} days" if left > 0 else f"any more, since {day}"
        message = f"{name} gets no requests {when}"
        yield subject.doubt("model-deprecated", ("models", name, "deprecated"), message)


def find_models_never_first(subject: Subject) -> Iterator[Finding]:
    """Where nobody can ask for a model by its name, and something that can do as much always comes before it."""
    policy = subject.policy
    if policy.callers_may.name_models:
        return
    chosen = {*_chosen(policy), *(model.name for model in policy.fallbacks.values())}
    for model in policy.models.values():
        first = None if model.name in chosen else _always_before(model, policy)
        if first is not None:
            message = f"{model.name} only ever stands in: {first.name} comes before it and can do as much"
            yield subject.doubt("model-never-first", ("models", model.name), message)


def _always_before(model: Model, policy: Policy) -> Model | None:
    endpoint = min(model.endpoints)
    orders = [plan for (at, tier, _), plan in policy.plans.items() if at is endpoint and tier is model.tier]
    ahead = [other for other in orders[0][: orders[0].index(model)] if _can_as_much(other, model)]
    return next((other for other in ahead if all(plan.index(other) < plan.index(model) for plan in orders)), None)


def _can_as_much(one: Model, other: Model) -> bool:
    """Whether it is a candidate whenever the other one is, for no more money."""
    return (
        one.endpoints >= other.endpoints
        and one.context >= other.context
        and one.capabilities >= other.capabilities
        and one.unsupported <= other.unsupported
        and (one.region, one.provider, one.tenants) == (other.region, other.provider, other.tenants)
        and one.deprecated is None
        and one.price.input <= other.price.input
        and one.price.output <= other.price.output
    )


def _chosen(policy: Policy) -> Iterator[str]:
    """Models that some rule or virtual model names."""
    virtual_models = policy.virtual_models.values()
    rules = chain(policy.rules, *(virtual.rules for virtual in virtual_models))
    for action in chain(_actions(rules), (virtual.action for virtual in virtual_models)):
        yield from action.models
        if action.pin is not None:
            yield action.pin


def _actions(rules: Iterable[Rule]) -> Iterator[Action]:
    for rule in rules:
        yield rule.action
        if rule.action.split is not None:
            yield from (arm.action for arm in rule.action.split.arms)


def find_weak_fallbacks(subject: Subject) -> Iterator[Finding]:
    """What nothing is known of may be hard."""
    models = subject.policy.models
    for index, name in enumerate(subject.written.fallback):
        fallback = models[name]
        peers = [model for model in models.values() if apis_of([model]) == apis_of([fallback])]
        if fallback.tier is Tier.SIMPLE and max(model.tier for model in peers) >= Tier.COMPLEX:
            message = f"{name} is simple, and gets hard prompts too when nothing is known of them"
            yield subject.doubt("fallback-weak", ("fallback", index), message)


def find_forbidden_fallbacks(subject: Subject) -> Iterator[Finding]:
    """By a requirement that they don't satisfy."""
    for standing in subject.policy.requirements:
        for index, name in enumerate(subject.written.fallback):
            why = why_not(subject.policy.models[name], standing.requirement)
            if why is not None:
                message = f"{name} {why}, by the requirement {standing.name}"
                yield subject.doubt("fallback-forbidden", ("fallback", index), message)
