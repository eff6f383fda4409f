"""`sidecar classify`: what the sidecar would make of each prompt of a file."""

from collections.abc import Iterable, Iterator

import msgspec

from sidecar.offline.loading import Setup
from sidecar.streams.lines import Line, read_lines
from sidecar.streams.ordered import in_order


def classify_lines(source: Iterable[bytes], setup: Setup, threads: int) -> Iterator[bytes]:
    """One JSON line for each line `{"text": …}`, in their order, while they come.

    Raises InputError, after the lines before the faulty one, and ClassifierFailedError.
    """
    return in_order(read_lines(source), lambda line: _classify(line, setup), threads)


def _classify(line: Line, setup: Setup) -> bytes:
    classification = setup.classifier.classify(line.string("text"))
    written = {
        "intent": classification.intent,
        "confidence": classification.confidence,
        "intents": dict(classification.likeliest),
        "difficulty": classification.difficulty,
        "tier": setup.tier_rule.tier_of(classification).label,
        "truncated": classification.truncated,
    }
    return msgspec.json.encode(written) + b"\n"
