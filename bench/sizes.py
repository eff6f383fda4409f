"""How much is measured: what decides how long a run takes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The amount of work in each part of a run."""

    decision_rounds: int
    decision_prompts: int
    """Prompts of each length in a round; every one is new."""
    signal_readings: int
    """Of each text."""
    load_rounds: int
    """Besides the warm-up round, which is thrown away."""
    load_requests: Mapping[int, int]
    """Requests in a round, by concurrency."""
    load_seconds: float
    """No further round begins after this; what has been measured by then is reported."""
    starts: int
    """How often the sidecar is started to time it."""


FULL = Sizes(
    decision_rounds=9,
    decision_prompts=30,
    signal_readings=200,
    load_rounds=7,
    load_requests={1: 300, 8: 800, 64: 1600},
    load_seconds=330,
    starts=3,
)

QUICK = Sizes(
    decision_rounds=5,
    decision_prompts=12,
    signal_readings=50,
    load_rounds=3,
    load_requests={1: 60, 8: 200, 64: 400},
    load_seconds=40,
    starts=3,
)
