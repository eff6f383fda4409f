"""What Envoy makes of a single value in a YAML file: it reads less YAML than Python does, and `n` is a boolean."""

import math
import re

import yaml

Scalar = str | bool | int | None

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = ("y", "yes", "true", "on")
_FALSE = ("n", "no", "false", "off")
_BOOLEANS = {
    spelling: word in _TRUE for word in _TRUE + _FALSE for spelling in (word, word.upper(), word.capitalize())
}
_QUOTED_TRUE = ("true", "t", "yes", "y", "1")
_QUOTED_FALSE = ("false", "f", "no", "n", "0")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_MOST_INTEGER = 2**63 - 1

_DURATION = re.compile(r"(-?[0-9]+(?:\.[0-9]{1,9})?)s")


def read_scalar(node: yaml.ScalarNode) -> Scalar:
    """The value of a scalar; what is quoted is text, and so are decimals, as Envoy hands them on."""
    text = str(node.value)
    if node.style:  # plain: None, or empty from libyaml
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text) and (number := read_integer(text)) is not None:
        return number
    return text


def read_flag(text: str) -> bool | None:
    """A boolean that is quoted; None for any other text."""
    word = text.lower()
    return True if word in _QUOTED_TRUE else False if word in _QUOTED_FALSE else None


def read_integer(text: str) -> int | None:
    """A whole number, written as decimal, octal (010) or hexadecimal (0x10); None for any other text."""
    if not _INTEGER.fullmatch(text):
        return None
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    radix = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" and len(digits) > 1 else 10
    try:
        number = sign * int(digits, radix)
    except ValueError:  # 09
        return None
    return number if abs(number) <= _MOST_INTEGER else None


def read_number(text: str) -> float | None:
    """A number that is quoted, or a decimal; None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return read_integer(text)
    return number if math.isfinite(number) else None


def read_seconds(text: str) -> float | None:
    """A duration as protobuf writes it, `0.25s`; None for any other text."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) if match else None
