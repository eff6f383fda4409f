"""A team's labelled prompts: read, checked, and split so that every figure is of prompts that training never saw."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sidecar.finetuning.prompt import Prompt
from sidecar.routing.tier import Tier
from sidecar.streams.lines import InputError, Line, read_lines

# Fewer would leave a test that tells nothing: a seventh of them is a handful.
FEWEST_PROMPTS = 50
FEWEST_OF_INTENT = 5

# Validation stops the run and sets the temperature.
_SHARES = {"train": 5 / 7, "test": 1 / 7, "validation": 1 / 7}

_TIERS = {tier.label: tier for tier in Tier}


@dataclass(frozen=True, slots=True)
class LabelledPrompts:
    """What a file says."""

    prompts: tuple[Prompt, ...]
    """With indices into `intents`."""
    intents: tuple[str, ...]
    repeated: int
    """Lines left out because their text stands on an earlier line."""


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts that share no text and no group."""

    train: tuple[Prompt, ...]
    validation: tuple[Prompt, ...]
    test: tuple[Prompt, ...]


class _Kind(NamedTuple):
    """What each part shall have its share of: an intent, or, among prompts without one, a tier."""

    intent: int | None
    tier: Tier | None


def read_labelled(file: Path, known_intents: Sequence[str]) -> LabelledPrompts:
    """Lines `{"text", "intent" and/or "tier", "group"?}`. Raises InputError.

    If all intents are among the known ones, these stay the intents, in their order; else the file's own are.
    """
    try:
        with file.open("rb") as source:
            lines = list(read_lines(source, str(file)))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    texts: set[str] = set()
    kept = []
    for line in lines:
        text = line.string("text")
        if text not in texts:
            kept.append(line)
        texts.add(text)
    intents = _intents(kept, known_intents)
    places = {intent: i for i, intent in enumerate(intents)}
    prompts = tuple(_prompt(line, places, may_lack_intent=intents == tuple(known_intents)) for line in kept)
    if len(prompts) < FEWEST_PROMPTS:
        raise InputError(f"{file}: expected at least {FEWEST_PROMPTS} different prompts, got {len(prompts)}")
    return LabelledPrompts(prompts, intents, repeated=len(lines) - len(kept))


def split(prompts: Sequence[Prompt], seed: int) -> Split:
    """By group: the largest first, each to the part that lacks most of what is in it."""
    groups: dict[str | int, list[Prompt]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        groups[prompt.group or number].append(prompt)
    kinds = _kinds(prompts)
    totals = Counter(kinds[prompt.text] for prompt in prompts)
    lacking = {part: {kind: share * total for kind, total in totals.items()} for part, share in _SHARES.items()}
    parts: dict[str, list[Prompt]] = {part: [] for part in _SHARES}
    shuffled = list(groups.values())
    random.Random(seed).shuffle(shuffled)  # noqa: S311  # nothing is secret here
    for group in sorted(shuffled, key=len, reverse=True):
        needs = {part: sum(lacking[part][kinds[prompt.text]] for prompt in group) for part in parts}
        neediest = max(needs, key=lambda part: needs[part])
        parts[neediest] += group
        for prompt in group:
            lacking[neediest][kinds[prompt.text]] -= 1
    return Split(train=tuple(parts["train"]), validation=tuple(parts["validation"]), test=tuple(parts["test"]))


def _kinds(prompts: Sequence[Prompt]) -> dict[str, _Kind | None]:
    """By text; rare kinds count as one, which is None."""
    own = {p.text: _Kind(p.intent, p.tier if p.intent is None else None) for p in prompts}
    counts = Counter(own.values())
    return {text: kind if counts[kind] >= FEWEST_OF_INTENT else None for text, kind in own.items()}


def _intents(lines: Sequence[Line], known: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(line.string("intent") for line in lines if "intent" in line.members)
    if counts.keys() <= set(known):
        return tuple(known)
    for line in lines:
        intent = line.string("intent")
        if (count := counts[intent]) < FEWEST_OF_INTENT:
            raise InputError(
                f"{line.place}: intent: expected at least {FEWEST_OF_INTENT} prompts of {intent!r}, got {count}"
            )
    if len(counts) == 1:
        raise InputError(f"{lines[0].place}: intent: expected two intents or more, but all lines say {min(counts)!r}")
    return tuple(sorted(counts))


def _prompt(line: Line, intents: dict[str, int], *, may_lack_intent: bool) -> Prompt:
    has_tier = "tier" in line.members
    if "intent" not in line.members and not (may_lack_intent and has_tier):
        raise InputError(f"{line.place}: intent: expected a string, but it is missing")
    return Prompt(
        text=line.string("text"),
        group=line.string("group") if "group" in line.members else "",
        intent=intents[line.string("intent")] if "intent" in line.members else None,
        tier=_tier(line) if has_tier else None,
        copies=1,
    )


def _tier(line: Line) -> Tier:
    label = line.string("tier")
    if label not in _TIERS:
        raise InputError(f"{line.place}: tier: expected one of {', '.join(_TIERS)}, got {label!r}")
    return _TIERS[label]
