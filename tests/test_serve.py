"""Which classifiers a policy can be served with."""

from pathlib import Path

import pytest

from sidecar.config.compile import Config, load_config
from sidecar.inference.onnx_classifier import ModelFolderError
from sidecar.routing.reason import Reason
from sidecar.routing.tier import Tier
from sidecar.serve import load_classifier
from tests.fakes.model_folders import make_model_folder
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
    assert config.policy.tier_rule.tier_of(classifier.classify("refund")) == (tier, Reason.DIFFICULTY)


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

    tiers = [config.policy.tier_rule.tier_of(classifier.classify(prompt)) for prompt in ("refund", "outage")]
    assert tiers == [(Tier.MODERATE, Reason.INTENT), (Tier.COMPLEX, Reason.INTENT)]


def test_a_model_that_tells_no_difficulty_needs_no_tier_for_what_has_a_usual_one(tmp_path: Path) -> None:
    config = config_for(make_model_folder(tmp_path, labels=("chat", "math")))

    classifier = load_classifier(config)

    tiers = [config.policy.tier_rule.tier_of(classifier.classify(prompt)) for prompt in ("refund", "outage")]
    assert tiers == [(Tier.SIMPLE, Reason.INTENT), (Tier.REASONING, Reason.INTENT)]


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
