"""A YAML document as plain data whose every value knows where it stands, so that a mistake can be shown."""

import difflib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from sidecar.config.finding import Finding
from sidecar.config.kinds import KINDS

Loc = tuple[str | int, ...]
"""The keys and indices that lead to a value from the top."""

STANDARD_INPUT = Path("-")

# A policy of a thousand models and a thousand rules is a third of that; reading more would hold up the start.
_MOST_BYTES = 1024 * 1024

# Each alias counts as all that it stands for: ten lines of aliases of aliases stand for billions of values.
_MOST_VALUES = 250_000

_LONGEST_SHOWN = 80

# What YAML 1.1 calls a date, a merge key or a default is text here, as in YAML 1.2.
_TEXT_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "timestamp", "merge", "value"))

# libyaml's parser where PyYAML was built with it, since it is ten times as fast.
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable:
    """Stands for a value that is none, as of `!!int x`: no field takes it."""


_UNREADABLE = Unreadable()


class ConfigError(Exception):
    """A file that cannot be used; says where its first fault is and what was expected."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        """`findings` are all that is known to be wrong, at least one."""
        super().__init__(findings)
        self.findings = findings

    def __str__(self) -> str:
        """The first of them."""
        return str(self.findings[0])


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where."""

    file: Path
    data: object
    """Of dict, list, str, int, float, bool, None."""
    node: yaml.Node

    def finding(self, id_: str, loc: Loc, message: str, fix: str = "") -> Finding:
        """A finding about the value there."""
        path, marked, _ = self._walk(loc)
        told = f"{path}: {message}" if path else message
        return _find(id_, self.file, _place(marked), told, fix)

    def line_of(self, loc: Loc) -> int:
        """Where the value's key stands, or the value itself if it has none."""
        return _place(self._walk(loc)[1])[0]

    def describe(self, loc: Loc) -> str:
        """The value there, as a message shows it."""
        return _describe(self._walk(loc)[2])

    def value(self, loc: Loc) -> object:
        """The value there, as plain data."""
        value = self.data
        for step in self.existing(loc):
            value = value[step]  # type: ignore[index]  # it is there
        return value

    def existing(self, loc: Loc) -> Loc:
        """Without the steps that lead nowhere, such as the 0 of a single value where a list may stand."""
        steps, value = [], self.data
        for step in loc:
            if (isinstance(value, dict) and step in value) or (isinstance(value, list) and step in range(len(value))):
                steps.append(step)
                value = value[step]  # type: ignore[index]
        return tuple(steps)

    def _walk(self, loc: Loc) -> tuple[str, yaml.Node, yaml.Node]:
        """The path in words, the node that marks the place, and the value.

        Steps that are not in the document, such as the 0 of a single value where a list may stand, lead nowhere.
        """
        path, marked, node = "", self.node, self.node
        for step in loc:
            if isinstance(node, yaml.MappingNode):
                found = next((pair for pair in node.value if pair[0].value == step), None)
                if found is not None:
                    path = _below(path, str(step))
                    marked, node = found
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                path = f"{path}[{step}]"
                marked = node = node.value[step]
        return path, marked, node


