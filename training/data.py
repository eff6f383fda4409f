"""Owns which prompts are trained on, which only measure, and in what proportions.

Left-out groups are whole authored sets and whole source families: a random split of templated sources measures
whether the model recognises the source, not whether it understands a prompt.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.finetuning import prompt as finetuning
from sidecar.routing.tier import Tier
from training.labels import INTENTS

PROMPTS_FOLDER = Path(__file__).parent / "prompts"

# Professionals (formal, long), casual and multilingual (a third not English), general public (everyday), and messy
# documents (half of them not English).
TEST_SETS = ("a5", "a6", "a7", "a25")
# Written to mislead about the tier; came after the shipped model, so its card has the first figures on it.
LATER_TEST_SETS = ("a37",)
# Fits the temperature and the tier thresholds; whole as well, because a model is surest on its own authors.
VALIDATION_SETS = ("a1", "a24")

# One to two families for most intents that the collected data has.
TEST_INTENT_FAMILIES = (
    "agieval",
    "humanevalpack+templates",
    "llmrouter:mbpp",
    "llmrouter:natural_qa",
    "ms-chitchat-qna",
    "planbench",
    "pubmedqa",
    "t0:paws",
    "t0:samsum",
)
TEST_DIFFICULTY_FAMILIES = ("llmrouter-dc:gsm8k", "llmrouter-dc:mmlu", "zeroeval:crux")

# Their texts are from Stack Overflow (CC-BY-SA), which asks more of a derived work than the others do.
_SHARE_ALIKE = frozenset({"bipia-code"})

# Templated sources repeat themselves: past these counts more rows teach the template.
_ROWS_PER_SOURCE_AND_INTENT = 90
_ROWS_PER_FAMILY_AND_INTENT = 300
_ROWS_PER_DIFFICULTY_SOURCE = 100

# Collected labels come from the source as a whole, not from a look at each prompt.
_COLLECTED_WEIGHT = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt(finetuning.Prompt):
    """With what is only needed to measure."""

    language: str = "en"
    is_authored: bool = False
    weak_ok: float | None = None
    """Whether the named cheap model's answer was good, 0 or 1."""
    strong_ok: float | None = None
    """The same of the named strong model."""


def load_authored(folder: Path = PROMPTS_FOLDER) -> list[Prompt]:
    """All authored prompts, set by set."""
    return [
        Prompt(
            text=row["text"],
            group=row["author"],
            intent=INTENTS.index(row["intent"]),
            tier=Tier[row["tier"].upper()],
            # The second time as a hurried person types it.
            copies=1,
            language=row["lang"],
            is_authored=True,
        )
        for row in _rows(folder)
    ]


def load_intents(data_folder: Path) -> list[Prompt]:
    """Collected prompts with an intent: `intent/*.jsonl` in the data folder."""
    return [
        Prompt(
            text=row["text"],
            group=row["source"],
            intent=INTENTS.index(row["intent"]),
            weight=_COLLECTED_WEIGHT,
        )
        for row in _rows(data_folder / "intent")
        if row["source"] not in _SHARE_ALIKE
    ]


def load_difficulties(data_folder: Path) -> list[Prompt]:
    """Collected prompts whose answers by named models were graded: `difficulty/*.jsonl` in the data folder."""
    return [
        Prompt(
            text=row["text"],
            # RouterArena draws a handful of rows from each of forty sets: one group, or there is no base rate.
            group="routerarena" if row["source"].startswith("routerarena") else row["source"],
            failure=1.0 - row["weak_p"],
            weak_ok=row["weak_ok"],
            strong_ok=row["strong_ok"],
        )
        for row in _rows(data_folder / "difficulty")
    ]


def is_of_family(group: str, families: tuple[str, ...]) -> bool:
    """Whether a source is one of `families` or a part of one ("agieval:math" of "agieval")."""
    return any(group == family or group.startswith(f"{family}:") for family in families)


def training_prompts(data_folder: Path | None, seed: int) -> list[Prompt]:
    """What the model is fitted on: authored prompts, and capped collected ones when there is a data folder."""
    authored = load_authored()
    never = TEST_SETS + LATER_TEST_SETS + VALIDATION_SETS
    left_out = [p for p in authored if p.group in never]
    chosen = [p for p in authored if p.group not in never]
    if data_folder is None:
        return _without(chosen, left_out)
    shuffle = random.Random(seed).shuffle
    intents = load_intents(data_folder)
    difficulties = load_difficulties(data_folder)
    left_out += [p for p in intents if is_of_family(p.group, TEST_INTENT_FAMILIES)]
    left_out += [p for p in difficulties if is_of_family(p.group, TEST_DIFFICULTY_FAMILIES)]
    intents = _without(intents, left_out)
    difficulties = _without(difficulties, left_out)
    shuffle(intents)
    shuffle(difficulties)
    intents = _capped(intents, _ROWS_PER_SOURCE_AND_INTENT, key=lambda p: (p.group, p.intent))
    intents = _capped(intents, _ROWS_PER_FAMILY_AND_INTENT, key=lambda p: (_family(p.group), p.intent))
    difficulties = _capped(difficulties, _ROWS_PER_DIFFICULTY_SOURCE, key=lambda p: p.group)
    return _without(chosen, left_out) + intents + difficulties


def validation_prompts() -> list[Prompt]:
    """Authored prompts that fit the temperature and thresholds, and nothing else."""
    return [p for p in load_authored() if p.group in VALIDATION_SETS]


def authored_test_prompts() -> list[Prompt]:
    """Authored prompts from left-out sets."""
    return [p for p in load_authored() if p.group in TEST_SETS]


def collected_test_prompts(data_folder: Path, seed: int, rows_per_family: int = 300) -> list[Prompt]:
    """Collected intent prompts from left-out families, at most `rows_per_family` of each."""
    rows = [p for p in load_intents(data_folder) if is_of_family(p.group, TEST_INTENT_FAMILIES)]
    random.Random(seed).shuffle(rows)
    return _capped(rows, rows_per_family, key=lambda p: _match(p.group, TEST_INTENT_FAMILIES))


def difficulty_test_prompts(data_folder: Path) -> list[Prompt]:
    """Graded prompts from left-out difficulty families."""
    return [p for p in load_difficulties(data_folder) if is_of_family(p.group, TEST_DIFFICULTY_FAMILIES)]


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise FileNotFoundError(f"no .jsonl files in {folder}")
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def _without(prompts: list[Prompt], left_out: list[Prompt]) -> list[Prompt]:
    """Two collections may hold the same question (GSM8K is in several): a left-out text is left out everywhere."""
    unseen = {_fingerprint(p.text) for p in left_out}
    return [p for p in prompts if _fingerprint(p.text) not in unseen]


def _fingerprint(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())[:200]


def _family(group: str) -> str:
    return group.partition(":")[0]


def _match(group: str, families: tuple[str, ...]) -> str:
    return next(family for family in families if is_of_family(group, (family,)))


def _capped(prompts: Iterable[Prompt], limit: int, key: Callable[[Prompt], Hashable]) -> list[Prompt]:
    counts: dict[Hashable, int] = defaultdict(int)
    kept = []
    for prompt in prompts:
        name = key(prompt)
        if counts[name] < limit:
            counts[name] += 1
            kept.append(prompt)
    return kept
