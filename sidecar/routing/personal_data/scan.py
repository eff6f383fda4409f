"""Where in a text personal data may be, and how much of it there is."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

import re2

from sidecar.routing.personal_data.digit_groups import parse_digit_groups, to_ascii
from sidecar.routing.personal_data.national_ids import LETTERED_PATTERN, is_id_number, is_lettered_id
from sidecar.routing.personal_data.payment_numbers import IBAN_PATTERN, is_card, is_iban
from sidecar.routing.personal_data.phone_numbers import is_phone_number, may_be_phone_number, speaks_of_phone


@dataclass(frozen=True, slots=True)
class PersonalData:
    """How many pieces of each kind a text has."""

    email: int = 0
    phone: int = 0
    card: int = 0
    iban: int = 0
    national_id: int = 0
    is_whole: bool = True
    """Whether all of the text was searched; if not, there may be more of every kind."""

    @property
    def counts(self) -> dict[str, int]:
        """By kind, those that were found."""
        return {kind: count for kind in KINDS if (count := getattr(self, kind))}


KINDS = ("email", "phone", "card", "iban", "national_id")

# Each takes some microseconds to check. Nobody writes so many of them; checking the millions in a file would stop
# every other request for seconds.
_MOST_CANDIDATES = 10_000

# A longer run of digits is no number that we know, at best a list of them, which is looked at piece by piece; as many
# bytes of one piece as a number may have stand in the next one too.
_LONGEST_RUN_BYTES = 400
_OVERLAP_BYTES = 48

# Full-width forms, as East Asian keyboards write them, are what they look like.
_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}

# Soft hyphens and spaces without width come along when text is copied. Between a word and a number they part the two.
_UNSEEN = "[\u00ad\u200b-\u200d\u2060\ufeff]+"
_WITHIN = re.compile(rf"(?<=\d){_UNSEEN}(?=\d)|(?<=[^\W\d]){_UNSEEN}(?=[^\W\d])")

_NO_MORE = object()

# How far before a number its name may stand.
_NAME_BYTES = 60


def _compile(pattern: str) -> Any:
    return re2.compile(pattern.encode())


# The first alternative is no address: what stands before the host of a URL.
_EMAIL = _compile(
    r"://[^\s/?#@]*@"
    r"|[\pL\pM\pN.!#$%&'*+/=?^_`{|}~-]*[\pL\pM\pN_+-]@"
    r"(?:[\pL\pM\pN](?:[\pL\pM\pN-]*[\pL\pM\pN])?\.)+(?:xn--[a-z0-9-]+|[\pL\pM]{2,})"
)
_NO_ADDRESS_ENDING = re.compile(
    rb"@[1-4]x\.(?:png|jpe?g|gif|webp|svg|avif)$"  # an image for screens of several resolutions
    rb"|\.[a-z]+[A-Z][A-Za-z]*$"  # a product of matrices: a@b.mT
)
_LONGEST_ENDING_BYTES = 64
_CALL_OR_PATH = re.compile(rb"\(|:[\w~.-]{1,100}/")  # a@b.dot(c), git@github.com:a/b.git

_LETTERED = _compile(f"{IBAN_PATTERN}|{LETTERED_PATTERN}")
_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]+")

# Full-width marks stand in Chinese and Japanese text.
_OPEN, _CLOSE, _PLUS = r"(\x{FF08}", r")\x{FF09}", r"+\x{FF0B}"
_MARK = rf"/{_OPEN}{_CLOSE}\x{{2010}}-\x{{2015}}\x{{2212}}\x{{FF0D}}-"
_SPACE = r"[ \x{A0}\x{2009}\x{202F}]"
_SEPARATOR = rf"(?:\.|{_SPACE}|{_SPACE}?[{_MARK}]{_SPACE}?|[{_CLOSE}][-/]|[-/][{_OPEN}])"

# Arabic, Persian, Devanagari, Bengali, Thai, full-width.
_OTHER_DIGIT = r"\x{660}-\x{669}\x{6F0}-\x{6F9}\x{966}-\x{96F}\x{9E6}-\x{9EF}\x{E50}-\x{E59}\x{FF10}-\x{FF19}"
_NEXT_DIGIT = f"{_SEPARATOR}?[0-9{_OTHER_DIGIT}]"

# Eight digits with a plus, nine without: fewer say nothing.
_NUMBER = _compile(
    rf"[{_OPEN}]?[{_PLUS}][{_OPEN}]?[0-9{_OTHER_DIGIT}](?:{_NEXT_DIGIT}){{7,}}"
    rf"|[{_OPEN}]?(?:\b[0-9]|[{_OTHER_DIGIT}])(?:{_NEXT_DIGIT}){{8,}}"
)
_FEWEST_DIGITS = 8
_LONGEST_NUMBER = 64  # characters, with all that may stand between 19 digits

# Lines of logs begin with one, tables have one before other numbers; in a diff with a plus before it.
_DATE_AHEAD = re.compile(
    r"\+?(?:(?:19|20)\d\d([-/.])[01]?\d\1[0-3]?\d|[0-3]?\d([-/.])[01]?\d\2(?:19|20)\d\d)(?!\d)[- ]*", re.ASCII
)

# Several on one line: a card and what follows it, numbers with a mark between, numbers with a space between.
_CARD_AHEAD = re.compile(r"(?:\d{1,3} )?(\d{4}([ -])\d{4}\2\d{4}\2\d{4}|\d{4}([ -])\d{6}\3\d{4,5})[ /]+", re.ASCII)
_BETWEEN_NUMBERS = (re.compile(r" [-/] |/"), re.compile(" "))

# Parts of a word, a path, a file's name, a longer code.
_IN_WORD = re.compile(rb"[A-Za-z0-9_]$")
_JOINED_BEFORE = re.compile(rb"[A-Za-z0-9_][-./\\]$")
_JOINED_AFTER = re.compile(rb"[A-Za-z0-9_@]|[-./\\][A-Za-z0-9_]")
_EXTENSION = re.compile(rb" ?(?:x|ext\.?) ?[0-9]", re.IGNORECASE)


class Found(NamedTuple):
    """A piece of personal data."""

    kind: str
    start: int
    end: int
    """In bytes of the text's UTF-8; of a part of a run of numbers, in characters of that run."""

    def within(self, run: str, start: int) -> "Found":
        """From characters of a run that begins at that byte to bytes."""
        first = start + len(run[: self.start].encode())
        return Found(self.kind, first, first + len(run[self.start : self.end].encode()))


