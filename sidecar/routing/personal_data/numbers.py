"""Where in a text numbers are, alone or in lists, and which of them are personal data.

How a number is written says most of it. So each way of writing is looked at once in a text, and digits are looked at
only where it is a way to write something.
"""

import re
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

import re2

from sidecar.routing.personal_data.characters import BLANK, Piece, make_plain, to_ascii
from sidecar.routing.personal_data.digit_groups import DIGITS, MARKS, Form, parse_digit_groups
from sidecar.routing.personal_data.names import Name, find_names
from sidecar.routing.personal_data.national_ids import ID_FORMS
from sidecar.routing.personal_data.payment_numbers import CARD_FORMS
from sidecar.routing.personal_data.phone_numbers import PHONE_SIZES, phone_forms

# A longer run of digits is no number that we know, at best a list of them, which is looked at piece by piece; as many
# characters of one piece as a number may have stand in the next one too.
_LONGEST_RUN = 400
_OVERLAP = 48

# Eight digits with a plus, nine without: fewer say nothing.
_FEWEST_DIGITS = 8
_MOST_DIGITS = 19
_LONGEST_NUMBER = 64  # characters, with all that may stand between

_FORMS = {sizes: CARD_FORMS.get(sizes, ()) + ID_FORMS.get(sizes, ()) for sizes in CARD_FORMS.keys() | ID_FORMS.keys()}

# The shape of a number has a 0 where a group begins with one, and a 9 for any other digit.
_LEADING_ZERO = re.compile(rb"0(?<![0-9]0)")
_MARKED_ZERO = b"\xfe"
_SHAPE = bytes.maketrans(_MARKED_ZERO + DIGITS, b"0" + b"9" * len(DIGITS))

_SEPARATOR = r"(?:[-./ ()]| [-/()] ?|[-/()] |\)[-/]|[-/]\()"

# RE2 sees many times faster than Python's that there is no number, as in most texts, or where the first one is.
_ENOUGH_DIGITS = re2.compile(
    rf"\+\(?[0-9](?:{_SEPARATOR}?[0-9]){{{_FEWEST_DIGITS - 1}}}"
    rf"|\b[0-9](?:{_SEPARATOR}?[0-9]){{{_FEWEST_DIGITS}}}".encode()
)

# As many numbers as follow each other with a mark or a space between. The first character by itself is what Python
# looks for fastest; the lookahead leaves out most of what is too short. There is a group if something touches it.
_TOUCHED = r"((?<=[-./\\A-Za-z0-9_].))?"
_RUN = re.compile(
    (
        rf"[09+(](?:(?<![09A-Za-z_].)(?<=[09])(?=[-./ ()09]{{8}}){_TOUCHED}"
        rf"|(?<=[+(]){_TOUCHED}(?:(?<=\+)\(?|(?<=\()(?:\+\(?)?)[09](?=[-./ ()09]{{7}}))"
        rf"9*+(?:{_SEPARATOR}[09]9*+)*+((?=[-./\\@A-Za-z_]))?"
    ).encode()
)

# Parts of a word, a path, a file's name, a longer code are joined to it; the extension of a phone number is not.
_IN_WORD = re.compile(rb"[A-Za-z0-9_][(+]")
_JOINED_BEFORE = re.compile(rb"[A-Za-z0-9_][-./\\]")
_JOINED_AFTER = re.compile(rb"(?=[A-Za-z0-9_@]|[-./\\][A-Za-z0-9_])(?!(?i: ?(?:x|ext\.?) ?[0-9]))")

# Lines of logs begin with one, tables have one before other numbers; in a diff with a plus before it.
_DATE_AHEAD = re.compile(
    rb"\+?(?:(?:19|20)\d\d([-/.])[01]?\d\1[0-3]?\d|[0-3]?\d([-/.])[01]?\d\2(?:19|20)\d\d)(?!\d)[- ]*"
)
_DATE_SHAPE_AHEAD = re.compile(rb"\+?(?:\d{4}([-/.])\d\d?\1\d\d?|\d\d?([-/.])\d\d?\2\d{4})(?!\d)[- ]*")

