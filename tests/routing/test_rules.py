"""What a policy does with a request: rules, requirements, virtual models, and what callers may ask for."""

import json
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.classification import ClassifierTimeoutError
from sidecar.routing.conditions import Condition, HeaderIs, IntentIn, PathIn, PersonalDataFound, ReadingWithin
from sidecar.routing.decision import Decision
from sidecar.routing.policy import CallersMay, Model, Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.rules import (
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
from sidecar.routing.signals import RequestHead, SignalReader, hash_name
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import AnsweringClassifier, FailingClassifier, classification
from tests.fakes.decisions import decided, decided_without, plan_of, undecided
from tests.fakes.policies import make_model, make_policy
from tests.fakes.properties import examples
from tests.fakes.requests import request
from tests.fakes.routers import make_router

S, M, C, R = Tier

READER = SignalReader(headers={"tenant": "x-tenant-id", "plan": "x-plan", "user": "x-user-id"})

ALWAYS, NEVER = PathIn(("*",)), PathIn(())
FREE = HeaderIs("plan", frozenset(("free",)))
MATH = IntentIn(frozenset(("math",)))

EU, US = Requirement(regions=frozenset(("eu",))), Requirement(regions=frozenset(("us",)))

FROM_SIMPLE = ["s-us", "s-eu", "m-us", "m-eu", "c-us", "c-eu", "r-us", "r-eu"]

PERSON = request("Write to anna@example.org.")


def models() -> list[Model]:
    """For each tier one in the US, of acme's, and one in the EU, of euro's."""
    return [
        make_model(f"{tier.label[0]}-{region}", tier, region=region, provider=provider)
        for tier in Tier
        for region, provider in (("us", "acme"), ("eu", "euro"))
    ]


def policy_with(*rules: Rule, **more: Any) -> Policy:
    """Of those models; the fallback is the complex one in the US."""
    return make_policy(more.pop("models", models()), ["c-us"], rules=rules, **{"reader": READER} | more)


def rule(name: str = "the rule", condition: Condition = ALWAYS, **action: Any) -> Rule:
    """For every request, unless told otherwise."""
    return Rule(name, condition, Action(**action))


def bounded(least: Tier = S, most: Tier = R) -> TierBounds:
    """Of a rule."""
    return TierBounds(least, most)


def reading_of(tier: Tier, intent: str = "chat") -> Any:
    """A classification that gives that tier."""
    return classification(intent, difficulty={S: 0.1, M: 0.6, C: 0.8, R: 0.95}[tier])


def settled(policy: Policy, asked: ChatRequest | None = None, **head: Any) -> Decision:
    """The decision, which has to need no classification."""
    decision = undecided(policy, asked or request(), **head)
    assert decision is not None
    return decision


def refusal(policy: Policy, asked: ChatRequest | None = None, **head: Any) -> RejectedError:
    """What is raised instead of a decision, with a classifier that takes everything for easy chat."""
    with pytest.raises(RejectedError) as refused:
        decided(policy, asked or request(), reading_of(S), **head)
    return refused.value


# What a rule may do


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [(ALWAYS, ALWAYS, "first"), (NEVER, ALWAYS, "second"), (ALWAYS, NEVER, "first"), (NEVER, NEVER, None)],
)
def test_the_first_rule_that_matches_wins(first: Condition, second: Condition, winner: str | None) -> None:
    policy = policy_with(rule("first", first, bounds=bounded(M)), rule("second", second, bounds=bounded(C)))

    decision = decided(policy, request(), reading_of(S))

    assert (decision.trail.rule, decision.tier) == (winner, {"first": M, "second": C, None: S}[winner])


def test_a_rule_that_does_nothing_ends_the_list_too() -> None:
    policy = policy_with(rule("nothing"), rule("second", tier=R))

    decision = decided(policy, request(), reading_of(M))

    assert (decision.trail.rule, decision.tier, decision.reason) == ("nothing", M, Reason.DIFFICULTY)


@pytest.mark.parametrize("tier", Tier)
def test_a_tier_settles_it(tier: Tier) -> None:
    decision = settled(policy_with(rule(tier=tier)))

    assert (decision.tier, decision.reason, decision.model.tier) == (tier, Reason.RULE, tier)
    assert (decision.trail.rule, decision.classification) == ("the rule", None)


def test_models_are_those_and_no_others_in_that_order() -> None:
    decision = settled(policy_with(rule(models=("r-eu", "s-us", "m-us"))))

    assert plan_of(decision) == ["r-eu", "s-us", "m-us"]
    assert (decision.tier, decision.reason) == (R, Reason.RULE)


def test_a_pinned_model_comes_first_and_its_usual_stand_ins_follow() -> None:
    decision = settled(policy_with(rule(pin="m-eu")))

    assert plan_of(decision) == ["m-eu", "m-us", "c-us", "c-eu", "r-us", "r-eu", "s-us", "s-eu"]
    assert (decision.tier, decision.reason) == (M, Reason.RULE)


