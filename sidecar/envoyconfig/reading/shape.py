"""Whether a file has the shape of an Envoy bootstrap: known fields, values of the right type, every key once."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

import yaml

from sidecar.config.document import suggest
from sidecar.envoyconfig.reading.document import MERGE_KEY, Node, camel_case, key_mark, own_pairs
from sidecar.envoyconfig.reading.fields import Field, Kind
from sidecar.envoyconfig.reading.scalars import read_integer
from sidecar.envoyconfig.reading.types import fields_of, suggest_type

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"

_SECONDS_IN = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}


class Misfit(Enum):
    """What can be wrong with the shape of a file."""

    DUPLICATE_KEY = auto()
    MERGE_KEY = auto()
    UNKNOWN_FIELD = auto()
    WRONG_TYPE = auto()
    UNKNOWN_WORD = auto()
    EXCLUSIVE_FIELDS = auto()
    UNKNOWN_TYPE = auto()
    MISSING_TYPE = auto()
    UNJUDGED_TYPE = auto()


@dataclass(frozen=True, slots=True)
class ShapeFault:
    """One place that does not fit."""

    misfit: Misfit
    node: Node
    message: str
    fix: str = ""


class ShapeCheck:
    """Compares trees with Envoy's types. What aliases share is looked at once for each type it is used as."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, str]] = set()

    def check(self, root: Node, message: str = BOOTSTRAP) -> list[ShapeFault]:
        """All that does not fit in a tree of that type."""
        return [*_check_keys(root), *self._message(root, message)]

    def check_any(self, root: Node) -> list[ShapeFault]:
        """The same for a tree that says its own type."""
        return [*_check_keys(root), *self._any(root)]

    def _message(self, node: Node, name: str) -> Iterator[ShapeFault]:
        fields = fields_of(name)
        if fields is None or (id(node.yaml), name) in self._seen:
            return
        self._seen.add((id(node.yaml), name))
        if not isinstance(node.yaml, yaml.MappingNode):
            yield _wrong(node, f"expected a mapping ({_short(name)}), got {_describe(node)}")
            return
        spellings = {camel_case(field): field for field in fields} | {field: field for field in fields}
        for key, child in node.members():
            if key in spellings:
                yield from self._field(child, fields[spellings[key]])
            elif key != "@type":
                close = suggest(key, fields)
                fix = f"remove {key!r}, or look up where it belongs"
                yield ShapeFault(Misfit.UNKNOWN_FIELD, child, f"{_short(name)} has no field {key!r}{close}", fix)
        yield from _check_groups(node, fields)

    def _field(self, node: Node, field: Field) -> Iterator[ShapeFault]:
        if not node.is_set:
            return
        if field.is_map:
            if not isinstance(node.yaml, yaml.MappingNode):
                yield _wrong(node, f"expected a mapping, got {_describe(node)}")
            values = [child for _, child in node.members()]
        else:
            values = node.items() if field.is_list else [node]
        for value in values:
            yield from self._value(value, field)

    def _value(self, node: Node, field: Field) -> Iterator[ShapeFault]:
        if not node.is_set or field.kind is Kind.FREE:
            return
        if field.kind is Kind.MESSAGE:
            yield from self._message(node, field.message)
        elif field.kind is Kind.ANY:
            yield from self._any(node)
        elif field.kind is Kind.WORD:
            yield from _check_word(node, field)
        elif (misfit := _SCALAR_CHECKS[field.kind](node, field)) is not None:
            yield misfit

    def _any(self, node: Node) -> Iterator[ShapeFault]:
        if not isinstance(node.yaml, yaml.MappingNode):
            yield _wrong(node, f"expected a mapping with an @type, got {_describe(node)}")
            return
        name, value = node.typed()
        if not name:
            yield ShapeFault(Misfit.MISSING_TYPE, node, "@type is missing")
        elif "/" not in node.at("@type").text():
            fix = f'"@type": type.googleapis.com/{name}'
            yield ShapeFault(Misfit.UNKNOWN_TYPE, node.at("@type"), f"{name} lacks type.googleapis.com/", fix)
        elif name.startswith("google.protobuf."):
            return
        elif fields_of(name) is not None:
            yield from self._message(value, name)
        elif (close := suggest_type(name)) is not None:
            fix = f'"@type": type.googleapis.com/{close}'
            yield ShapeFault(Misfit.UNKNOWN_TYPE, node.at("@type"), f"no type {name!r} (did you mean {close}?)", fix)
        else:
            yield ShapeFault(Misfit.UNJUDGED_TYPE, node.at("@type"), f"{name} is not known here")


