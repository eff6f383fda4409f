"""Classifications already made: the same prompt is not read twice."""

import hashlib
from collections import OrderedDict
from dataclasses import replace

from sidecar.routing.classification import Classification, Classifier


class CachedClassifier:
    """A Classifier that remembers the last `max_entries` answers of another.

    Prompts are kept as hashes, never as text. A classification depends on nothing but the prompt, so an entry never
    goes stale.
    """

    def __init__(self, classifier: Classifier, max_entries: int) -> None:
        self._classifier = classifier
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, Classification] = OrderedDict()

    async def classify(self, prompt: str) -> Classification:
        """Raises what the other classifier raises; errors are not remembered."""
        key = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._entries.get(key)
        if known is not None:
            self._entries.move_to_end(key)
            return known
        classification = await self._classifier.classify(prompt)
        self._entries[key] = replace(classification, cached=True)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return classification
