"""Identifiers that have letters: IBANs, and some national ids."""

import re2

from sidecar.routing.personal_data.characters import Piece
from sidecar.routing.personal_data.national_ids import LETTERED_PATTERN, is_lettered_id
from sidecar.routing.personal_data.numbers import is_joined
from sidecar.routing.personal_data.payment_numbers import IBAN_PATTERN, is_iban

# By RE2, which sees that there is none, as in most texts, many times faster than Python's.
_LETTERED = re2.compile(f"{IBAN_PATTERN}|{LETTERED_PATTERN}".encode())
_MARKS = b" -."


def find_lettered(_: str, read: bytes, most: int) -> list[Piece | None]:
    """Each of them, and None for what only looks like one; no more after the first `most`."""
    found: list[Piece | None] = []
    for candidate in _LETTERED.finditer(read):
        start, end = candidate.span()
        compact = read[start:end].translate(None, _MARKS).upper()
        if is_iban(compact):
            found.append(("iban", start, end))
        elif is_lettered_id(compact) and not is_joined(read, start, end):
            found.append(("national_id", start, end))
        else:
            found.append(None)
        if len(found) > most:
            break
    return found
