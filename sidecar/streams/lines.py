"""JSON Lines that a person hands in: every line knows its place, so that a fault can be shown to whoever made it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from sidecar.routing.body import replace_lone_surrogates

T = TypeVar("T")

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)

# A grader that only tells right from wrong may write booleans.
_GRADE: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Annotated[float, msgspec.Meta(ge=0, le=1)] | bool)


class InputError(Exception):
    """A fault in what a person gave us; the message says where it is and what was expected."""


@dataclass(frozen=True, slots=True)
class Line:
    """One JSON object; only the members that are asked for are read, and each reading raises InputError."""

    place: str
    """`line 3` of standard input, `log.jsonl:3` of a file."""
    members: Mapping[str, msgspec.Raw]

    def string(self, name: str) -> str:
        """That member; it may be empty."""
        return str(self._member(name, _TEXT, "a string"))

    def grades(self) -> tuple[float, float]:
        """How good the weak and the strong model's answers were, 0 to 1: `weak` and `strong`.

        Where there is a `weak_ok`, it and `strong_ok` are the grades: such rows name the two models in the others.
        """
        weak, strong = ("weak_ok", "strong_ok") if "weak_ok" in self.members else ("weak", "strong")
        return self._grade(weak), self._grade(strong)

    def find_grades(self) -> tuple[float, float] | None:
        """The grades, if it has any."""
        try:
            return self.grades()
        except InputError:
            return None

    def _grade(self, name: str) -> float:
        return float(self._member(name, _GRADE, "a grade from 0 to 1"))

    def _member(self, name: str, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
        if name not in self.members:
            raise InputError(f"{self.place}: {name}: expected {expected}, but it is missing")
        try:
            return decode_json(self.members[name], decoder)
        except ValueError as error:
            raise InputError(f"{self.place}: {name}: expected {expected} ({error})") from error


def read_lines(source: Iterable[bytes], file_name: str | None = None) -> Iterator[Line]:
    """The lines that are not blank. Raises InputError for one that is not a JSON object."""
    for number, written in enumerate(source, 1):
        if written.strip():
            place = f"{file_name}:{number}" if file_name else f"line {number}"
            try:
                members = decode_json(written, _MEMBERS)
            except ValueError as error:
                raise InputError(f'{place}: expected a JSON object like {{"text": "…"}} ({error})') from error
            yield Line(place, members)


def decode_json(written: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """As requests are read: a log, too, may hold half of an emoji that was cut. Raises ValueError."""
    try:
        return decoder.decode(written)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError:
        unread = bytes(written)
        readable = replace_lone_surrogates(unread)
        if readable == unread:
            raise
        return decoder.decode(readable)
