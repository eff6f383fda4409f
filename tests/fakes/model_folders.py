"""Model folders in the shape of Hugging Face optimum's exports, small enough to be made for one test."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import tokenizers
from onnx import TensorProto, helper, numpy_helper
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

WORDS = ("refund", "outage", "nonsense")
"""What the model knows: `refund` speaks for the first label, `outage` for the second; `nonsense` is not a number."""

_VOCABULARY = {word: id_ for id_, word in enumerate(("[UNK]", "[CLS]", "[SEP]", "[PAD]", *WORDS))}


def make_model_folder(
    folder: Path,
    *,
    graph: str = "model.onnx",
    labels: Sequence[str] = ("billing", "operations"),
    token_types: bool = False,
    difficulty: float | None = None,
    strength: float = 5.0,
    outputs: int = 2,
    logits: str = "logits",
) -> Path:
    """A folder with a graph, tokenizer.json and config.json.

    With `difficulty` (a logit) the graph has the two heads of the shipped model, else the one of optimum's.
    """
    file = folder / graph
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(_graph(token_types, difficulty, strength, outputs, logits), str(file))
    _write_tokenizer(folder)
    write_card(folder, {"id2label": {str(index): label for index, label in enumerate(labels)}})
    return folder


def write_card(folder: Path, card: object) -> None:
    """config.json."""
    (folder / "config.json").write_text(json.dumps(card))


def _write_tokenizer(folder: Path) -> None:
    tokenizer = tokenizers.Tokenizer(WordLevel(_VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", _VOCABULARY["[CLS]"]), ("[SEP]", _VOCABULARY["[SEP]"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def _graph(
    token_types: bool, difficulty: float | None, strength: float, outputs: int, logits: str
) -> onnx.ModelProto:
    """Each token has a row of logits; those that attention_mask lets through are added up."""
    rows = np.zeros((len(_VOCABULARY) + 1, outputs), np.float32)
    rows[_VOCABULARY["refund"], 0] = strength
    rows[_VOCABULARY["outage"], 1] = strength
    rows[_VOCABULARY["nonsense"]] = np.nan
    inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if token_types else [])]
    logits = logits if difficulty is None else "intent_logits"
    nodes = [
        # a token type that is not 0 reads another row
        helper.make_node("Add" if token_types else "Identity", inputs[:1] + inputs[2:], ["rows_read"]),
        helper.make_node("Gather", ["rows", "rows_read"], ["by_token"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["column"]),
        helper.make_node("Mul", ["by_token", "column"], ["attended"]),
        helper.make_node("ReduceSum", ["attended", "token_axis"], [logits], keepdims=0),
    ]
    constants = {"rows": rows, "last_axis": np.array([2]), "token_axis": np.array([1])}
    results = [helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["batch", outputs])]
    if difficulty is not None:
        constants["difficulty"] = np.array([[difficulty]], np.float32)
        nodes.append(helper.make_node("Identity", ["difficulty"], ["difficulty_logit"]))
        results.append(helper.make_tensor_value_info("difficulty_logit", TensorProto.FLOAT, [1, 1]))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs],
        results,
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
