"""The deterministic texts the providers answer with, and the token numbers that go with them."""

from collections.abc import Iterator, Mapping
from typing import Any

# The providers' own rule of thumb for English text.
CHARACTERS_PER_TOKEN = 4


def answer_of(title: str, model: str) -> str:
    """The answer of a model: says who answered, and repeats nothing of the prompt."""
    return f"This is {model} of {title}: a demo answer, the same for every prompt, to show which model was chosen."


def tokens_of(text_characters: int) -> int:
    """Tokens for so many characters, at least one."""
    return max(1, text_characters // CHARACTERS_PER_TOKEN)


def pieces_of(text: str) -> list[str]:
    """The text cut as a stream would cut it: a word with the space before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def prompt_characters(body: Mapping[str, Any]) -> int:
    """Characters of text in a request of any of the APIs."""
    return sum(map(len, texts_of(body)))


def texts_of(body: Mapping[str, Any]) -> Iterator[str]:
    """The texts that a request of any of the APIs is made of, in the order in which a model reads them."""
    for key in ("tools", "system", "instructions", "messages", "input", "prompt"):
        yield from _texts(body.get(key))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            # An image is a long data URL; it is billed by size, not by character.
            if key not in ("role", "type", "image_url", "source", "cache_control"):
                yield from _texts(item)
