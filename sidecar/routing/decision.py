"""Decisions: from a request's signals, and classifications where they are needed, to a plan with its reason.

One function, `decide`, for the server and for every tool: it is given everything that counts and does nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sidecar.routing.catalogue import names_for_caller
from sidecar.routing.classification import Classification
from sidecar.routing.plan import Needs, choose, choose_pinned
from sidecar.routing.policy import Model, Plan, Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.rules import NO_REQUIREMENT, Action, Arm, Requirement, Rule, TierBounds, VirtualModel
from sidecar.routing.signals import TENANT, Signals
from sidecar.routing.tier import Tier
from sidecar.routing.trail import Move, Trail


@dataclass(frozen=True, slots=True)
class Decision:
    """Which models shall answer, why, and on what evidence."""

    plan: Plan
    tier: Tier
    """What the prompt needs; the first model may be of another, if none of this one can take the request."""
    reason: Reason
    policy_hash: str
    signals: Signals
    trail: Trail = field(default_factory=Trail)

    @property
    def model(self) -> Model:
        """The first of the plan: the one that answers unless it fails."""
        return self.plan[0]

    @property
    def classification(self) -> Classification | None:
        """Of the turn to be answered; None if it was not read."""
        return self.trail.readings[-1] if self.trail.readings else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the prompt when a request is decided."""

    readings: tuple[Classification, ...] = ()
    """Of the turns that were read, oldest first; the last is the one to be answered."""
    unread: int = 0
    """Earlier turns that should have been read as well."""
    missing: Reason | None = None
    """Why there are no readings and will be none."""
    earlier: tuple[Classification, ...] = ()
    """Of the turns before the one to be answered, where that one could not be read; oldest first."""

    @property
    def is_final(self) -> bool:
        """Whether there is nothing more to wait for."""
        return bool(self.readings) or self.missing is not None


