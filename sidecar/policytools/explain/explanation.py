"""Everything that can be said of one decision: the decision record, and what the record leaves out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sidecar.config.running import Config
from sidecar.extproc.replies import error_object
from sidecar.policytools.calls import Answer, Call, decide_call
from sidecar.routing.plan import LONGEST_PLAN, Needs, estimate_cost
from sidecar.routing.policy import Model, Policy
from sidecar.routing.reason import Reason
from sidecar.routing.recorded import Record, read_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.router import Routers
from sidecar.routing.rules import NO_REQUIREMENT, Action, Requirement, Rule
from sidecar.routing.signals import Signals

_COST_DIGITS = 8
_SHARE_DIGITS = 4


@dataclass(frozen=True, slots=True)
class ModelView:
    """What became of one model of the policy."""

    model: Model
    place: int | None
    """In the plan, from 1; None if it is not in it."""
    why: str
    """Why it is not, or why it hardly should be; empty for one that belongs there."""
    cost: float
    """USD, estimated for this request."""
    of_fallback: float | None
    """The same as a multiple of what the fallback would cost; None without one."""


@dataclass(frozen=True, slots=True)
class ShadowView:
    """What a policy that is only tried would have decided."""

    file: Path
    record: bytes


@dataclass(frozen=True, slots=True)
class Explanation:
    """One request, its decision and the grounds of it."""

    call: Call
    policy: Policy
    answer: Answer
    record: Record
    """`answer.record`, read."""
    models: tuple[ModelView, ...]
    """Those of the plan in its order, then the others as they are listed; empty if the body could not be read."""
    fallback: Model | None
    """Of the endpoint."""
    shadows: tuple[ShadowView, ...]

    @property
    def error(self) -> dict[str, object] | None:
        """What the client gets instead of an answer; None if the request is routed."""
        result = self.answer.result
        return error_object(self.call.endpoint.api, result) if isinstance(result, RejectedError) else None

    @property
    def failure(self) -> str | None:
        """What the classifier raised."""
        routed = self.answer.routed
        return str(routed.failure) if routed is not None and routed.failure is not None else None

    def as_json(self) -> dict[str, Any]:
        """For programs; the record byte for byte as Envoy gets it."""
        planned = [view for view in self.models if view.place is not None]
        return {
            "path": self.call.head.path,
            "record": msgspec.Raw(self.answer.record),
            "models": [_view_as_json(view) for view in self.models],
            "costs": {
                "unit": "USD",
                "plan": {view.model.name: round(view.cost, _COST_DIGITS) for view in planned},
                "fallback": None if self.fallback is None else self.fallback.name,
            },
            "answer": None if self.error is None else {"status": self.record.status, "body": self.error},
            "failure": self.failure,
            "shadows": [{"policy": str(view.file), "record": msgspec.Raw(view.record)} for view in self.shadows],
        }


async def explain(config: Config, routers: Routers, call: Call) -> Explanation:
    """By the routers that the config describes."""
    policy = config.policy
    answer = await decide_call(routers.active, call)
    shadows = [
        ShadowView(file, (await decide_call(router, call)).record)
        for file, router in zip(config.shadow, routers.shadows, strict=True)
    ]
    record = read_record(answer.record)
    fallback = policy.fallbacks.get(call.endpoint)
    signals = answer.routed.signals if answer.routed is not None else None
    models = () if signals is None else _Judge(policy, signals, record, fallback).views()
    return Explanation(call, policy, answer, record, tuple(models), fallback, tuple(shadows))


class _Judge:
    """Says of each model of a policy what became of it."""

    def __init__(self, policy: Policy, signals: Signals, record: Record, fallback: Model | None) -> None:
        self._policy = policy
        self._signals = signals
        self._record = record
        self._fallback_cost = estimate_cost(fallback, signals) if fallback is not None else None
        self._places = {each.model: place for place, each in enumerate(record.plan, 1)}
        actions = _actions(policy, record, signals.model)
        self._chosen = next((action.models for action in reversed(actions) if action.settles), ())
        self._is_virtual = signals.model in policy.virtual_models
        self._needs = Needs(signals, _requirement(policy, record, actions), policy.callers_may.set_max_cost)

    def views(self) -> list[ModelView]:
        """In the order in which they are of interest."""
        views = [self._view(model) for model in self._policy.models.values()]
        return sorted(views, key=lambda view: view.place or len(views) + 1)

    def _view(self, model: Model) -> ModelView:
        cost = estimate_cost(model, self._signals)
        of_fallback = cost / self._fallback_cost if self._fallback_cost else None
        place = self._places.get(model.name)
        why = self._why_not(model) if place is None else self._doubt(model)
        return ModelView(model, place, why, cost, of_fallback)

    def _doubt(self, model: Model) -> str:
        """Of one that stays: the request names it, or the estimate of its tokens may be too high."""
        return self._needs.why_not(model, self._needs.tokens) or ""

    def _why_not(self, model: Model) -> str:
        if self._signals.endpoint not in model.endpoints:
            return f"cannot be asked at /v1/{self._signals.endpoint}"
        if self._record.reason is Reason.REJECTED_BY_RULE:
            return f"rule {self._record.rule} rejects the request"
        why = self._needs.why_not(model, self._needs.tokens)
        if not self._is_virtual and not self._places and model.name != self._signals.model:
            return "is not what was asked for"
        if why is not None:
            return why
        if self._chosen and model.name not in self._chosen:
            return "is none of the models that the rule names"
        return f"comes after {LONGEST_PLAN} others"


def _actions(policy: Policy, record: Record, model: str) -> list[Action]:
    """What applied: the virtual model's action, the rule's, and the arm's."""
    virtual = policy.virtual_models.get(model)
    rules: Iterable[Rule] = (*(virtual.rules if virtual is not None else ()), *policy.rules)
    rule = next((rule for rule in rules if rule.name == record.rule), None)
    actions = [virtual.action] if virtual is not None else []
    if rule is not None:
        actions.append(rule.action)
        split = rule.action.split
        actions += [arm.action for arm in split.arms if arm.name == record.arm] if split is not None else []
    return actions


def _requirement(policy: Policy, record: Record, actions: Iterable[Action]) -> Requirement:
    requirement = NO_REQUIREMENT
    for standing in policy.requirements:
        if standing.name in record.requirements:
            requirement &= standing.requirement
    for action in actions:
        requirement &= action.requirement
    return requirement


def _view_as_json(view: ModelView) -> dict[str, Any]:
    return {
        "model": view.model.name,
        "tier": view.model.tier.label,
        "provider": view.model.provider,
        "place": view.place,
        "why": view.why or None,
        "cost": round(view.cost, _COST_DIGITS),
        "of_fallback": None if view.of_fallback is None else round(view.of_fallback, _SHARE_DIGITS),
    }
