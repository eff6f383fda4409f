"""A DistilBERT classifier in ONNX Runtime: one prompt in, one classification out.

Two kinds of model are understood: the shipped one (outputs `intent_logits` and `difficulty_logit`), and any
text-classification export of Hugging Face optimum (output `logits`, labels in its config.json).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sidecar.inference.tokenizer import PromptTokenizer, Tokens
from sidecar.routing.classification import Classification, ClassifierFailedError

SHIPPED_MODEL = Path(__file__).parent / "model"

# optimum writes both when it quantises; on a CPU the int8 graph is two to three times as fast.
_GRAPHS = ("model_quantized.onnx", "onnx/model_quantized.onnx", "model.onnx", "onnx/model.onnx")

# Long enough for head and tail of a prompt, short enough for a deadline of tens of milliseconds.
_DEFAULT_MAX_TOKENS = 128


# Fused with the sum before it, a layer normalisation takes three times as long on a CPU (onnxruntime 1.22 to 1.32):
# a sixth of the whole time.
_SLOWER = ["SkipLayerNormFusion"]

# As decision records have them: what is decided by a record is decided by the same numbers.
_DIGITS = 4

# What people want to see of fifteen: the answer, and what it was nearly.
_LIKELIEST = 3


class ModelFolderError(Exception):
    """A model folder that cannot be used; the message names it and what was expected in it."""


@dataclass(frozen=True, slots=True)
class _Card:
    """What config.json says."""

    intents: tuple[str, ...]
    max_tokens: int
    version: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a model says of one prompt."""

    probabilities: NDArray[np.float32]
    """One for each intent, in the order of the classifier's `intents`; they sum to 1."""
    difficulty: float | None
    """0 when any model will do, 1 when only the strongest will; None from a model without that head."""
    truncated: bool
    embedding: NDArray[np.float32] | None
    """The prompt as a vector of length 1; None from a model without that output."""


class OnnxClassifier:
    """Classifies on the calling thread; any number of threads may share one."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: PromptTokenizer, card: _Card) -> None:
        self.session = session
        self.tokenizer = tokenizer
        self._inputs = {each.name for each in session.get_inputs()}
        outputs = [each.name for each in session.get_outputs()]
        self.has_difficulty = "difficulty_logit" in outputs
        intents = "intent_logits" if "intent_logits" in outputs else "logits"
        self.outputs = [intents, "difficulty_logit"] if self.has_difficulty else [intents]
        """What a classification is made of."""
        self.has_embedding = "embedding" in outputs
        self._read_outputs = [*self.outputs, "embedding"] if self.has_embedding else self.outputs
        self.intents = card.intents
        self.version = card.version
        """Names the model in decisions and spans."""

    @classmethod
    def load(cls, folder: Path) -> "OnnxClassifier":
        """Raises ModelFolderError."""
        graph = _find_graph(folder)
        card = _read_card(folder, graph)
        if not (folder / "tokenizer.json").is_file():
            raise ModelFolderError(f"{folder}: has no tokenizer.json")
        try:
            session = onnxruntime.InferenceSession(
                graph, _session_options(), ["CPUExecutionProvider"], disabled_optimizers=_SLOWER
            )
            tokenizer = PromptTokenizer.load(folder, card.max_tokens)
        except Exception as error:  # both libraries raise their own native types for a damaged file
            raise ModelFolderError(f"{folder}: cannot be loaded: {error}") from error
        classifier = cls(session, tokenizer, card)
        classifier._check(folder)
        return classifier

    def classify(self, prompt: str) -> Classification:
        """Raises ClassifierFailedError."""
        reading = self.read(prompt)
        likeliest = [
            (self.intents[i], round(float(reading.probabilities[i]), _DIGITS))
            for i in np.argsort(-reading.probabilities, kind="stable")[:_LIKELIEST]
        ]
        intent, confidence = likeliest[0]
        return Classification(
            intent=intent,
            confidence=confidence,
            difficulty=None if reading.difficulty is None else round(reading.difficulty, _DIGITS),
            truncated=reading.truncated,
            likeliest=tuple(likeliest),
            embedding=reading.embedding,
        )

    def read(self, prompt: str) -> Reading:
        """Raises ClassifierFailedError."""
        tokens = self.tokenizer.encode(prompt)
        try:
            outputs = self.session.run(self._read_outputs, self.feed(tokens))
        except Exception as error:  # ONNX Runtime raises its own native types; this is where they end
            raise ClassifierFailedError(str(error)) from error
        if not all(np.isfinite(output).all() for output in outputs):
            raise ClassifierFailedError("the model gave outputs that are no numbers")
        return Reading(
            probabilities=_softmax(outputs[0][0]),
            difficulty=_sigmoid(float(outputs[1].item())) if self.has_difficulty else None,
            truncated=tokens.truncated,
            embedding=outputs[-1][0] if self.has_embedding else None,
        )

    def feed(self, tokens: Tokens) -> dict[str, NDArray[np.int64]]:
        """One unpadded row: a batch, or padding, would change the int8 graph's scales and so the answer."""
        feed = {"input_ids": tokens.input_ids}
        if "attention_mask" in self._inputs:
            feed["attention_mask"] = np.ones_like(tokens.input_ids)
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(tokens.input_ids)
        if "characters" in self._inputs:
            feed["characters"] = np.array([tokens.characters], dtype=np.int64)
        return feed

    def _check(self, folder: Path) -> None:
        """Run it once: a graph with other inputs or another number of labels must not start to serve."""
        try:
            tokens = Tokens(np.array([[1, 2, 3]]), characters=1, truncated=False)
            logits, *difficulty = self.session.run(self.outputs, self.feed(tokens))
        except Exception as error:
            raise ModelFolderError(f"{folder}: not a text classifier that can be used here: {error}") from error
        if difficulty and difficulty[0].size != 1:
            raise ModelFolderError(f"{folder}: difficulty_logit has shape {difficulty[0].shape}, expected (batch)")
        if logits.shape != (1, len(self.intents)):
            raise ModelFolderError(
                f"{folder}: the model gives {logits.shape[-1]} labels, id2label in config.json {len(self.intents)}"
            )


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # One thread a prompt and prompts side by side: more throughput than one prompt at a time on all cores, and no
    # thread of ONNX Runtime spins on a core that Envoy needs.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _find_graph(folder: Path) -> Path:
    if not folder.is_dir():
        raise ModelFolderError(f"{folder}: no such folder")
    for name in _GRAPHS:
        if (folder / name).is_file():
            return folder / name
    raise ModelFolderError(f"{folder}: has none of {', '.join(_GRAPHS)}")


def _read_card(folder: Path, graph: Path) -> _Card:
    file = folder / "config.json"
    try:
        config: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
        labels = {int(key): str(label) for key, label in config["id2label"].items()}
        intents = tuple(labels[index] for index in range(len(labels)))
        longest = int(config.get("max_position_embeddings", _DEFAULT_MAX_TOKENS))
        max_tokens = int(config.get("max_tokens", min(longest, _DEFAULT_MAX_TOKENS)))
    except OSError as error:
        raise ModelFolderError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelFolderError(f'{file}: expected JSON with "id2label": {{"0": …, "1": …}}: {error!r}') from error
    version = config.get("version", f"{folder.name}-{graph.stat().st_size}")
    return _Card(intents, max_tokens, str(version))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponentials = np.exp(logits - logits.max())
    probabilities: NDArray[np.float32] = exponentials / exponentials.sum()
    return probabilities


def _sigmoid(logit: float) -> float:
    return (1 + math.tanh(logit / 2)) / 2  # the same function, but no exponential that overflows
