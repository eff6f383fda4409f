"""The model in the package is the one its card describes, judged on authored sets it was not trained on."""

import hashlib
import json
from typing import Any

import numpy as np
import onnxruntime
import pytest

from sidecar.inference.onnx_classifier import SHIPPED_MODEL, OnnxClassifier
from sidecar.offline.answers import Answers, answer
from sidecar.offline.metrics import auc, calibration_error, macro_f1
from training.baselines import TfidfRegression
from training.data import TEST_SETS, Prompt, authored_test_prompts, training_prompts
from training.labels import INTENTS
from training.tiers import DEFAULT_THRESHOLDS, figures, labelled_tiers


@pytest.fixture(scope="module")
def model() -> OnnxClassifier:
    return OnnxClassifier.load(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((SHIPPED_MODEL / "config.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    return authored_test_prompts()


@pytest.fixture(scope="module")
def answers(model: OnnxClassifier, prompts: list[Prompt]) -> Answers:
    return answer(model, [p.text for p in prompts])


@pytest.fixture(scope="module")
def gold(prompts: list[Prompt]) -> list[int]:
    return [p.intent for p in prompts if p.intent is not None]


@pytest.fixture(scope="module")
def baseline(prompts: list[Prompt]) -> Answers:
    """What the words alone tell."""
    return TfidfRegression(training_prompts(None, seed=0), seed=0, solver="sag").answer([p.text for p in prompts])


def test_the_graph_has_the_inputs_and_outputs_the_sidecar_expects(model: OnnxClassifier) -> None:
    def described(nodes: list[onnxruntime.NodeArg]) -> dict[str, tuple[str, list[str | int]]]:
        return {node.name: (node.type, node.shape) for node in nodes}

    assert described(model.session.get_inputs()) == {
        "input_ids": ("tensor(int64)", ["batch", "seq"]),
        "characters": ("tensor(int64)", ["batch"]),
    }
    assert described(model.session.get_outputs()) == {
        "intent_logits": ("tensor(float)", ["batch", len(INTENTS)]),
        "difficulty_logit": ("tensor(float)", ["batch"]),
        "embedding": ("tensor(float)", ["batch", 384]),
    }


def test_the_config_names_the_intents_in_the_order_of_the_logits(config: dict[str, Any]) -> None:
    assert [config["id2label"][str(i)] for i in range(len(INTENTS))] == list(INTENTS)
    assert config["label2id"] == {intent: i for i, intent in enumerate(INTENTS)}
    assert config["max_tokens"] == 128


def test_the_version_names_these_very_weights(config: dict[str, Any]) -> None:
    digest = hashlib.sha256((SHIPPED_MODEL / "model.onnx").read_bytes()).hexdigest()

    assert config["version"].endswith(digest[:8])


def test_the_graph_fits_its_budget() -> None:
    assert (SHIPPED_MODEL / "model.onnx").stat().st_size <= 25_000_000


def test_the_same_prompt_always_gets_the_same_answer(prompts: list[Prompt], answers: Answers) -> None:
    again = answer(OnnxClassifier.load(SHIPPED_MODEL), [p.text for p in prompts[:50]])

    np.testing.assert_array_equal(again.probabilities, answers.probabilities[:50])
    np.testing.assert_array_equal(again.difficulties, answers.difficulties[:50])


def test_left_out_prompts_are_not_among_the_training_prompts(prompts: list[Prompt]) -> None:
    trained_on = training_prompts(None, seed=0)

    assert not {p.group for p in trained_on} & set(TEST_SETS)
    assert not {p.text for p in trained_on} & {p.text for p in prompts}


def test_it_beats_tfidf_on_prompts_from_unseen_authors(answers: Answers, baseline: Answers, gold: list[int]) -> None:
    assert macro_f1(gold, answers.intents) > macro_f1(gold, baseline.intents) + 0.1
    assert macro_f1(gold, answers.intents) >= 0.86


def test_its_confidence_is_how_often_it_is_right(answers: Answers, gold: list[int]) -> None:
    assert calibration_error(answers.confidences, answers.intents == np.array(gold)) <= 0.05


def test_its_difficulty_tells_simple_prompts_from_the_rest(prompts: list[Prompt], answers: Answers) -> None:
    assert auc(answers.difficulties, labelled_tiers(prompts) > 0) >= 0.95


def test_the_default_thresholds_give_most_prompts_their_tier(prompts: list[Prompt], answers: Answers) -> None:
    found = figures(labelled_tiers(prompts), DEFAULT_THRESHOLDS.tiers(answers.difficulties))

    assert found.accuracy >= 0.72
    assert found.too_low <= 0.14
    assert found.within_one >= 0.97


def test_it_reads_other_languages(prompts: list[Prompt], answers: Answers, gold: list[int]) -> None:
    is_foreign = np.array([p.language != "en" for p in prompts])

    assert (answers.intents == np.array(gold))[is_foreign].mean() >= 0.75


def test_every_left_out_set_is_answered_better_than_by_tfidf(
    prompts: list[Prompt], answers: Answers, baseline: Answers, gold: list[int]
) -> None:
    is_right, is_baseline_right = answers.intents == np.array(gold), baseline.intents == np.array(gold)

    for name in TEST_SETS:
        of_set = np.array([p.group == name for p in prompts])
        assert is_right[of_set].mean() > is_baseline_right[of_set].mean() + 0.03, name


def test_every_authored_prompt_has_text_and_a_known_intent() -> None:
    for prompt in training_prompts(None, seed=0):
        assert prompt.text.strip()
        assert prompt.intent in range(len(INTENTS))
