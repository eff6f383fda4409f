"""A tree as YAML for people: short things on one line, what recurs named once, comments where one looks for them."""

import io
import json
import math
import re
from collections.abc import Iterator, Mapping

import yaml

from sidecar.envoyconfig.text.tree import Tree

Path = tuple[str | int, ...]
"""Keys from the top; an item of a list by its `name`, or by its index if it has none."""

_WIDEST_LINE = 128  # Envoy's type names make longer ones anyway
_DEEPEST_FLOW = 3

# What Envoy's YAML reader is sure to take for text. It knows more spellings of booleans and numbers than PyYAML does,
# so everything else is quoted.
_WORDS_FOR_VALUES = re.compile(r"true|false|yes|no|on|off|y|n|null|nan|inf", re.IGNORECASE)
_TEXT = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.:@+| -]*")
_DURATION_OR_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+)?s|[0-9]+(?:\.[0-9]+){3}")

_TAG = "tag:yaml.org,2002:"


def write_yaml(tree: dict[str, Tree], shared: Mapping[str, Tree], comments: Mapping[Path, str]) -> str:
    """The text. A value of `shared` that occurs more than once is written once, under its name as anchor.

    `comments`: text for the lines above the value at that path, if there is one; its empty lines stay empty.
    """
    nodes = _Nodes(shared)
    root = nodes.whole(tree)
    out = io.StringIO()
    dumper = _Dumper(out, nodes.anchors())
    dumper.open()
    dumper.serialize(root)
    dumper.close()
    return _with_comments(out.getvalue(), comments)


class _Nodes:
    """PyYAML's nodes for a tree: the same one for equal values that are shared, which makes it write an alias."""

    def __init__(self, shared: Mapping[str, Tree]) -> None:
        self._names: dict[str, str] = {}
        for name, value in shared.items():
            self._names.setdefault(_identity(value), name)
        self._made: dict[str, yaml.Node] = {}

    def anchors(self) -> dict[int, str]:
        """Names by the id of the node."""
        return {id(node): self._names[identity] for identity, node in self._made.items()}

    def whole(self, tree: dict[str, Tree]) -> yaml.Node:
        """That of the document, never on one line."""
        return self._collection(tree, 0, is_flow=False)

    def of(self, value: Tree, indent: int, key_width: int) -> yaml.Node:
        """`key_width`: of what stands before it on its line."""
        if not isinstance(value, dict | list):
            return _scalar(value)
        identity = _identity(value)
        if identity in self._made:
            return self._made[identity]
        node = self._collection(value, indent, is_flow=_reads_well(value, _WIDEST_LINE - indent - key_width))
        if identity in self._names:
            self._made[identity] = node
        return node

    def _collection(self, value: Tree, indent: int, *, is_flow: bool) -> yaml.Node:
        if isinstance(value, list):
            items = [self.of(item, indent + 2, 0) for item in value]
            for item in items if not is_flow else ():
                if isinstance(item, yaml.MappingNode) and len(item.value) == 1:
                    item.flow_style = False  # `- key: {…}` instead of `- {key: {…}}`
            return yaml.SequenceNode(f"{_TAG}seq", items, flow_style=is_flow)
        # Items of a list stand under its key, not further in.
        pairs = [
            (_scalar(key), self.of(item, indent if isinstance(item, list) else indent + 2, len(key)))
            for key, item in value.items()
        ]
        return yaml.MappingNode(f"{_TAG}map", pairs, flow_style=is_flow)


class _Dumper(yaml.SafeDumper):
    def __init__(self, stream: io.StringIO, anchors: Mapping[int, str]) -> None:
        super().__init__(stream, width=math.inf, allow_unicode=True)
        self._names = anchors

    def generate_anchor(self, node: yaml.Node) -> str:
        return self._names[id(node)]


def _identity(value: Tree) -> str:
    return json.dumps(value, sort_keys=True)


def _scalar(value: Tree) -> yaml.ScalarNode:
    if value is None:
        return yaml.ScalarNode(f"{_TAG}null", "null")
    if isinstance(value, bool):
        return yaml.ScalarNode(f"{_TAG}bool", "true" if value else "false")
    if isinstance(value, int | float):
        return yaml.ScalarNode(f"{_TAG}{type(value).__name__}", str(value))
    return yaml.ScalarNode(f"{_TAG}str", value, style=_quotes(value))


def _quotes(text: str) -> str | None:
    if _DURATION_OR_ADDRESS.fullmatch(text) or (_TEXT.fullmatch(text) and not _WORDS_FOR_VALUES.fullmatch(text)):
        return None
    return "'" if re.search(r'["\\]', text) and text.isprintable() else '"'


def _reads_well(value: Tree, width: int) -> bool:
    """On one line: if no type of its own is inside, it is not too deep, and no list of several things."""
    return _depth(value) <= _DEEPEST_FLOW and _length(value) <= width


def _depth(value: Tree) -> float:
    if isinstance(value, dict):
        return math.inf if "@type" in value else 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        several = len(value) > 1 and any(isinstance(item, dict | list) for item in value)
        return math.inf if several else 1 + max(map(_depth, value), default=0)
    return 0


def _length(value: Tree) -> int:
    """Of its one line."""
    if isinstance(value, dict):
        return sum(len(f"{key}: , ") + _length(item) for key, item in value.items()) + len("{}")
    if isinstance(value, list):
        return sum(len(", ") + _length(item) for item in value) + len("[]")
    return len(str(value)) + (len('""') if isinstance(value, str) and _quotes(value) else 0)


def _with_comments(text: str, comments: Mapping[Path, str]) -> str:
    lines = text.splitlines()
    places = {path: mark for path, mark in _places(yaml.compose(text, yaml.SafeLoader), ()) if path in comments}
    for path, (line, column) in sorted(places.items(), key=lambda place: -place[1][0]):  # from below: lines stay put
        lines[line:line] = [" " * column + f"# {told}" if told else "" for told in comments[path].splitlines()]
    return "\n".join(lines) + "\n"


def _places(node: yaml.Node | None, path: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Every path of the document with the line and the column where it starts."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), (key.start_mark.line, key.start_mark.column)
            yield from _places(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            inner = (*path, _name_of(item) or index)
            yield inner, (item.start_mark.line, item.start_mark.column - len("- "))
            yield from _places(item, inner)


def _name_of(item: yaml.Node) -> str | None:
    pairs = item.value if isinstance(item, yaml.MappingNode) else []
    return next((value.value for key, value in pairs if key.value == "name"), None)
