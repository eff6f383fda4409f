"""What a provider still has of a prompt: beginnings that were sent before, counted as the real providers count them.

https://platform.openai.com/docs/guides/prompt-caching
https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.demo.providers.chat_text import CHARACTERS_PER_TOKEN, texts_of

# Neither OpenAI nor Anthropic keeps less, and OpenAI counts in such steps from there on.
SMALLEST_TOKENS = 1024
STEP_TOKENS = 128

_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Of one request, in tokens."""

    read: int
    """That were there."""
    written: int
    """That follow them and are there from now on."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """A beginning of a prompt."""

    tokens: int
    digest: bytes
    is_kept: bool
    """Whether it is for later requests; one that is not may still have been kept for an earlier one."""


class PromptCache:
    """Of one provider; each model has its own entries."""

    def __init__(self, prefixes_of: Callable[[Mapping[str, Any]], Iterator[Prefix]]) -> None:
        """`prefixes_of`: the beginnings of the prompt of a body, shortest first."""
        self._prefixes_of = prefixes_of
        self._kept: dict[tuple[str, bytes], None] = {}

    def use(self, model: str, body: Mapping[str, Any]) -> CacheUse:
        """Look for the longest beginning, and keep what is to be kept."""
        prefixes = [prefix for prefix in self._prefixes_of(body) if prefix.tokens >= SMALLEST_TOKENS]
        end = max((prefix.tokens for prefix in prefixes if prefix.is_kept), default=0)
        found = [prefix.tokens for prefix in prefixes if (model, prefix.digest) in self._kept]
        read = max((tokens for tokens in found if tokens <= end), default=0)
        for prefix in prefixes:
            if prefix.is_kept:
                self._keep((model, prefix.digest))
        return CacheUse(read, end - read)

    def _keep(self, key: tuple[str, bytes]) -> None:
        self._kept.pop(key, None)  # used again, it goes later
        self._kept[key] = None
        if len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]


def every_prefix(body: Mapping[str, Any]) -> Iterator[Prefix]:
    """As OpenAI and Google keep them, unasked: in steps of tokens."""
    text = "".join(texts_of(body))
    digest = hashlib.sha256()
    begin = 0
    for tokens in range(SMALLEST_TOKENS, len(text) // CHARACTERS_PER_TOKEN + 1, STEP_TOKENS):
        end = tokens * CHARACTERS_PER_TOKEN
        digest.update(_bytes(text[begin:end]))
        begin = end
        yield Prefix(tokens, digest.digest(), is_kept=True)


def marked_prefixes(body: Mapping[str, Any]) -> Iterator[Prefix]:
    """As Anthropic keeps them: up to the end of each block that has a `cache_control`."""
    digest = hashlib.sha256()
    characters = 0
    for block in _blocks(body):
        for text in texts_of({"messages": block}):
            digest.update(_bytes(text))
            characters += len(text)
        is_kept = isinstance(block, dict) and bool(block.get("cache_control"))
        yield Prefix(characters // CHARACTERS_PER_TOKEN, digest.digest(), is_kept)


def _blocks(body: Mapping[str, Any]) -> Iterator[object]:
    """In the order in which they make the prompt."""
    yield from body.get("tools") or ()
    yield from _parts(body.get("system"))
    for message in body.get("messages") or ():
        yield from _parts(message.get("content"))


def _parts(content: object) -> list[object]:
    return content if isinstance(content, list) else [content]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
