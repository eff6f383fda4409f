"""What the model gets to see of a prompt."""

from pathlib import Path

import numpy as np
import pytest

from sidecar.inference.tokenizer import PromptTokenizer

MODEL_FOLDER = Path(__file__).parents[2] / "sidecar" / "inference" / "model"
CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer.load(MODEL_FOLDER, max_tokens=128)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "What is the capital of France?",
        "\ud83d half a surrogate pair \udc00",
        "\x00\ufffd\u200b",
        "[CLS] [SEP] [PAD] [MASK]",
        "字" * 200_000,
        "a" * 100_000,
        "word " * 50_000,
    ],
)
def test_every_text_becomes_one_bounded_row_between_cls_and_sep(tokenizer: PromptTokenizer, text: str) -> None:
    ids = tokenizer.encode(text).input_ids

    assert ids.dtype == np.int64
    assert ids.shape[0] == 1
    assert 2 <= ids.shape[1] <= 128
    assert ids[0, 0] == CLS
    assert ids[0, -1] == SEP
    assert not set(ids[0, 1:-1].tolist()) & {CLS, SEP}


def test_a_short_text_is_neither_padded_nor_cut(tokenizer: PromptTokenizer) -> None:
    tokens = tokenizer.encode("hello there")

    assert tokens.input_ids.shape == (1, 4)
    assert not tokens.truncated


def test_a_long_text_keeps_its_first_and_last_tokens(tokenizer: PromptTokenizer) -> None:
    instruction_first = tokenizer.encode("Translate this. " + "filler " * 300)
    instruction_last = tokenizer.encode("filler " * 300 + "Translate this.")
    instruction = tokenizer.encode("Translate this.").input_ids[0, 1:-1].tolist()

    assert instruction_first.truncated
    assert instruction_last.truncated
    assert instruction_first.input_ids[0, 1 : 1 + len(instruction)].tolist() == instruction
    assert instruction_last.input_ids[0, -1 - len(instruction) : -1].tolist() == instruction


def test_a_text_cut_by_characters_only_says_so(tokenizer: PromptTokenizer) -> None:
    # 3,000 spaces are no tokens at all, yet the model has not been shown what lay between.
    tokens = tokenizer.encode("first" + " " * 3_000 + "last")

    assert tokens.truncated
    assert tokens.input_ids.shape == (1, 4)


@pytest.mark.parametrize("max_tokens", [4, 5, 17, 128])
def test_no_row_is_longer_than_asked_for(max_tokens: int) -> None:
    tokenizer = PromptTokenizer.load(MODEL_FOLDER, max_tokens)

    assert tokenizer.encode("one two three four " * 50).input_ids.shape == (1, max_tokens)


def test_exactly_max_tokens_is_not_truncated() -> None:
    tokenizer = PromptTokenizer.load(MODEL_FOLDER, max_tokens=6)

    assert not tokenizer.encode("one two three four").truncated
    assert tokenizer.encode("one two three four five").truncated


@pytest.mark.parametrize("max_tokens", [-1, 0, 3])
def test_too_few_tokens_for_both_ends_are_refused(max_tokens: int) -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        PromptTokenizer.load(MODEL_FOLDER, max_tokens)
