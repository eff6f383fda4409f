"""A network as a model folder and back: what serving makes of it, and what training gets out of it."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from sidecar.finetuning.export import MAX_TOKENS
from sidecar.finetuning.fit import collate
from sidecar.finetuning.weights import ForeignModelError, load_model
from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.inference.tokenizer import PromptTokenizer
from tests.fakes.model_folders import make_model_folder, write_card
from tests.finetuning.with_torch.small import (
    FILLERS,
    INTENTS,
    SHAPE,
    TOPICS,
    small_network,
    tokenizer_text,
    write_small_folder,
)

TEXTS = [
    f"{topic} {filler} {' '.join(FILLERS[:length])}" for topic in TOPICS for length, filler in enumerate(FILLERS)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """That of a random network."""
    write_small_folder(tmp_path / "model")
    return tmp_path / "model"


def test_serving_loads_it_and_answers_almost_as_the_network_does(folder: Path, tokenizer: PromptTokenizer) -> None:
    network = small_network()
    classifier = OnnxClassifier.load(folder)

    assert (classifier.intents, classifier.has_difficulty) == (INTENTS, True)
    for text in [*TEXTS, "", "unheard of", "order " * 2_000]:
        tokens = tokenizer.encode(text)
        with torch.inference_mode():
            outputs = network(*collate([tokens.input_ids[0]], [tokens.characters]))
        reading = classifier.read(text)
        np.testing.assert_allclose(reading.probabilities, outputs.intent_logits.softmax(dim=1)[0], atol=0.02)
        assert reading.difficulty == pytest.approx(float(outputs.difficulty_logit.sigmoid()), abs=0.02)


def test_the_folder_holds_what_serving_needs_and_nothing_else(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    assert {file.name for file in folder.iterdir()} == {"model.onnx", "tokenizer.json", "config.json"}
    assert (folder / "tokenizer.json").read_text(encoding="utf-8") == tokenizer_text()
    assert config["max_tokens"] == MAX_TOKENS
    assert config["id2label"] == {str(i): intent for i, intent in enumerate(INTENTS)}
    assert config["label2id"] == {intent: i for i, intent in enumerate(INTENTS)}


def test_the_version_is_the_day_and_the_graph(tmp_path: Path) -> None:
    version = write_small_folder(tmp_path / "one", date="2026-01-31")
    same = write_small_folder(tmp_path / "same", date="2026-02-01")
    other = write_small_folder(tmp_path / "other", small_network(seed=1), date="2026-01-31")

    assert OnnxClassifier.load(tmp_path / "one").version == version
    assert version.startswith("2026-01-31-") and same == version.replace("2026-01-31", "2026-02-01")
    assert other != version
    graphs = {name: (tmp_path / name / "model.onnx").read_bytes() for name in ("one", "same", "other")}
    assert graphs["one"] == graphs["same"] != graphs["other"]


def test_the_encoder_is_quantised_and_the_heads_are_not(folder: Path) -> None:
    network = small_network().state_dict()
    graph = onnx.load(folder / "model.onnx").graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    quantised = [node.name for node in graph.node if node.op_type == "MatMulInteger"]
    heads = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in stored]

    assert len(quantised) == 6 * SHAPE.layers + 1
    assert [name for name in quantised if "/encoder/" not in name] == ["/network/similarity/Gemm_MatMul_quant"]
    kept = [stored[node.input[1]].T for node in heads]
    for name in ("intent_head", "difficulty_hidden", "difficulty_head", "difficulty_length"):
        assert any(np.array_equal(weights, network[f"{name}.weight"]) for weights in kept)
    whole = {name for name, array in stored.items() if array.dtype == np.float32 and array.ndim == 2}
    assert not any("embeddings" in name for name in whole)


@pytest.mark.parametrize("intents", [INTENTS, ("yes", "no"), tuple(map(str, range(SHAPE.width)))])
def test_training_gets_the_weights_back(tmp_path: Path, intents: tuple[str, ...]) -> None:
    """Also of a head that is square, in which rows and columns are easily taken for each other."""
    network = small_network(intents=len(intents))
    network.temperature.fill_(1.7)
    write_small_folder(tmp_path / "model", network, intents)

    loaded = load_model(tmp_path / "model")

    assert (loaded.shape, loaded.intents, loaded.tokenizer) == (SHAPE, intents, tokenizer_text())
    before, after = network.state_dict(), loaded.network.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        error = float((after[name] - tensor).norm() / tensor.norm())
        # The heads stay in float, as do all vectors.
        is_exact = not name.startswith("encoder.") or tensor.dim() < 2
        assert error <= (0 if is_exact else 0.02), name


def test_a_network_that_goes_back_and_forth_loses_nothing_more(tmp_path: Path) -> None:
    write_small_folder(tmp_path / "first")
    once = load_model(tmp_path / "first").network
    write_small_folder(tmp_path / "second", once.eval())
    twice = load_model(tmp_path / "second").network.state_dict()

    for name, tensor in once.state_dict().items():
        assert float((twice[name] - tensor).norm() / tensor.norm()) <= 0.005, name


def told(folder: Path) -> str:
    """Why it cannot be trained on."""
    with pytest.raises(ForeignModelError) as raised:
        load_model(folder)
    return str(raised.value)


def test_a_folder_of_another_tool_is_refused_by_its_config(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "bert", difficulty=0.0)

    assert told(folder) == f"{folder}: cannot be trained on: its config.json has no 'vocab_size'"


@pytest.mark.parametrize("key", ["vocab_size", "max_position_embeddings", "dim", "hidden_dim", "n_layers", "n_heads"])
def test_a_config_that_lacks_a_dimension_is_told(folder: Path, key: str) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config[key]
    write_card(folder, config)

    assert told(folder) == f"{folder}: cannot be trained on: its config.json has no {key!r}"


def test_a_graph_of_another_tool_is_refused_by_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    other = make_model_folder(tmp_path / "other", difficulty=0.0)
    (folder / "model.onnx").write_bytes((other / "model.onnx").read_bytes())

    assert told(folder).startswith(f"{folder}: cannot be trained on: its graph has no fitting ")


def test_dimensions_that_are_not_the_graph_s_are_told(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_card(folder, config | {"hidden_dim": 2 * config["hidden_dim"]})

    assert told(folder) == (
        f"{folder}: cannot be trained on: its graph has no fitting encoder.transformer.layer.0.ffn.lin1.weight"
    )


@pytest.mark.parametrize("graph", ["model_quantized.onnx", "onnx/model.onnx"])
def test_a_graph_under_another_name_is_not_ours(folder: Path, graph: str) -> None:
    (folder / graph).parent.mkdir(exist_ok=True)
    (folder / "model.onnx").rename(folder / graph)

    assert told(folder) == f"{folder}: cannot be trained on: it has no model.onnx"
