"""The whole decision beside raw ONNX Runtime: what our own code adds to the inference, in one process.

Raw is `session.run` on token ids that are ready. The decision is everything between Envoy's two messages and the
bytes of the reply: messages parsed, body parsed, signals read, prompt tokenized and classified on a thread of the
pool under the deadline, plan and record made, reply built. Only gRPC itself is left out. Both run the same session on
the same prompts, in turn.
"""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import median
from bench.prompts import PromptSource, chat_body
from bench.recorded_stream import ExchangeTimes, RecordedStream
from bench.sizes import Sizes
from sidecar.assembly import build_engine, build_router
from sidecar.config.compile import load_config
from sidecar.envoyconfig.shipped import shipped_file
from sidecar.extproc.processor import Processor
from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.routing.router import Routers

# Asked for by tokens; the last is longer than the model reads, so head and tail of it are kept.
LENGTHS = (16, 32, 64, 128, 1000)


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One length of prompt; times are medians over rounds of the p50 within each, in ms."""

    tokens: int
    """As the model reads them."""
    is_truncated: bool
    prompts: int
    raw_ms: float
    decision_ms: float
    ratio: float
    """Decision over raw, like `added_ms` the median of what the rounds gave."""
    added_ms: float
    parse_ms: float
    classify_ms: float
    """Waiting for the pool: raw inference, tokenizing, and the way to a thread and back."""
    rest_ms: float
    """Signals, plan, record and reply."""
    fallbacks: int
    """Decisions that missed the deadline, because the machine was busy."""

    @property
    def goal_ms(self) -> float:
        """What a decision may take."""
        return 1.5 * self.raw_ms + 1


class _Decider:
    """One classifier, run raw and as a whole."""

    def __init__(self) -> None:
        config = load_config(shipped_file("examples", "router.yaml"))
        self._engine = build_engine(config, workers=1)
        self.classifier = self._engine.onnx
        self.times = ExchangeTimes()
        routers = Routers(build_router(config, self._engine))
        self._processor = Processor(lambda: routers, [self.times])

    async def decide(self, prompt: str) -> float:
        """Seconds for the whole decision."""
        stream = RecordedStream(chat_body(prompt).encode())
        started = time.perf_counter()
        await self._processor.process(stream)
        return time.perf_counter() - started

    def run_raw(self, prompt: str) -> float:
        """Seconds for the inference alone."""
        # The same session, not a second one: two copies of the weights would push each other out of the cache.
        session, outputs, feed = _raw_parts(self.classifier, prompt)
        started = time.perf_counter()
        session.run(outputs, feed)
        return time.perf_counter() - started

    def close(self) -> None:
        """End the threads."""
        self._engine.pool.close()


async def measure_decisions(sizes: Sizes, source: PromptSource) -> list[DecisionRow]:
    """A row for each length; run it in uvloop, as the sidecar does."""
    decider = _Decider()
    rounds: dict[int, list[_Round]] = {length: [] for length in LENGTHS}
    try:
        await _run_round(decider, [source.make(LENGTHS[0]) for _ in range(5)])  # warm up
        for _ in range(sizes.decision_rounds):
            for length in LENGTHS:
                prompts = [source.make(length) for _ in range(sizes.decision_prompts)]
                rounds[length].append(await _run_round(decider, prompts))
        return [_summarise(decider.classifier, source.make(length), rounds[length]) for length in LENGTHS]
    finally:
        decider.close()


@dataclass(frozen=True, slots=True)
class _Round:
    """The p50 of each measure, in seconds."""

    prompts: int
    raw: float
    decision: float
    parse: float
    classify: float
    rest: float
    fallbacks: int


async def _run_round(decider: _Decider, prompts: Sequence[str]) -> _Round:
    decider.times.clear()
    raw, whole = [], []
    gc.collect()
    for number, prompt in enumerate(prompts):
        if number % 2:  # who goes second finds the tokenizer's cache warm
            whole.append(await decider.decide(prompt))
            raw.append(decider.run_raw(prompt))
        else:
            raw.append(decider.run_raw(prompt))
            whole.append(await decider.decide(prompt))
    times = decider.times
    return _Round(
        prompts=len(prompts),
        raw=median(raw),
        decision=median(whole),
        parse=median(times.parse),
        classify=median(times.classify),
        rest=median(times.decide),
        fallbacks=times.fallbacks,
    )


def _summarise(classifier: OnnxClassifier, example: str, rounds: Sequence[_Round]) -> DecisionRow:
    tokens = classifier.tokenizer.encode(example)
    return DecisionRow(
        tokens=tokens.input_ids.shape[1],
        is_truncated=tokens.truncated,
        prompts=sum(each.prompts for each in rounds),
        raw_ms=median(each.raw for each in rounds) * 1000,
        decision_ms=median(each.decision for each in rounds) * 1000,
        ratio=median(each.decision / each.raw for each in rounds),
        added_ms=median(each.decision - each.raw for each in rounds) * 1000,
        parse_ms=median(each.parse for each in rounds) * 1000,
        classify_ms=median(each.classify for each in rounds) * 1000,
        rest_ms=median(each.rest for each in rounds) * 1000,
        fallbacks=sum(each.fallbacks for each in rounds),
    )


def _raw_parts(classifier: OnnxClassifier, prompt: str) -> tuple[Any, list[str], dict[str, NDArray[np.int64]]]:
    """Session, outputs and inputs, as the classifier itself would use them."""
    tokens = classifier.tokenizer.encode(prompt)
    return classifier.session, classifier.outputs, classifier.feed(tokens)