def test_models_of_another_api_are_left_out() -> None:
    speaking = [
        make_model("gpt", R),
        make_model("haiku", S, api=Api.ANTHROPIC),
        make_model("opus", R, api=Api.ANTHROPIC),
    ]
    asked = request(api=Api.ANTHROPIC)

    def policy(**action: Any) -> Policy:
        return make_policy(speaking, ["gpt", "haiku"], rules=[rule(**action)])

    assert plan_of(settled(policy(models=("gpt", "haiku")), asked)) == ["haiku"]
    # the stand-ins of what was meant
    assert plan_of(settled(policy(pin="gpt"), asked)) == ["opus", "haiku"]
    assert refusal(policy(models=("gpt",)), asked).status == 404


@pytest.mark.parametrize(
    ("least", "most", "tier", "expected", "reason"),
    [
        (S, R, M, M, Reason.DIFFICULTY),
        (C, R, M, C, Reason.RULE),
        (M, R, M, M, Reason.DIFFICULTY),
        (S, M, R, M, Reason.RULE),
        (M, C, R, C, Reason.RULE),
        (M, C, S, M, Reason.RULE),
        (C, C, S, C, Reason.RULE),
    ],
)
def test_bounds_move_the_tier_and_no_further_than_they_must(
    least: Tier, most: Tier, tier: Tier, expected: Tier, reason: Reason
) -> None:
    policy = policy_with(rule(bounds=bounded(least, most)))

    decision = decided(policy, request(), reading_of(tier))

    assert (decision.tier, decision.reason, decision.model.tier) == (expected, reason, expected)


def test_beyond_its_bounds_a_plan_goes_on() -> None:
    decision = decided(policy_with(rule(bounds=bounded(most=M))), request(), reading_of(R))

    assert plan_of(decision) == ["m-us", "m-eu", "c-us", "c-eu", "r-us", "r-eu", "s-us", "s-eu"]


@pytest.mark.parametrize(("least", "most", "tier"), [(S, M, M), (R, R, R), (S, R, C)])
def test_the_fallback_keeps_within_the_bounds(least: Tier, most: Tier, tier: Tier) -> None:
    decision = decided_without(policy_with(rule(bounds=bounded(least, most))), request())

    assert (decision.tier, decision.model.tier, decision.reason) == (tier, tier, Reason.CLASSIFIER_TIMEOUT)
    assert "c-us" in plan_of(decision)


@pytest.mark.parametrize(
    ("requirement", "plan"),
    [
        (EU, ["s-eu", "m-eu", "c-eu", "r-eu"]),
        (Requirement(providers=frozenset(("acme",))), ["s-us", "m-us", "c-us", "r-us"]),
        (Requirement(not_providers=frozenset(("acme",))), ["s-eu", "m-eu", "c-eu", "r-eu"]),
        (Requirement(regions=frozenset(("eu", "us"))), FROM_SIMPLE),
        (EU & Requirement(providers=frozenset(("euro", "acme"))), ["s-eu", "m-eu", "c-eu", "r-eu"]),
    ],
)
def test_every_model_of_a_plan_satisfies_what_its_rule_requires(requirement: Requirement, plan: list[str]) -> None:
    policy = policy_with(rule(requirement=requirement))

    assert plan_of(decided(policy, request(), reading_of(S))) == plan
    assert sorted(plan_of(decided_without(policy, request()))) == sorted(plan)
    assert plan_of(settled(replace(policy, rules=(rule(tier=S, requirement=requirement),)))) == plan
    assert set(plan_of(settled(replace(policy, rules=(rule(pin="s-us", requirement=requirement),))))) == set(plan)


def test_a_required_capability_may_be_a_word_of_the_policys_own() -> None:
    able = [*models(), make_model("hospital", C, capabilities=("hipaa", "vision", "tools", "json", "streaming"))]
    policy = policy_with(rule(requirement=Requirement(capabilities=frozenset(("hipaa",)))), models=able)

    assert plan_of(decided(policy, request(), reading_of(S))) == ["hospital"]


def test_a_rejection_is_the_rules_own() -> None:
    policy = policy_with(rule("closed", FREE, reject=Refusal(402, "pay first")), rule(tier=S))

    refused = refusal(policy, x_plan="free")

    assert (refused.reason, refused.status, refused.message) == (Reason.REJECTED_BY_RULE, 402, "pay first")
    assert settled(policy, x_plan="premium").tier is S


# The classifier


