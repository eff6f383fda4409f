"""Payment cards and IBANs: which numbers have the length, the beginning and the check digits of one."""

import re

from sidecar.routing.personal_data.digit_groups import Form, values_of

# Issuers' beginnings and lengths, as they publish them (ISO/IEC 7812).
_CARD = re.compile(
    rb"4\d{12}(?:\d{3}){0,2}"  # Visa
    rb"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    rb"|3[47]\d{13}"  # American Express
    rb"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    rb"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    rb"|(?:6011|64[4-9]\d|65\d\d|62\d\d)\d{12,15}"  # Discover, UnionPay
    rb"|(?:508[5-9]|60\d\d|8[12]\d\d)\d{12}"  # RuPay
    rb"|220[0-4]\d{12,15}"  # Mir
    rb"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"  # Maestro
)

_EAN_LENGTH = 13

# Twice a digit, as the sum of its digits.
_DOUBLED = bytes.maketrans(bytes(range(10)), bytes(sum(divmod(2 * value, 10)) for value in range(10)))

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
# A is 10, Z is 35.
_IBAN_DIGITS = {ord(letter): str(int(letter, 36)) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

# The digits that stand for a country, and the length of its IBANs.
_IBAN_COUNTRIES = {
    country.encode(): (country.translate(_IBAN_DIGITS).encode(), length)
    for length, countries in _IBAN_LENGTHS.items()
    for country in countries.split()
}


def _iban_pattern(length: int, countries: str) -> str:
    """In RE2 syntax; people write them in one piece or in groups of four."""
    fours, rest = divmod(length - 4, 4)
    last = f"[ -]?[A-Za-z0-9]{{{rest}}}" if rest else ""
    return rf"\b(?i:{countries.replace(' ', '|')})[0-9]{{2}}(?:[ -]?[A-Za-z0-9]{{4}}){{{fours}}}{last}\b"


IBAN_PATTERN = "|".join(_iban_pattern(length, countries) for length, countries in _IBAN_LENGTHS.items())
"""What may be one, in RE2 syntax: the country and as many characters as its IBANs have."""


def is_iban(text: bytes) -> bool:
    """Whether upper-case letters and digits that match `IBAN_PATTERN` are 1 modulo 97 (ISO 7064, ISO 13616)."""
    country, length = _IBAN_COUNTRIES.get(text[:2], (b"", 0))
    if len(text) != length:
        return False
    account = text[4:]
    if not account.isdigit():  # many countries' are
        account = account.decode().translate(_IBAN_DIGITS).encode()
    return int(account + country + text[2:4]) % 97 == 1


def is_card(digits: bytes) -> bool:
    """Whether they begin like an issuer's number, and end with Luhn's check digit.

    An article number (EAN-13) is none, though one in ten of those that begin with 4 would pass.
    """
    return _CARD.fullmatch(digits) is not None and _passes_luhn(digits) and not _is_article(digits)


def _passes_luhn(digits: bytes) -> bool:
    """Every second digit from the right counts double, as the sum of its digits (ISO/IEC 7812-1)."""
    values = values_of(digits)
    return (sum(values[-1::-2]) + sum(values[-2::-2].translate(_DOUBLED))) % 10 == 0


def _is_article(digits: bytes) -> bool:
    if len(digits) != _EAN_LENGTH:
        return False
    values = values_of(digits)
    return (sum(values[::2]) + 3 * sum(values[1::2])) % 10 == 0


_CARD_GROUPS = ((4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 4, 4, 1))

CARD_FORMS: dict[tuple[int, ...], tuple[Form, ...]] = {
    **{(length,): (Form("card", is_card),) for length in range(13, 20)},
    **{
        sizes: tuple(Form("card", is_card, mark * (len(sizes) - 1)) for mark in (b" ", b"-"))
        for sizes in _CARD_GROUPS
    },
}
"""By the sizes of their groups."""
