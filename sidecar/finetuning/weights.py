"""A network out of a model folder: the int8 graph's weights, back in floating point.

Fine-tuning starts from the model in use, which nobody has in any other form. Rounding to int8 lost little of it, and
training goes over it anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import tokenizers
import torch
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, numpy_helper

from sidecar.finetuning.export import MAX_TOKENS
from sidecar.finetuning.network import Classifier, Encoder, Shape
from sidecar.inference.tokenizer import PromptTokenizer

_ROOT = "network."

# What config.json calls the dimensions.
_DIMENSIONS = {
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "width": "dim",
    "layers": "n_layers",
    "heads": "n_heads",
    "inner_width": "hidden_dim",
}

# Which input of a node is the weight.
_WEIGHT_INPUTS = {"Gather": 0, "MatMul": 1, "MatMulInteger": 1}


class ForeignModelError(Exception):
    """A model folder whose network is not ours; the message names it and what it lacks."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network that can be trained on, and what belongs to it."""

    network: Classifier
    shape: Shape
    intents: tuple[str, ...]
    tokenizer: str
    """The text of its tokenizer.json."""

    def prompt_tokenizer(self) -> PromptTokenizer:
        """As the sidecar cuts prompts for it."""
        return PromptTokenizer(tokenizers.Tokenizer.from_str(self.tokenizer), MAX_TOKENS)


def load_model(folder: Path) -> LoadedModel:
    """Raises ForeignModelError for a folder that another tool wrote; it can be served, but not trained on."""
    shape, intents = _read_config(folder)
    if not (folder / "model.onnx").is_file():
        raise ForeignModelError(f"{folder}: cannot be trained on: it has no model.onnx")
    weights = {name: torch.from_numpy(np.array(w)) for name, w in _weights(onnx.load(folder / "model.onnx").graph)}
    network = Classifier(shape, Encoder(shape), len(intents))
    lacking = [
        name for name, own in network.state_dict().items() if name not in weights or weights[name].shape != own.shape
    ]
    if lacking:
        raise ForeignModelError(f"{folder}: cannot be trained on: its graph has no fitting {lacking[0]}")
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return LoadedModel(network, shape, intents, (folder / "tokenizer.json").read_text(encoding="utf-8"))


def _read_config(folder: Path) -> tuple[Shape, tuple[str, ...]]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    try:
        shape = Shape(**{name: int(config[key]) for name, key in _DIMENSIONS.items()})
        return shape, tuple(config["id2label"][str(i)] for i in range(len(config["id2label"])))
    except KeyError as error:
        raise ForeignModelError(f"{folder}: cannot be trained on: its config.json has no {error}") from error


def _weights(graph: GraphProto) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every weight under the network's own name for it."""
    stored = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for name, array in stored.items():
        if name.startswith(_ROOT) and array.dtype == np.float32:
            yield name.removeprefix(_ROOT), array
    for node in graph.node:
        if node.op_type not in _WEIGHT_INPUTS:
            continue
        name = node.input[_WEIGHT_INPUTS[node.op_type]].removesuffix("_quantized")
        if node.op_type == "Gather" and f"{name}_scale" in stored:
            yield name.removeprefix(_ROOT), _scaled(stored, name)
        elif node.op_type == "MatMulInteger" and f"{name}_scale" in stored:
            yield _weight_name(node), _scaled(stored, name).T
        elif node.op_type == "MatMul" and name in stored:
            # A linear layer that became a plain product keeps its weights the other way round.
            yield _weight_name(node), stored[name].T


def _weight_name(node: NodeProto) -> str:
    """`/network/encoder/layer.0/ffn/lin2/MatMul_Q8` is the weight of encoder.transformer.layer.0.ffn.lin2."""
    path = node.name.removeprefix("/network/").rpartition("/")[0].replace("/", ".")
    return f"{path.replace('encoder.layer.', 'encoder.transformer.layer.')}.weight"


def _scaled(stored: dict[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    """One scale for the tensor, or one for each column."""
    whole = stored[f"{name}_quantized"].astype(np.float32)
    return np.asarray((whole - stored[f"{name}_zero_point"]) * stored[f"{name}_scale"], dtype=np.float32)