@pytest.mark.parametrize(
    "action",
    [{"tier": S}, {"models": ("s-us",)}, {"pin": "s-us"}, {"reject": Refusal(403, "no")}],
    ids=lambda action: next(iter(action)),
)
@pytest.mark.asyncio
async def test_a_rule_that_settles_it_skips_the_classifier(action: dict[str, Any]) -> None:
    classifier = AnsweringClassifier()
    router = make_router(policy_with(rule(**action)), classifier)

    routed = await router.route(request(), RequestHead("/v1/chat/completions"))

    assert (classifier.prompts, routed.classify_seconds) == ([], 0)
    assert json.loads(routed.record)["rule"] == "the rule"
    assert json.loads(routed.record)["readings"] == []
    assert json.loads(routed.record)["classification"] == "skipped"
    assert json.loads(routed.record)["classifier"] is None


@pytest.mark.parametrize(
    "action",
    [{}, {"bounds": TierBounds(S, M)}, {"requirement": EU}, {"split": Split("user", (Arm("a", 1, Action()),))}],
    ids=lambda action: next(iter(action), "none"),
)
def test_a_rule_that_settles_nothing_has_the_prompt_classified(action: dict[str, Any]) -> None:
    assert undecided(policy_with(rule(**action)), request()) is None


def test_rules_are_tried_in_their_order_whatever_they_need() -> None:
    policy = policy_with(rule("math", MATH, tier=R), rule("all", tier=S))

    assert undecided(policy, request()) is None
    assert decided(policy, request(), reading_of(M, "math")).trail.rule == "math"
    assert decided(policy, request(), reading_of(M)).trail.rule == "all"
    # without a classification, and none to come, it is as if the first were not there
    assert decided_without(policy, request()).trail.rule == "all"
    assert settled(policy, request(" ")).trail.rule == "all"


def test_what_comes_before_a_rule_that_needs_the_classifier_does_not_wait_for_it() -> None:
    policy = policy_with(rule("free", FREE, tier=S), rule("math", MATH, tier=R))

    assert settled(policy, x_plan="free").trail.rule == "free"
    assert undecided(policy, request(), x_plan="premium") is None


def test_without_its_classifier_a_policy_goes_on_with_the_rules_that_need_none() -> None:
    policy = policy_with(
        rule("hard", ReadingWithin("difficulty", 0.5, 1), bounds=bounded(R)), rule("eu", FREE, requirement=EU)
    )

    assert decided(policy, request(), reading_of(C)).trail.rule == "hard"
    fallen_back = decided_without(policy, request(), x_plan="free")
    assert (fallen_back.trail.rule, fallen_back.reason) == ("eu", Reason.CLASSIFIER_TIMEOUT)
    assert plan_of(fallen_back) == ["c-eu", "r-eu", "m-eu", "s-eu"]


@pytest.mark.asyncio
async def test_a_rule_may_settle_by_what_the_classifier_says() -> None:
    policy = policy_with(rule("math", MATH, pin="r-eu"))
    head = RequestHead("/v1/chat/completions")

    routed = await make_router(policy, AnsweringClassifier(classification("math"))).route(request(), head)
    failed = await make_router(policy, FailingClassifier(ClassifierTimeoutError())).route(request(), head)

    assert isinstance(routed.result, Decision) and isinstance(failed.result, Decision)
    assert (routed.result.model.name, routed.result.reason) == ("r-eu", Reason.RULE)
    assert routed.result.classification is not None
    assert (failed.result.model.name, failed.result.reason) == ("c-us", Reason.CLASSIFIER_TIMEOUT)


# Virtual models


def test_a_virtual_models_rules_come_before_the_policys() -> None:
    own = VirtualModel("auto-eu", rules=(rule("own", FREE, tier=M),))
    policy = policy_with(rule("policy's", tier=C), virtual_models=["auto", own])
    asked = request(model="auto-eu")

    assert settled(policy, asked, x_plan="free").trail.rule == "own"
    assert settled(policy, asked, x_plan="premium").trail.rule == "policy's"
    assert settled(policy, request(), x_plan="free").trail.rule == "policy's"


@pytest.mark.parametrize(
    ("own", "rules", "tier"),
    [
        ({"tier": S}, [], S),
        ({"pin": "m-us"}, [], M),
        # a rule that says something else does
        ({"tier": S}, [rule(tier=C)], C),
        ({"tier": S}, [rule("no match", NEVER, tier=C)], S),
        # and one that says nothing does not
        ({"tier": S}, [rule()], S),
        ({"tier": S}, [rule(bounds=bounded(M))], M),
        ({"tier": C}, [rule(requirement=EU)], C),
    ],
)
def test_what_a_virtual_model_says_itself_holds_until_a_rule_says_otherwise(
    own: dict[str, Any], rules: list[Rule], tier: Tier
) -> None:
    policy = policy_with(*rules, virtual_models=[VirtualModel("auto", Action(**own))])

    assert settled(policy).tier is tier


