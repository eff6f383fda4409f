"""A policy that can be asked about records: it refuses where a record does not say what a decision depends on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sidecar.routing.classification import Classification
from sidecar.routing.conditions import AllOf, AnyOf, Condition, HeaderIs, InTime, NamesFound, Not
from sidecar.routing.policy import Policy
from sidecar.routing.recorded import SignalsOnRecord
from sidecar.routing.rules import Rule, StandingRequirement, VirtualModel
from sidecar.routing.signals import CONVERSATION, TENANT, USER, Signals, hash_name


class NotOnRecordError(Exception):
    """The decision depends on something that the record does not say."""

    def __init__(self, what: tuple[str, ...]) -> None:
        """`what` are words like `keywords incident`."""
        super().__init__(", ".join(what))
        self.what = what


@dataclass(frozen=True, slots=True)
class Recorder:
    """What is known of the policy that made a record. None: nothing but what the record itself shows."""

    policy: Policy | None

    def header_state(self, name: str, policy: Policy) -> "Trust":
        """Of a header signal."""
        return self._state(name, policy.reader.headers, lambda own: own.reader.headers)

    def list_state(self, kind: str, name: str, policy: Policy) -> "Trust":
        """Of a list of keywords or patterns."""
        return self._state(name, _lists(policy, kind), lambda own: _lists(own, kind))

    def _state(self, name: str, wanted: Mapping[str, Any], had: Callable[[Policy], Mapping[str, Any]]) -> "Trust":
        if self.policy is None:
            return BY_NAME
        return FULL if had(self.policy).get(name) == wanted.get(name) else NO


def _lists(policy: Policy, kind: str) -> dict[str, tuple[object, str]]:
    """What is looked for, and where."""
    return {
        name: (each, place)
        for place, lists in (("prompt", getattr(policy.reader, kind)), ("request", getattr(policy.search, kind)))
        for name, each in lists.items()
    }


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a record can be believed about a signal of a policy's own."""

    if_found: bool
    """It is there."""
    if_missing: bool
    """It is not there, and was looked for."""


FULL, BY_NAME, NO = Trust(True, True), Trust(True, False), Trust(False, False)


def on_record(policy: Policy, recorder: Recorder, undated: datetime) -> Policy:
    """The same policy for the signals of that recorder's records; `undated` is their time if it is not known.

    Its conditions raise NotOnRecordError where they cannot tell.
    """
    rewrite = _Rewrite(policy, recorder, undated)
    return replace(
        policy,
        requirements=tuple(rewrite.requirement(each) for each in policy.requirements),
        rules=rewrite.rules(policy.rules),
        virtual_models={name: rewrite.virtual_model(each) for name, each in policy.virtual_models.items()},
        windows={},  # only records show them, and none is made here
    )


def assumptions(policy: Policy, recorder: Recorder) -> list[str]:
    """What is taken for granted of all records of that recorder, since a plan depends on it more or less always."""
    found = []
    looked_for = recorder.policy.reader.parameters if recorder.policy is not None else frozenset[str]()
    unknown = sorted(policy.reader.parameters - looked_for)
    if unknown:
        found.append(f"not set unless the record says so: {', '.join(unknown)}")
    models = sorted(model.name for model in policy.models.values() if model.tenants is not None)
    if models and not recorder.header_state(TENANT, policy).if_missing:
        found.append(f"no tenant unless the record says so, for {', '.join(models)}")
    keys = [name for name in sorted(_split_keys(policy)) if recorder.header_state(name, policy) is not FULL]
    return found + [f"split by {name} as the record's policy knew it" for name in keys]


def _split_keys(policy: Policy) -> set[str]:
    rules = [*policy.rules, *(rule for virtual in policy.virtual_models.values() for rule in virtual.rules)]
    return {rule.action.split.by for rule in rules if rule.action.split is not None}


