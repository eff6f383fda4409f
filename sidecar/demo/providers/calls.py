"""One request to an endpoint, as far as the endpoints need to know it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.demo.providers.catalog import Provider
from sidecar.demo.providers.chat_text import answer_of, prompt_characters
from sidecar.demo.providers.prompt_cache import CacheUse, PromptCache

# OpenAI counts them in such steps.
REASONING_TOKENS = 64


def _now() -> int:
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Call:
    """A request with a known model and a JSON object as its body. `number` makes the ids of the answer."""

    provider: Provider
    model: str
    body: Mapping[str, Any]
    number: int
    cache: PromptCache
    created: int = field(default_factory=_now)

    @property
    def text(self) -> str:
        """The text this model answers with."""
        return answer_of(self.provider.title, self.model)

    @property
    def prompt_characters(self) -> int:
        """Characters of text in the request."""
        return prompt_characters(self.body)

    @property
    def reasoning_tokens(self) -> int:
        """What the model writes before its text, and shows nobody."""
        return REASONING_TOKENS if self.model in self.provider.reasoning_models else 0

    def use_cache(self) -> CacheUse:
        """What the provider had of the prompt; to be asked once, since it has all of it then."""
        return self.cache.use(self.model, self.body)