@pytest.mark.parametrize(
    ("own", "of_rule", "tier", "expected"),
    [
        (bounded(most=M), bounded(), R, M),
        (bounded(most=M), bounded(most=C), R, M),
        (bounded(most=C), bounded(most=M), R, M),
        (bounded(M), bounded(C), S, C),
        (bounded(C), bounded(M), S, C),
        (bounded(M), bounded(most=C), R, C),
        # a rule may ask for more than the limit: the limit stays
        (bounded(most=M), bounded(C), S, M),
        (bounded(C), bounded(most=M), S, M),
    ],
)
def test_of_two_limits_the_narrower_one_holds(
    own: TierBounds, of_rule: TierBounds, tier: Tier, expected: Tier
) -> None:
    policy = policy_with(rule(bounds=of_rule), virtual_models=[VirtualModel("auto", Action(bounds=own))])

    assert decided(policy, request(), reading_of(tier)).tier is expected


@pytest.mark.parametrize(
    ("own", "standing", "of_rule", "of_arm", "plan"),
    [
        (EU, None, None, None, ["s-eu", "m-eu", "c-eu", "r-eu"]),
        (None, EU, None, None, ["s-eu", "m-eu", "c-eu", "r-eu"]),
        (None, None, None, EU, ["s-eu", "m-eu", "c-eu", "r-eu"]),
        (Requirement(regions=frozenset(("eu", "us"))), EU, None, None, ["s-eu", "m-eu", "c-eu", "r-eu"]),
        (None, Requirement(providers=frozenset(("acme",))), US, None, ["s-us", "m-us", "c-us", "r-us"]),
        (Requirement(not_providers=frozenset(("acme",))), None, None, EU, ["s-eu", "m-eu", "c-eu", "r-eu"]),
    ],
)
def test_all_requirements_hold_whoever_makes_them(
    own: Requirement | None,
    standing: Requirement | None,
    of_rule: Requirement | None,
    of_arm: Requirement | None,
    plan: list[str],
) -> None:
    none = Requirement()
    arm = Arm("all", 1, Action(requirement=of_arm or none))
    policy = policy_with(
        rule(requirement=of_rule or none, split=Split("user", (arm,))),
        virtual_models=[VirtualModel("auto", Action(requirement=own or none))],
        requirements=[StandingRequirement("standing", ALWAYS, standing)] if standing is not None else [],
    )

    assert plan_of(decided(policy, request(), reading_of(S))) == plan


def test_requirements_that_exclude_each_other_are_told_model_by_model() -> None:
    policy = policy_with(
        rule(requirement=US), requirements=[StandingRequirement("stays", PersonalDataFound(None), EU)]
    )

    assert plan_of(decided(policy, request("hello"), reading_of(S))) == ["s-us", "m-us", "c-us", "r-us"]
    refused = refusal(policy, PERSON)
    assert (refused.reason, refused.status, refused.code) == (Reason.NO_CANDIDATE, 400, None)
    assert all(model.name in refused.message for model in models())
    assert "runs in eu, allowed: " in refused.message


# Standing requirements


STAYS = StandingRequirement("stays", PersonalDataFound(None), EU)


def test_a_requirement_holds_whatever_rule_matches() -> None:
    policy = policy_with(rule("first", tier=M), requirements=[STAYS, StandingRequirement("free", FREE, US)])

    assert plan_of(settled(policy, PERSON)) == ["m-eu", "c-eu", "r-eu", "s-eu"]
    assert settled(policy, PERSON).trail.requirements == ["stays"]
    assert settled(policy, request("hello")).trail.requirements == []
    assert refusal(policy, PERSON, x_plan="free").reason is Reason.NO_CANDIDATE


def test_a_requirement_holds_for_the_fallback_and_for_what_has_no_prompt() -> None:
    policy = policy_with(requirements=[StandingRequirement("eu", ALWAYS, EU)])

    assert plan_of(decided_without(policy, request())) == ["c-eu", "r-eu", "m-eu", "s-eu"]
    assert plan_of(settled(policy, request(" "))) == ["c-eu", "r-eu", "m-eu", "s-eu"]


def test_what_is_too_large_to_be_searched_stays_where_personal_data_has_to() -> None:
    policy = policy_with(requirements=[STAYS])

    assert plan_of(decided(policy, request("x" * 1_100_000), reading_of(S))) == ["s-eu", "m-eu", "c-eu", "r-eu"]


# Models that are asked for by their name


def test_a_named_model_is_subject_to_requirements() -> None:
    policy = policy_with(requirements=[STAYS])

    assert plan_of(settled(policy, request("hello", "m-us")))[:2] == ["m-us", "m-eu"]
    inside = settled(policy, request("Write to anna@example.org.", "m-eu"))
    assert (plan_of(inside), inside.reason) == (["m-eu", "c-eu", "r-eu", "s-eu"], Reason.PINNED)
    refused = refusal(policy, request("Write to anna@example.org.", "m-us"))
    assert (refused.reason, refused.status, refused.param) == (Reason.NO_CANDIDATE, 403, "model")
    assert refused.message == "model: m-us runs in us, allowed: eu"