_Candidates = Iterator[Found | None]
"""Each of them, or None if it is nothing."""


def find_personal_data(text: str) -> PersonalData:
    """Count it. Takes time linear in the text, whatever the text; nothing of the text itself is kept.

    Each stretch counts once, but for what stands where a very long list of numbers is cut. Counting ends with the
    first 10,000 candidates of a sort: addresses, identifiers with letters, numbers.
    """
    remaining = _encode(text)
    kinds: Counter[str] = Counter()
    is_whole = True
    for read in _SORTS:
        candidates = read(remaining)
        kinds.update(found.kind for found in islice(candidates, _MOST_CANDIDATES) if found is not None)
        is_whole &= next(candidates, _NO_MORE) is _NO_MORE
    return PersonalData(**{kind: kinds[kind] for kind in KINDS}, is_whole=is_whole)


def blot_out(text: str) -> str:
    """The text with the kind of each piece in its place, `[email]` for one; time and limits as above.

    Where there is any, what full-width forms and unseen signs stand for is written plainly.
    """
    remaining = _encode(text)
    written = bytes(remaining)
    candidates = chain.from_iterable(islice(read(remaining), _MOST_CANDIDATES) for read in _SORTS)
    pieces: list[bytes] = []
    done = 0
    for found in sorted((found for found in candidates if found is not None), key=lambda found: found.start):
        if found.start >= done:
            pieces += (written[done : found.start], f"[{found.kind}]".encode())
            done = found.end
    if not pieces:
        return text.encode("utf-8", "replace").decode()
    return b"".join((*pieces, written[done:])).decode()


def _encode(text: str) -> bytearray:
    plain = text if text.isascii() else _WITHIN.sub("", text).translate(_PLAIN)
    return bytearray(plain.encode("utf-8", "replace"))  # lone surrogates have no UTF-8


def _read_addresses(remaining: bytearray) -> _Candidates:
    """What counts is blanked, so as not to count again."""
    if b"@" not in remaining:
        return
    for candidate in _EMAIL.finditer(remaining):
        start, end = candidate.span()
        if _is_address(remaining, start, end):
            _blank(remaining, start, end)
            yield Found("email", start, end)
        else:
            yield None


def _read_lettered(remaining: bytearray) -> _Candidates:
    for candidate in _LETTERED.finditer(remaining):
        start, end = candidate.span()
        compact = _NO_LETTER_OR_DIGIT.sub("", remaining[start:end].decode()).upper()
        kind = None
        if is_iban(compact):
            kind = "iban"
        elif is_lettered_id(compact) and not _is_joined(remaining, start, end):
            kind = "national_id"
        if kind:
            _blank(remaining, start, end)
        yield Found(kind, start, end) if kind else None