def _check_keys(root: Node) -> Iterator[ShapeFault]:
    for node in root.walk():
        if not isinstance(node.yaml, yaml.MappingNode):
            continue
        for key, _ in own_pairs(node.yaml):
            if not isinstance(key, yaml.ScalarNode):
                yield ShapeFault(Misfit.WRONG_TYPE, Node(node.file, key_mark(key), key), "expected text for a key")
        keys = [key for key, _ in own_pairs(node.yaml) if isinstance(key, yaml.ScalarNode)]
        counts = Counter(key.value for key in keys)
        for key in keys:
            place = Node(node.file, key_mark(key), key)
            if key.value == MERGE_KEY and not key.style:
                yield ShapeFault(Misfit.MERGE_KEY, place, "<< merges another mapping")
            elif counts[key.value] > 1:
                counts[key.value] = 0
                yield ShapeFault(
                    Misfit.DUPLICATE_KEY, _last(node, keys, key), f"{key.value!r} is given more than once"
                )


def _last(node: Node, keys: list[yaml.ScalarNode], key: yaml.ScalarNode) -> Node:
    last = [other for other in keys if other.value == key.value][-1]
    return Node(node.file, key_mark(last), last)


def _check_groups(node: Node, fields: Mapping[str, Field]) -> Iterator[ShapeFault]:
    """Of the fields of a oneof, only one may be set."""
    taken: dict[str, str] = {}
    for name, field in fields.items():
        member = node.at(name)
        if field.group is None or not member.is_set:
            continue
        if field.group in taken:
            message = f"{name!r} and {taken[field.group]!r} are both set"
            yield ShapeFault(Misfit.EXCLUSIVE_FIELDS, member, message)
        taken[field.group] = name


def _check_word(node: Node, field: Field) -> Iterator[ShapeFault]:
    word = node.word()
    known = {it.upper() for it in field.words}
    if not isinstance(node.yaml, yaml.ScalarNode):
        yield _wrong(node, f"expected one of {', '.join(field.words)}, got {_describe(node)}")
    elif word not in known and not word.isdecimal():
        fix = f"one of {', '.join(field.words)}"
        yield ShapeFault(Misfit.UNKNOWN_WORD, node, f"unknown value {node.text()!r}{suggest(word, known)}", fix)


def _check_text(node: Node, _field: Field) -> ShapeFault | None:
    scalar = node.scalar()
    if isinstance(scalar, str):
        return None
    if isinstance(scalar, bool):
        message = f"expected text, and Envoy reads {node.text()!r} as a boolean"
    elif isinstance(scalar, int):
        message = f"expected text, and Envoy reads {node.text()!r} as a number"
    else:
        return _wrong(node, f"expected text, got {_describe(node)}")
    return _wrong(node, message, f'quote it: "{node.text()}"')


def _check_flag(node: Node, _field: Field) -> ShapeFault | None:
    return None if node.flag() is not None else _wrong(node, f"expected true or false, got {_describe(node)}")


def _check_integer(node: Node, field: Field) -> ShapeFault | None:
    number = node.number() if "_" not in node.text() else None
    if number is not None and number == int(number) and field.low <= number <= field.high:
        return None
    expected = f"expected a whole number from {field.low} to {field.high}"
    return _wrong(node, f"{expected}, got {_describe(node)}", _as_bytes(node.text()))


def _check_number(node: Node, _field: Field) -> ShapeFault | None:
    return None if node.number() is not None else _wrong(node, f"expected a number, got {_describe(node)}")


def _check_duration(node: Node, _field: Field) -> ShapeFault | None:
    seconds = node.seconds()
    if seconds is not None and seconds >= 0 and {name for name, _ in node.members()} <= {"seconds", "nanos"}:
        return None
    return _wrong(node, f"expected a duration like 0.25s, got {_describe(node)}", _as_seconds(node.text()))


_SCALAR_CHECKS: Mapping[Kind, Callable[[Node, Field], ShapeFault | None]] = {
    Kind.TEXT: _check_text,
    Kind.BYTES: _check_text,
    Kind.FLAG: _check_flag,
    Kind.INTEGER: _check_integer,
    Kind.NUMBER: _check_number,
    Kind.DURATION: _check_duration,
}


def _as_seconds(text: str) -> str:
    """`100ms` as `0.1s`; empty for what is no duration in any notation."""
    digits = text.rstrip("hms")
    factor = _SECONDS_IN.get(text[len(digits) :])
    number = read_integer(digits)
    return f"{number * factor:g}s" if number is not None and factor is not None else ""


def _as_bytes(text: str) -> str:
    """`16MiB` as 16777216; empty for what is no size."""
    digits = text.rstrip("KMGiBb ")
    power = {"K": 1, "M": 2, "G": 3}.get(text[len(digits) :].strip()[:1])
    number = read_integer(digits)
    return f"{number * 1024**power}" if number is not None and power is not None else ""


def _wrong(node: Node, message: str, fix: str = "") -> ShapeFault:
    return ShapeFault(Misfit.WRONG_TYPE, node, message, fix)


def _describe(node: Node) -> str:
    if isinstance(node.yaml, yaml.MappingNode):
        return "a mapping"
    if isinstance(node.yaml, yaml.SequenceNode):
        return "a list"
    return repr(node.text())


def _short(name: str) -> str:
    """The name of a message without its package."""
    return name.partition("v3.")[2] or name.rpartition(".")[2]