@pytest.mark.parametrize("action", [{"tier": R}, {"models": ("r-us",)}, {"pin": "r-us"}, {"bounds": bounded(R)}, {}])
def test_a_named_model_is_not_subject_to_rules_that_choose(action: dict[str, Any]) -> None:
    decision = settled(policy_with(rule(**action)), request(model="s-us"))

    assert (decision.model.name, decision.reason, decision.trail.rule) == ("s-us", Reason.PINNED, None)


def test_a_named_model_is_subject_to_rules_that_reject_or_require() -> None:
    policy = policy_with(
        rule("chooses", tier=R),
        rule("closed", FREE, reject=Refusal(402, "pay first")),
        rule("eu", tier=R, requirement=EU),
    )

    assert refusal(policy, request(model="s-us"), x_plan="free").status == 402
    assert refusal(policy, request(model="s-us")).status == 403
    decision = settled(policy, request(model="s-eu"))
    assert (plan_of(decision), decision.trail.rule) == (["s-eu", "m-eu", "c-eu", "r-eu"], "eu")


def test_a_named_model_is_subject_to_what_its_arm_requires() -> None:
    """And to the rules after a split whose arm requires nothing, as after any other rule that chooses."""
    split = Split("user", (Arm("eu", 0.5, Action(requirement=EU)), Arm("free", 0.5, Action(tier=R))))
    policy = policy_with(rule("trial", split=split), rule("us", requirement=US))
    arms = {name: split.arm_of("trial", {"user": hash_name(name)}).name for name in ("anna", "bert", "carl", "dora")}
    assert set(arms.values()) == {"eu", "free"}

    for user, arm in arms.items():
        inside, outside = ("s-eu", "s-us") if arm == "eu" else ("s-us", "s-eu")
        decision = settled(policy, request(model=inside), x_user_id=user)
        assert (decision.trail.rule, decision.trail.arm) == (("trial", "eu") if arm == "eu" else ("us", None))
        assert {model.region for model in decision.plan} == {inside[-2:]}
        assert refusal(policy, request(model=outside), x_user_id=user).status == 403


def test_a_rule_that_restricts_by_intent_has_a_named_models_prompt_classified() -> None:
    policy = policy_with(rule("no maths", MATH, reject=Refusal(403, "no maths here")))
    asked = request(model="s-us")

    assert undecided(policy, asked) is None
    assert decided(policy, asked, reading_of(S)).reason is Reason.PINNED
    with pytest.raises(RejectedError, match="no maths here"):
        decided(policy, asked, reading_of(S, "math"))
    assert decided_without(policy, asked).reason is Reason.PINNED


def test_a_virtual_models_rules_are_no_concern_of_a_named_model() -> None:
    own = VirtualModel("auto", Action(requirement=EU), (rule("own", reject=Refusal(403, "no")),))

    assert settled(policy_with(virtual_models=[own]), request(model="s-us")).model.name == "s-us"


def test_where_nobody_may_name_models_they_are_unknown() -> None:
    policy = policy_with(callers_may=CallersMay(name_models=False))

    refused = refusal(policy, request(model="s-us"))

    assert (refused.reason, refused.status, refused.code) == (Reason.UNKNOWN_MODEL, 404, "model_not_found")
    assert refused.message.endswith("it has auto")
    assert decided(policy, request(), reading_of(S)).model.name == "s-us"


# What a caller may ask for


MAY_SET_TIER = CallersMay(set_tier=True)


@pytest.mark.parametrize(
    ("sent", "tier", "reason"),
    [
        ("moderate", M, Reason.CALLER),
        ("REASONING", R, Reason.CALLER),
        (" complex ", C, Reason.CALLER),
        ("moderate,moderate", S, Reason.DIFFICULTY),
        ("cheap", S, Reason.DIFFICULTY),
        ("1", S, Reason.DIFFICULTY),
        ("", S, Reason.DIFFICULTY),
    ],
)
def test_a_caller_may_ask_for_a_tier_where_the_policy_lets_it(sent: str, tier: Tier, reason: Reason) -> None:
    allowed, forbidden = policy_with(callers_may=MAY_SET_TIER), policy_with()

    decision = decided(allowed, request(), reading_of(S), x_llm_tier=sent)

    assert (decision.tier, decision.reason) == (tier, reason)
    assert (undecided(allowed, request(), x_llm_tier=sent) is not None) is (reason is Reason.CALLER)
    assert decided(forbidden, request(), reading_of(S), x_llm_tier=sent).reason is Reason.DIFFICULTY


