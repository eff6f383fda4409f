"""Payment cards and IBANs: which numbers have the length, the beginning and the check digits of one."""

import re

from sidecar.routing.personal_data.digit_groups import DigitGroups

# Issuers' beginnings and lengths, as they publish them (ISO/IEC 7812).
_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|(?:6011|64[4-9]\d|65\d\d|62\d\d)\d{12,15}"  # Discover, UnionPay
    r"|(?:508[5-9]|60\d\d|8[12]\d\d)\d{12}"  # RuPay
    r"|220[0-4]\d{12,15}"  # Mir
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}",  # Maestro
    re.ASCII,
)

_CARD_SIZES = frozenset(
    (*((size,) for size in range(13, 20)), (4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 4, 4, 1))
)

# Characters of an IBAN by country, from the SWIFT registry.
_IBAN_LENGTHS = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}

_EAN_LENGTH = 13


def _iban_pattern(length: int, countries: str) -> str:
    """In RE2 syntax; people write them in one piece or in groups of four."""
    space = r"[ \x{A0}\x{202F}-]?"
    fours, rest = divmod(length - 4, 4)
    last = f"{space}[A-Za-z0-9]{{{rest}}}" if rest else ""
    return rf"\b(?i:{countries.replace(' ', '|')})[0-9]{{2}}(?:{space}[A-Za-z0-9]{{4}}){{{fours}}}{last}\b"


IBAN_PATTERN = "|".join(_iban_pattern(length, countries) for length, countries in _IBAN_LENGTHS.items())
"""What may be one, in RE2 syntax: the country and as many characters as its IBANs have."""


def is_iban(text: str) -> bool:
    """Whether upper-case letters and digits that match `IBAN_PATTERN` are 1 modulo 97 (ISO 7064, ISO 13616)."""
    if text[:2] not in _IBAN_LENGTHS.get(len(text), ""):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def is_card(number: DigitGroups) -> bool:
    """Whether it is grouped like a card's number, begins like an issuer's, and has Luhn's check digit.

    An article number (EAN-13) is none, though one in ten of those that begin with 4 would pass.
    """
    if number.sizes not in _CARD_SIZES or not number.is_uniform or number.separators[:1] not in ((), (" ",), ("-",)):
        return False
    digits = number.digits
    return _CARD.fullmatch(digits) is not None and _passes_luhn(digits) and not _is_article(digits)


def _passes_luhn(digits: str) -> bool:
    """Every second digit from the right counts double, as the sum of its digits (ISO/IEC 7812-1)."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_article(digits: str) -> bool:
    weighed = sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))
    return len(digits) == _EAN_LENGTH and weighed % 10 == 0
