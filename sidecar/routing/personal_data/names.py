"""What people call a number: words that may stand before one, and say what it is."""

from collections.abc import Collection
from enum import IntEnum

import re2


class Name(IntEnum):
    """Whose words they are."""

    PHONE = 0
    SSN = 1
    BSN = 2
    CPF = 3
    PESEL = 4


# In the languages that most people write.
_PHONE = "|".join(
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
)
_PATTERNS = {
    Name.PHONE: _PHONE,
    Name.SSN: r"(?i)\bssn\b|social security",
    Name.BSN: r"(?i)\bbsn\b|burgerservicenummer|sofi-?nummer",
    Name.CPF: r"(?i)\bcpf\b",
    Name.PESEL: r"(?i)\bpesel",
}


def _compile() -> re2.Set:
    names = re2.Set.SearchSet()  # small enough that its states never lack room
    for name in Name:
        names.Add(_PATTERNS[name].encode())
    names.Compile()
    return names


_NAMES = _compile()


def find_names(text: bytes) -> Collection[int]:
    """Those of which some word stands in the text (UTF-8), in one pass."""
    return _NAMES.Match(text) or ()
