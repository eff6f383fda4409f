"""Classifications already made: the same prompt is not read twice."""

import hashlib
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sidecar.routing.classification import Classification

# Nobody writes the same document twice but for its commas; finding out takes 0.1 µs a character of the event loop.
_LONGEST_NEAR_DUPLICATE = 10_000


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What is remembered, and for whom."""

    max_entries: int = 4096
    across_tenants: bool = False
    """Whether one tenant's prompts may be recognised, by their speed, in another's."""
    near_duplicates: bool = False
    """Whether prompts that differ in case, spacing and punctuation alone are one."""


class CachedClassifier:
    """A Classifier that remembers the last classifications.

    Prompts are kept as hashes, never as text. A classification depends on nothing but the prompt and the model, and a
    cache belongs to one model: a policy may change without an entry going stale.
    """

    def __init__(
        self,
        classify: Callable[[str], Classification],
        run: Callable[[Callable[[], Classification]], Awaitable[Classification]],
        settings: CacheSettings,
    ) -> None:
        """`classify` blocks; `run` runs it elsewhere. Raises what either raises, and remembers no errors."""
        self._classify = classify
        self._run = run
        self._settings = settings
        self._entries: OrderedDict[bytes, Classification] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """Raises what the classifier raises."""
        key = self._key(prompt, owner)
        with self._lock:
            known = self._entries.get(key)
            if known is not None:
                self._entries.move_to_end(key)
                self.hits += 1
                return known
            self.misses += 1
        return await self._run(lambda: self._classify_and_remember(prompt, key))

    def _classify_and_remember(self, prompt: str, key: bytes) -> Classification:
        """On the classifier's thread: an answer that comes too late for this request is there for the next."""
        classification = self._classify(prompt)
        if self._settings.max_entries:
            with self._lock:
                self._entries[key] = replace(classification, cached=True)
                if len(self._entries) > self._settings.max_entries:
                    self._entries.popitem(last=False)
        return classification

    def _key(self, prompt: str, owner: str) -> bytes:
        text = prompt
        if self._settings.near_duplicates and len(prompt) <= _LONGEST_NEAR_DUPLICATE:
            text = normalise(prompt) or prompt  # signs alone are not all one
        whose = "" if self._settings.across_tenants else owner
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"),
            digest_size=16,
            key=hashlib.blake2b(whose.encode("utf-8", "surrogatepass"), digest_size=32).digest(),
        ).digest()


def normalise(prompt: str) -> str:
    """The same for prompts that differ in case, spacing and punctuation alone."""
    folded = unicodedata.normalize("NFKC", prompt).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in folded).split())
