"""Phone numbers: which digits, grouped in which way, are written as people write one."""

import re

import re2

from sidecar.routing.personal_data.digit_groups import DigitGroups

# Country codes (ITU-T E.164) …
_COUNTRY = re.compile(
    r"1|7|2(?:0|7|1[12368]|[2-4]\d|5[0-8]|6\d|9[01789])|3(?:[0-469]|5\d|7[0-8]|8[0-35-79])|4(?:[013-9]|2[013])"
    r"|5(?:[1-8]|0\d|9\d)|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[1246]|5[02356]|80|86)"
    r"|9(?:[0-58]|6[0-8]|7[0-7]|9[2-68])",
    re.ASCII,
)

# … and how many digits follow the larger countries'; others' are taken as they come, within E.164's 15 in all.
_NATIONAL_LENGTHS = {
    country: range(least, most + 1)
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

_YEAR = re.compile(r"(?:19|20)\d\d", re.ASCII)

# Of a number that is written plainly, or in groups that any numbers could stand in.
_UNMARKED_LENGTHS = range(9, 14)

# What people call it in the languages that most of them write.
_NAME = re2.compile(
    "|".join(
        (
            r"(?i:\b(?:tel|(?:tele|mobil)?(?:ph|f)oo?n\w*|mobile?|mobiel|handy|handynummer|rufnummer|cell|fax|gsm)\b",
            r"\b(?:whatsapp|viber|portable|celular|cellulare|hp|wa|sdt|cep)\b",
            r"\b(?:call|text|ring|reach) (?:me|us|him|her|them)\b",
            "t[ée]l[ée]phone|tel[ée]fono|m[óo]vil|ll[áa]ma|komórk|điện thoại|sđt",
            "телефон|тел[.:]|мобильн|моб[.:]|вайбер|звони|дзвон|τηλ|κινητ",
            "电话|電話|手机|手機|联系方式|聯絡|携帯|ケータイ|전화|휴대폰|핸드폰|연락처",
            "هاتف|جوال|واتساب|موبايل|موبایل|تلفن|טלפון|נייד",
            "फ़?ोन|मोबाइल|ফোন|মোবাইল|โทร|เบอร์|มือถือ",
            r"wa\.me/|[☎☏📞📱])",
        )
    ).encode()
)


def is_phone_number(number: DigitGroups) -> bool:
    """Whether it is written as nothing but a phone number is: with a country code, or grouped in a country's way."""
    if "+" in number.lead:
        return _is_international(number, number.digits)
    if len(number.groups) == 1:
        return False
    if number.groups[0].startswith("00"):
        return _is_international(number, number.digits.removeprefix("00"))
    return _has_trunk_zero(number) or _has_area_in_parentheses(number) or _is_marked_national(number)


def may_be_phone_number(number: DigitGroups) -> bool:
    """Whether it is one if the text says that it is; by itself it could be any number."""
    return len(number.digits) in _UNMARKED_LENGTHS and (len(number.groups) == 1 or min(number.sizes) > 1)


def speaks_of_phone(before: bytes) -> bool:
    """Whether the text (UTF-8) just before a number says that it is a phone number."""
    return _NAME.search(before) is not None


def _is_international(number: DigitGroups, digits: str) -> bool:
    country = _COUNTRY.match(digits)
    if country is None or len(digits) > _LONGEST_NUMBER or len(number.groups) > _MOST_GROUPS:
        return False
    national = len(digits) - len(country[0]) - (1 if _has_optional_zero(number) else 0)
    return national in _NATIONAL_LENGTHS.get(country[0], _OTHER_LENGTHS)


def _has_optional_zero(number: DigitGroups) -> bool:
    """As in +49 (0)30: that zero is dialled only within the country."""
    between = zip(number.separators, number.groups[1:], number.separators[1:], strict=False)
    return any(group == "0" and "(" in before and ")" in after for before, group, after in between)


def _has_trunk_zero(number: DigitGroups) -> bool:
    return (
        number.sizes in _TRUNK_SIZES
        and number.groups[0][0] == "0" != number.groups[0][1]
        and len(set(number.separators[1:])) <= 1
        and not all(group[0] == "0" for group in number.groups)  # a row of a table
        and not set(number.digits) <= {"0", "1"}  # binary
    )


def _has_area_in_parentheses(number: DigitGroups) -> bool:
    area = number.groups[0]
    return (
        number.lead == "("
        and number.separators[0].startswith(")")
        and len(area) in range(2, 6)
        and _YEAR.fullmatch(area) is None
        and (len(number.groups) in (3, 4) or (len(number.groups) == 2 and area[0] == "0"))
        and min(number.sizes) > 1
        and len(number.digits) in range(9, 12)
    )


def _is_marked_national(number: DigitGroups) -> bool:
    """Forms without a leading 0 in which other numbers are hardly ever written."""
    first, second = number.groups[:2]
    match number.sizes:
        case (3, 3, 4):  # North America: 212-555-0123
            return first[0] in "23456789" and number.separators in (("-", "-"), (".", "."))
        case (1, 3, 3, 4):
            return first == "1" and second[0] in "23456789"
        case (3, 4, 4):  # China's mobiles: 138 0013 8000
            return first[0] == "1" and first[1] in "3456789" and number.is_uniform
        case (1, 3, 3, 2, 2) | (1, 3, 7):  # Russia: 8 (912) 345-67-89
            return first == "8" and second[0] in "3489"
        case (2, 5, 4):  # Brazil: 11 91234-5678
            return second[0] == "9" and number.separators == (" ", "-")
        case (3, 2, 2, 2) | (2, 3, 2, 2):  # Spain: 612 34 56 78, 91 123 45 67
            return first[0] in "6789" and number.is_uniform
        case _:
            return False