@pytest.mark.parametrize(
    ("rules", "tier", "reason"),
    [
        ([rule(bounds=bounded(most=M))], M, Reason.RULE),
        ([rule(bounds=bounded(M, C))], C, Reason.CALLER),
        # what a rule settles is settled
        ([rule(tier=S)], S, Reason.RULE),
        ([rule(pin="m-us")], M, Reason.RULE),
        ([rule("no match", NEVER, tier=S)], C, Reason.CALLER),
    ],
)
def test_a_callers_tier_stays_within_what_the_rules_say(rules: list[Rule], tier: Tier, reason: Reason) -> None:
    policy = policy_with(*rules, callers_may=MAY_SET_TIER)

    decision = settled(policy, x_llm_tier="complex")

    assert (decision.tier, decision.reason) == (tier, reason)


def test_a_callers_tier_waits_for_a_rule_that_needs_the_classifier() -> None:
    policy = policy_with(rule(condition=MATH, tier=R), callers_may=MAY_SET_TIER)

    assert undecided(policy, request(), x_llm_tier="simple") is None
    assert decided(policy, request(), reading_of(S, "math"), x_llm_tier="simple").tier is R
    assert decided(policy, request(), reading_of(C), x_llm_tier="simple").reason is Reason.CALLER
    assert decided_without(policy, request(), x_llm_tier="simple").reason is Reason.CALLER


MAY_LIMIT_COST = CallersMay(set_max_cost=True)
PRICED = [
    make_model("cheap", S, price=make_model("").price),
    make_model("dear", S, price=replace(make_model("").price, input=50.0, output=100.0)),
    make_model("strong", C, price=replace(make_model("").price, input=10.0, output=20.0)),
]


@pytest.mark.parametrize(
    ("sent", "plan"),
    [
        # 10,000 tokens in and 1,000 out: 0.012, 0.6 and 0.12
        ("1", ["cheap", "dear", "strong"]),
        ("0.6", ["cheap", "dear", "strong"]),
        ("0.59", ["cheap", "strong"]),
        ("1e-1", ["cheap"]),
        # what makes no sense is no limit
        ("", ["cheap", "dear", "strong"]),
        ("little", ["cheap", "dear", "strong"]),
        ("-1", ["cheap", "dear", "strong"]),
        ("nan", ["cheap", "dear", "strong"]),
        ("inf", ["cheap", "dear", "strong"]),
        ("0.01,0.01", ["cheap", "dear", "strong"]),
        ("0_1", ["cheap", "dear", "strong"]),
        ("$0.01", ["cheap", "dear", "strong"]),
    ],
)
def test_a_caller_may_limit_what_a_request_costs(sent: str, plan: list[str]) -> None:
    asked = replace(request(max_tokens=1_000), input_tokens=10_000)
    allowed = make_policy(PRICED, ["strong"], callers_may=MAY_LIMIT_COST)
    forbidden = make_policy(PRICED, ["strong"])

    assert plan_of(decided(allowed, asked, reading_of(S), x_llm_max_cost=sent)) == plan
    assert plan_of(decided(forbidden, asked, reading_of(S), x_llm_max_cost=sent)) == ["cheap", "dear", "strong"]


def test_a_limit_that_no_model_keeps_is_told_with_what_each_would_cost() -> None:
    policy = make_policy(PRICED, ["strong"], callers_may=MAY_LIMIT_COST)
    asked = replace(request(max_tokens=1_000), input_tokens=10_000)

    refused = refusal(policy, asked, x_llm_max_cost="0.001")

    assert (refused.reason, refused.status) == (Reason.NO_CANDIDATE, 400)
    assert "cheap would cost about 0.012 USD; dear would cost about 0.6 USD; strong would" in refused.message


def test_a_request_that_sets_no_limit_is_taken_for_one_of_the_usual_length() -> None:
    policy = make_policy(PRICED, ["strong"], callers_may=MAY_LIMIT_COST)

    assert plan_of(decided(policy, request(), reading_of(S), x_llm_max_cost="0.0011")) == ["cheap"]


def test_who_names_a_model_gets_it_whatever_it_costs_but_no_dearer_stand_in() -> None:
    policy = make_policy(PRICED, ["strong"], callers_may=MAY_LIMIT_COST)
    asked = replace(request(model="strong", max_tokens=1_000), input_tokens=10_000)

    assert plan_of(settled(policy, asked, x_llm_max_cost="0.05")) == ["strong", "cheap"]


# What makes a model no candidate


@pytest.mark.parametrize(
    ("tenant", "plan"),
    [
        ({"x_tenant_id": "acme"}, ["open", "acmes"]),
        ({"x_tenant_id": "globex"}, ["open", "both"]),
        ({"x_tenant_id": "Acme"}, ["open"]),
        ({"x_tenant_id": ""}, ["open"]),
        ({}, ["open"]),
    ],
)
def test_a_model_for_some_tenants_is_for_no_others(tenant: dict[str, Any], plan: list[str]) -> None:
    restricted = [
        make_model("open"),
        make_model("acmes", tenants=["acme"]),
        make_model("both", tenants=["globex", "x"]),
    ]
    policy = make_policy(restricted, ["acmes"], reader=READER)

    assert plan_of(decided(policy, request(), reading_of(S), **tenant)) == plan
    assert set(plan_of(decided_without(policy, request(), **tenant))) == set(plan)
    for model in restricted:
        asked = request(model=model.name)
        if model.name in plan:
            assert settled(policy, asked, **tenant).model is model
        else:
            assert refusal(policy, asked, **tenant).status == 403


