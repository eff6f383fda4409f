"""Prompts of a chosen length that nobody has asked before, so that no cache answers them."""

import json
import random

# Each is one token of the shipped model's vocabulary.
_WORDS = (
    "the a of and to in for with on from by about how what why when where which please write explain compare list "
    "find show give make plan check read code data list table number letter report city water music science "
    "history language market energy computer school river winter summer family health travel company project "
    "customer price team system model method result question answer problem example reason story picture window "
    "garden engine road small large new old fast slow simple short long early late open clear strong light heavy "
    "common useful correct"
)

# [CLS] and [SEP] stand around every prompt.
_FRAME_TOKENS = 2


class PromptSource:
    """Makes prompts, each but once. The same seed gives the same prompts."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._words = _WORDS.split()
        self._made: set[str] = set()

    def make(self, tokens: int) -> str:
        """A prompt of about that many tokens, [CLS] and [SEP] included; at least 10, or they run out."""
        while True:
            prompt = " ".join(self._random.choices(self._words, k=tokens - _FRAME_TOKENS))
            if prompt not in self._made:
                self._made.add(prompt)
                return prompt


def chat_body(prompt: str, model: str = "auto") -> str:
    """A chat completion with one user message."""
    return json.dumps({"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": prompt}]})
