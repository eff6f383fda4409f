"""Lists of phrases and of patterns that a policy looks for in a text.

RE2 does the looking: it takes time linear in the text whatever the pattern, where Python's `re` can take exponential
time, and it lets other threads run meanwhile. Each list is one automaton. That is one alternation and not an
`RE2::Set`: a set that runs out of memory answers wrongly that nothing matches, while a single pattern goes on with
less memory and more time.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import re2

# What the states of one list's automaton may take; they are made as texts need them, and made anew when there is no
# room for more.
_MOST_PHRASE_MEMORY = 64 * 1024 * 1024
_MOST_PATTERN_MEMORY = 16 * 1024 * 1024

# So that the states of a list of phrases have room, and compiling takes a fraction of a second.
_MOST_PHRASE_CHARACTERS = 20_000

# More take long to compile and to search for; a pattern with far more does not fit into the memory for the check.
_CHECK_MEMORY = 2 * 1024 * 1024
_MOST_INSTRUCTIONS = 10_000
_MOST_PATTERN_CHARACTERS = 1_000

# Without room for states, RE2 tries each instruction at each byte, at 5 ns: a second and a half for so many. Far more
# than usual: a list of 300 instructions searches the first megabyte of a text, and stops there.
_MOST_STEPS = 300_000_000

# Scripts whose words are not parted by spaces, or get endings that a phrase does not have.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = r"\pL\pM\pN_"
_STARTS_ANYWHERE = re2.compile(f"^(?:[{_UNSPACED}]|[^{_WORD}])".encode())
_ENDS_ANYWHERE = re2.compile(f"(?:[{_UNSPACED}]|[^{_WORD}])$".encode())

# RE2 has no looking around, but only whether there is a match matters here, not where it begins.
_BEFORE_WORD = rf"(?:^|[^{_WORD}]|[{_UNSPACED}])"
_AFTER_WORD = rf"(?:$|[^{_WORD}]|[{_UNSPACED}])"

_APOSTROPHE = re.compile("['\u2019]")

# What RE2 says shortly, and what patterns of other engines have that RE2 refuses, by how it looks.
_REFUSALS = (
    (re.compile("repetition size"), "RE2 repeats at most 1000 times"),
    (re.compile("too large"), "expected shorter or fewer repetitions"),
)
_UNSUPPORTED = (
    (re.compile(r"\(\?<?[=!]"), "RE2 has no lookahead and no lookbehind"),
    (re.compile(r"\\[1-9]|\(\?P=|\\k"), "RE2 has no backreferences"),
    (re.compile(r"\(\?>"), "RE2 has no atomic groups"),
    (re.compile(r"[*+?}]\+"), "RE2 has no possessive quantifiers"),
    (re.compile(r"\(\?\(|\(\?R|\(\?&"), "RE2 has no conditions and no recursion"),
    (re.compile(r"\\Z"), r"RE2 writes the end of the text as \z"),
    (re.compile(r"\\[uU]"), r"RE2 writes a character by its number as \x{00E9}"),
)


@dataclass(frozen=True, slots=True)
class PhraseList:
    """Words or phrases, found as whole words in any case, whatever space is between the words.

    Phrases of scripts without spaces, such as Chinese, are found anywhere. Accents count; `ß` is `ss`.
    Raises ValueError for no phrase, an empty one, or more than 20,000 characters in all.
    """

    phrases: tuple[str, ...]
    _regex: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.phrases:
            raise ValueError("expected at least one phrase")
        if sum(map(len, self.phrases)) > _MOST_PHRASE_CHARACTERS:
            raise ValueError(f"expected at most {_MOST_PHRASE_CHARACTERS} characters in all phrases together")
        object.__setattr__(self, "_regex", _compile(f"(?i){_join_phrases(self.phrases)}", _MOST_PHRASE_MEMORY))

    def found_in(self, text: str) -> bool:
        """Whether the text has one of them."""
        return self._regex.search(_encode(text)) is not None


@dataclass(frozen=True, slots=True)
class PatternList:
    """Regular expressions in RE2's syntax, found anywhere.

    Raises ValueError for no pattern, an empty one, one that RE2 refuses, one that every text matches, and for more
    than RE2 can search quickly.
    """

    patterns: tuple[str, ...]
    _regex: Any = field(init=False, repr=False, compare=False)
    _most_bytes: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.patterns:
            raise ValueError("expected at least one pattern")
        instructions = 0
        for pattern in self.patterns:
            instructions += _check_pattern(pattern)
            if instructions > _MOST_INSTRUCTIONS:
                raise ValueError(f"{_quote(pattern)}: too much to search for; expected shorter or fewer repetitions")
        alternatives = "|".join(f"(?:{pattern})" for pattern in dict.fromkeys(self.patterns))
        regex = _compile(alternatives, _MOST_PATTERN_MEMORY)
        object.__setattr__(self, "_regex", regex)
        object.__setattr__(self, "_most_bytes", _MOST_STEPS // regex.programsize)

    def found_in(self, text: str) -> bool:
        """Whether the text has a match; a very long one is searched as far as time allows, the same everywhere."""
        return self._regex.search(_encode(text)[: self._most_bytes]) is not None


def _join_phrases(phrases: Iterable[str]) -> str:
    """One pattern of all; what may stand around them is in it once and not for each, since it is long."""
    alike: dict[tuple[str, str], dict[str, None]] = {}
    for phrase in phrases:
        for spelling in _spellings(phrase):
            encoded = _encode_strictly(spelling)
            before = "" if _STARTS_ANYWHERE.search(encoded) else _BEFORE_WORD
            after = "" if _ENDS_ANYWHERE.search(encoded) else _AFTER_WORD
            alike.setdefault((before, after), {})[_phrase_pattern(spelling)] = None
    return "|".join(f"{before}(?:{'|'.join(patterns)}){after}" for (before, after), patterns in alike.items())


def _spellings(phrase: str) -> list[str]:
    """How it may be written: composed and decomposed, and with the letters that case folding replaces."""
    stripped = phrase.strip()
    if not stripped:
        raise ValueError("an empty phrase; expected a word or several")
    return [unicodedata.normalize(form, each) for each in (stripped, stripped.casefold()) for form in ("NFC", "NFD")]


def _phrase_pattern(phrase: str) -> str:
    return r"[\s\pZ]+".join("['\u2019]".join(map(re2.escape, _APOSTROPHE.split(word))) for word in phrase.split())


def _check_pattern(pattern: str) -> int:
    """How many instructions it takes."""
    if not pattern:
        raise ValueError("an empty pattern; expected a regular expression in RE2 syntax")
    if len(pattern) > _MOST_PATTERN_CHARACTERS:
        raise ValueError(f"{_quote(pattern)}: expected at most {_MOST_PATTERN_CHARACTERS} characters")
    regex = _compile(pattern, _CHECK_MEMORY)
    if regex.search(b"") and regex.search(b"\x01"):
        raise ValueError(f"{_quote(pattern)}: matches every text; expected a pattern that needs a character")
    return int(regex.programsize)


def _compile(pattern: str, most_memory: int) -> Any:
    options = re2.Options()
    options.max_mem = most_memory
    options.never_capture = True
    options.log_errors = False
    try:
        regex = re2.compile(_encode_strictly(pattern), options)
    except re2.error as error:
        raise ValueError(f"{_quote(pattern)}: {_explain(pattern, error)}") from error
    re2.purge()  # its cache would keep the lists of policies that are gone, with all their states
    return regex


def _explain(pattern: str, error: Exception) -> str:
    said = error.args[0]
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    hints = [hint for looks, hint in _REFUSALS if looks.search(text)]
    hints += [hint for looks, hint in _UNSUPPORTED if looks.search(pattern)]
    return "; ".join((text, *hints))


def _quote(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else f"{pattern[:60]}…")


def _encode_strictly(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{_quote(text)}: half of a character (a lone surrogate)") from error


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # lone surrogates have no UTF-8
