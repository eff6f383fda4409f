"""A network as the model folder that the sidecar loads: one int8 ONNX graph, its tokenizer, its config."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from sidecar.finetuning.graph import fix_inner_scales, fuse_attention
from sidecar.finetuning.network import Classifier, Shape

# Long enough for head and tail of a prompt, short enough for a deadline of tens of milliseconds.
MAX_TOKENS = 128

_OPSET = 17


class _Served(torch.nn.Module):
    """The network without what only training reads."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: torch.Tensor, characters: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        outputs = self.network(input_ids, None, characters)
        return outputs.intent_logits, outputs.difficulty_logit, outputs.embedding


def export_float_graph(network: Classifier, file: Path) -> None:
    """The network as ONNX in float32. Rows of a batch have one length: there is no mask, since nothing is padded."""
    ids = torch.ones((2, 16), dtype=torch.int64)
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but its graph is the plain one that quantises best.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Served(network).eval(),
            (ids, torch.tensor([60, 60])),
            str(file),
            input_names=["input_ids", "characters"],
            output_names=["intent_logits", "difficulty_logit", "embedding"],
            dynamic_axes={
                "input_ids": {0: "batch", 1: "seq"},
                "characters": {0: "batch"},
                "intent_logits": {0: "batch"},
                "difficulty_logit": {0: "batch"},
                "embedding": {0: "batch"},
            },
            opset_version=_OPSET,
            dynamo=False,
        )


def export_int8_graph(float_file: Path, file: Path) -> None:
    """The same graph with int8 weights: a quarter of the size, about twice as fast.

    Activations get one scale for each tensor, found anew for each prompt; those of the feedforward's middle have a
    fixed one, since the network is fitted with limits to them. The heads stay in float: a millionth of the weights,
    but every rounding there is a rounding of the answer.
    """
    graph = onnx.load(float_file)
    fuse_attention(graph)
    products = [n for n in graph.graph.node if n.op_type in {"Gemm", "MatMul"}]
    heads = {n.name for n in products if "/encoder/" not in n.name and "/similarity/" not in n.name}
    with _silence(), tempfile.TemporaryDirectory() as folder:
        fused = Path(folder) / "fused.onnx"
        onnx.save(graph, fused)
        quantize_dynamic(
            fused,
            file,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Seven bits: on processors without VNNI, sums of two products of eight would overflow.
            reduce_range=True,
            # It turns a Gemm into a MatMul of this name before it looks at the list.
            nodes_to_exclude=sorted(heads | {f"{name}_MatMul" for name in heads}),
            # What comes out of the fused attention has no type that it could infer.
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
    quantised = onnx.load(file)
    fix_inner_scales(quantised)
    onnx.save(quantised, file)


@contextmanager
def _silence() -> Iterator[None]:
    """They log every node, and advise a preprocessing step, which is the fusing."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def write_model_folder(
    network: Classifier,
    shape: Shape,
    intents: Sequence[str],
    tokenizer: str,
    folder: Path,
    *,
    float_file: Path,
    date: str,
) -> str:
    """Fill `folder` with what the sidecar loads; returns the model's version.

    `tokenizer` is the text of a tokenizer.json, `date` opens the version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    export_float_graph(network, float_file)
    # Written aside first, so that nobody loads half a graph.
    aside = folder / "model.onnx.part"
    export_int8_graph(float_file, aside)
    aside.replace(folder / "model.onnx")
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    version = f"{date}-{digest[:8]}"
    config = json.dumps(_config(version, shape, intents), indent=2)
    (folder / "config.json").write_text(f"{config}\n", encoding="utf-8")
    return version


def _config(version: str, shape: Shape, intents: Sequence[str]) -> dict[str, object]:
    return {
        "model_type": "distilbert",
        "version": version,
        "max_tokens": MAX_TOKENS,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "dim": shape.width,
        "hidden_dim": shape.inner_width,
        "n_layers": shape.layers,
        "n_heads": shape.heads,
        "activation": "gelu",
        "pad_token_id": 0,
        "id2label": {str(i): intent for i, intent in enumerate(intents)},
        "label2id": {intent: i for i, intent in enumerate(intents)},
    }
