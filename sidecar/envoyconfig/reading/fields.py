"""What one field of an Envoy message may hold."""

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """How a field is written."""

    TEXT = auto()
    BYTES = auto()
    FLAG = auto()
    INTEGER = auto()
    NUMBER = auto()
    DURATION = auto()
    WORD = auto()
    """One of an enum's names, or its number."""
    MESSAGE = auto()
    ANY = auto()
    """A message that says its own type."""
    FREE = auto()
    """Any YAML: Struct, Value, and what is not judged."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    kind: Kind
    is_list: bool = False
    is_map: bool = False
    group: str | None = None
    """The oneof that it belongs to: only one of its fields may be set."""
    message: str = ""
    """Full name of the type, for Kind.MESSAGE."""
    words: tuple[str, ...] = ()
    """The names of an enum, for Kind.WORD."""
    low: int = 0
    high: int = 0
    """Bounds, for Kind.INTEGER; both included."""


UINT32 = Field(Kind.INTEGER, low=0, high=2**32 - 1)
UINT64 = Field(Kind.INTEGER, low=0, high=2**64 - 1)
