"""Which models may answer, and in what order: context windows, parameters, APIs, endpoints, fallbacks."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.routing.api import Endpoint
from sidecar.routing.decision import Decision
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without, plan_of, undecided
from tests.fakes.policies import make_model, make_policy
from tests.fakes.properties import examples
from tests.fakes.requests import request

DIFFICULTIES = {Tier.SIMPLE: 0.1, Tier.MODERATE: 0.6, Tier.COMPLEX: 0.8, Tier.REASONING: 0.95}

WINDOWS = make_policy(
    [
        make_model("small", context=1_000),
        make_model("medium", Tier.MODERATE, context=4_000),
        make_model("narrow", Tier.COMPLEX, context=2_000),
    ],
    ["narrow"],
)


def planned(policy: Policy, tier: Tier, asked: ChatRequest) -> list[str]:
    """The plan for a prompt of that tier, for reading."""
    return plan_of(decided(policy, asked, classification(difficulty=DIFFICULTIES[tier])))


def of_size(input_tokens: int, max_output_tokens: int = 0, model: str = "auto") -> ChatRequest:
    """A request that is thought to have so many tokens."""
    return replace(request(model=model, max_tokens=max_output_tokens), input_tokens=input_tokens)


@pytest.mark.parametrize(
    ("tier", "input_tokens", "max_output_tokens", "plan"),
    [
        (Tier.SIMPLE, 1_000, 0, ["small", "medium", "narrow"]),
        (Tier.SIMPLE, 1_001, 0, ["medium", "narrow"]),
        (Tier.SIMPLE, 500, 500, ["small", "medium", "narrow"]),
        (Tier.SIMPLE, 500, 501, ["medium", "narrow"]),
        (Tier.SIMPLE, 2_001, 0, ["medium"]),
        (Tier.SIMPLE, 4_000, 0, ["medium"]),
        # an answer from below beats none
        (Tier.COMPLEX, 1_000, 0, ["narrow", "medium", "small"]),
        (Tier.COMPLEX, 2_000, 0, ["narrow", "medium"]),
        (Tier.COMPLEX, 2_001, 0, ["medium"]),
        (Tier.REASONING, 100, 0, ["narrow", "medium", "small"]),
        # the input is an estimate: what is up to twice too long may fit
        (Tier.SIMPLE, 4_001, 0, ["medium", "narrow"]),
        (Tier.COMPLEX, 4_001, 0, ["narrow", "medium"]),
        (Tier.SIMPLE, 8_001, 0, ["medium"]),
        # the output asked for is none
        (Tier.COMPLEX, 4_000, 1, ["medium"]),
        (Tier.SIMPLE, 4_000, 2_000, ["medium"]),
        (Tier.SIMPLE, 1, 4_000, ["medium"]),
    ],
)
def test_a_plan_has_only_models_whose_window_holds_the_request(
    tier: Tier, input_tokens: int, max_output_tokens: int, plan: list[str]
) -> None:
    assert planned(WINDOWS, tier, of_size(input_tokens, max_output_tokens)) == plan


@pytest.mark.parametrize(
    ("input_tokens", "max_output_tokens"), [(8_002, 0), (1, 4_001), (4_000, 2_001), (1, 2**70), (1, 10**400)]
)
def test_what_is_surely_too_long_is_refused_with_the_windows_there_are(
    input_tokens: int, max_output_tokens: int
) -> None:
    with pytest.raises(RejectedError) as refused:
        planned(WINDOWS, Tier.SIMPLE, of_size(input_tokens, max_output_tokens))

    assert (refused.value.reason, refused.value.status) == (Reason.NO_CANDIDATE, 400)
    assert refused.value.code == "context_length_exceeded"
    assert "small holds 1000 tokens; medium holds 4000 tokens; narrow holds 2000 tokens" in refused.value.message
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("tier", Tier)
def test_a_refusal_tells_the_tokens_and_the_models_by_tier(tier: Tier) -> None:
    with pytest.raises(RejectedError) as refused:
        planned(WINDOWS, tier, of_size(9_000, 1_000))

    assert refused.value.message == (
        "no model can take this request of about 10000 tokens, output included: "
        "small holds 1000 tokens; medium holds 4000 tokens; narrow holds 2000 tokens"
    )


def test_a_plan_has_the_first_eight_that_can_take_the_request() -> None:
    models = [make_model(f"m{index}", context=5_000 if index % 2 else 1_000) for index in range(20)]
    policy = make_policy(models, ["m0"])
    large = ["m1", "m3", "m5", "m7", "m9", "m11", "m13", "m15"]

    assert planned(policy, Tier.SIMPLE, of_size(1_001)) == large
    assert plan_of(decided_without(policy, of_size(1_001), Reason.CLASSIFIER_TIMEOUT)) == large
    assert plan_of(undecided(policy, of_size(1_001, model="m2"))) == ["m2", *large[:7]]
    # as well where the tokens are taken for half as many
    assert planned(policy, Tier.SIMPLE, of_size(10_000)) == large


def test_a_fallback_that_is_too_small_leaves_its_place_to_the_next() -> None:
    policy = make_policy(WINDOWS.models.values(), ["small"])

    decision = decided_without(policy, of_size(1_001), Reason.CLASSIFIER_TIMEOUT)

    assert (plan_of(decision), decision.tier) == (["medium", "narrow"], Tier.SIMPLE)


def test_a_pinned_model_stays_even_if_it_looks_too_small() -> None:
    assert plan_of(undecided(WINDOWS, of_size(1_001, model="small"))) == ["small", "medium", "narrow"]


def test_a_model_is_passed_over_if_its_provider_refuses_a_parameter_of_the_request() -> None:
    models = [make_model("thinker", Tier.REASONING, unsupported=["temperature"]), make_model("plain", Tier.COMPLEX)]
    policy = make_policy(models, ["plain"])

    assert planned(policy, Tier.REASONING, request()) == ["thinker", "plain"]
    assert planned(policy, Tier.REASONING, request(temperature=None)) == ["thinker", "plain"]
    assert planned(policy, Tier.REASONING, request(temperature=0.7)) == ["plain"]
    assert plan_of(undecided(policy, request(model="thinker", temperature=0.7))) == ["thinker", "plain"]


def test_when_every_model_refuses_the_client_is_told_which_and_why() -> None:
    thinker = make_model("thinker", Tier.REASONING, unsupported=["temperature", "top_p", "stop"])
    policy = make_policy([thinker, make_model("plain", context=1_000)], ["thinker"])

    with pytest.raises(RejectedError) as refused:
        planned(policy, Tier.REASONING, replace(request(top_p=1, temperature=0.7), input_tokens=3_000))

    assert refused.value.message == (
        "no model can take this request of about 3000 tokens, output included: "
        "plain holds 1000 tokens; thinker does not support temperature, top_p"
    )
    assert (refused.value.reason, refused.value.status) == (Reason.NO_CANDIDATE, 400)
    assert refused.value.code is None  # a shorter conversation is not the only way out


def test_what_may_fit_is_asked_only_where_its_parameters_are_taken() -> None:
    thinker = make_model("thinker", Tier.REASONING, context=4_000, unsupported=["temperature"])
    policy = make_policy([thinker, make_model("plain", context=1_000)], ["thinker"])

    assert planned(policy, Tier.REASONING, replace(request(temperature=0.7), input_tokens=2_000)) == ["plain"]


def test_what_is_in_a_plan_after_all_is_not_told_to_be_out_of_it() -> None:
    decision = decided(WINDOWS, of_size(4_001), classification())

    assert plan_of(decision) == ["medium", "narrow"]
    assert decision.trail.excluded == {"small": "holds 1000 tokens"}


def test_what_came_before_the_plan_is_told_with_why() -> None:
    decision = decided(WINDOWS, of_size(2_001), classification())

    assert plan_of(decision) == ["medium"]
    assert decision.trail.excluded == {"small": "holds 1000 tokens", "narrow": "holds 2000 tokens"}


def test_within_a_tier_models_stand_as_listed_and_the_fallback_before_the_tiers_below() -> None:
    models = [make_model("b", Tier.MODERATE), make_model("z"), make_model("a", Tier.MODERATE), make_model("f")]
    policy = make_policy(models, ["f"])

    assert planned(policy, Tier.MODERATE, request()) == ["b", "a", "f", "z"]
    assert planned(policy, Tier.SIMPLE, request()) == ["z", "f", "b", "a"]


def test_a_tier_without_models_is_answered_by_the_next_above() -> None:
    policy = make_policy([make_model("low"), make_model("high", Tier.REASONING)], ["low"])

    assert planned(policy, Tier.MODERATE, request()) == ["high", "low"]


@pytest.mark.parametrize("endpoint", [Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_an_endpoint_that_no_model_knows_is_a_404(endpoint: Endpoint) -> None:
    policy = make_policy([make_model("a", endpoints=[Endpoint.CHAT_COMPLETIONS])], ["a"])
    asked = parse_request(endpoint, b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"input":"hi"}')

    for tier in Tier:
        with pytest.raises(RejectedError, match=f"no model .* /v1/{endpoint}") as refused:
            planned(policy, tier, asked)
        assert (refused.value.reason, refused.value.status) == (Reason.NO_CANDIDATE, 404)
        assert refused.value.code is None
    with pytest.raises(RejectedError, match=f"no model .* /v1/{endpoint}"):
        decided_without(policy, asked, Reason.CLASSIFIER_TIMEOUT)


_OPENAI = [endpoint for endpoint in Endpoint if endpoint is not Endpoint.MESSAGES]


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that a file could hold."""
    models = [
        make_model(
            f"model-{index}",
            draw(st.sampled_from(Tier)),
            endpoints=draw(st.just({Endpoint.MESSAGES}) | st.sets(st.sampled_from(_OPENAI), min_size=1)),
            context=draw(st.sampled_from([20, 1_000, 1_000_000])),
        )
        for index in range(draw(st.integers(1, 11)))
    ]
    fallbacks = draw(st.lists(st.sampled_from([model.name for model in models]), min_size=1, unique=True))
    return make_policy(models, fallbacks)


