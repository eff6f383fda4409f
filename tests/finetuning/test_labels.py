"""A team's labels: what is read, what is refused and how that is said, and how they are divided."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.finetuning.labels import FEWEST_OF_INTENT, FEWEST_PROMPTS, LabelledPrompts, Split, read_labelled, split
from sidecar.finetuning.prompt import Prompt
from sidecar.routing.tier import Tier
from sidecar.streams.lines import InputError
from tests.fakes.properties import examples

KNOWN = ("chat", "coding", "math")

Row = dict[str, Any]


def rows(count: int = FEWEST_PROMPTS, **labels: object) -> list[Row]:
    """Different prompts with the same labels."""
    return [{"text": f"prompt {number} {labels}", **labels} for number in range(count)]


def write(folder: Path, lines: Iterable[Row | str]) -> Path:
    """One line each."""
    file = folder / "labels.jsonl"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return file


def read(folder: Path, lines: Iterable[Row | str]) -> LabelledPrompts:
    """What is made of a file with these lines by a team whose model knows KNOWN."""
    return read_labelled(write(folder, lines), KNOWN)


def parts_of(divided: Split) -> tuple[Sequence[Prompt], ...]:
    """All three."""
    return divided.train, divided.validation, divided.test


def test_labels_groups_and_varied_copies_are_taken_over(tmp_path: Path) -> None:
    read_back = read(
        tmp_path, [{"text": "2+2?", "intent": "math", "tier": "simple", "group": "ann"}, *rows(intent="coding")]
    )

    assert read_back.prompts[0] == Prompt(text="2+2?", group="ann", intent=2, tier=Tier.SIMPLE, copies=1)
    assert read_back.prompts[1].group == "" and read_back.prompts[1].tier is None
    assert {prompt.copies for prompt in read_back.prompts} == {1}


def test_intents_that_the_model_knows_stay_its_intents_in_its_order(tmp_path: Path) -> None:
    read_back = read(
        tmp_path, [*rows(30, intent="math"), *rows(30, intent="chat"), {"text": "?", "intent": "coding"}]
    )

    assert read_back.intents == KNOWN
    assert [prompt.intent for prompt in read_back.prompts] == [2] * 30 + [0] * 30 + [1]
    assert all(prompt.tier is None for prompt in read_back.prompts)


def test_with_known_intents_a_tier_is_label_enough(tmp_path: Path) -> None:
    read_back = read(tmp_path, [*rows(tier="complex"), {"text": "?", "intent": "chat"}])

    assert read_back.intents == KNOWN
    assert {prompt.intent for prompt in read_back.prompts[:-1]} == {None}
    assert all(prompt.tier is not None for prompt in read_back.prompts[:-1])


def test_one_unknown_intent_makes_all_of_them_the_team_s_own(tmp_path: Path) -> None:
    read_back = read(tmp_path, [*rows(40, intent="refunds"), *rows(20, intent="chat")])

    assert read_back.intents == ("chat", "refunds")
    assert [prompt.intent for prompt in read_back.prompts] == [1] * 40 + [0] * 20


def test_a_text_that_stands_there_twice_counts_once_with_its_first_labels(tmp_path: Path) -> None:
    again = {"text": "again", "intent": "chat"}

    read_back = read(tmp_path, [again, *rows(intent="math"), again, again | {"intent": "coding"}])

    assert read_back.repeated == 2
    assert [prompt.intent for prompt in read_back.prompts if prompt.text == "again"] == [0]


def test_blank_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.jsonl:3: tier: "):
        read(tmp_path, ["", *rows(1, intent="chat"), {"text": "?", "tier": "hard"}])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"text": "half', 'expected a JSON object like {"text": "…"} ('),
        ('["text"]', 'expected a JSON object like {"text": "…"} ('),
        ({"intent": "chat"}, "text: expected a string, but it is missing"),
        ({"text": 7, "intent": "chat"}, "text: expected a string (Expected `str`, got `int`)"),
        ({"text": "?"}, "intent: expected a string, but it is missing"),
        ({"text": "?", "intent": None}, "intent: expected a string (Expected `str`, got `null`)"),
        (
            {"text": "?", "tier": "hard"},
            "tier: expected one of simple, moderate, complex, reasoning, got 'hard'",
        ),
        ({"text": "?", "tier": 3}, "tier: expected a string (Expected `str`, got `int`)"),
        ({"text": "?", "intent": "chat", "group": ["ann"]}, "group: expected a string (Expected `str`, got `array`)"),
        ({"text": "?", "intent": "chta"}, "intent: expected at least 5 prompts of 'chta', got 1"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_its_field_and_what_was_expected(
    tmp_path: Path, line: Row | str, told: str
) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, [*rows(intent="chat"), line])

    assert str(raised.value).startswith(f"{tmp_path / 'labels.jsonl'}:{FEWEST_PROMPTS + 1}: {told}")


def test_intents_of_one_s_own_leave_no_prompt_without_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, [*rows(30, intent="refunds"), *rows(30, intent="outages"), *rows(5, tier="simple")])

    assert str(raised.value) == f"{tmp_path / 'labels.jsonl'}:61: intent: expected a string, but it is missing"


def test_a_single_intent_of_one_s_own_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, rows(intent="refunds"))

    expected = "intent: expected two intents or more, but all lines say 'refunds'"
    assert str(raised.value) == f"{tmp_path / 'labels.jsonl'}:1: {expected}"


@pytest.mark.parametrize("count", [0, FEWEST_PROMPTS - 1])
def test_too_few_prompts_are_refused_and_repeated_ones_do_not_help(tmp_path: Path, count: int) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, rows(count, intent="chat") * 2)

    expected = f"expected at least {FEWEST_PROMPTS} different prompts, got {count}"
    assert str(raised.value) == f"{tmp_path / 'labels.jsonl'}: {expected}"


@pytest.mark.parametrize(("name", "told"), [("missing.jsonl", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        read_labelled(tmp_path / name, KNOWN)

    assert str(raised.value) == f"{tmp_path / name}: {told}"


@st.composite
def labelled(draw: st.DrawFn) -> list[Prompt]:
    """Different texts with some labels, in some groups or none."""
    labels = st.tuples(
        st.sampled_from(["", "ann", "bob", "cy", "line 3"]),
        st.sampled_from([None, 0, 1, 2]),
        st.sampled_from([None, *Tier]),
    )
    return [
        Prompt(text=f"prompt {number}", group=group, intent=intent, tier=tier)
        for number, (group, intent, tier) in enumerate(draw(st.lists(labels, max_size=120)))
    ]


@examples(60)
@given(prompts=labelled(), seed=st.integers(0, 9))
def test_each_prompt_is_in_one_part_and_a_group_stays_together(prompts: list[Prompt], seed: int) -> None:
    divided = parts_of(split(prompts, seed))

    assert Counter(prompt.text for part in divided for prompt in part) == Counter(prompt.text for prompt in prompts)
    of_groups = [{prompt.group for prompt in part} - {""} for part in divided]
    assert sum(map(len, of_groups)) == len(set().union(*of_groups))


@examples(60)
@given(prompts=labelled(), seed=st.integers(0, 9))
def test_the_same_seed_divides_alike(prompts: list[Prompt], seed: int) -> None:
    assert split(prompts, seed) == split(prompts, seed)


def test_another_seed_divides_otherwise() -> None:
    prompts = [Prompt(text=str(number), intent=0) for number in range(50)]

    assert split(prompts, 1).test != split(prompts, 2).test


@pytest.mark.parametrize("of_rarest", [FEWEST_OF_INTENT, 6, 8, 40])
def test_every_intent_is_in_every_part_and_five_sevenths_are_trained_on(of_rarest: int) -> None:
    counts = {0: of_rarest, 1: 25, 2: 70}
    prompts = [Prompt(text=f"{i} {n}", intent=i) for i, count in counts.items() for n in range(count)]

    divided = split(prompts, 17)

    assert all({prompt.intent for prompt in part} == set(counts) for part in parts_of(divided))
    assert len(divided.train) == pytest.approx(len(prompts) * 5 / 7, abs=len(counts))
    assert len(divided.test) == pytest.approx(len(prompts) / 7, abs=len(counts))


def test_every_tier_is_in_every_part_where_only_tiers_are_labelled() -> None:
    prompts = [Prompt(text=f"{tier} {number}", tier=tier) for tier in Tier for number in range(5 + 20 * tier)]

    assert all({prompt.tier for prompt in part} == set(Tier) for part in parts_of(split(prompts, 17)))


def test_intents_too_rare_for_three_parts_are_divided_as_one() -> None:
    """Each by itself would go into training, and nothing would be left to judge by."""
    prompts = [Prompt(text=f"{intent} {number}", intent=intent) for intent in range(30) for number in range(2)]

    divided = split(prompts, 17)

    assert [len(part) for part in parts_of(divided)] == pytest.approx([60 * 5 / 7, 60 / 7, 60 / 7], abs=1)


def test_a_few_groups_are_divided_by_their_size_and_not_by_what_stands_first_in_them() -> None:
    prompts = [
        Prompt(text=f"{group} {number}", group=group, intent=(number + shift) % 3)
        for shift, (group, size) in enumerate({"ann": 60, "bob": 12, "cy": 12, "dee": 12}.items())
        for number in range(size)
    ]

    divided = split(prompts, 17)

    assert {prompt.group for prompt in divided.train} >= {"ann"}
    assert [len(part) for part in parts_of(divided)] == [72, 12, 12]
