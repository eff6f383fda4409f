"""A prompt to learn from: its text, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sidecar.routing.tier import Tier


@dataclass(frozen=True, slots=True)
class Teaching:
    """What other models say of a prompt."""

    intents: NDArray[np.float32]
    """Shape (intents), sums to 1."""
    above: NDArray[np.float32]
    """Shape (tiers - 1): probability of needing more than each of the lower tiers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One labelled prompt; what nobody labelled is None."""

    text: str
    group: str = ""
    """Who wrote it or where it comes from."""
    intent: int | None = None
    tier: Tier | None = None
    failure: float | None = None
    """Share of graded cheap models, 0 to 1, whose answer was not good enough."""
    weight: float = 1.0
    """How much its labels count."""
    copies: int = 0
    """Varied copies learnt from beside the text itself, others in each epoch."""
    teaching: Teaching | None = None
