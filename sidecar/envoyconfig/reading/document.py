"""The text of an Envoy file as a tree: every value knows where it stands, aliases and merge keys are followed."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from yaml import Node as YamlNode

from sidecar.envoyconfig.reading.scalars import Scalar, read_flag, read_number, read_scalar, read_seconds

# libyaml's parser where there is one: ten times as fast, and a large file is read while someone waits.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MERGE_KEY = "<<"
# What YAML 1.1 refuses, or takes for the end of a line, and YAML 1.2 does not.
_NO_TEXT = re.compile(f"{yaml.reader.Reader.NON_PRINTABLE.pattern}|[\x85\u2028\u2029]")
_BLANK = re.compile("^[ \t]*\t[ \t]*(?=#|$)", re.MULTILINE)
# Of a surrogate pair in JSON, behind an even number of backslashes.
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")

_IGNORED_TAG = "!ignore"  # Envoy passes over a key that is tagged so


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; both count from 1."""

    line: int
    column: int


_TOP = Mark(1, 1)


class UnreadableError(Exception):
    """The file is no YAML, or no file; the message says what is wrong, `mark` where."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file, or one that is not written."""

    file: Path
    mark: Mark
    """Where its text stands: its key, where it has one. For a value that is not written, where it is missing."""
    yaml: YamlNode | None
    """None: not written, or nothing (`key:` alone)."""

    @property
    def is_set(self) -> bool:
        """Whether it is written."""
        return self.yaml is not None

    def at(self, *names: str) -> "Node":
        """The value under these keys, one below the other; always one, if only to say where it is missing."""
        node = self
        for name in names:
            node = node._member(name)
        return node

    def members(self) -> list[tuple[str, "Node"]]:
        """Keys and values of a mapping; nothing for any other value."""
        if not isinstance(self.yaml, yaml.MappingNode):
            return []
        return [(name, self._child(value, key)) for name, (key, value) in _pairs(self.yaml).items()]

    def items(self) -> list["Node"]:
        """The values of a list. A single value is a list of one, as Envoy reads it; nothing is an empty one."""
        if isinstance(self.yaml, yaml.SequenceNode):
            return [self._child(item) for item in self.yaml.value]
        return [self] if self.is_set else []

    def scalar(self) -> Scalar:
        """What Envoy makes of it, if it is a single value."""
        return read_scalar(self.yaml) if isinstance(self.yaml, yaml.ScalarNode) else None

    def text(self) -> str:
        """A scalar as it is written; empty for anything else."""
        return str(self.yaml.value) if isinstance(self.yaml, yaml.ScalarNode) else ""

    def texts(self) -> list[str]:
        """The scalars of a list."""
        return [item.text() for item in self.items()]

    def flag(self) -> bool | None:
        """A boolean, as a field of type bool or BoolValue; None for anything else."""
        scalar = self._scalar()
        if isinstance(scalar, str):
            return read_flag(scalar)
        return scalar if isinstance(scalar, bool) else None

    def number(self) -> float | None:
        """A number, also one that is quoted; None for anything else."""
        scalar = self._scalar()
        return read_number(scalar) if isinstance(scalar, str) else None if isinstance(scalar, bool) else scalar

    def seconds(self) -> float | None:
        """A duration, `0.25s` or `{seconds, nanos}`; None for anything else."""
        if isinstance(self.yaml, yaml.MappingNode):
            return (self.at("seconds").number() or 0) + (self.at("nanos").number() or 0) / 1e9
        return read_seconds(self.text())

    def word(self, names: Sequence[str] = ()) -> str:
        """The name of an enum's value, in capitals (Envoy reads any case); empty if not set.

        `names`: those of the enum by number, for files that write the number.
        """
        scalar = self.scalar()
        if isinstance(scalar, int) and not isinstance(scalar, bool) and 0 <= scalar < len(names):
            return names[scalar]
        return self.text().upper()

    def typed(self) -> "tuple[str, Node]":
        """A value that says its own type: the type's full name and the value; an empty name if it says none."""
        name = self.at("@type").text().rpartition("/")[2]
        if name.endswith(".TypedStruct"):
            return self.at("type_url").text().rpartition("/")[2], self.at("value")
        return name, self

    def walk(self) -> Iterator["Node"]:
        """It and all that is below it, what aliases share only once."""
        seen: set[int] = set()
        ahead = [self]
        while ahead:
            node = ahead.pop()
            if node.yaml is None or id(node.yaml) in seen:
                continue
            seen.add(id(node.yaml))
            yield node
            below = node.items() if isinstance(node.yaml, yaml.SequenceNode) else [it for _, it in node.members()]
            ahead.extend(reversed(below))

    def _member(self, name: str) -> "Node":
        if isinstance(self.yaml, yaml.MappingNode):
            found = _find(self.yaml, (name, camel_case(name)))
            if found is not None:
                return self._child(found[1], found[0])
        return Node(self.file, self.mark, None)

    def _child(self, value: YamlNode, key: YamlNode | None = None) -> "Node":
        is_nothing = isinstance(value, yaml.ScalarNode) and read_scalar(value) is None
        return Node(self.file, _mark(value, key), None if is_nothing else value)

    def _scalar(self) -> Scalar:
        if isinstance(self.yaml, yaml.MappingNode):
            return self.at("value").scalar()  # protobuf's wrappers may be written out: {value: 5}
        return self.scalar()