# Several on one line: a card and what follows it, numbers with a mark between, numbers with a space between.
_CARD_AHEAD = re.compile(rb"(?:\d{1,3} )?(\d{4}([ -])\d{4}\2\d{4}\2\d{4}|\d{4}([ -])\d{6}\3\d{4,5})[ /]+")
_BETWEEN_MARKS = re.compile(rb"(?! |(?<= )- )(?=[^/]{8})(?:[^ /]++| (?![-/] ))++")
_BETWEEN_SPACES = re.compile(rb"[^ ]{8,}")
_GAP = re.compile(rb"[ /]")

# How far before a number its name may stand.
_NAME_BYTES = 60


def find_numbers(text: str, read: bytes, most: int) -> list[Piece | None]:
    """Each piece of personal data, and None for each number that is nothing; no more after the first `most`.

    `read` has a byte for each character of the text, and `BLANK` for each that counts already.
    """
    plain = to_ascii(read)
    first = _ENOUGH_DIGITS.search(plain)
    if first is None:
        return []
    shaped = _LEADING_ZERO.sub(_MARKED_ZERO, plain).translate(_SHAPE)
    numbers = _Numbers(read, plain, shaped, _Names(text, read), most)
    shapes, found = numbers.shapes, numbers.found
    for run in _RUN.finditer(shaped, max(first.start() - 1, 0)):  # a parenthesis may stand before it
        shape = shapes[run[0]]
        if shape:
            numbers.look_at_run(run, shape)
        elif shape is False:
            found.append(None)
        if len(found) > most:
            break
    return found


def is_joined(read: bytes, start: int, end: int) -> bool:
    """Whether what stands there is a part of something longer."""
    before = _JOINED_BEFORE.match(read, max(start - 2, 0), start)
    return before is not None or _JOINED_AFTER.match(read, end) is not None


class _Shape(NamedTuple):
    """Numbers that are written in one way."""

    forms: tuple[Form, ...]
    """What the whole of it may be."""
    parts: tuple[tuple[int, int], ...]
    """Where those of its parts begin and end that may be something."""
    date_end: int
    """Where the date ends that it may begin with; 0 if it cannot."""


class _Shapes(dict[bytes, _Shape | Literal[False] | None]):
    """What numbers of each shape may be: False for nothing, None if they have too few digits to be looked at."""

    def __init__(self, names: Collection[int]) -> None:
        """`names` are those that stand anywhere in the text."""
        super().__init__()
        self._names = names

    def __missing__(self, shape: bytes) -> _Shape | Literal[False] | None:
        self[shape] = numbers = self._look_at(shape)
        return numbers

    def _look_at(self, shape: bytes) -> _Shape | Literal[False] | None:
        digits = len(shape.translate(None, MARKS))
        fewest = _FEWEST_DIGITS if b"+" in shape else _FEWEST_DIGITS + 1
        if digits < fewest:
            return None
        if len(shape) > _LONGEST_RUN:
            return _LIST
        is_number = digits <= _MOST_DIGITS and len(shape) <= _LONGEST_NUMBER
        forms = _forms_of(shape, self._names) if is_number else ()
        if digits == len(shape):
            return _Shape(forms, (), 0) if forms else False
        parts = self._parts_of(shape) if digits > fewest else ()
        date = _DATE_SHAPE_AHEAD.match(shape)
        if date and (forms or parts or self[shape[date.end() :]]):
            return _Shape(forms, parts, date.end())
        return _Shape(forms, parts, 0) if forms or parts else False

    def _parts_of(self, shape: bytes) -> tuple[tuple[int, int], ...]:
        """Where those of its parts begin and end that may be something."""
        parts = _split(shape)
        if parts is None:  # with spaces between: each is looked at once, and most lists have nothing
            if not any(map(self.__getitem__, set(shape.split(b" ")))):
                return ()
            parts = [part.span() for part in _BETWEEN_SPACES.finditer(shape)]
        return tuple([(start, end) for start, end in parts if self[shape[start:end]]])


# What is too long to be looked at in one piece.
_LIST = _Shape((), (), 0)


class _Names:
    """Which names stand before a number."""

    def __init__(self, text: str, read: bytes) -> None:
        self._text = make_plain(text)
        self._read = read
        self.anywhere = find_names(self._text.encode("utf-8", "replace"))
        self._start = -1
        self._before: Collection[int] = ()

    def before(self, start: int) -> Collection[int]:
        """Those in what counts already, an address for one, say nothing."""
        if self.anywhere and start != self._start:
            first = max(start - _NAME_BYTES, 0)
            before, read = self._text[first:start], self._read[first:start]
            if BLANK in read:
                before = "".join("\n" if read.startswith(BLANK, at) else each for at, each in enumerate(before))
            self._start, self._before = start, find_names(before.encode("utf-8", "replace")[-_NAME_BYTES:])
        return self._before


