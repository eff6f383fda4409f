"""A YAML document whose every value knows where it stands, so that a mistake can be shown to whoever made it."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

# A policy of a thousand models is a tenth of that; reading more would hold up the start.
_MOST_BYTES = 1024 * 1024


class ConfigError(Exception):
    """A fault in a file that a person wrote; the message starts with file and line and says what was expected."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the document: where it stands, and typed readings of it, each of which raises ConfigError."""

    file: Path
    path: str
    """Dotted keys from the top, as in `models.gpt-4o.tier`; empty for the whole document."""
    node: yaml.Node
    line: int
    """That of its key, where it has one; the value itself may start further down."""

    def error(self, message: str) -> ConfigError:
        """A fault of this value."""
        return _error_at(self.file, self.line, self.path, message)

    def text(self) -> str:
        """A string; numbers and booleans must be quoted to be one."""
        if isinstance(self.node, yaml.ScalarNode) and self.node.tag == "tag:yaml.org,2002:str" and self.node.value:
            if not self.node.value.isprintable():
                raise self.error(f"expected text without control characters, got {self.node.value!r}")
            return str(self.node.value)
        raise self.error(f"expected text, got {_describe(self.node)}")

    def number(self, low: float, high: float) -> float:
        """A number within the bounds, both included."""
        number = self._scalar()
        if isinstance(number, bool) or not isinstance(number, int | float) or not low <= number <= high:
            raise self.error(f"expected a number from {low:g} to {high:g}, got {_describe(self.node)}")
        return float(number)

    def integer(self, low: int, high: int) -> int:
        """A whole number within the bounds, both included."""
        number = self._scalar()
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise self.error(f"expected a whole number from {low} to {high}, got {_describe(self.node)}")
        return number

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
                Value(self.file, f"{self.path}[{index}]", node, _line(node))
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
                raise _error_at(self.file, _line(key_node), self.path, "a key must be plain text")
            if key in members:
                raise _error_at(self.file, _line(key_node), path, f"given twice (first in line {members[key].line})")
            members[key] = Value(self.file, path, node, _line(key_node))
        return Members(self, members)

    def _scalar(self) -> object:
        if not isinstance(self.node, yaml.ScalarNode):
            return None
        if self.node.style is not None:
            return self.node.value
        try:
            return yaml.safe_load(self.node.value)
        except (ValueError, yaml.YAMLError):  # a date that does not exist, a number of thousands of digits
            return None


@dataclass(frozen=True, slots=True)
class Members:
    """A mapping of the document."""

    whole: Value
    values: dict[str, Value]

    def only(self, *keys: str) -> "Members":
        """The same; raises ConfigError if it has any other key."""
        for key, value in self.values.items():
            if key not in keys:
                raise value.error(f"unknown key{suggest(key, keys)}; expected {', '.join(keys) or 'none'}")
        return self

    def need(self, key: str) -> Value:
        """A member that must be there."""
        if key not in self.values:
            raise self.whole.error(f"{key!r} is missing")
        return self.values[key]

    def get(self, key: str) -> Value | None:
        """A member that may be left out."""
        return self.values.get(key)

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self.values.items())


def read_document(file: Path) -> Value:
    """The document in that file. Raises ConfigError."""
    if file.exists() and not file.is_file():
        raise ConfigError(f"{file}: not a file")
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{file}: larger than {_MOST_BYTES} bytes")
        node = yaml.compose(file.read_text("utf-8"), yaml.SafeLoader)
    except RecursionError as error:
        raise ConfigError(f"{file}: nested too deeply") from error
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8: {error.reason} at byte {error.start}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(f"{file}:{line}: not YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {error}") from error
    if node is None:
        raise ConfigError(f"{file}:1: the file is empty")
    return Value(file, "", node, _line(node))


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean x?)`, or nothing if no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _error_at(file: Path, line: int, path: str, message: str) -> ConfigError:
    where = f"{file}:{line}: {path}" if path else f"{file}:{line}"
    return ConfigError(f"{where}: {message}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _describe(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return repr(node.value) if node.value else "nothing"
