"""Where in a text personal data is, and how much of it there is."""

from collections import Counter
from dataclasses import dataclass
from operator import itemgetter

from sidecar.routing.personal_data.addresses import find_addresses
from sidecar.routing.personal_data.characters import BLANK, Piece, make_plain, remove_unseen, to_bytes
from sidecar.routing.personal_data.lettered import find_lettered
from sidecar.routing.personal_data.numbers import find_numbers


@dataclass(frozen=True, slots=True)
class PersonalData:
    """How many pieces of each kind a text has."""

    email: int = 0
    phone: int = 0
    card: int = 0
    iban: int = 0
    national_id: int = 0
    is_whole: bool = True
    """Whether all of the text was searched; if not, there may be more of every kind."""

    @property
    def counts(self) -> dict[str, int]:
        """By kind, those that were found."""
        return {kind: count for kind in KINDS if (count := getattr(self, kind))}


KINDS = ("email", "phone", "card", "iban", "national_id")

# Nobody writes so many of them; checking the millions in a file would stop every other request for seconds.
_MOST_CANDIDATES = 10_000


def find_personal_data(text: str) -> PersonalData:
    """Count it. Takes time linear in the text, whatever the text; nothing of the text itself is kept.

    Each stretch counts once, but for what stands where a very long list of numbers is cut. Counting ends with the
    first 10,000 candidates of a sort: addresses, identifiers with letters, numbers.
    """
    pieces, is_whole = _find(remove_unseen(text))
    kinds = Counter(map(itemgetter(0), pieces))
    return PersonalData(**{kind: kinds[kind] for kind in KINDS}, is_whole=is_whole)


def blot_out(text: str) -> str:
    """The text with the kind of each piece in its place, `[email]` for one; time and limits as above.

    Where there is any, unseen signs within words and numbers are left out.
    """
    written = remove_unseen(text)
    pieces, _ = _find(written)
    if not pieces:
        return _encodable(text)
    kept: list[str] = []
    done = 0
    for kind, start, end in sorted(pieces, key=lambda piece: piece[1]):
        if start >= done:
            kept += (written[done:start], f"[{kind}]")
            done = end
    return _encodable("".join((*kept, written[done:])))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # lone surrogates have no UTF-8


def _find(text: str) -> tuple[list[Piece], bool]:
    """All pieces, and whether that is all."""
    read = to_bytes(text)
    pieces: list[Piece] = []
    is_whole = True
    for search in (_search_addresses, find_lettered, find_numbers):
        candidates = search(text, read, _MOST_CANDIDATES)
        is_whole &= len(candidates) <= _MOST_CANDIDATES
        found = [piece for piece in candidates[:_MOST_CANDIDATES] if piece is not None]
        if found:
            pieces += found
            read = _blank(read, found)
    return pieces, is_whole


def _blank(read: bytes, pieces: list[Piece]) -> bytes:
    """So as not to count what counts already."""
    blanked = bytearray(read)
    for _, start, end in pieces:
        blanked[start:end] = BLANK * (end - start)
    return bytes(blanked)


def _search_addresses(text: str, read: bytes, most: int) -> list[Piece | None]:
    return find_addresses(make_plain(text), most) if b"@" in read else []