class _Numbers:
    """The numbers of one text."""

    def __init__(self, read: bytes, plain: bytes, shaped: bytes, names: _Names, most: int) -> None:
        self.shapes = _Shapes(names.anywhere)
        self.found: list[Piece | None] = []
        self._names = names
        self._read = read
        self._plain = plain
        self._shaped = shaped
        self._most = most

    def look_at_run(self, run: re.Match[bytes], shape: _Shape) -> None:
        """Each number in it. A part of a word is nothing; that of something else is, where the text before says so, a
        phone number, and nothing else.
        """
        start, end = run.span()
        is_part = False
        if run.lastindex is not None:
            is_part = is_joined(self._read, start, end)
            is_in_word = start > 0 and _IN_WORD.match(self._read, start - 1) is not None
            if is_in_word or (is_part and Name.PHONE not in self._names.before(start)):
                self.found.append(None)
                return
        if shape is not _LIST:
            self._look_at(start, end, shape, start, is_part)
            return
        for first, last in _pieces(self._shaped, start, end):
            if part := self.shapes[self._shaped[first:last]]:
                self._look_at(first, last, part, start, is_part)
            if len(self.found) > self._most:
                return

    def _look_at(self, start: int, end: int, shape: _Shape, run_start: int, is_part: bool) -> None:
        """The whole of what stands there if that is something, else its parts."""
        forms, parts, date_end = shape
        if date_end and _DATE_AHEAD.match(self._plain, start, end):
            start += date_end
            rest = self.shapes[self._shaped[start:end]]
            if not rest:
                return
            forms, parts, _ = rest
        if forms:
            digits = self._plain[start:end].translate(None, MARKS)
            for kind, is_valid, _, name in forms:
                if (
                    is_valid(digits)
                    and (name is None or name in self._names.before(run_start))
                    and (not is_part or kind == "phone")
                ):
                    self.found.append((kind, start, end))
                    return
        self.found.append(None)
        for first, last in parts:
            if part := self.shapes[self._shaped[start + first : start + last]]:
                self._look_at(start + first, start + last, part, run_start, is_part)


def _pieces(shaped: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Each begins where a number may; digits without end are none, and what follows them is left out with them."""
    while end - start > _LONGEST_RUN:
        yield start, start + _LONGEST_RUN
        last = start + _LONGEST_RUN - _OVERLAP
        gap = max(shaped.rfind(b" ", start, last), shaped.rfind(b"/", start, last))
        if gap < 0:
            following = _GAP.search(shaped, last, end)
            if following is None:
                return
            gap = following.start()
        start = gap + 1
    yield start, end


def _split(shape: bytes) -> list[tuple[int, int]] | None:
    """Where its parts begin and end; None if nothing but spaces parts them."""
    if b")" in shape and (start := _after_list_marks(shape)):  # 1) 212-555-0123
        return [(start, len(shape.rstrip()))]
    if card := _CARD_AHEAD.match(shape):
        return [card.span(1), (card.end(), len(shape))]
    if b"/" in shape or b" - " in shape:
        parts = [part.span() for part in _BETWEEN_MARKS.finditer(shape)]
        return [(start, end) for start, end in parts if end - start >= _FEWEST_DIGITS]
    return None if b" " in shape else []


def _after_list_marks(shape: bytes) -> int:
    """Where what follows `1)` begins; what is longer than a number may have several. 0 if there is none."""
    start = 0
    while start == 0 or len(shape) - start > _LONGEST_NUMBER:
        mark = shape.find(b")", start)
        if mark < 0 or shape.find(b"(", start, mark) >= 0:
            break
        start = len(shape) - len(shape[mark + 1 :].lstrip())
    return start


def _forms_of(shape: bytes, names: Collection[int]) -> tuple[Form, ...]:
    number = parse_digit_groups(shape)
    forms = []
    if number.sizes in _FORMS and b"+" not in shape:  # no card has one
        forms += [form for form in _FORMS[number.sizes] if form.marks is None or form.marks == number.marks]
    if number.sizes in PHONE_SIZES or not shape.startswith(b"9") or Name.PHONE in names:
        forms += phone_forms(number)
    return tuple([form for form in forms if form.name is None or form.name in names])
