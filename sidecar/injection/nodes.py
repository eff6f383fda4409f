"""YAML as nodes: plain data of them, and changed data put back, with all that did not change as it was written."""

import re
from typing import Any

import yaml

from sidecar.config.document import Loc

# libyaml's parser where PyYAML was built with it: a file of custom resource definitions has megabytes.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Each alias counts as what it stands for. Without aliases no document has more values than characters.
_MOST_VALUES = 100_000

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_COLLECTION_TAGS = (f"{_TAG}map", f"{_TAG}seq")
_TEXT_TAGS = frozenset(f"{_TAG}{name}" for name in ("str", "timestamp", "value"))

# A number to Kubernetes' YAML and to JSON, a text to YAML 1.1.
_EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")

# Read as a text, and as that one, by every reader of YAML; what looks like a number to one of them is quoted.
_PLAIN = re.compile(r"(--|[A-Za-z/])[-\w./:@]+", re.ASCII)

_LONGEST_LINE = 1_000_000

Members = dict[str, tuple[yaml.Node, yaml.Node]]
"""A mapping's key and value nodes by key."""


class NodeError(Exception):
    """What stands there is not data that Kubernetes would read."""

    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(message)
        self.node = node


class Reader:
    """Of one document; it keeps what it has read, so that merges of merges are no work."""

    def __init__(self) -> None:
        self._values = 0
        # With the node, lest another one gets its id.
        self._members: dict[int, tuple[yaml.Node, Members]] = {}
        self._open: set[int] = set()

    def members(self, node: yaml.MappingNode) -> Members:
        """Those whose keys are text. What `<<` brings in included; a mapping's own keys win. Raises NodeError."""
        if id(node) not in self._members:
            self._members[id(node)] = node, {}  # of a merge that leads back here
            self._members[id(node)] = node, self._read_members(node)
        return self._members[id(node)][1]

    def find(self, node: yaml.Node, loc: Loc) -> yaml.Node | None:
        """The node there, if there is one. Raises NodeError."""
        for step in loc:
            found = self._step(node, step)
            if found is None:
                return None
            _, node = found
        return node

    def mark(self, node: yaml.Node, loc: Loc) -> tuple[int, int]:
        """Line and column, from 1, of the last step that there is: of its key, or of a list's item."""
        marked = node
        for step in loc:
            found = self._step(node, step)
            if found is None:
                break
            marked, node = found
        return place(marked)

    def plain(self, node: yaml.Node) -> Any:
        """As JSON would have it. Raises NodeError, and RecursionError for what is nested too deeply."""
        self._values += 1
        if self._values > max(_MOST_VALUES, node.end_mark.index):
            raise NodeError(f"more than {_MOST_VALUES} values, each alias counted as what it stands for", node)
        if isinstance(node, yaml.ScalarNode):
            return _read_scalar(node)
        if node.tag not in _COLLECTION_TAGS:
            raise NodeError(f"the tag {node.tag!r} means nothing to Kubernetes", node)
        if id(node) in self._open:
            raise NodeError("an alias in it stands for itself", node)
        self._open.add(id(node))
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = {key: self.plain(value) for key, (_, value) in self._all_members(node).items()}
        else:
            value = [self.plain(item) for item in node.value]
        self._open.discard(id(node))
        return value

    def rewrite(self, node: yaml.Node, before: Any, after: Any) -> yaml.Node:
        """A node for `after`, where the node stands for `before`, and everything of that is in `after`, too."""
        if before == after:
            return node
        if isinstance(node, yaml.MappingNode) and isinstance(after, dict):
            kept = [
                (key_node, self.rewrite(value_node, before[key], after[key]))
                for key, (key_node, value_node) in self._all_members(node).items()
            ]
            added = [(_new(key), _new(value)) for key, value in after.items() if key not in before]
            return yaml.MappingNode(node.tag, [*kept, *added], flow_style=_style(node))
        if isinstance(node, yaml.SequenceNode) and isinstance(after, list):
            return yaml.SequenceNode(node.tag, self._rewrite_items(node, before, after), flow_style=_style(node))
        return _new(after)

    def put(self, node: yaml.Node, loc: Loc, new: yaml.Node) -> yaml.Node:
        """The node with the new one in it, at a place that there is."""
        if not loc:
            return new
        if isinstance(node, yaml.MappingNode):
            pairs = [
                (key_node, self.put(value, loc[1:], new) if key == loc[0] else value)
                for key, (key_node, value) in self._all_members(node).items()
            ]
            return yaml.MappingNode(node.tag, pairs, flow_style=node.flow_style)
        assert isinstance(node, yaml.SequenceNode)  # noqa: S101  # no step leads into a scalar
        items = [self.put(item, loc[1:], new) if index == loc[0] else item for index, item in enumerate(node.value)]
        return yaml.SequenceNode(node.tag, items, flow_style=node.flow_style)

    def _rewrite_items(self, node: yaml.SequenceNode, before: list[Any], after: list[Any]) -> list[yaml.Node]:
        """Containers, volumes and variables have names; the old ones are among the new ones, in their order."""
        old = list(zip(node.value, before, strict=True))
        items = []
        for item in after:
            if old and _is_same(old[0][1], item):
                item_node, item_before = old.pop(0)
                items.append(self.rewrite(item_node, item_before, item))
            else:
                items.append(_new(item))
        return items

    def _all_members(self, node: yaml.MappingNode) -> Members:
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise NodeError("a key must be text", key_node)
        return self.members(node)

    def _read_members(self, node: yaml.MappingNode) -> Members:
        own: Members = {}
        merged: Members = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise NodeError("<<: expected a mapping, or a list of mappings", source)
                    merged = {**self.members(source), **merged}
            elif isinstance(key_node, yaml.ScalarNode) and key_node.value in own:
                raise NodeError(f"{key_node.value!r} is given twice", key_node)
            elif isinstance(key_node, yaml.ScalarNode):
                own[key_node.value] = key_node, value_node
        return {**merged, **own}

    def _step(self, node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
        if isinstance(node, yaml.MappingNode) and isinstance(step, str):
            return self.members(node).get(step)
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            return node.value[step], node.value[step]
        return None


def compose(text: str) -> list[yaml.Node]:
    """The documents that are not empty. Raises yaml.YAMLError, and RecursionError for what is nested too deeply."""
    try:
        return list(yaml.compose_all(text, _LOADER))
    except yaml.YAMLError:
        return list(yaml.compose_all(text, yaml.SafeLoader))  # slow, but it says better what is wrong


def write(node: yaml.Node) -> str:
    """As YAML in blocks: kubectl takes for JSON what begins with a brace."""
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = False
    return yaml.serialize(node, Dumper=yaml.SafeDumper, width=_LONGEST_LINE, allow_unicode=True)


def place(node: yaml.Node) -> tuple[int, int]:
    """Line and column, counted from 1."""
    return int(node.start_mark.line) + 1, int(node.start_mark.column) + 1


def _read_scalar(node: yaml.ScalarNode) -> Any:
    value: str = node.value
    if node.tag == f"{_TAG}str" and not node.style and _EXPONENT.fullmatch(value):
        return float(value)
    # 12:30 is a number to YAML 1.1, to the base of sixty; to Kubernetes it is text.
    if node.tag in _TEXT_TAGS or (":" in value and node.tag in (f"{_TAG}int", f"{_TAG}float")):
        return value
    construct = yaml.constructor.SafeConstructor()
    readers = {
        "int": construct.construct_yaml_int,
        "float": construct.construct_yaml_float,
        "bool": construct.construct_yaml_bool,
        "null": construct.construct_yaml_null,
    }
    read = readers.get(node.tag.removeprefix(_TAG))
    if read is None:
        raise NodeError(f"the tag {node.tag!r} means nothing to Kubernetes", node)
    try:
        return read(node)
    except (ValueError, LookupError) as error:  # `!!int x`; a number of thousands of digits
        raise NodeError(f"expected a value of the type that its tag {node.tag!r} says", node) from error


def _new(value: Any) -> yaml.Node:
    if isinstance(value, dict):
        return yaml.MappingNode(f"{_TAG}map", [(_new(key), _new(it)) for key, it in value.items()], flow_style=False)
    if isinstance(value, list):
        return yaml.SequenceNode(f"{_TAG}seq", [_new(item) for item in value], flow_style=False)
    if isinstance(value, str):
        return yaml.ScalarNode(f"{_TAG}str", value, style=None if _PLAIN.fullmatch(value) else "'")
    if isinstance(value, bool):
        return yaml.ScalarNode(f"{_TAG}bool", str(value).lower())
    return yaml.ScalarNode(f"{_TAG}int", str(value))


def _style(node: yaml.CollectionNode) -> bool:
    """Whether it goes on in braces; with nothing in it there are no others to be like."""
    return bool(node.flow_style and node.value)


def _is_same(before: Any, after: Any) -> bool:
    return bool(before == after or (isinstance(before, dict) and before.get("name") == after.get("name")))
