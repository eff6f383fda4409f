"""A patch that a person wrote: YAML nodes that know where they stand, and what may be asked of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from sidecar.config.document import ConfigError, read_document, suggest
from sidecar.config.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the document: where it stands, and typed readings of it, each of which raises ConfigError."""

    file: Path
    path: str
    """Dotted keys from the top, as in `models.gpt-4o.tier`; empty for the whole document."""
    node: yaml.Node
    place: tuple[int, int]
    """Line and column of its key, where it has one; the value itself may start further down. From 1."""

    def error(self, message: str) -> ConfigError:
        """A fault of this value."""
        return overlay_error(self.file, self.place, self.path, message)

    def text(self) -> str:
        """A string; numbers and booleans must be quoted to be one."""
        if isinstance(self.node, yaml.ScalarNode) and self.node.tag == "tag:yaml.org,2002:str" and self.node.value:
            if not self.node.value.isprintable():
                raise self.error(f"expected text without control characters, got {self.node.value!r}")
            return str(self.node.value)
        raise self.error(f"expected text, got {_describe(self.node)}")

    def choice(self, words: Iterable[str]) -> str:
        """One of the words."""
        known = tuple(words)
        word = self.text()
        if word not in known:
            raise self.error(f"unknown {word!r}{suggest(word, known)}; expected one of {', '.join(known)}")
        return word

    def texts(self) -> "list[Value]":
        """One text or a list of them."""
        if isinstance(self.node, yaml.SequenceNode):
            return [
                Value(self.file, f"{self.path}[{index}]", node, _place(node))
                for index, node in enumerate(self.node.value)
            ]
        return [self]

    def members(self) -> "Members":
        """A mapping with any keys."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error(f"expected a mapping, got {_describe(self.node)}")
        members: dict[str, Value] = {}
        for key_node, node in self.node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            path = f"{self.path}.{key}" if self.path else key
            if not key:
                raise overlay_error(self.file, _place(key_node), self.path, "a key must be plain text")
            if key in members:
                raise overlay_error(
                    self.file, _place(key_node), path, f"given twice (first in line {members[key].place[0]})"
                )
            members[key] = Value(self.file, path, node, _place(key_node))
        return Members(self, members)


@dataclass(frozen=True, slots=True)
class Members:
    """A mapping of the document."""

    whole: Value
    values: dict[str, Value]

    def get(self, key: str) -> Value | None:
        """A member that may be left out."""
        return self.values.get(key)

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self.values.items())


def read_patch(file: Path) -> Value:
    """The whole file. Raises ConfigError."""
    node = read_document(file).node
    return Value(file, "", node, _place(node))


def overlay_error(file: Path, place: tuple[int, int], path: str, message: str) -> ConfigError:
    """A patch that cannot be applied; (0, 0) is the file as a whole."""
    told = f"{path}: {message}" if path else message
    reason = "An edit that is silently not made is missed when it is needed."
    return ConfigError((Finding("overlay", Severity.ERROR, file, *place, told, reason, ""),))


def _place(node: yaml.Node) -> tuple[int, int]:
    return int(node.start_mark.line) + 1, int(node.start_mark.column) + 1


def _describe(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return repr(node.value) if node.value else "nothing"
