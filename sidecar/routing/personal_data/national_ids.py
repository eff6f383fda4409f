"""National ids: which letters and digits have the structure and the check characters of one of ten countries' ids."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import re2

from sidecar.routing.personal_data.digit_groups import DigitGroups

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

# Numbers that were printed in advertisements, which nobody has.
_PUBLISHED_SSNS = frozenset(("078051120", "219099999"))

_SSN = re.compile(r"(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}", re.ASCII)
_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", re.ASCII)
_SPANISH_ID = re.compile(r"[XYZ\d]\d{7}[A-Z]", re.ASCII)
_FISCAL_CODE = re.compile(
    r"[A-Z]{6}\d\d[A-EHLMPRST][0-7LMNPQRSTUV][0-9LMNPQRSTUV][A-Z][0-9LMNPQRSTUV]{3}[A-Z]", re.ASCII
)
_NIR = re.compile(r"[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{8}", re.ASCII)
_CHINESE_ID = re.compile(r"[1-8]\d{5}(?:19|20)\d{9}[\dX]", re.ASCII)

_SPANISH_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"

# What 0 to 9, or A to Z, count at the odd places (decree of 23 December 1976).
_FISCAL_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)

_CHINESE_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHINESE_CHECKS = "10X98765432"

# A PESEL's month tells the century, too: 1 to 12 are of the 1900s, 21 to 32 of the 2000s …
_PESEL_CENTURIES = (1900, 2000, 2100, 2200, 1800)
_PESEL_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)

_BSN_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)


def is_lettered_id(text: str) -> bool:
    """Whether upper-case letters and digits that match `LETTERED_PATTERN` are one."""
    return any(check(text) for check in (_is_nino, _is_spanish_id, _is_fiscal_code, _is_nir, _is_chinese_id))


def is_id_number(number: DigitGroups, before: bytes) -> bool:
    """Whether digits are one, by themselves or because the text before them (UTF-8) says so."""
    return any(_has_form(number, form, before) for form in _FORMS.get(number.sizes, ()))


def _is_ssn(digits: str) -> bool:
    """United States: a social security number has no check digit, only parts that are never given out."""
    return _SSN.fullmatch(digits) is not None and digits not in _PUBLISHED_SSNS


def _is_nino(text: str) -> bool:
    """United Kingdom: a national insurance number has no check digit, but few letters may begin or end it."""
    return _NINO.fullmatch(text) is not None


def _is_spanish_id(text: str) -> bool:
    """Spain: a DNI, or a NIE whose X, Y or Z stands for a digit; and the check letter."""
    if _SPANISH_ID.fullmatch(text) is None:
        return False
    number = int(text[:-1].translate(str.maketrans("XYZ", "012")))
    return _SPANISH_LETTERS[number % len(_SPANISH_LETTERS)] == text[-1]


def _is_fiscal_code(text: str) -> bool:
    """Italy: a codice fiscale, also one with letters for digits because two people would have had the same."""
    if _FISCAL_CODE.fullmatch(text) is None:
        return False
    values = [int(character, 36) - (10 if character.isalpha() else 0) for character in text]
    total = sum(_FISCAL_ODD[value] for value in values[0:15:2]) + sum(values[1:15:2])
    return total % 26 == values[15]


def _is_nir(text: str) -> bool:
    """France: a social security number of 13 characters, and its key of 2."""
    if _NIR.fullmatch(text) is None:
        return False
    # Corsica's departments count as 19 and 18.
    number = int(text[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(text[13:])


def _is_german_tax_id(digits: str) -> bool:
    """Germany: of the first ten digits of a Steuer-ID one occurs twice or three times, the others once or never."""
    repeated = [count for count in map(digits[:10].count, "0123456789") if count > 1]
    if digits[0] == "0" or repeated not in ([2], [3]):
        return False
    product = 10  # ISO 7064 mod 11,10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _is_pesel(digits: str) -> bool:
    """Poland: a PESEL begins with a date of birth."""
    century, month = divmod(int(digits[2:4]), 20)
    year = _PESEL_CENTURIES[century] + int(digits[:2])
    return _weigh(digits, _PESEL_WEIGHTS) % 10 == 0 and _is_date(year, month, int(digits[4:6]))


def _is_cpf(digits: str) -> bool:
    """Brazil: a CPF has two check digits; one and the same digit all along is never given out."""
    checks = (_weigh(digits[:length], range(length + 1, 1, -1)) * 10 % 11 % 10 for length in (9, 10))
    return len(set(digits)) > 1 and list(checks) == [int(digits[9]), int(digits[10])]


def _is_bsn(digits: str) -> bool:
    """The Netherlands: one number in eleven passes the test of a burgerservicenummer."""
    return int(digits) != 0 and _weigh(digits, _BSN_WEIGHTS) % 11 == 0


def _is_chinese_id(text: str) -> bool:
    """China: region, date of birth, serial number, check character (ISO 7064 mod 11-2)."""
    if _CHINESE_ID.fullmatch(text) is None or not _is_date(int(text[6:10]), int(text[10:12]), int(text[12:14])):
        return False
    return _CHINESE_CHECKS[_weigh(text[:17], _CHINESE_WEIGHTS) % 11] == text[17]


def _weigh(digits: str, weights: tuple[int, ...] | range) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write an id in digits."""

    is_valid: Callable[[str], bool]
    separators: str | None = None
    """What stands between its groups, if only that makes it one."""
    name: Any = None
    """What has to stand before it where too many numbers would pass."""


def _name(pattern: str) -> Any:
    return re2.compile(f"(?i){pattern}".encode())


_SSN_NAME = _name(r"\bssn\b|social security")
_BSN_NAME = _name(r"\bbsn\b|burgerservicenummer|sofi-?nummer")
_CPF_NAME = _name(r"\bcpf\b")
_PESEL_NAME = _name(r"\bpesel")

# By the sizes of the groups of digits.
_FORMS: dict[tuple[int, ...], tuple[_Form, ...]] = {
    (3, 2, 4): (_Form(_is_ssn, "--"), _Form(_is_ssn, name=_SSN_NAME)),
    (9,): (_Form(_is_ssn, name=_SSN_NAME), _Form(_is_bsn, name=_BSN_NAME)),
    (3, 3, 3): (_Form(_is_bsn, name=_BSN_NAME),),
    (4, 2, 3): (_Form(_is_bsn, name=_BSN_NAME),),
    (3, 3, 3, 2): (_Form(_is_cpf, "..-"), _Form(_is_cpf, name=_CPF_NAME)),
    (9, 2): (_Form(_is_cpf, name=_CPF_NAME),),
    (11,): (_Form(_is_german_tax_id), _Form(_is_cpf, name=_CPF_NAME), _Form(_is_pesel, name=_PESEL_NAME)),
    (2, 3, 3, 3): (_Form(_is_german_tax_id, "   "),),
    (15,): (_Form(_is_nir),),
    (13, 2): (_Form(_is_nir, " "),),
    (1, 2, 2, 2, 3, 3, 2): (_Form(_is_nir, "      "),),
    (18,): (_Form(_is_chinese_id),),
    (6, 8, 4): (_Form(_is_chinese_id, "  "),),
}


def _has_form(number: DigitGroups, form: _Form, before: bytes) -> bool:
    return (
        (form.separators is None or form.separators == "".join(number.separators))
        and form.is_valid(number.digits)
        and (form.name is None or form.name.search(before) is not None)
    )
