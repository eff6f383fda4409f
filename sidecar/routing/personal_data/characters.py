"""How a text is read: as what its characters look like, one byte for each."""

import codecs
import re

Piece = tuple[str, int, int]
"""Personal data: its kind, and where it begins and ends, in characters."""

BLANK = b"\xff"
"""In place of each character that counts already; no text has it in ASCII."""

# Soft hyphens and spaces without width come along when text is copied. Between a word and a number they part the two.
_UNSEEN = "[\u00ad\u200b-\u200d\u2060\ufeff]"
_IS_UNSEEN = re.compile(_UNSEEN)
_WITHIN = re.compile(rf"(?<=\d){_UNSEEN}+(?=\d)|(?<=[^\W\d]){_UNSEEN}+(?=[^\W\d])")

# Full-width forms, as East Asian keyboards write them, are what they look like.
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_FULL_WIDTH = "".join(chr(ord(character) + 0xFEE0) for character in _ASCII)
_PLAIN = str.maketrans(_FULL_WIDTH, _ASCII)
_IS_FULL_WIDTH = re.compile("[\uff01-\uff5e]")

# What else is written in numbers: spaces; Arabic, Persian, Devanagari, Bengali and Thai digits; dashes and a minus.
_SPACES = "\u00a0\u2009\u202f"
_DIGITS = "".join(chr(ord(zero) + value) for zero in "\u0660\u06f0\u0966\u09e6\u0e50" for value in range(10))
_DASHES = "".join(map(chr, (*range(0x2010, 0x2016), 0x2212)))

# A code page: a byte for each character that matters. Digits and dashes that are not ASCII keep theirs: they are
# no part of a word or a path in ASCII; others are at once what they look like.
_NO_CHARACTER = "\ufffe"
_READ = "\0 " + _ASCII + _FULL_WIDTH + _SPACES
_PAGE = (_READ + _DIGITS + _DASHES).ljust(256, _NO_CHARACTER)
_BYTE_OF = codecs.charmap_build(_PAGE)
_BYTES = bytes(range(256))
_LOOKS_LIKE = ("? " + _ASCII + _ASCII + " " * len(_SPACES)).encode() + _BYTES[len(_READ) :]
_KEPT = _BYTES[len(_READ) : len(_READ + _DIGITS + _DASHES)]
_AS_ASCII = bytes.maketrans(_KEPT, b"0123456789" * 5 + b"-" * len(_DASHES))


def remove_unseen(text: str) -> str:
    """Without what is not seen within words and within numbers."""
    return text if text.isascii() or not _IS_UNSEEN.search(text) else _WITHIN.sub("", text)


def make_plain(text: str) -> str:
    """With full-width forms as plain ones, character by character."""
    return text if text.isascii() or not _IS_FULL_WIDTH.search(text) else text.translate(_PLAIN)


def to_bytes(text: str) -> bytes:
    """One byte for each character: its ASCII if it is or looks like that, one beyond ASCII for digits and dashes that
    are not, `?` for all others.
    """
    if text.isascii():
        return text.encode()
    return codecs.charmap_encode(text, "replace", _BYTE_OF)[0].translate(_LOOKS_LIKE)


def to_ascii(read: bytes) -> bytes:
    """The same with ASCII digits and dashes for the others."""
    return read if read.isascii() else read.translate(_AS_ASCII)
