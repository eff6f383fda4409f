"""Intents by example: which of a policy's own intents a prompt is closest to, by the classifier's embedding."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sidecar.routing.classification import Embedding, Example
from sidecar.routing.policy import ExampleIntent

# As decision records have it: what is decided by a record is decided by the same number.
_DIGITS = 4

Embed = Callable[[str], NDArray[np.float32] | None]


class ExamplesUnusableError(Exception):
    """The model in use has no embedding to compare examples by; the message says so."""


class ExampleIndex:
    """An ExampleMatcher over the examples of one policy, each embedded once."""

    def __init__(self, intents: Sequence[ExampleIntent], embed: Embed) -> None:
        """Raises ExamplesUnusableError."""
        vectors = []
        self._owners: list[ExampleIntent] = []
        for intent in intents:
            for example in intent.examples:
                vector = embed(example)
                if vector is None:
                    raise ExamplesUnusableError(
                        f"the policy has examples of {intent.name!r}, but the model has no output `embedding`"
                    )
                vectors.append(vector)
                self._owners.append(intent)
        self._vectors = np.stack(vectors) if vectors else None

    def match(self, embedding: Embedding | None) -> Example | None:
        """The closest example's intent, if it is close enough; of several intents that are, the closest."""
        if self._vectors is None or embedding is None:
            return None
        similarities = (self._vectors @ embedding).astype(np.float64).round(_DIGITS)
        for i in np.argsort(-similarities, kind="stable"):
            owner, similarity = self._owners[i], float(similarities[i])
            if similarity >= owner.threshold:
                return Example(owner.name, similarity)
        return None
