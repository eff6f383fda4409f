"""Requests for which no model would be left, as far as the policy alone can tell."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from sidecar.config.compiling.models import apis_of
from sidecar.config.compiling.names import Names
from sidecar.config.document import Loc
from sidecar.config.schema.conditions import When
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.plan import Needs
from sidecar.routing.policy import Model, Policy
from sidecar.routing.rules import NO_REQUIREMENT, Action, Requirement, Rule
from sidecar.routing.signals import Signals

# Further ones say the same.
_MOST_REASONS = 4

# A request that needs nothing: what excludes a model from it is the requirement.
_NO_REQUEST = Signals(
    endpoint=Endpoint.CHAT_COMPLETIONS,
    path="",
    model="",
    input_tokens=0,
    max_output_tokens=0,
    turns=0,
    tools=0,
    images=0,
    json=False,
    stream=False,
    code_fences=0,
    script="",
    language="",
    received=datetime(1970, 1, 1, tzinfo=UTC),
)


def why_not(model: Model, requirement: Requirement) -> str | None:
    """Why the model does not satisfy the requirement, whoever asks; None if it does."""
    return Needs(_NO_REQUEST, requirement).why_forbidden(replace(model, tenants=None))


class HoleFinder:
    """Looks at every requirement of a policy."""

    def __init__(self, names: Names, policy: Policy) -> None:
        self._names = names
        self._models = tuple(policy.models.values())
        self._apis = sorted(apis_of(self._models))
        self._policy = policy
        self._known: dict[tuple[Requirement, Api], str | None] = {}
        # Those without a condition hold whatever else does.
        self._always = NO_REQUIREMENT
        for written, standing in zip(names.written.requirements, policy.requirements, strict=True):
            if written.when is None:
                self._always &= standing.requirement

    def find(self) -> None:
        """Note each of them in the names."""
        written = self._names.written
        for index, (standing, each) in enumerate(zip(self._policy.requirements, written.requirements, strict=True)):
            self._check(standing.name, standing.requirement, ("requirements", index), each.when)
        self._check_rules(self._policy.rules, ("rules",), [rule.when for rule in written.rules])
        for name, virtual in self._policy.virtual_models.items():
            loc = ("virtual_models", name)
            self._check_action(name, virtual.action, NO_REQUIREMENT, loc, None)
            whens = [rule.when for rule in written.virtual_models[name].rules]
            self._check_rules(virtual.rules, (*loc, "rules"), whens, virtual.action.requirement)

    def _check_rules(
        self, rules: Iterable[Rule], loc: Loc, whens: list[When | None], outer: Requirement = NO_REQUIREMENT
    ) -> None:
        for index, rule in enumerate(rules):
            at = (*loc, index)
            self._check_action(rule.name, rule.action, outer, at, whens[index])
            inner = outer & rule.action.requirement
            for arm in rule.action.split.arms if rule.action.split is not None else ():
                arm_at = (*at, "split", "arms", arm.name)
                self._check_action(f"{rule.name}, arm {arm.name}", arm.action, inner, arm_at, whens[index])

    def _check_action(self, name: str, action: Action, outer: Requirement, loc: Loc, when: When | None) -> None:
        requirement = outer & action.requirement
        if action.requirement != NO_REQUIREMENT:
            self._check(name, requirement, loc, when)
        for key, chosen in (("models", action.models), ("pin", (action.pin,) if action.pin is not None else ())):
            for index, model in enumerate(chosen):
                why = why_not(self._policy.models[model], requirement & self._always)
                if why is not None:
                    self._names.fault("model-forbidden", (*loc, key, index), f"{name}: {model} {why}")

    def _check(self, name: str, requirement: Requirement, loc: Loc, when: When | None) -> None:
        for api in self._apis if when is None else _apis_of(when, self._apis):
            reasons = self._reasons(requirement & self._always, api)
            if reasons is not None:
                self._names.fault(
                    "no-model-left",
                    (*loc, "require"),
                    f"{name}: no model of the {api} API is left: {reasons}",
                )

    def _reasons(self, requirement: Requirement, api: Api) -> str | None:
        """What excludes each model of that API; None if some is left."""
        if (requirement, api) not in self._known:
            self._known[requirement, api] = self._find_reasons(requirement, api)
        return self._known[requirement, api]

    def _find_reasons(self, requirement: Requirement, api: Api) -> str | None:
        reasons = []
        for model in self._models:
            if api in apis_of([model]):
                why = why_not(model, requirement)
                if why is None:
                    return None
                reasons.append(f"{model.name} {why}")
        more = len(reasons) - _MOST_REASONS
        return "; ".join([*reasons[:_MOST_REASONS], *([f"and {more} more"] if more > 0 else [])])


def _apis_of(when: When, spoken: Iterable[Api]) -> Iterator[Api]:
    """Those that are spoken at the endpoints that a condition names, if it names any."""
    named = {endpoint.api for endpoint in when.endpoint or Endpoint}
    return (api for api in spoken if api in named)
