"""The same request as a hurried person types it; the label must survive, so words are never replaced."""

from __future__ import annotations

import random

# Real users wrap a request in phrases that say nothing about it.
_OPENERS = (
    "hi, ",
    "Hello! ",
    "hey ",
    "please ",
    "Quick one: ",
    "Could you help me with this? ",
    "pls ",
    "So, ",
)
_CLOSERS = (" thanks", " Thank you!", " please", " pls", " thx!!", " Thanks in advance.", " asap")


# Of texts that have a material and an instruction, how many get them the other way round.
_REORDERED_SHARE = 0.4


def careless_copy(text: str, rng: random.Random) -> str:
    """With typos, courtesies, lost punctuation or its parts in another order; a few just as they are."""
    if rng.random() < _REORDERED_SHARE:
        text = reordered(text)
    change = rng.randrange(6)
    if change in (0, 1):
        return with_typos(text, rng)
    if change == 2:
        return with_courtesy(text, rng)
    if change == 3:
        return with_courtesy(with_typos(text, rng), rng)
    if change == 4:
        return text.rstrip(" .?!") if rng.random() < 0.5 else " ".join(text.replace("'", "").split())
    return text


def with_courtesy(text: str, rng: random.Random) -> str:
    """Something polite before it, after it, or both."""
    opener = rng.choice(_OPENERS) if rng.random() < 0.6 else ""
    closer = rng.choice(_CLOSERS) if not opener or rng.random() < 0.4 else ""
    return f"{opener}{text}{closer}"


def reordered(text: str) -> str:
    """What stands before the first blank line (an instruction, as a rule) put at the end; without one, unchanged."""
    first, blank, rest = text.partition("\n\n")
    return f"{rest}{blank}{first}" if rest.strip() else text


def with_typos(text: str, rng: random.Random) -> str:
    """Swap, drop or double about one letter in forty, at least one."""
    letters = list(text)
    places = [i for i in range(len(letters) - 1) if letters[i].isalpha() and letters[i + 1].isalpha()]
    for i in rng.sample(places, min(len(places), max(1, len(places) // 40))):
        kind = rng.randrange(3)
        if kind == 0:
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
        else:
            letters[i] = "" if kind == 1 else letters[i] * 2
    return "".join(letters)
