"""What of a policy would not hold for a model that answers without a decision, while no sidecar can be asked."""

from collections.abc import Iterator

from sidecar.config.compiling.holes import why_not
from sidecar.routing.policy import Model, Policy


def broken_by(model: Model, policy: Policy) -> tuple[str, ...]:
    """What would not hold if that model answered every request: who may have it, and what is required for some."""
    return tuple(_broken_by(model, policy))


def must_hold(policy: Policy) -> bool:
    """Whether there are requests that some model must not answer, or none at all."""
    actions = [rule.action for rule in policy.rules]
    actions += [rule.action for virtual in policy.virtual_models.values() for rule in virtual.rules]
    refuses = any(action.reject is not None for action in actions)
    return refuses or any(broken_by(model, policy) for model in policy.models.values())


def _broken_by(model: Model, policy: Policy) -> Iterator[str]:
    if model.tenants is not None:
        yield f"{model.name} is only for {', '.join(sorted(model.tenants))}"
    for standing in policy.requirements:
        why = why_not(model, standing.requirement)
        if why is not None:
            yield f"requirement {standing.name} ({model.name} {why})"
    for virtual in policy.virtual_models.values():
        why = why_not(model, virtual.action.requirement)
        if why is not None:
            yield f"`require` of {virtual.name} ({model.name} {why})"