class _OnRecord:
    """A condition that may be unable to tell, but never asks for a classification."""

    __slots__ = ()

    @property
    def needs_classification(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _NamesOnRecord(_OnRecord):
    """NamesFound, of lists that the record may not know."""

    inner: NamesFound
    believed: frozenset[str]
    """Those that were found if the record says so."""
    unsure: frozenset[str]
    """Those that may have been there although it does not."""

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        if not self.believed.isdisjoint(getattr(signals, self.inner.kind)):
            return True
        if self.inner.if_unsearched and self.inner.is_unsearched(signals):
            return True
        if self.unsure:
            raise NotOnRecordError(tuple(f"{self.inner.kind} {name}" for name in sorted(self.unsure)))
        return False


@dataclass(frozen=True, slots=True)
class _HeaderOnRecord(_OnRecord):
    """HeaderIs, of a header that the record may not know."""

    inner: HeaderIs
    trust: Trust

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        is_known = self.trust.if_found if self.inner.name in signals.headers else self.trust.if_missing
        if not is_known:
            raise NotOnRecordError((f"header {self.inner.name}",))
        return self.inner.holds(signals, classification)


@dataclass(frozen=True, slots=True)
class _TimeOnRecord(_OnRecord):
    """InTime, of a line that may have no time; then its record may know the window."""

    inner: InTime
    name: str
    undated: datetime

    def holds(self, signals: Signals, classification: Classification | None) -> bool:
        if signals.received is not self.undated:
            return self.inner.holds(signals, classification)
        holds = signals.windows.get(self.name) if isinstance(signals, SignalsOnRecord) else None
        if holds is None:
            raise NotOnRecordError(("time",))
        return holds


_Unsure = _NamesOnRecord | _HeaderOnRecord | _TimeOnRecord


@dataclass(frozen=True, slots=True)
class _Rewrite:
    """From a policy's conditions to those that know their limits."""

    policy: Policy
    recorder: Recorder
    undated: datetime

    def rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(replace(rule, condition=self.condition(rule.condition)) for rule in rules)

    def requirement(self, standing: StandingRequirement) -> StandingRequirement:
        return replace(standing, condition=self.condition(standing.condition))

    def virtual_model(self, virtual: VirtualModel) -> VirtualModel:
        return replace(virtual, rules=self.rules(virtual.rules))

    def condition(self, condition: Condition) -> Condition:
        if isinstance(condition, AllOf | AnyOf):
            # Those last that may be unable to tell: often the others settle it.
            inner = sorted(map(self.condition, condition.conditions), key=_is_unsure)
            return type(condition)(tuple(inner))
        if isinstance(condition, Not):
            return Not(self.condition(condition.condition))
        return self._simple(condition)

    def _simple(self, condition: Condition) -> Condition:
        if isinstance(condition, InTime):
            return _TimeOnRecord(condition, str(condition), self.undated)
        if isinstance(condition, NamesFound):
            return self._names(condition)
        return self._header(condition) if isinstance(condition, HeaderIs) else condition

    def _names(self, condition: NamesFound) -> Condition:
        trust = {name: self.recorder.list_state(condition.kind, name, self.policy) for name in condition.names}
        believed = frozenset(name for name in condition.names if trust[name].if_found)
        unsure = frozenset(name for name in condition.names if not trust[name].if_missing)
        return _NamesOnRecord(condition, believed, unsure) if unsure else condition

    def _header(self, condition: HeaderIs) -> Condition:
        if condition.name in (USER, CONVERSATION) and condition.values is not None:
            condition = replace(condition, values=frozenset(f"#{hash_name(value)}" for value in condition.values))
        trust = self.recorder.header_state(condition.name, self.policy)
        return condition if trust is FULL else _HeaderOnRecord(condition, trust)


def _is_unsure(condition: Condition) -> bool:
    if isinstance(condition, AllOf | AnyOf):
        return any(map(_is_unsure, condition.conditions))
    return _is_unsure(condition.condition) if isinstance(condition, Not) else isinstance(condition, _Unsure)