@st.composite
def decisions(draw: st.DrawFn) -> tuple[Policy, ChatRequest, Decision | RejectedError]:
    """A policy, a request, and what is decided in whichever way."""
    policy = draw(policies())
    model = draw(st.sampled_from(["auto", "auto", *policy.models]))
    text = "word" * draw(st.sampled_from([1, 5, 200, 500, 5_000]))
    body = (
        f'{{"model":"{model}","messages":[{{"role":"user","content":"{text}"}}],"prompt":"{text}","input":"{text}"}}'
    )
    asked = parse_request(draw(st.sampled_from(Endpoint)), body.encode())
    evidence = classification(
        draw(st.sampled_from(list(DEFAULT_INTENT_TIERS))),
        confidence=draw(st.floats(0, 1)),
        difficulty=draw(st.none() | st.floats(0, 1)),
    )
    try:
        decision = undecided(policy, asked)
        if decision is None and draw(st.booleans()):
            decision = decided_without(policy, asked, Reason.CLASSIFIER_TIMEOUT)
        return policy, asked, decision or decided(policy, asked, evidence)
    except RejectedError as error:
        return policy, asked, error


@given(decisions())
@examples(300)
def test_whatever_the_policy_a_plan_is_all_models_that_can_be_asked_each_once_up_to_eight(
    made: tuple[Policy, ChatRequest, Decision | RejectedError],
) -> None:
    policy, asked, result = made
    able = [model for model in policy.models.values() if asked.endpoint in model.endpoints]
    fitting = {model.name for model in able if model.context >= asked.input_tokens}
    pinned = policy.models.get(asked.model)

    if pinned is not None:
        expected = {pinned.name, *fitting} if pinned in able else set()
    else:
        expected = fitting or {model.name for model in able if model.context >= asked.input_tokens // 2}

    if isinstance(result, RejectedError):
        assert not expected
        return
    assert expected.issuperset(plan_of(result))
    assert len(set(plan_of(result))) == len(result.plan) == min(8, len(expected))
