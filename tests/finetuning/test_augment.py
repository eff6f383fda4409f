"""A careless copy still asks for what its label says."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.finetuning.augment import careless_copy, reordered, with_courtesy, with_typos
from tests.fakes.properties import examples

AUTHORED = Path(__file__).parents[2] / "training" / "prompts" / "a7.jsonl"

seeds = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def authored() -> list[str]:
    return [json.loads(line)["text"] for line in AUTHORED.read_text(encoding="utf-8").splitlines()][:100]


def words(text: str) -> Counter[str]:
    """How often each, without apostrophes, which a hurried person leaves out."""
    return Counter(re.findall(r"\w+", text.replace("'", "")))


def test_all_but_one_word_in_forty_letters_survive(authored: list[str]) -> None:
    rng = random.Random(0)

    for text in authored:
        copy = careless_copy(text, rng)
        lost = words(text) - words(copy)
        assert lost.total() <= max(1, len(text) // 40), copy


def test_the_same_seed_makes_the_same_copies_and_another_makes_others(authored: list[str]) -> None:
    first, again, other = ([careless_copy(text, rng) for text in authored] for rng in map(random.Random, (1, 1, 2)))

    assert first == again
    assert sum(one != another for one, another in zip(first, other, strict=True)) > len(authored) / 2


def test_most_copies_differ_from_their_text_but_not_all(authored: list[str]) -> None:
    rng = random.Random(0)

    unchanged = sum(careless_copy(text, rng) == text for text in authored)

    assert 0 < unchanged < len(authored) / 2


@examples(200)
@given(text=st.text(), seed=seeds)
def test_any_text_can_be_copied(text: str, seed: int) -> None:
    assert isinstance(careless_copy(text, random.Random(seed)), str)


@examples(200)
@given(text=st.text("ab cé\n1.", max_size=100), seed=seeds)
def test_a_typo_leaves_the_number_of_words_as_it_is(text: str, seed: int) -> None:
    assert len(with_typos(text, random.Random(seed)).split()) == len(text.split())


@examples(50)
@given(text=st.text(), seed=seeds)
def test_courtesy_stands_around_the_text(text: str, seed: int) -> None:
    polite = with_courtesy(text, random.Random(seed))

    assert text in polite and len(polite) > len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Summarise this.\n\nOnce upon a time.\n\nThe end.", "Once upon a time.\n\nThe end.\n\nSummarise this."),
        ("Summarise this.", "Summarise this."),
        ("Summarise this.\n\n ", "Summarise this.\n\n "),
        ("", ""),
    ],
)
def test_an_instruction_before_a_document_goes_behind_it(text: str, expected: str) -> None:
    assert reordered(text) == expected
