"""The words that the base model is given: what they mean at first, and that English stays as it was."""

import json
from collections import defaultdict
from itertools import islice
from pathlib import Path

import pytest
import tokenizers
import torch

from training.base_model import base_folder, load_weights
from training.data import load_authored
from training.vocabulary import extend_vocabulary, read_lexicon

NEW_TOKENS = 4_000


def load(document: str) -> tokenizers.Tokenizer:
    """Neither pads nor cuts."""
    tokenizer = tokenizers.Tokenizer.from_str(document)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def english() -> tokenizers.Tokenizer:
    return load((base_folder() / "tokenizer.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def embeddings() -> torch.Tensor:
    return load_weights()["embeddings.word_embeddings.weight"]


@pytest.fixture(scope="module")
def extended(embeddings: torch.Tensor) -> tuple[str, torch.Tensor]:
    prompts = load_authored()
    foreign, english = (
        [p.text for p in prompts if (p.language == "en") is is_english] for is_english in (False, True)
    )
    return extend_vocabulary(base_folder() / "tokenizer.json", embeddings, foreign, english, NEW_TOKENS)


@pytest.fixture(scope="module")
def polyglot(extended: tuple[str, torch.Tensor]) -> tokenizers.Tokenizer:
    return load(extended[0])


def tokens_of(tokenizer: tokenizers.Tokenizer, text: str) -> list[str]:
    """Without those around the text."""
    tokens: list[str] = tokenizer.encode(text, add_special_tokens=False).tokens
    return tokens


@pytest.mark.parametrize("word", ["번역", "schreib", "explic", "Übersetz", "ترجم"])
def test_a_foreign_word_of_the_lexicon_becomes_one_token(
    english: tokenizers.Tokenizer, polyglot: tokenizers.Tokenizer, word: str
) -> None:
    assert len(tokens_of(english, word)) > 1
    assert tokens_of(polyglot, word) == [polyglot.normalizer.normalize_str(word)]


def test_a_new_token_begins_as_the_mean_of_its_english_meanings(
    english: tokenizers.Tokenizer, extended: tuple[str, torch.Tensor], embeddings: torch.Tensor
) -> None:
    document, rows = extended
    vocabulary: dict[str, int] = json.loads(document)["model"]["vocab"]
    meanings = defaultdict(list)
    for _, form, meaning in read_lexicon():
        meanings[english.normalizer.normalize_str(form)].append(meaning)
    # An ideograph also has a share in the words that it is a part of, so it is left out here.
    added = vocabulary.keys() - english.get_vocab().keys()
    new = [word for word in meanings if word in added and not "㐀" <= word <= "鿿"]

    assert len(new) > NEW_TOKENS / 2
    for word in new:
        each = [embeddings[english.encode(m, add_special_tokens=False).ids].mean(dim=0) for m in meanings[word]]
        torch.testing.assert_close(rows[vocabulary[word]], torch.stack(each).mean(dim=0))


def test_english_words_keep_their_place_and_their_embedding(
    english: tokenizers.Tokenizer, extended: tuple[str, torch.Tensor], embeddings: torch.Tensor
) -> None:
    document, rows = extended
    vocabulary: dict[str, int] = json.loads(document)["model"]["vocab"]
    before = {word: place for word, place in english.get_vocab().items() if not word.startswith("[unused")}

    assert before.items() <= vocabulary.items()
    places = list(before.values())
    assert torch.equal(rows[places], embeddings[places])
    assert sorted(vocabulary.values()) == list(range(len(rows)))
    assert len(vocabulary.keys() - before.keys()) == NEW_TOKENS


def test_english_is_read_as_before(english: tokenizers.Tokenizer, polyglot: tokenizers.Tokenizer) -> None:
    """All but a word in fifty: some English words begin like a foreign one."""
    texts = [prompt.text for prompt in islice((p for p in load_authored() if p.language == "en"), 0, 10_000, 50)]
    pieces = [english.pre_tokenizer.pre_tokenize_str(english.normalizer.normalize_str(text)) for text in texts]
    words = [word for of_text in pieces for word, _ in of_text]

    unchanged = sum(tokens_of(english, word) == tokens_of(polyglot, word) for word in words)

    assert len(texts) == 200
    assert unchanged / len(words) > 0.98


def test_other_languages_are_read_in_fewer_and_known_tokens(
    english: tokenizers.Tokenizer, polyglot: tokenizers.Tokenizer
) -> None:
    texts = [prompt.text for prompt in islice((p for p in load_authored() if p.language != "en"), 0, 2_000, 10)]

    before, after = ([token for text in texts for token in tokens_of(t, text)] for t in (english, polyglot))

    assert len(after) < 0.95 * len(before)
    assert after.count("[UNK]") < before.count("[UNK]")


def test_the_new_tokenizer_neither_pads_nor_cuts(extended: tuple[str, torch.Tensor]) -> None:
    tokenizer = tokenizers.Tokenizer.from_str(extended[0])

    assert len(tokenizer.encode("hi").ids) == 3
    assert len(tokenizer.encode("hi " * 1_000).ids) == 1_002


def test_no_more_tokens_are_added_than_were_asked_for(embeddings: torch.Tensor) -> None:
    """The commonest of those texts come first, and take slots that the base model left unused."""
    document, rows = extend_vocabulary(
        base_folder() / "tokenizer.json", embeddings, ["schreib mir", "schreib dir", "explic"], [], new_tokens=1
    )

    assert len(rows) == len(embeddings)
    assert tokens_of(load(document), "schreib") == ["schreib"]
    assert len(tokens_of(load(document), "explic")) > 1


@pytest.mark.parametrize("row", ["write\tescrib", "write\tescrib\técri\tschreib"])
def test_a_row_of_the_lexicon_with_missing_cells_is_named(tmp_path: Path, row: str) -> None:
    file = tmp_path / "words.tsv"
    file.write_text(f"english\tes\tfr\ntranslate\ttraduc|traduz\ttradui\n{row}\n", encoding="utf-8")
    lexicon = read_lexicon(tmp_path)

    assert list(islice(lexicon, 3)) == [
        ("es", "traduc", "translate"),
        ("es", "traduz", "translate"),
        ("fr", "tradui", "translate"),
    ]
    with pytest.raises(ValueError, match=r"words\.tsv:3: has [24] columns, expected 3"):
        next(lexicon)