@pytest.mark.parametrize(
    ("at", "is_candidate"),
    [
        ("2027-01-30T23:59:59+00:00", True),
        ("2027-01-31T00:00:00+00:00", False),
        ("2027-02-01T00:00:00+00:00", False),
        # by UTC, whatever zone a time is told in
        ("2027-01-31T00:30:00+01:00", True),
        ("2027-01-30T23:30:00-01:00", False),
    ],
)
def test_from_its_date_on_a_deprecated_model_is_no_candidate(at: str, is_candidate: bool) -> None:
    policy = make_policy([make_model("old", deprecated=date(2027, 1, 31)), make_model("new", C)], ["old"])
    moment = datetime.fromisoformat(at)

    assert plan_of(decided(policy, request(), reading_of(S), at=moment)) == (["old"] if is_candidate else []) + [
        "new"
    ]
    assert ("old" in plan_of(decided_without(policy, request(), at=moment))) is is_candidate
    # whoever asks for it by its name still gets it
    assert plan_of(settled(policy, request(model="old"), at=moment)) == ["old", "new"]


def test_a_date_is_told_when_nothing_else_is_left() -> None:
    policy = make_policy([make_model("old", deprecated=date(2026, 1, 31))], ["old"])

    assert "old is deprecated since 2026-01-31" in refusal(policy).message


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/oak.png"}}


@pytest.mark.parametrize(
    ("capability", "more"),
    [
        ("vision", {"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "What is it?"}]}]}),
        ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("json", {"response_format": {"type": "json_object"}}),
        ("streaming", {"stream": True}),
    ],
)
def test_a_model_that_lacks_what_a_request_needs_is_no_candidate(capability: str, more: dict[str, Any]) -> None:
    all_but = {"vision", "tools", "json", "streaming"} - {capability}
    policy = make_policy([make_model("lacking", capabilities=all_but), make_model("able", R)], ["lacking"])
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]} | more
    asked = parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode())

    decision = decided(policy, asked, reading_of(S))

    assert (plan_of(decision), decision.trail.excluded) == (["able"], {"lacking": f"lacks {capability}"})
    assert plan_of(decided(policy, request(), reading_of(S))) == ["lacking", "able"]
    assert plan_of(decided_without(policy, asked)) == ["able"]
    # it is asked for: its provider may know better
    assert plan_of(settled(policy, replace(asked, model="lacking"))) == ["lacking", "able"]


def test_what_nobody_has_is_told_model_by_model() -> None:
    bare = [make_model("a", capabilities=["json"]), make_model("b", C, capabilities=[])]
    policy = make_policy(bare, ["b"])

    refused = refusal(policy, request(stream=True, response_format={"type": "json_object"}))

    assert "a lacks streaming; b lacks json, streaming" in refused.message
    assert refused.code is None


def test_a_tier_whose_models_are_all_out_is_answered_by_the_next_above() -> None:
    policy = policy_with(rule(requirement=EU), models=[m for m in models() if m.name not in ("m-eu", "c-eu")])

    decision = decided(policy, request(), reading_of(M))

    assert (decision.tier, plan_of(decision)) == (M, ["r-eu", "s-eu"])


# Whatever the policy


_WORDS = ("a", "b")
_REQUIREMENTS = st.builds(
    Requirement,
    capabilities=st.sets(st.sampled_from(("vision", "hipaa")), max_size=1).map(frozenset),
    regions=st.none() | st.sets(st.sampled_from(_WORDS), min_size=1).map(frozenset),
    providers=st.none() | st.sets(st.sampled_from(_WORDS), min_size=1).map(frozenset),
    not_providers=st.sets(st.sampled_from(_WORDS), max_size=1).map(frozenset),
)
_CONDITIONS: list[Condition] = [ALWAYS, NEVER, FREE, PersonalDataFound(None), PersonalDataFound(frozenset(("iban",)))]
_READ: list[Condition] = [MATH, ReadingWithin("difficulty", 0.5, 1)]
_BOUNDS = st.tuples(st.sampled_from(Tier), st.sampled_from(Tier)).map(sorted).map(lambda pair: TierBounds(*pair))


def actions(names: list[str]) -> st.SearchStrategy[Action]:
    """Any that chooses one of these models, or none."""
    chosen = st.sampled_from(names)
    choices: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"tier": st.sampled_from(Tier)}),
        st.fixed_dictionaries({"pin": chosen}),
        st.fixed_dictionaries({"models": st.lists(chosen, min_size=1, unique=True).map(tuple)}),
    )
    return st.builds(
        lambda choice, bounds, requirement: Action(**choice, bounds=bounds, requirement=requirement),
        choices,
        _BOUNDS,
        st.just(Requirement()) | _REQUIREMENTS,
    )


