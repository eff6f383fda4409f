"""People's own edits: a YAML file that is merged over the rendered tree, so that they survive the next rendering."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sidecar.config.document import suggest
from sidecar.envoyconfig.parts.messages import bootstrap
from sidecar.envoyconfig.text.fields import Kind, MapOf, fields_of, kind_in
from sidecar.envoyconfig.text.patch import Members, Value, overlay_error, read_patch
from sidecar.envoyconfig.text.tree import Tree

Held = Kind | MapOf | None
"""What is known of the type of a value."""

_PATCH, _BEFORE, _TYPE = "$patch", "$before", "@type"
_DIRECTIVES = (_PATCH, _BEFORE)


def apply_overlay(tree: Tree, file: Path) -> Tree:
    """The tree with what the file says merged over it. Raises ConfigError, with the line, for what finds no place.

    A mapping is merged key by key, a list of things with names by their names; a value takes the other's place.
    `$patch: delete` takes away, `$patch: replace` puts in place, `$patch: add` puts a new item into a list: last, or
    before the one that `$before` names. A list without names begins with `- $patch: append` or `- $patch: replace`.
    """
    try:
        return _merge(tree, read_patch(file), bootstrap.Bootstrap)
    except RecursionError as error:
        raise overlay_error(file, (0, 0), "", "nested too deeply") from error


def _merge(below: Tree, patch: Value, kind: Held) -> Tree:
    if isinstance(patch.node, yaml.MappingNode):
        return _merge_mapping(below, patch, kind)
    if isinstance(patch.node, yaml.SequenceNode):
        return _merge_list(below, patch, kind)
    if isinstance(below, dict | list):
        raise patch.error(f"a single value cannot be merged with a {_word(below)}; `{_PATCH}: delete` takes it away")
    return _new(patch, kind)


def _merge_mapping(below: Tree, patch: Value, kind: Held) -> Tree:
    members = patch.members()
    if _directive(members, "replace") == "replace":
        return _new(patch, kind, allowed=(_PATCH,))
    if not isinstance(below, dict):
        raise patch.error(f"here is a {_word(below)}; write `{_PATCH}: replace` to put this in its place")
    merged = dict(below)
    for key, value in members:
        inner = _field(value, key, kind_in(below, kind))
        if _is_delete(value):
            if merged.pop(key, None) is None:
                raise value.error(f"nothing to delete{suggest(key, below)}")
        elif key in merged:
            merged[key] = _merge(merged[key], value, inner)
        else:
            merged[key] = _new(value, inner)
    return merged


def _merge_list(below: Tree, patch: Value, kind: Held) -> Tree:
    items = patch.texts()
    how = _whole_list_directive(items)
    if how == "replace":
        return [_new(item, kind) for item in items[1:]]
    if not isinstance(below, list):
        raise patch.error(f"here is a {_word(below)}, not a list")
    if how == "append":
        return [*below, *(_new(item, kind) for item in items[1:])]
    if all(_name(item) for item in items) and all(isinstance(item, dict) and "name" in item for item in below):
        return _merge_named(below, items, patch.path, kind)
    if len(items) == len(below) == 1 and isinstance(below[0], dict):
        return [_merge(below[0], items[0], kind)]
    raise patch.error(
        f"here are {len(below)} items without names: "
        f"begin the list with `- {_PATCH}: append` or with `- {_PATCH}: replace`"
    )


def _merge_named(below: Sequence[Any], items: Sequence[Value], path: str, kind: Held) -> list[Tree]:
    merged = list(below)
    for name, item in ((_name(item), replace(item, path=f"{path}[{_name(item)}]")) for item in items):
        members = item.members()
        directive = _directive(members, "delete", "replace", "add")
        if directive == "add":
            _insert(merged, members, name, kind)
            continue
        index = _find(merged, name, item, hint=f"; `{_PATCH}: add` adds one")
        if directive == "delete":
            del merged[index]
        else:
            merged[index] = _merge(merged[index], item, kind)
    return merged


def _insert(merged: list[Tree], members: Members, name: str, kind: Held) -> None:
    if any(item["name"] == name for item in merged):
        raise members.whole.error(f"one is there already; without `{_PATCH}: add` this is merged with it")
    before = members.get(_BEFORE)
    index = _find(merged, before.text(), before) if before else len(merged)
    merged.insert(index, _new(members.whole, kind, allowed=_DIRECTIVES))


def _find(items: Sequence[Any], name: str, patch: Value, hint: str = "") -> int:
    names = [item["name"] for item in items]
    if name not in names:
        raise patch.error(f"nothing to patch: none here is named {name!r}{suggest(name, names)}{hint}")
    return names.index(name)


def _new(value: Value, kind: Held, allowed: Iterable[str] = ()) -> Tree:
    """What was not there before, as it is written; `allowed`: the directives that led here."""
    if isinstance(value.node, yaml.MappingNode):
        members = [(key, member) for key, member in value.members() if key not in allowed]
        own = kind_in({key: member.node.value for key, member in members}, kind)
        return {key: _new(member, _field(member, key, own)) for key, member in members}
    if isinstance(value.node, yaml.SequenceNode):
        return [_new(item, kind) for item in value.texts()]
    plain = yaml.SafeLoader("").construct_object(value.node)
    return plain if isinstance(plain, str | int | float | None) else value.node.value  # a date stays as it is written


def _field(value: Value, key: str, kind: Held) -> Held:
    """What that field of a message holds; raises ConfigError for one that the message does not have."""
    if key in _DIRECTIVES:
        raise value.error("nothing to patch: what this is part of is not in the rendered file")
    if isinstance(kind, MapOf):
        return kind.kind
    if kind is None or key == _TYPE:
        return None
    fields = fields_of(kind)
    if key not in fields:
        raise value.error(f"{kind.__name__} has no such field{suggest(key, fields)}")
    return fields[key]


def _directive(members: Members, *known: str) -> str | None:
    patch = members.get(_PATCH)
    return patch.choice(known) if patch else None


def _whole_list_directive(items: Sequence[Value]) -> str | None:
    if not items or not isinstance(items[0].node, yaml.MappingNode):
        return None
    members = items[0].members()
    is_directive = [key for key, _ in members] == [_PATCH]
    return _directive(members, "append", "replace") if is_directive else None


def _is_delete(value: Value) -> bool:
    if not isinstance(value.node, yaml.MappingNode):
        return False
    patch = value.members().get(_PATCH)
    return patch is not None and patch.text() == "delete"


def _name(item: Value) -> str:
    """Empty if it has none."""
    name = item.members().get("name") if isinstance(item.node, yaml.MappingNode) else None
    return name.text() if name else ""


def _word(tree: Tree) -> str:
    return "mapping" if isinstance(tree, dict) else "list" if isinstance(tree, list) else "single value"
