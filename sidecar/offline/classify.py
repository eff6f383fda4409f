"""`sidecar classify`: what the sidecar would make of each prompt of a file."""

from collections.abc import Iterable, Iterator

import msgspec

from sidecar.offline.loading import Setup
from sidecar.routing.classification import Classification
from sidecar.streams.lines import Line, read_lines
from sidecar.streams.ordered import in_order

_INTENTS_SHOWN = 3

# What is left out is far below what a change of the machine's instruction set does to an int8 graph.
_DECIMALS = 6


def classify_lines(source: Iterable[bytes], setup: Setup, threads: int) -> Iterator[bytes]:
    """One JSON line for each line `{"text": …}`, in their order, while they come.

    Raises InputError, after the lines before the faulty one, and ClassifierFailedError.
    """
    return in_order(read_lines(source), lambda line: _classify(line, setup), threads)


def _classify(line: Line, setup: Setup) -> bytes:
    reading = setup.classifier.read(line.string("text"))
    by_probability = sorted(
        zip(reading.probabilities.tolist(), setup.classifier.intents, strict=True), key=lambda pair: -pair[0]
    )
    confidence, intent = by_probability[0]
    classification = Classification(intent, confidence, reading.difficulty, reading.truncated)
    tier = setup.tier_rule.tier_of(classification)
    written = {
        "intent": intent,
        "confidence": round(confidence, _DECIMALS),
        "intents": {name: round(share, _DECIMALS) for share, name in by_probability[:_INTENTS_SHOWN]},
        "difficulty": None if reading.difficulty is None else round(reading.difficulty, _DECIMALS),
        "tier": tier.label,
        "truncated": reading.truncated,
    }
    return msgspec.json.encode(written) + b"\n"
