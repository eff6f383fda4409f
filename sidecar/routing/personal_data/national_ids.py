"""National ids: which letters and digits have the structure and the check characters of one of ten countries' ids."""

import re
from collections.abc import Callable, Iterable
from datetime import date
from operator import mul

from sidecar.routing.personal_data.digit_groups import Form, values_of
from sidecar.routing.personal_data.names import Name

LETTERED_PATTERN = "|".join(
    (
        r"\b[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]\b",  # United Kingdom
        r"\b(?:[XYZ]-?\d{7}|\d{8}|\d{1,2}\.\d{3}\.\d{3})-?[A-Z]\b",  # Spain
        r"\b(?i:[A-Z]{6} ?\d\d[A-Z][0-9A-Z]{2} ?[A-Z][0-9A-Z]{3}[A-Z])\b",  # Italy
        r"\b[12] ?\d\d ?\d\d ?2[ABab] ?\d{3} ?\d{3} ?\d\d\b",  # France, for Corsica
        r"\b\d{17}[Xx]\b",  # China
    )
)
"""What may be one that has letters, in RE2 syntax."""

# The two in front were printed in advertisements, and nobody has them.
_SSN = re.compile(rb"(?!078051120|219099999|000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}")
_NINO = re.compile(rb"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
_FISCAL_CODE = re.compile(rb"[A-Z]{6}\d\d[A-EHLMPRST][0-7LMNPQRSTUV][0-9LMNPQRSTUV][A-Z][0-9LMNPQRSTUV]{3}[A-Z]")
_NIR = re.compile(rb"[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{8}")
_CHINESE_ID = re.compile(rb"[1-8]\d{5}(?:19|20)\d{9}[\dX]")

_SPANISH_LETTERS = b"TRWAGMYFPDXBNJZSQVHLCKE"
_SPANISH_DIGITS = bytes.maketrans(b"XYZ", b"012")

# What 0 to 9, or A to Z, count: as they come, and at the odd places (decree of 23 December 1976).
_FISCAL_VALUES = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", bytes((*range(10), *range(26))))
_FISCAL_ODD = bytes.maketrans(
    bytes(range(26)),
    bytes((1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)),
)

_CHINESE_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHINESE_CHECKS = b"10X98765432"

# A PESEL's month tells the century, too: 1 to 12 are of the 1900s, 21 to 32 of the 2000s …
_PESEL_CENTURIES = (1900, 2000, 2100, 2200, 1800)
_PESEL_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)

_CPF_WEIGHTS = tuple(range(11, 1, -1))
_BSN_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)


def is_lettered_id(text: bytes) -> bool:
    """Whether upper-case letters and digits that match `LETTERED_PATTERN` are one."""
    return any(check(text) for check in _LETTERED.get(len(text), ()))


def _is_nino(text: bytes) -> bool:
    """United Kingdom: a national insurance number has no check digit, but few letters may begin or end it."""
    return _NINO.fullmatch(text) is not None


def _is_spanish_id(text: bytes) -> bool:
    """Spain: a DNI, or a NIE whose X, Y or Z stands for a digit; and the check letter."""
    number = text[:-1].translate(_SPANISH_DIGITS)
    return number.isdigit() and _SPANISH_LETTERS[int(number) % len(_SPANISH_LETTERS)] == text[-1]


def _is_fiscal_code(text: bytes) -> bool:
    """Italy: a codice fiscale, also one with letters for digits because two people would have had the same."""
    if _FISCAL_CODE.fullmatch(text) is None:
        return False
    values = text.translate(_FISCAL_VALUES)
    return (sum(values[0:15:2].translate(_FISCAL_ODD)) + sum(values[1:15:2])) % 26 == values[15]


def _is_nir(text: bytes) -> bool:
    """France: a social security number of 13 characters, and its key of 2."""
    if _NIR.fullmatch(text) is None:
        return False
    # Corsica's departments count as 19 and 18.
    number = int(text[:13].replace(b"2A", b"19").replace(b"2B", b"18"))
    return 97 - number % 97 == int(text[13:])


