"""Which classifiers a policy can be run with, and what comes of the two together."""

from pathlib import Path

import pytest

from sidecar.assembly import build_engine, build_router, load_classifier
from sidecar.config.compile import Config, load_config
from sidecar.inference.onnx_classifier import ModelFolderError
from sidecar.routing.decision import Decision
from sidecar.routing.reason import Reason
from sidecar.routing.signals import RequestHead
from sidecar.routing.tier import Tier
from sidecar.routing.trail import Move
from tests.fakes.model_folders import make_model_folder
from tests.fakes.requests import request
from tests.fakes.serving import EXAMPLES


def config_for(folder: Path, more: str = "") -> Config:
    """A policy with the model in that folder, and more keys."""
    file = folder / "router.yaml"
    file.write_text(f"{(EXAMPLES / 'minimal.yaml').read_text()}classifier: {{model: .}}\n{more}\n")
    return load_config(file)


@pytest.mark.parametrize("example", ["minimal.yaml", "router.yaml"])
def test_the_examples_run_with_the_shipped_model_by_difficulty(example: str) -> None:
    assert load_classifier(load_config(EXAMPLES / example)).has_difficulty


@pytest.mark.parametrize(("logit", "tier"), [(-9.0, Tier.SIMPLE), (9.0, Tier.REASONING)])
def test_a_model_that_tells_difficulty_may_have_intents_that_the_policy_does_not_know(
    tmp_path: Path, logit: float, tier: Tier
) -> None:
    config = config_for(make_model_folder(tmp_path, difficulty=logit))

    classifier = load_classifier(config)

    assert classifier.intents == ("billing", "operations")
    assert config.policy.tier_rule.moves(classifier.classify("refund")) == [Move(Reason.DIFFICULTY, tier)]


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ("", "billing, operations"),
        ("intents: {billing: simple}", "operations"),
        ("intents: {operations: complex, chat: simple}", "billing"),
    ],
)
def test_a_model_that_tells_no_difficulty_needs_a_tier_for_every_intent(
    tmp_path: Path, more: str, missing: str
) -> None:
    config = config_for(make_model_folder(tmp_path), more)

    with pytest.raises(ModelFolderError) as fault:
        load_classifier(config)

    assert str(fault.value).startswith(str(tmp_path))
    assert f"no difficulty, and the policy gives no tier to {missing}: add a line for each" in str(fault.value)


def test_a_model_that_tells_no_difficulty_decides_by_the_tiers_of_the_policy(tmp_path: Path) -> None:
    config = config_for(make_model_folder(tmp_path), "intents: {billing: moderate, operations: complex}")

    classifier = load_classifier(config)

    moves = [config.policy.tier_rule.moves(classifier.classify(prompt)) for prompt in ("refund", "outage")]
    assert moves == [[Move(Reason.INTENT, Tier.MODERATE)], [Move(Reason.INTENT, Tier.COMPLEX)]]


def test_a_model_that_tells_no_difficulty_needs_no_tier_for_what_has_a_usual_one(tmp_path: Path) -> None:
    config = config_for(make_model_folder(tmp_path, labels=("chat", "math")))

    classifier = load_classifier(config)

    moves = [config.policy.tier_rule.moves(classifier.classify(prompt)) for prompt in ("refund", "outage")]
    assert moves == [[Move(Reason.INTENT, Tier.SIMPLE)], [Move(Reason.INTENT, Tier.REASONING)]]


@pytest.mark.parametrize("difficulty", [None, 0.0])
def test_an_intent_of_the_policy_that_the_model_does_not_have_is_a_fault(
    tmp_path: Path, difficulty: float | None
) -> None:
    config = config_for(make_model_folder(tmp_path, difficulty=difficulty), "intents: {biling: simple}")

    with pytest.raises(ModelFolderError, match=r"knows no intent 'biling' of the policy \(did you mean billing\?\)"):
        load_classifier(config)


def test_a_built_in_intent_of_the_policy_need_not_be_one_of_the_models(tmp_path: Path) -> None:
    config = config_for(make_model_folder(tmp_path, difficulty=0.0), "intents: {chat: moderate}")

    assert "chat" not in load_classifier(config).intents


@pytest.mark.parametrize(
    ("example", "told"),
    [
        ("I want my money back", "the policy has examples of 'money_back', but the model has no output `embedding`"),
        ("nonsense", "outputs that are no numbers"),
    ],
)
def test_examples_that_the_model_cannot_embed_are_a_fault(tmp_path: Path, example: str, told: str) -> None:
    own = f"money_back: {{examples: [{example}, another], tier: simple}}"
    intents = f"intents: {{{own}, billing: simple, operations: simple}}"
    config = config_for(make_model_folder(tmp_path), intents)
    engine = build_engine(config, workers=1)

    with pytest.raises(ModelFolderError) as fault:
        build_router(config, engine)

    engine.pool.close()
    assert str(fault.value).startswith(str(tmp_path)) and told in str(fault.value)


@pytest.mark.asyncio
async def test_an_intent_by_example_needs_no_training(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(
        (EXAMPLES / "minimal.yaml").read_text()
        + "classifier: {deadline_ms: 10000}\n"  # the machine that runs the tests may be busy
        + "intents: {money_back: {examples: [I want my money back, Give me a refund], tier: simple}}\n"
    )
    config = load_config(file)
    engine = build_engine(config, workers=1)

    asked, head = request("I want my money back!"), RequestHead("/v1/chat/completions")
    routed = await build_router(config, engine).route(asked, head)

    engine.pool.close()
    assert isinstance(routed.result, Decision) and routed.result.classification is not None
    assert routed.result.classification.settled_intent == "money_back"
    assert routed.result.tier is Tier.SIMPLE
