"""What a model says of many prompts, as arrays to measure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.inference.tokenizer import Tokens
from sidecar.processors import available_processors


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model says about n prompts."""

    probabilities: NDArray[np.float64]
    """Shape (n, intents), rows sum to 1."""
    difficulties: NDArray[np.float64]
    """Shape (n), in [0, 1]; nan from a model that tells none."""

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


def answer(classifier: OnnxClassifier, texts: Sequence[str]) -> Answers:
    """Ask one prompt at a time, as the sidecar does, on all processors."""
    with ThreadPoolExecutor(available_processors()) as pool:
        readings = list(pool.map(classifier.read, texts))
    return Answers(
        probabilities=np.array([reading.probabilities for reading in readings], dtype=np.float64),
        difficulties=np.array([reading.difficulty for reading in readings], dtype=np.float64),
    )


def median_milliseconds(classifier: OnnxClassifier, tokens: int, repeats: int = 200) -> float:
    """Median time of the graph alone on one text of `tokens` tokens, on one thread."""
    ids = np.random.default_rng(0).integers(1_000, 20_000, size=(1, tokens), dtype=np.int64)
    feed = classifier.feed(Tokens(ids, characters=4 * tokens, truncated=False))
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        classifier.session.run(classifier.outputs, feed)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1_000
