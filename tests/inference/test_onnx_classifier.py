"""The shipped model and models of one's own, loaded from folders."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, ModelFolderError, OnnxClassifier
from sidecar.routing.classification import ClassifierFailedError
from tests.fakes.model_folders import make_model_folder, write_card

PROMPTS = [
    "hi there, thanks a lot!",
    "Prove that there are infinitely many primes.",
    "",
    " \n",
    "\x00\ud83d",
    "木は何ですか",
    "word " * 5_000,
]


@pytest.fixture(scope="module")
def shipped() -> OnnxClassifier:
    """As every server loads it."""
    return OnnxClassifier.load(SHIPPED_MODEL)


def test_the_shipped_model_knows_the_intents_of_the_taxonomy(shipped: OnnxClassifier) -> None:
    assert set(shipped.intents) == set(DEFAULT_INTENT_TIERS)
    assert shipped.version


@pytest.mark.parametrize(
    ("prompt", "intent"),
    [("hi there, thanks a lot!", "chat"), ("Translate into French: the oak is a tree.", "translation")],
)
def test_the_obvious_is_seen(shipped: OnnxClassifier, prompt: str, intent: str) -> None:
    assert shipped.classify(prompt).intent == intent


def test_the_three_likeliest_intents_are_told_most_likely_first(shipped: OnnxClassifier, tmp_path: Path) -> None:
    classification = shipped.classify("hi there, thanks a lot!")

    probabilities = [probability for _, probability in classification.likeliest]
    assert classification.likeliest[0] == (classification.intent, classification.confidence)
    assert len(probabilities) == 3 and probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1 + 1e-6
    # a model that has fewer tells all
    of_two = OnnxClassifier.load(make_model_folder(tmp_path)).classify("an outage")
    assert [intent for intent, _ in of_two.likeliest] == ["operations", "billing"]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_shipped_model_gives_every_prompt_a_vector_of_length_one(shipped: OnnxClassifier, prompt: str) -> None:
    embedding = shipped.classify(prompt).embedding

    assert embedding is not None and embedding.ndim == 1
    assert float(embedding @ embedding) == pytest.approx(1, abs=1e-3)


def test_a_model_without_that_output_gives_none(tmp_path: Path) -> None:
    assert OnnxClassifier.load(make_model_folder(tmp_path)).classify("refund").embedding is None


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_has_a_classification(shipped: OnnxClassifier, prompt: str) -> None:
    classification = shipped.classify(prompt)

    assert classification.intent in DEFAULT_INTENT_TIERS
    assert 1 / len(DEFAULT_INTENT_TIERS) <= classification.confidence <= 1
    assert classification.difficulty is not None and 0 <= classification.difficulty <= 1
    assert classification.truncated == (len(prompt) > 1_000)
    assert not classification.cached


def test_a_prompt_is_classified_the_same_on_every_thread(shipped: OnnxClassifier) -> None:
    expected = [shipped.classify(prompt) for prompt in PROMPTS]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(shipped.classify, PROMPTS * 8))

    assert found == expected * 8
    vectors = [[classification.embedding for classification in each] for each in (found, expected * 8)]
    assert np.array_equal(np.array(vectors[0]), np.array(vectors[1]))


@pytest.mark.parametrize(
    "graph", ["model.onnx", "model_quantized.onnx", "onnx/model.onnx", "onnx/model_quantized.onnx"]
)
@pytest.mark.parametrize("token_types", [False, True])
def test_an_export_of_optimum_answers_with_its_own_labels(tmp_path: Path, graph: str, token_types: bool) -> None:
    classifier = OnnxClassifier.load(make_model_folder(tmp_path, graph=graph, token_types=token_types))

    classification = classifier.classify("my refund please")

    assert classifier.intents == ("billing", "operations")
    assert classification.intent == "billing"
    assert classification.confidence == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-4)
    assert classification.difficulty is None
    assert classifier.classify("an outage").intent == "operations"


@pytest.mark.parametrize("quantized", ["model_quantized.onnx", "onnx/model_quantized.onnx"])
def test_a_quantised_graph_comes_before_the_plain_one(tmp_path: Path, quantized: str) -> None:
    make_model_folder(tmp_path, graph="model.onnx", strength=0)
    make_model_folder(tmp_path, graph=quantized, strength=5)

    assert OnnxClassifier.load(tmp_path).classify("refund").confidence > 0.9


@pytest.mark.parametrize(("logit", "difficulty"), [(0.0, 0.5), (1e4, 1.0), (-1e4, 0.0), (2.0, 0.8808)])
def test_a_model_with_a_second_head_tells_difficulty(tmp_path: Path, logit: float, difficulty: float) -> None:
    classifier = OnnxClassifier.load(make_model_folder(tmp_path, difficulty=logit))

    assert classifier.classify("refund").difficulty == pytest.approx(difficulty, abs=1e-4)


@pytest.mark.parametrize("strength", [1e30, -1e30])
def test_logits_of_any_size_are_a_probability(tmp_path: Path, strength: float) -> None:
    classifier = OnnxClassifier.load(make_model_folder(tmp_path, strength=strength))

    assert classifier.classify("refund").confidence == 1.0


def test_logits_that_are_no_numbers_are_a_failure(tmp_path: Path) -> None:
    classifier = OnnxClassifier.load(make_model_folder(tmp_path))

    with pytest.raises(ClassifierFailedError):
        classifier.classify("nonsense")


def test_the_card_may_name_a_version_and_a_length(tmp_path: Path) -> None:
    make_model_folder(tmp_path)
    named_by_folder = OnnxClassifier.load(tmp_path)
    write_card(tmp_path, {"id2label": {"0": "a", "1": "b"}, "version": 7, "max_tokens": 8})
    named_by_card = OnnxClassifier.load(tmp_path)

    assert named_by_folder.version.startswith(f"{tmp_path.name}-")
    assert named_by_card.version == "7"
    assert not named_by_folder.classify("refund " * 10).truncated
    assert named_by_card.classify("refund " * 10).truncated


def delete(name: str) -> Callable[[Path], object]:
    """Without that file."""
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], object]:
    """With something else in that file."""
    return lambda folder: (folder / name).write_text(text)


def card(**values: object) -> Callable[[Path], object]:
    """With another config.json."""
    return lambda folder: write_card(folder, values)


LABELS = {"0": "a", "1": "b"}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (delete("model.onnx"), "has none of model_quantized.onnx, onnx/model_quantized.onnx, model.onnx"),
        (delete("tokenizer.json"), "has no tokenizer.json"),
        (delete("config.json"), "config.json: No such file"),
        (write("model.onnx", "hello"), "cannot be loaded: "),
        (write("model.onnx", ""), "cannot be loaded: "),
        (write("tokenizer.json", "{}"), "cannot be loaded: "),
        (write("config.json", "hello"), 'config.json: expected JSON with "id2label"'),
        (write("config.json", "[]"), 'config.json: expected JSON with "id2label"'),
        (write("config.json", "null"), 'config.json: expected JSON with "id2label"'),
        (card(), 'config.json: expected JSON with "id2label"'),
        (card(id2label=["a", "b"]), 'config.json: expected JSON with "id2label"'),
        (card(id2label={"1": "a", "2": "b"}), 'config.json: expected JSON with "id2label"'),
        (card(id2label={"a": 0}), 'config.json: expected JSON with "id2label"'),
        (card(id2label=LABELS, max_tokens="many"), "config.json: "),
        (card(id2label=LABELS, max_position_embeddings=None), "config.json: "),
        (card(id2label=LABELS, max_tokens=3), "max_tokens"),
        (card(id2label={}), "gives 2 labels, id2label in config.json 0"),
        (card(id2label={"0": "a"}), "gives 2 labels, id2label in config.json 1"),
        (card(id2label=LABELS | {"2": "c"}), "gives 2 labels, id2label in config.json 3"),
        (lambda folder: make_model_folder(folder, logits="last_hidden_state"), "not a text classifier"),
    ],
)
def test_a_folder_that_cannot_be_used_is_told_with_what_was_expected(
    tmp_path: Path, damage: Callable[[Path], object], told: str
) -> None:
    damage(make_model_folder(tmp_path))

    with pytest.raises(ModelFolderError) as fault:
        OnnxClassifier.load(tmp_path)

    assert str(fault.value).startswith(str(tmp_path))
    assert told in str(fault.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=f"{tmp_path}/none: no such folder"):
        OnnxClassifier.load(tmp_path / "none")
