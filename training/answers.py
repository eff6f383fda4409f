"""Owns running an exported model over prompts, one at a time and unpadded, as the sidecar does."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sidecar.inference.tokenizer import PromptTokenizer


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model says about n prompts."""

    probabilities: NDArray[np.float64]
    """Shape (n, 15), rows sum to 1."""
    difficulties: NDArray[np.float64]
    """Shape (n), in [0, 1]."""

    def take(self, rows: NDArray[np.bool_]) -> Answers:
        """The answers to some of the prompts."""
        return Answers(self.probabilities[rows], self.difficulties[rows])

    @property
    def intents(self) -> NDArray[np.int64]:
        """The likeliest intent of each prompt."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def confidences(self) -> NDArray[np.float64]:
        """The probability of that intent."""
        return np.asarray(self.probabilities.max(axis=1), dtype=np.float64)


class Model:
    """An exported graph with its tokenizer."""

    def __init__(self, folder: Path, graph: Path | None = None) -> None:
        """`graph` runs another file than the folder's own `model.onnx`, with the folder's tokenizer."""
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.tokenizer = PromptTokenizer.load(folder, self.config["max_tokens"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(graph or folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def answer(self, texts: list[str]) -> Answers:
        """Intents and difficulties of `texts`."""
        outputs = [self._run(self.tokenizer.encode(text).input_ids) for text in texts]
        logits = np.concatenate([intent_logits for intent_logits, _ in outputs]).astype(np.float64)
        difficulty_logits = np.concatenate([logit for _, logit in outputs]).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return Answers(
            probabilities=exponentials / exponentials.sum(axis=1, keepdims=True),
            difficulties=1.0 / (1.0 + np.exp(-difficulty_logits)),
        )

    def median_milliseconds(self, tokens: int, repeats: int = 200) -> float:
        """Median time of the graph alone on one text of `tokens` tokens, on one thread."""
        ids = np.random.default_rng(0).integers(1_000, 20_000, size=(1, tokens), dtype=np.int64)
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            self._run(ids)
            times.append(time.perf_counter() - started)
        return float(np.median(times)) * 1_000

    def _run(self, input_ids: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        intent_logits, difficulty_logit = self.session.run(
            ["intent_logits", "difficulty_logit"],
            {"input_ids": input_ids, "attention_mask": np.ones_like(input_ids)},
        )
        return intent_logits, difficulty_logit
