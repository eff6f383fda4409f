"""Owns the words that the model knows beyond the base model's English ones.

all-MiniLM-L6-v2 reads other languages in letters and scraps of words, and most Chinese not at all. The lexicon has
words by which requests in sixteen languages are told apart. Those that turn up most become tokens that start as the
mean of their English meanings: the encoder reads "traduce" as it reads "translate" before it has seen a Spanish
prompt. A stem is enough, since WordPiece takes the longest token that a word begins with. Costs 384 bytes a token
and no time: prompts get shorter.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers
import torch
from torch import Tensor

LEXICON_FOLDER = Path(__file__).parent / "lexicon"

# Keeps the quantised model below 25 MB.
NEW_TOKENS = 5_200

_CONTINUES = "##"
# The article and conjunctions are written as one with an Arabic word, so its tokens also have to stand inside one.
_PREFIXING_LANGUAGES = frozenset({"ar"})
# A shorter Latin, Greek or Cyrillic token would cut up words of other languages that merely begin alike.
_FEWEST_LETTERS = 4


def read_lexicon(folder: Path = LEXICON_FOLDER) -> Iterator[tuple[str, str, str]]:
    """Each (language, foreign form, English word); raises ValueError for a row with another number of columns."""
    for file in sorted(folder.glob("*.tsv")):
        lines = file.read_text(encoding="utf-8").splitlines()
        languages = lines[0].split("\t")
        for number, line in enumerate(lines[1:], 2):
            cells = line.split("\t")
            if len(cells) != len(languages):
                raise ValueError(f"{file}:{number}: has {len(cells)} columns, expected {len(languages)}")
            for language, forms in zip(languages[1:], cells[1:], strict=True):
                yield from ((language, form.strip(), cells[0]) for form in forms.split("|") if form.strip())


def extend_vocabulary(
    tokenizer_file: Path,
    embeddings: Tensor,
    foreign: Iterable[str],
    english: Iterable[str],
    new_tokens: int = NEW_TOKENS,
) -> tuple[str, Tensor]:
    """tokenizer.json and word embeddings with the lexicon's words that most of the `foreign` texts contain.

    They take the slots that BERT left unused, then new rows.
    """
    document = json.loads(tokenizer_file.read_text(encoding="utf-8"))
    tokenizer = _load(tokenizer_file.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = document["model"]["vocab"]
    meanings = _without_longer_forms(_meanings(tokenizer, vocabulary))
    unused = [name for name in vocabulary if name.startswith("[unused")]
    rows = list(embeddings)
    for token in _commonest(document, list(meanings), foreign, english)[:new_tokens]:
        if unused:
            place = vocabulary.pop(unused.pop(0))
        else:
            place = len(rows)
            rows.append(embeddings[0])
        like = [embeddings[_ids(tokenizer, word)].mean(dim=0) for word in meanings[token]]
        rows[place] = torch.stack(like).mean(dim=0)
        vocabulary[token] = place
    document["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    # Padding costs four times the time on a short prompt, and cutting is done from the middle: not this file's work.
    document |= {"padding": None, "truncation": None}
    return json.dumps(document, ensure_ascii=False), torch.stack(rows)


def _meanings(tokenizer: tokenizers.Tokenizer, vocabulary: dict[str, int]) -> dict[str, list[str]]:
    """New tokens, with the English words that each stands for."""
    meanings: dict[str, list[str]] = defaultdict(list)
    for language, form, english in read_lexicon():
        normal = tokenizer.normalizer.normalize_str(form)
        pieces = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]
        # Ideographs are always tokens of their own, so each takes a share of what its words mean.
        tokens = pieces if len(pieces) == 1 else [p for p in pieces if len(p) == 1 and _is_ideograph(p)]
        for token in tokens:
            if token not in vocabulary and _is_long_enough(token):
                meanings[token].append(english)
            if language in _PREFIXING_LANGUAGES and len(token) > 2 and _CONTINUES + token not in vocabulary:
                meanings[_CONTINUES + token].append(english)
    return meanings


def _without_longer_forms(meanings: dict[str, list[str]]) -> dict[str, list[str]]:
    """Without those that begin with a kept token of the same meaning."""
    kept: dict[str, list[str]] = {}
    last = None
    for token in sorted(meanings):
        if last is None or not (token.startswith(last) and set(meanings[token]) & set(meanings[last])):
            kept[token] = meanings[token]
            last = token
    return {token: kept[token] for token in meanings if token in kept}


def _commonest(
    document: dict[str, object], candidates: list[str], foreign: Iterable[str], english: Iterable[str]
) -> list[str]:
    """Candidates by how many foreign texts have them as a token, without those that cut up English words as often.

    Among equals those in other scripts than English go first, since they can do it no harm.
    """
    model = document["model"]
    assert isinstance(model, dict)  # noqa: S101  # for mypy: the file was loaded by tokenizers
    vocabulary = model["vocab"] | {token: len(model["vocab"]) + i for i, token in enumerate(candidates)}
    tokenizer = _load(json.dumps(document | {"model": model | {"vocab": vocabulary}}))

    def count(texts: Iterable[str]) -> Counter[str]:
        return Counter(token for text in texts for token in set(tokenizer.encode(text).tokens))

    helped, harmed = count(foreign), count(english)
    harmless = [token for token in candidates if harmed[token] <= helped[token]]
    return sorted(harmless, key=lambda token: (-helped[token], token.isascii()))


def _load(document: str) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer.from_str(document)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _is_ideograph(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def _is_long_enough(token: str) -> bool:
    if _is_ideograph(token[0]):
        return True
    is_alphabet_with_short_words = any(character >= "\u0590" for character in token)
    return len(token) >= (2 if is_alphabet_with_short_words else _FEWEST_LETTERS)


def _ids(tokenizer: tokenizers.Tokenizer, word: str) -> list[int]:
    ids: list[int] = tokenizer.encode(word, add_special_tokens=False).ids
    return ids
