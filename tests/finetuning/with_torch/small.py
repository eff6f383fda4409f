"""A network and its model folder, small enough to be trained in a test."""

from pathlib import Path

import tokenizers
import torch
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from sidecar.finetuning.export import MAX_TOKENS, write_model_folder
from sidecar.finetuning.network import Classifier, Encoder, Shape
from sidecar.inference.tokenizer import PromptTokenizer

TOPICS = ("refund", "outage", "address")
FILLERS = ("the", "my", "order", "please", "today", "since", "account", "about", "again", "still", "is", "and")
HARD = ("prove", "derive")

INTENTS = ("billing", "operations", "shipping")
"""What a model folder knows unless told otherwise."""

_VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *TOPICS, *FILLERS, *HARD)

# The inner width is no multiple of the 128 values that share a scale.
SHAPE = Shape(vocabulary=len(_VOCABULARY), positions=MAX_TOKENS, width=16, layers=1, heads=2, inner_width=40)


def tokenizer_text() -> str:
    """tokenizer.json: one token for each word."""
    tokenizer = tokenizers.Tokenizer(WordLevel({word: i for i, word in enumerate(_VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", _VOCABULARY.index("[CLS]")), ("[SEP]", _VOCABULARY.index("[SEP]"))],
    )
    text: str = tokenizer.to_str()
    return text


def small_tokenizer() -> PromptTokenizer:
    """As the sidecar cuts prompts."""
    return PromptTokenizer(tokenizers.Tokenizer.from_str(tokenizer_text()), MAX_TOKENS)


def small_network(seed: int = 0, intents: int = len(INTENTS)) -> Classifier:
    """With random weights, all of them different, as those of a trained network are."""
    torch.manual_seed(seed)
    network = Classifier(SHAPE, Encoder(SHAPE), intents)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.dim() == 1 and name != "cuts":
                parameter.add_(0.1 * torch.randn_like(parameter))
    network.eval()
    return network


def write_small_folder(
    folder: Path, network: Classifier | None = None, intents: tuple[str, ...] = INTENTS, date: str = "2026-01-31"
) -> str:
    """A folder with that network, or a random one; returns the version."""
    network = network or small_network(intents=len(intents))
    return write_model_folder(
        network, SHAPE, intents, tokenizer_text(), folder, float_file=folder.with_suffix(".float.onnx"), date=date
    )