@st.composite
def rules(draw: st.DrawFn, names: list[str], prefix: str) -> tuple[Rule, ...]:
    """A few, of any kind."""
    conditions = st.sampled_from([*_CONDITIONS, *_READ])
    made = []
    for index in range(draw(st.integers(0, 3))):
        action = draw(actions(names))
        if not action.settles and draw(st.booleans()):
            arms = tuple(Arm(name, 0.5, draw(actions(names))) for name in "xy")
            action = replace(action, split=Split(draw(st.sampled_from(("user", "tenant"))), arms))
        made.append(Rule(f"{prefix}{index}", draw(conditions), action))
    return tuple(made)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that a file could hold, and more."""
    drawn = [
        make_model(
            f"m{index}",
            draw(st.sampled_from(Tier)),
            region=draw(st.sampled_from((None, *_WORDS))),
            provider=draw(st.sampled_from(_WORDS)),
            capabilities=draw(st.sets(st.sampled_from(("vision", "tools", "json", "streaming", "hipaa")))),
            tenants=draw(st.none() | st.sets(st.sampled_from(("acme", "globex")), min_size=1)),
            context=draw(st.sampled_from((10, 1_000_000))),
        )
        for index in range(draw(st.integers(1, 6)))
    ]
    names = [model.name for model in drawn]
    standing = draw(st.lists(st.tuples(st.sampled_from(_CONDITIONS), _REQUIREMENTS), max_size=3))
    return make_policy(
        drawn,
        [draw(st.sampled_from(names))],
        virtual_models=["auto", VirtualModel("own", draw(actions(names)), draw(rules(names, "own")))],
        rules=draw(rules(names, "rule")),
        requirements=[StandingRequirement(f"r{i}", *each) for i, each in enumerate(standing)],
        reader=READER,
        callers_may=CallersMay(draw(st.booleans()), draw(st.booleans()), draw(st.booleans())),
    )


@st.composite
def decisions(draw: st.DrawFn) -> tuple[Policy, Decision | RejectedError]:
    """What is decided of any request, with any classifier."""
    policy = draw(policies())
    asked = request(
        draw(st.sampled_from(("hi", "anna@example.org", "DE89 3704 0044 0532 0130 00", " ", "x" * 1_100_000))),
        draw(st.sampled_from(("auto", "own", *policy.models))),
        stream=draw(st.booleans()),
    )
    head: dict[str, Any] = {
        "x_plan": draw(st.sampled_from(("free", ""))),
        "x_tenant_id": draw(st.sampled_from(("acme", "globex", ""))),
        "x_user_id": draw(st.sampled_from(("1", "2", ""))),
        "x_llm_tier": draw(st.sampled_from(("complex", ""))),
    }
    reading = classification(
        draw(st.sampled_from(("math", "chat"))), difficulty=draw(st.sampled_from((0.1, 0.6, 0.95)))
    )
    try:
        decision = undecided(policy, asked, **head)
        if decision is None and draw(st.booleans()):
            return policy, decided_without(policy, asked, **head)
        return policy, decision or decided(policy, asked, reading, **head)
    except RejectedError as rejection:
        return policy, rejection


def satisfies(model: Model, required: Requirement) -> bool:
    """As a policy means it."""
    return (
        required.capabilities <= model.capabilities
        and (required.regions is None or model.region in required.regions)
        and (required.providers is None or model.provider in required.providers)
        and model.provider not in required.not_providers
    )


def required_of(policy: Policy, decision: Decision) -> list[Requirement]:
    """Everything that the policy requires of the models for that request."""
    virtual = policy.virtual_models.get(decision.signals.model)
    every = (*(virtual.rules if virtual is not None else ()), *policy.rules)
    required = [each.requirement for each in policy.requirements if each.condition.holds(decision.signals, None)]
    if virtual is not None:
        required.append(virtual.action.requirement)
    for each in every:
        if each.name == decision.trail.rule:
            required.append(each.action.requirement)
            arms = each.action.split.arms if each.action.split is not None else ()
            required += [arm.action.requirement for arm in arms if arm.name == decision.trail.arm]
    return required


@given(decisions())
@examples(300)
def test_no_model_of_any_plan_ever_violates_a_requirement(made: tuple[Policy, Decision | RejectedError]) -> None:
    policy, result = made
    if isinstance(result, RejectedError):
        assert 400 <= result.status < 500
        return
    tenant = result.signals.headers.get("tenant")

    for model in result.plan:
        assert all(satisfies(model, required) for required in required_of(policy, result))
        assert model.tenants is None or tenant in model.tenants