def _is_german_tax_id(digits: bytes) -> bool:
    """Germany: of the first ten digits of a Steuer-ID one occurs twice or three times, the others once or never."""
    first = digits[:10]
    different = len(set(first))
    if different not in (8, 9) or digits.startswith(b"0"):
        return False
    if different == 8 and max(map(first.count, first)) == 2:  # two digits twice
        return False
    product = 10  # ISO 7064 mod 11,10
    *values, check = values_of(digits)
    for value in values:
        product = ((value + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == check


def _is_pesel(digits: bytes) -> bool:
    """Poland: a PESEL begins with a date of birth."""
    century, month = divmod(int(digits[2:4]), 20)
    year = _PESEL_CENTURIES[century] + int(digits[:2])
    return _weigh(digits, _PESEL_WEIGHTS) % 10 == 0 and _is_date(year, month, int(digits[4:6]))


def _is_cpf(digits: bytes) -> bool:
    """Brazil: a CPF has two check digits; one and the same digit all along is never given out."""
    return (
        _weigh(digits[:9], _CPF_WEIGHTS[1:]) * 10 % 11 % 10 == int(digits[9:10])
        and _weigh(digits[:10], _CPF_WEIGHTS) * 10 % 11 % 10 == int(digits[10:])
        and len(set(digits)) > 1
    )


def _is_bsn(digits: bytes) -> bool:
    """The Netherlands: one number in eleven passes the test of a burgerservicenummer."""
    return int(digits) != 0 and _weigh(digits, _BSN_WEIGHTS) % 11 == 0


def _is_chinese_id(text: bytes) -> bool:
    """China: region, date of birth, serial number, check character (ISO 7064 mod 11-2)."""
    return (
        _CHINESE_ID.fullmatch(text) is not None
        and _CHINESE_CHECKS[_weigh(text[:17], _CHINESE_WEIGHTS) % 11] == text[17]
        and _is_date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    )


def _weigh(digits: bytes, weights: Iterable[int]) -> int:
    return sum(map(mul, values_of(digits), weights))


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


# By how many characters they have.
_LETTERED: dict[int, tuple[Callable[[bytes], bool], ...]] = {
    9: (_is_nino, _is_spanish_id),
    15: (_is_nir,),
    16: (_is_fiscal_code,),
    18: (_is_chinese_id,),
}


def _form(is_valid: Callable[[bytes], object], marks: bytes | None = None, name: Name | None = None) -> Form:
    return Form("national_id", is_valid, marks, name)


ID_FORMS: dict[tuple[int, ...], tuple[Form, ...]] = {
    (3, 2, 4): (_form(_SSN.fullmatch, b"--"), _form(_SSN.fullmatch, name=Name.SSN)),
    (9,): (_form(_SSN.fullmatch, name=Name.SSN), _form(_is_bsn, name=Name.BSN)),
    (3, 3, 3): (_form(_is_bsn, name=Name.BSN),),
    (4, 2, 3): (_form(_is_bsn, name=Name.BSN),),
    (3, 3, 3, 2): (_form(_is_cpf, b"..-"), _form(_is_cpf, name=Name.CPF)),
    (9, 2): (_form(_is_cpf, name=Name.CPF),),
    (11,): (_form(_is_german_tax_id), _form(_is_cpf, name=Name.CPF), _form(_is_pesel, name=Name.PESEL)),
    (2, 3, 3, 3): (_form(_is_german_tax_id, b"   "),),
    (15,): (_form(_is_nir),),
    (13, 2): (_form(_is_nir, b" "),),
    (1, 2, 2, 2, 3, 3, 2): (_form(_is_nir, b"      "),),
    (18,): (_form(_is_chinese_id),),
    (6, 8, 4): (_form(_is_chinese_id, b"  "),),
}
"""Those of digits alone, by the sizes of their groups."""
