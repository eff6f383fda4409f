"""Phone numbers: which digits, grouped in which way, are written as people write one."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from sidecar.routing.personal_data.digit_groups import DIGITS, DigitGroups, Form
from sidecar.routing.personal_data.names import Name

# Country codes (ITU-T E.164) …
_COUNTRY = re.compile(
    rb"1|7|2(?:0|7|1[12368]|[2-4]\d|5[0-8]|6\d|9[01789])|3(?:[0-469]|5\d|7[0-8]|8[0-35-79])|4(?:[013-9]|2[013])"
    rb"|5(?:[1-8]|0\d|9\d)|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[1246]|5[02356]|80|86)"
    rb"|9(?:[0-58]|6[0-8]|7[0-7]|9[2-68])"
)

# … and how many digits follow the larger countries'; others' are taken as they come, within E.164's 15 in all.
_NATIONAL_LENGTHS = {
    country.encode(): range(least, most + 1)
    for (least, most), countries in {
        (7, 9): "46 353",
        (7, 12): "43 49 358",
        (8, 8): "45 47 65 852",
        (8, 9): "32 36 51 66 359 886 966 971 972",
        (8, 10): "20 57 60 63 64 82 234 254 880",
        (8, 11): "39",
        (8, 12): "62",
        (9, 9): "27 31 33 34 40 41 48 56 61 351 380 420 421",
        (9, 10): "44 81 84 92",
        (9, 11): "86",
        (10, 10): "1 7 30 58 90 91 98",
        (10, 11): "52 54 55",
    }.items()
    for country in countries.split()
}
_OTHER_LENGTHS = range(5, 13)
_LONGEST_NUMBER = 15
_MOST_GROUPS = 8

# Sizes of the groups that a number with a leading 0 is written in, by its digits: 030 1234567 is 3-7.
_TRUNK_SIZES = frozenset(
    tuple(map(int, sizes))
    for layouts in {
        9: "36 27 45 234 3222 2322",
        10: "28 37 46 55 244 334 343 424 433 514 3322 4222 22222",
        11: "38 47 56 344 434 443 533 4322 4223 2234",
        12: "48 57 444 354 4323 42222",
    }.values()
    for sizes in layouts.split()
)

# Of a number that is written plainly, or in groups that any numbers could stand in.
_UNMARKED_LENGTHS = range(9, 14)

_YEAR = re.compile(rb"(?:19|20)\d\d")
_AREA_LENGTHS = range(9, 12)
_MARKED_SIZES = frozenset(
    ((3, 3, 4), (1, 3, 3, 4), (3, 4, 4), (1, 3, 3, 2, 2), (1, 3, 7), (2, 5, 4), (3, 2, 2, 2), (2, 3, 2, 2))
)
PHONE_SIZES = _TRUNK_SIZES | _MARKED_SIZES
"""Of the groups of a number that has neither a country code nor parentheses, and is one by its form."""

_OPTIONAL_ZERO = re.compile(rb"\d[- /]?\( ?(\d) ?\)")


def phone_forms(number: DigitGroups) -> Iterator[Form]:
    """What makes a phone number of one that is written so."""
    sizes = number.sizes
    if b"+" in number.shape:
        if len(sizes) <= _MOST_GROUPS:
            yield Form("phone", partial(_is_international, _find_optional_zero(number)))
        return
    if len(sizes) > 1:
        if number.begins_with_zero:
            yield from _forms_with_zero(number)
        if sizes in _MARKED_SIZES and (begins := _national_beginning(number)):
            yield Form("phone", begins)
        if number.shape.startswith(b"(") and _has_area_in_parentheses(number):
            yield Form("phone", partial(_begins_with_area, sizes[0]))
    if sum(sizes) in _UNMARKED_LENGTHS and (len(sizes) == 1 or min(sizes) > 1):
        yield _NAMED


def _forms_with_zero(number: DigitGroups) -> Iterator[Form]:
    if number.sizes[0] > 1 and len(number.sizes) <= _MOST_GROUPS:
        yield Form("phone", partial(_has_zeros_for_plus, _find_optional_zero(number)))
    if number.sizes in _TRUNK_SIZES and len(set(number.separators[1:])) <= 1 and not number.is_row_of_zeros:
        yield Form("phone", _has_trunk_zero)


def _is_anything(_: bytes) -> bool:
    return True


_NAMED = Form("phone", _is_anything, name=Name.PHONE)
"""One if the text says that it is; by itself it could be any number."""


def _find_optional_zero(number: DigitGroups) -> int | None:
    """Which digit is one that is dialled only within the country if it is a zero, as in +49 (0)30."""
    optional = _OPTIONAL_ZERO.search(number.shape) if b"(" in number.shape else None
    if optional is None:
        return None
    before = number.shape[: optional.start(1)]
    return sum(map(before.count, DIGITS))


def _has_zeros_for_plus(optional: int | None, digits: bytes) -> bool:
    return digits.startswith(b"00") and _is_international(None if optional is None else optional - 2, digits[2:])


def _is_international(optional: int | None, digits: bytes) -> bool:
    """Whether it has a country's code, and as many digits as that country's numbers."""
    country = _COUNTRY.match(digits)
    if country is None or len(digits) > _LONGEST_NUMBER:
        return False
    dialled = len(digits) if optional is None or digits[optional] != DIGITS[0] else len(digits) - 1
    return dialled - country.end() in _NATIONAL_LENGTHS.get(country[0], _OTHER_LENGTHS)


def _has_trunk_zero(digits: bytes) -> bool:
    return digits[1] != DIGITS[0] and digits.strip(b"01") != b""  # not binary


def _has_area_in_parentheses(number: DigitGroups) -> bool:
    return (
        number.lead == b"("
        and number.separators[0].startswith(b")")
        and 2 <= number.sizes[0] <= 5
        and (len(number.sizes) in (3, 4) or (len(number.sizes) == 2 and number.begins_with_zero))
        and min(number.sizes) > 1
        and sum(number.sizes) in _AREA_LENGTHS
    )


def _begins_with_area(size: int, digits: bytes) -> bool:
    return not digits.startswith(b"00") and _YEAR.fullmatch(digits, 0, size) is None


def _begins(pattern: bytes) -> Callable[[bytes], object]:
    return re.compile(pattern).match


_NORTH_AMERICA, _NORTH_AMERICA_WITH_ONE = _begins(rb"[2-9]"), _begins(rb"1[2-9]")
_CHINA, _RUSSIA, _BRAZIL, _SPAIN = _begins(rb"1[3-9]"), _begins(rb"8[3489]"), _begins(rb"\d\d9"), _begins(rb"[6-9]")


def _national_beginning(number: DigitGroups) -> Callable[[bytes], object] | None:
    """How a number begins that is written, without a leading 0, as others hardly ever are."""
    match number.sizes:
        case (3, 3, 4) if number.marks in (b"--", b".."):  # 212-555-0123
            return _NORTH_AMERICA
        case (1, 3, 3, 4):
            return _NORTH_AMERICA_WITH_ONE
        case (3, 4, 4) if number.is_uniform:  # mobiles: 138 0013 8000
            return _CHINA
        case (1, 3, 3, 2, 2) | (1, 3, 7):  # 8 (912) 345-67-89
            return _RUSSIA
        case (2, 5, 4) if number.marks == b" -":  # 11 91234-5678
            return _BRAZIL
        case (3, 2, 2, 2) | (2, 3, 2, 2) if number.is_uniform:  # 612 34 56 78, 91 123 45 67
            return _SPAIN
        case _:
            return None