NOT_READ = Evidence()
"""The prompt was not classified, and could be."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """What applies to one request: the action of the rule that matched, within everything else that counts."""

    action: Action
    bounds: TierBounds
    requirement: Requirement


def decide(policy: Policy, signals: Signals, evidence: Evidence, trail: Trail) -> Decision | None:
    """None if a classification is needed that the evidence neither has nor rules out; then ask again with one.

    Raises RejectedError for a request that the policy does not serve. The trail is filled in either way.
    """
    trail.readings, trail.unread, trail.missing = evidence.readings, evidence.unread, evidence.missing
    trail.earlier = evidence.earlier
    trail.windows = {name: window.holds(signals, None) for name, window in policy.windows.items()}
    virtual = policy.virtual_models.get(signals.model)
    if virtual is None:
        return _decide_pinned(policy, signals, evidence, trail)
    terms = _find_terms(policy, virtual, signals, evidence, trail)
    if terms is None:
        return None
    maker = _Maker(policy, signals, terms, trail)
    if terms.action.settles:
        return maker.by_action()
    if policy.callers_may.set_tier and signals.tier is not None:
        return maker.from_tier([Move(Reason.CALLER, signals.tier)])
    if not evidence.is_final:
        return None
    if evidence.missing is not None:
        return maker.from_fallback(evidence.missing, evidence.earlier)
    return maker.from_readings(evidence.readings)


def _decide_pinned(policy: Policy, signals: Signals, evidence: Evidence, trail: Trail) -> Decision | None:
    model = policy.models.get(signals.model)
    if model is None or signals.endpoint not in model.endpoints or not policy.callers_may.name_models:
        raise _unknown_model(policy, signals)
    rule = _matching_rule(policy.rules, signals, evidence, only_restricting=True)
    if isinstance(rule, _Unknown):
        return None
    requirement = _standing_requirement(policy, signals, trail)
    for action in _actions(rule, signals, trail):
        requirement &= action.requirement
    trail.move(Reason.PINNED, model.tier)
    stand_ins = policy.models_by_preference(signals.endpoint, model.tier)
    needs = Needs(signals, requirement, policy.callers_may.set_max_cost)
    plan = choose_pinned(model, stand_ins, needs, trail)
    return Decision(plan, model.tier, Reason.PINNED, policy.hash, signals, trail)


class _Unknown:
    """Whether a rule matches cannot be told before the prompt is classified."""


def _matching_rule(
    rules: tuple[Rule, ...], signals: Signals, evidence: Evidence, *, only_restricting: bool = False
) -> Rule | _Unknown | None:
    """The first that matches. Without a classification, and none to come, rules that need one do not."""
    classification = evidence.readings[-1] if evidence.readings else None
    for rule in rules:
        if only_restricting and not _restricts(rule, signals):
            continue
        if classification is None and rule.condition.needs_classification:
            if evidence.missing is None:
                return _Unknown()
            continue
        if rule.condition.holds(signals, classification):
            return rule
    return None


def _restricts(rule: Rule, signals: Signals) -> bool:
    """Whether it says what must not happen; only that concerns who asks for a model by its name."""
    arm = _arm_of(rule, signals)
    return rule.action.restricts or (arm is not None and arm.action.restricts)


def _find_terms(
    policy: Policy, virtual: VirtualModel, signals: Signals, evidence: Evidence, trail: Trail
) -> _Terms | None:
    rule = _matching_rule((*virtual.rules, *policy.rules), signals, evidence)
    if isinstance(rule, _Unknown):
        return None
    actions = [virtual.action, *_actions(rule, signals, trail)]
    requirement = _standing_requirement(policy, signals, trail)
    least, most = Tier.SIMPLE, Tier.REASONING
    for action in actions:
        requirement &= action.requirement
        least, most = max(least, action.bounds.least), min(most, action.bounds.most)
    # A rule may ask for more than the virtual model's limit: the limit stays.
    bounds = TierBounds(min(least, most), most)
    settling = next((action for action in reversed(actions) if action.settles), actions[-1])
    return _Terms(settling, bounds, requirement)


def _actions(rule: Rule | None, signals: Signals, trail: Trail) -> Iterator[Action]:
    """Of the rule that matched and of the arm of its split, if there are any. Raises RejectedError if it rejects."""
    if rule is None:
        return
    trail.rule = rule.name
    refusal = rule.action.reject
    if refusal is not None:
        raise RejectedError(Reason.REJECTED_BY_RULE, refusal.message, status=refusal.status)
    yield rule.action
    arm = _arm_of(rule, signals)
    if arm is not None:
        trail.arm = arm.name
        yield arm.action


def _arm_of(rule: Rule, signals: Signals) -> Arm | None:
    split = rule.action.split
    return None if split is None else split.arm_of(rule.name, signals.keys)


def _standing_requirement(policy: Policy, signals: Signals, trail: Trail) -> Requirement:
    requirement = NO_REQUIREMENT
    for standing in policy.requirements:
        if standing.condition.holds(signals, None):
            trail.requirements.append(standing.name)
            requirement &= standing.requirement
    return requirement


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the decision on a request once it is known by what."""

    policy: Policy
    signals: Signals
    terms: _Terms
    trail: Trail

    def by_action(self) -> Decision:
        """As the rule, or the virtual model, says."""
        action = self.terms.action
        if action.tier is not None:
            return self.from_tier([Move(Reason.RULE, action.tier)])
        named = [self.policy.models[name] for name in action.models or (action.pin or "",)]
        models = tuple(model for model in named if self.signals.endpoint in model.endpoints)
        tier = (models or named)[0].tier
        if action.pin is not None:
            models = (*models, *(m for m in self._by_preference(tier, "") if m not in models))
        self.trail.move(Reason.RULE, tier)
        return self._decision(models, tier, Reason.RULE)

    def from_tier(self, moves: list[Move], intent: str = "") -> Decision:
        """The last move's tier, within the bounds."""
        for move in moves:
            self.trail.move(move.reason, move.tier)
        tier, reason = self.terms.bounds.clamp(moves[-1].tier), moves[-1].reason
        if tier is not moves[-1].tier:
            reason = Reason.RULE
            self.trail.move(reason, tier)
        return self._decision(self._by_preference(tier, intent), tier, reason)

    def from_readings(self, readings: tuple[Classification, ...]) -> Decision:
        """The last turn's tier, or that of an earlier one which needed more.

        Within a tier the models are ordered by the intent of the turn that first needed it: so a conversation stays
        with the model that has its beginning in the cache.
        """
        moves = [self.policy.tier_rule.moves(reading) for reading in readings]
        tiers = [each[-1].tier for each in moves]
        highest = max(tiers)
        own = moves[-1]
        if highest > own[-1].tier:
            own.append(Move(Reason.CONVERSATION, highest))
        return self.from_tier(own, readings[tiers.index(highest)].settled_intent)

    def from_fallback(self, reason: Reason, earlier: tuple[Classification, ...]) -> Decision:
        """The fallback, if its tier is within the bounds and no earlier turn needed more; else the nearest tier."""
        fallback = self.policy.fallbacks.get(self.signals.endpoint)
        cheapest = self._by_preference(Tier.SIMPLE, "")[:1]
        start = next((model.tier for model in (fallback, *cheapest) if model is not None), Tier.SIMPLE)
        needed = max([start, *(self.policy.tier_rule.moves(reading)[-1].tier for reading in earlier)])
        tier = self.terms.bounds.clamp(needed)
        models = self._by_preference(tier, "")
        if fallback is not None and tier is start:
            models = (fallback, *(model for model in models if model is not fallback))
        self.trail.move(reason, self.terms.bounds.clamp(start))
        self.trail.move(Reason.CONVERSATION, tier)
        return self._decision(models, tier, reason)

    def _by_preference(self, tier: Tier, intent: str) -> Plan:
        return self.policy.models_by_preference(self.signals.endpoint, tier, intent)

    def _decision(self, models: Plan, tier: Tier, reason: Reason) -> Decision:
        needs = Needs(self.signals, self.terms.requirement, self.policy.callers_may.set_max_cost)
        plan = choose(models, needs, self.trail)
        return Decision(plan, tier, reason, self.policy.hash, self.signals, self.trail)


def _unknown_model(policy: Policy, signals: Signals) -> RejectedError:
    known = ", ".join(names_for_caller(policy, signals.headers.get(TENANT), {signals.endpoint}))
    return RejectedError(
        Reason.UNKNOWN_MODEL,
        f"model: this gateway has no such model at /v1/{signals.endpoint}; it has {known}",
        status=404,
        param="model",
        code="model_not_found",
    )