@dataclass(frozen=True, slots=True)
class Document:
    """One file."""

    root: Node
    second: Node | None
    """The start of a second document in the same file."""


def read_file(file: Path) -> Document:
    """The tree of that file, YAML or JSON. Raises UnreadableError."""
    try:
        roots = _compose(file)
    except OSError as error:
        raise UnreadableError(_TOP, error.strerror or str(error)) from error
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(place.line + 1, place.column + 1) if place else _TOP
        raise UnreadableError(mark, ", ".join(filter(None, (error.context, error.problem)))) from error
    except yaml.YAMLError as error:
        raise UnreadableError(_TOP, " ".join(str(error).split())) from error
    except RecursionError as error:
        raise UnreadableError(_TOP, "nested too deeply") from error
    nodes = [Node(file, _mark(root), root) for root in roots]
    if not nodes or not isinstance(nodes[0].yaml, yaml.MappingNode):
        raise UnreadableError(_TOP, "expected a mapping, the bootstrap of an Envoy")
    written = (it for it in nodes[1:] if not isinstance(it.yaml, yaml.ScalarNode) or it.yaml.value)
    return Document(nodes[0], next(written, None))  # a --- at the very end starts nothing


def _compose(file: Path) -> list[yaml.Node]:
    text = _decode(file)
    roots = [root for root in yaml.compose_all(text, _LOADER) if root is not None]
    for root in roots:
        _refuse_circles(root, frozenset(), set())
    return roots


def _decode(file: Path) -> str:
    """As Envoy does, so that libyaml reads what Envoy's own parsers read."""
    content = file.read_bytes()
    is_json = file.suffix.lower() == ".json"
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if is_json and (is_utf_16 or content.startswith(codecs.BOM_UTF8)):
        raise UnreadableError(_TOP, "a byte order mark, which JSON does not have")
    text = _NO_TEXT.sub("\ufffd", content.decode("utf-16" if is_utf_16 else "utf-8", "replace"))
    if is_json:
        return _PAIR.sub(_character, text.replace("\t", " "))  # within the strings of JSON there are no tabs
    return _BLANK.sub(lambda found: " " * len(found[0]), text)


def _character(pair: re.Match[str]) -> str:
    """The character that JSON writes as two escapes, and YAML as one."""
    character: str = json.loads(f'"{pair[2]}"')
    return pair[1] + character


@cache
def camel_case(name: str) -> str:
    """The other spelling of a field that protobuf takes: `connectTimeout` for `connect_timeout`."""
    first, *more = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in more)


def own_pairs(mapping: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """What stands in the mapping itself: merge keys as they are, a key written twice twice."""
    return [(key, value) for key, value in mapping.value if key.tag != _IGNORED_TAG]


def key_mark(key: yaml.Node) -> Mark:
    """Where a key stands."""
    return _mark(key)


def _pairs(mapping: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """By key, merged mappings included; the last of two equal keys counts, as in Envoy."""
    merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for source in _merged(mapping):
        merged = _pairs(source) | merged
    own = {key.value: (key, value) for key, value in own_pairs(mapping) if isinstance(key, yaml.ScalarNode)}
    own.pop(MERGE_KEY, None)
    return merged | own


def _find(mapping: yaml.MappingNode, spellings: tuple[str, ...]) -> tuple[yaml.Node, yaml.Node] | None:
    """The same for one key."""
    has_merge_key = False
    for key, value in reversed(mapping.value):
        if key.value in spellings and key.tag != _IGNORED_TAG:
            return key, value
        has_merge_key = has_merge_key or key.value == MERGE_KEY
    found = (_find(source, spellings) for source in _merged(mapping)) if has_merge_key else ()
    return next((it for it in found if it is not None), None)


def _merged(mapping: yaml.MappingNode) -> list[yaml.MappingNode]:
    """What its merge keys refer to; of two mappings with one key, the first counts."""
    values = [value for key, value in mapping.value if key.value == MERGE_KEY]
    sources = [it for value in values for it in (value.value if isinstance(value, yaml.SequenceNode) else [value])]
    return [it for it in sources if isinstance(it, yaml.MappingNode)]


def _mark(value: yaml.Node, key: yaml.Node | None = None) -> Mark:
    start = value.start_mark
    if key is not None and (start.line, start.column) > (key.start_mark.line, key.start_mark.column):
        start = key.start_mark  # else the value is an alias, and its text stands further up
    return Mark(start.line + 1, start.column + 1)


def _refuse_circles(node: yaml.Node, above: frozenset[int], done: set[int]) -> None:
    """An alias may stand within what it refers to; nothing that walks the tree would come to an end."""
    if id(node) in above:
        raise UnreadableError(_mark(node), "an alias stands within the block that it refers to")
    if id(node) in done or isinstance(node, yaml.ScalarNode):
        return
    below = node.value if isinstance(node, yaml.SequenceNode) else [it for pair in node.value for it in pair]
    for child in below:
        _refuse_circles(child, above | {id(node)}, done)
    done.add(id(node))
