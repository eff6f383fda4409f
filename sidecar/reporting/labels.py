"""Labelled prompts out of a log, for `sidecar train`: sampled texts whose feedback says what they are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from sidecar.reporting.store import Store
from sidecar.routing.tier import Tier

_TIERS = frozenset(tier.label for tier in Tier)

_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class Written:
    """What became of the labels."""

    tiers: int = 0
    intents: int = 0
    others: Counter[str] = field(default_factory=Counter)
    """Words that are no tier, and no intent of any record of the log."""


def write_labels(store: Store, out: BinaryIO) -> Written:
    """A line `{"text", "intent" or "tier", "group"}` for each; the group is the tenant, where there is one."""
    intents = {name for (name,) in store.ask("SELECT DISTINCT unnest([intent, second]) FROM requests")}
    written = Written()
    query = "SELECT text, label, tenant FROM requests WHERE text IS NOT NULL AND label IS NOT NULL ORDER BY time"
    for text, label, tenant in store.each(query):
        if label in _TIERS:
            written.tiers += 1
            line = {"text": text, "tier": label}
        elif label in intents:
            written.intents += 1
            line = {"text": text, "intent": label}
        else:
            written.others[label] += 1
            continue
        out.write(_ENCODER.encode(line if tenant is None else {**line, "group": tenant}) + b"\n")
    return written