class _Reader:
    """Turns nodes into plain data, and notes what cannot stand in any file of ours."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._values = 0
        self._open: set[int] = set()
        self.findings: list[Finding] = []
        construct = yaml.constructor.SafeConstructor()
        self._constructors: dict[str, Callable[[yaml.ScalarNode], object]] = {
            "tag:yaml.org,2002:int": construct.construct_yaml_int,
            "tag:yaml.org,2002:float": construct.construct_yaml_float,
            "tag:yaml.org,2002:bool": construct.construct_yaml_bool,
            "tag:yaml.org,2002:null": construct.construct_yaml_null,
        }

    def read(self, node: yaml.Node, path: str = "") -> object:
        """Raises RecursionError for what is nested too deeply, _TooMuchError for what stands for too much."""
        self._values += 1
        if self._values > _MOST_VALUES:
            raise _TooMuchError(f"more than {_MOST_VALUES} values, each alias counted as what it stands for", node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise _TooMuchError("an alias in it stands for itself", node)
        self._open.add(id(node))
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._open.discard(id(node))
        return value

    def _list(self, node: yaml.Node, path: str) -> list[object]:
        return [self.read(item, f"{path}[{index}]") for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: str) -> dict[str, object]:
        values: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            below = _below(path, key)
            if not key:
                self._note("key-not-text", key_node, path, "a key must be plain text")
            elif key in values:
                self._note("key-given-twice", key_node, below, f"given twice (first in line {lines[key]})")
            else:
                lines[key], _ = _place(key_node)
                values[key] = self.read(value_node, below)
        return values

    def _note(self, id_: str, node: yaml.Node, path: str, message: str) -> None:
        """At the node itself: of two equal keys the second is meant, which no path leads to."""
        told = f"{path}: {message}" if path else message
        self.findings.append(_find(id_, self._file, _place(node), told))

    def _scalar(self, node: yaml.ScalarNode) -> object:
        # 18:00 is a number to YAML 1.1, to the base of sixty; here it is text.
        if node.tag in _TEXT_TAGS or (node.tag in self._constructors and ":" in node.value):
            return node.value
        try:
            return self._constructors[node.tag](node)
        except (ValueError, LookupError, yaml.YAMLError):  # an unknown tag; a number of thousands of digits
            return _UNREADABLE


class _TooMuchError(Exception):
    """A document that would not fit into memory, and where that begins."""

    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(message)
        self.place = _place(node)


def read_document(file: Path) -> Document:
    """The document in that file, or in standard input. Raises ConfigError."""
    node = _compose(file, _read_text(file))
    reader = _Reader(file)
    try:
        document = Document(file, reader.read(node), node)
    except _TooMuchError as error:
        raise fault_of_file(file, "too-many-values", str(error), *error.place) from error
    except RecursionError as error:
        raise fault_of_file(file, "nested-too-deeply", "nested too deeply") from error
    if reader.findings:
        raise ConfigError(tuple(reader.findings))
    return document


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean x?)`, or nothing if no known word is close."""
    close = closest(word, known)
    return f" (did you mean {close}?)" if close else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that this one may be a misspelling of."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return close[0] if close else None


def _read_text(file: Path) -> str:
    if file != STANDARD_INPUT and file.exists() and not file.is_file():
        raise fault_of_file(file, "file-unreadable", "not a file")
    try:
        written = _read_standard_input() if file == STANDARD_INPUT else _read_start(file)
        if len(written) > _MOST_BYTES:
            raise fault_of_file(file, "file-too-large", f"larger than {_MOST_BYTES} bytes")
        return written.decode("utf-8")
    except OSError as error:
        raise fault_of_file(file, "file-unreadable", str(error.strerror)) from error
    except UnicodeDecodeError as error:
        raise fault_of_file(file, "file-unreadable", f"not UTF-8: {error.reason} at byte {error.start}") from error


def _read_start(file: Path) -> bytes:
    """As much as is needed to see whether it is too large."""
    with file.open("rb") as opened:
        return opened.read(_MOST_BYTES + 1)


@cache
def _read_standard_input() -> bytes:
    """Likewise. Commands that look at a policy more than once get it more than once."""
    return sys.stdin.buffer.read(_MOST_BYTES + 1)


def _compose(file: Path, text: str) -> yaml.Node:
    try:
        try:
            node = yaml.compose(text, _FAST_LOADER)
        except yaml.YAMLError:
            node = yaml.compose(text, yaml.SafeLoader)  # slow, but it says better what is wrong
    except RecursionError as error:
        raise fault_of_file(file, "nested-too-deeply", "nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = "not YAML: " + ", ".join(filter(None, (error.context, error.problem)))
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise fault_of_file(file, "not-yaml", problem, line, column) from error
    except yaml.YAMLError as error:
        raise fault_of_file(file, "not-yaml", f"not YAML: {error}") from error
    if node is None:
        raise fault_of_file(file, "file-empty", "the file is empty", 1, 1)
    return node


def fault_of_file(file: Path, id_: str, message: str, line: int = 0, column: int = 0) -> ConfigError:
    """Of the file as a whole, unless there is a place in it."""
    return ConfigError((_find(id_, file, (line, column), message),))


def _find(id_: str, file: Path, place: tuple[int, int], message: str, fix: str = "") -> Finding:
    kind = KINDS[id_]
    return Finding(id_, kind.severity, file, *place, message, kind.reason, fix or kind.fix)


def _below(path: str, key: str) -> str:
    """A line break in a key must not make two lines of a message."""
    shown = key if key.isprintable() else repr(key)[1:-1]
    return f"{path}.{shown}" if path else shown


def _place(node: yaml.Node) -> tuple[int, int]:
    """Line and column, counted from 1."""
    return int(node.start_mark.line) + 1, int(node.start_mark.column) + 1


def _describe(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if not node.tag.startswith("tag:yaml.org,2002:"):
        return repr(f"{node.tag} {node.value}")
    if len(node.value) > _LONGEST_SHOWN:
        return repr(node.value[:_LONGEST_SHOWN])[:-1] + "…'"
    return repr(node.value) if node.value else "nothing"