def _read_numbers(remaining: bytearray) -> _Candidates:
    for candidate in _NUMBER.finditer(remaining):
        start, end = candidate.span()
        before = bytes(remaining[max(start - _NAME_BYTES, 0) : start])
        is_joined = _is_joined(remaining, start, end)
        if _IN_WORD.search(before, len(before) - 1) or (is_joined and not speaks_of_phone(before)):
            yield None
        else:
            run = remaining[start:end].decode("utf-8", "ignore")
            for at, piece in _pieces(to_ascii(run)):
                for found in _read_run(piece, at, before, is_joined):
                    yield found and found.within(run, start)


def _pieces(run: str) -> Iterator[tuple[int, str]]:
    """Where each begins, and the piece. Each begins where a number may; digits without end are none, and what follows
    them is left out with them.
    """
    gaps = run.replace("/", " ") if len(run) > _LONGEST_RUN_BYTES else ""
    start = 0
    while len(run) - start > _LONGEST_RUN_BYTES:
        end = start + _LONGEST_RUN_BYTES
        yield start, run[start:end]
        gap = gaps.rfind(" ", start, end - _OVERLAP_BYTES)
        if gap < 0:
            gap = gaps.find(" ", end - _OVERLAP_BYTES)
        if gap < 0:
            return
        start = gap + 1
    yield start, run[start:]


_SORTS = (_read_addresses, _read_lettered, _read_numbers)


def _read_run(run: str, at: int, before: bytes, is_joined: bool) -> _Candidates:
    """The whole of it if that is something, else its parts; `at` is where it begins."""
    if date := _DATE_AHEAD.match(run):
        run = run[date.end() :]
        at += date.end()
    kind = _kind_of(run, before, is_joined)
    yield Found(kind, at, at + len(run)) if kind else None
    if kind is None and len(run) > _FEWEST_DIGITS:
        for start, end in _split(run):
            yield from _read_run(run[start:end], at + start, before, is_joined)


def _split(run: str) -> list[tuple[int, int]]:
    """Where its parts begin and end."""
    listed, mark, rest = run.partition(")")
    if mark and "(" not in listed:  # 1) 212-555-0123
        start = len(run) - len(rest.lstrip())
        return [(start, start + len(rest.strip()))]
    if card := _CARD_AHEAD.match(run):
        return [card.span(1), (card.end(), len(run))]
    for between in _BETWEEN_NUMBERS:
        gaps = [gap.span() for gap in between.finditer(run)]
        if gaps:
            starts, ends = [0, *(end for _, end in gaps)], [*(start for start, _ in gaps), len(run)]
            parts = zip(starts, ends, strict=True)
            return [(start, end) for start, end in parts if end - start >= _FEWEST_DIGITS]
    return []


def _kind_of(run: str, before: bytes, is_joined: bool) -> str | None:
    if not _FEWEST_DIGITS <= len(run) <= _LONGEST_NUMBER:
        return None
    number = parse_digit_groups(run)
    if sum(number.sizes) < _FEWEST_DIGITS:
        return None
    is_phone = is_phone_number(number)
    if is_joined or "+" in number.lead:  # no card has a plus; what is joined would be a part of something else
        return "phone" if is_phone or (is_joined and may_be_phone_number(number)) else None
    if is_card(number):
        return "card"
    if is_id_number(number, before):
        return "national_id"
    return "phone" if is_phone or (may_be_phone_number(number) and speaks_of_phone(before)) else None


def _is_address(remaining: bytearray, start: int, end: int) -> bool:
    ending = max(start, end - _LONGEST_ENDING_BYTES)
    return not (
        remaining.startswith(b"://", start)
        or _NO_ADDRESS_ENDING.search(remaining, ending, end)
        or _CALL_OR_PATH.match(remaining, end)
    )


def _is_joined(remaining: bytearray, start: int, end: int) -> bool:
    """Whether it is a part of something longer; the extension of a phone number is not."""
    if _JOINED_BEFORE.match(remaining, max(start - 2, 0), start):
        return True
    return _JOINED_AFTER.match(remaining, end) is not None and _EXTENSION.match(remaining, end) is None


def _blank(remaining: bytearray, start: int, end: int) -> None:
    remaining[start:end] = b"\n" * (end - start)
