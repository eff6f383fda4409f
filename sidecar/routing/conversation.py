"""Conversations: which of their turns are read, so that the tier never goes down while a conversation goes on.

Nothing is stored. What a conversation needs follows from its own text, the same on every replica; turns that were
read before are in the classifier's cache.
"""

from collections.abc import Sequence

# "ok do it", "yes please", "go on", "why?", "谢谢": they say nothing of what they ask for, the turn before does.
_MOST_WORDS_OF_FOLLOW_UP = 4
_MOST_BYTES_OF_FOLLOW_UP = 24


def turns_to_read(turns: Sequence[str], limit: int) -> list[str]:
    """Oldest first; the last is the one to be answered. At most `limit`; empty only if there are no turns.

    A short follow-up is left out: it takes its predecessor's tier. Of more turns than the limit, the longest are
    kept, for they are the likeliest to need the most, and the longest of a conversation stay so as it goes on.
    """
    telling = [turn for i, turn in enumerate(turns) if i == 0 or not is_follow_up(turn)]
    if len(telling) <= limit:
        return telling
    earlier = sorted(range(len(telling) - 1), key=lambda i: (-len(telling[i]), i))[: limit - 1]
    return [telling[i] for i in (*sorted(earlier), len(telling) - 1)]


def is_follow_up(turn: str) -> bool:
    """Whether it only means something after what came before it."""
    if len(turn) > _MOST_BYTES_OF_FOLLOW_UP:
        return False
    is_short = len(turn.encode("utf-8", "replace")) <= _MOST_BYTES_OF_FOLLOW_UP
    return is_short and len(turn.split()) <= _MOST_WORDS_OF_FOLLOW_UP
