"""What has been changed of a JSON object, as a JSON Patch (RFC 6902)."""

from typing import Any

Json = dict[str, Any]


def build_patch(before: Json, after: Json, path: str = "") -> list[Json]:
    """Operations that make `after` of `before`.

    A list that differs is replaced as a whole: what its elements have in common need not be guessed.
    """
    patch: list[Json] = [{"op": "remove", "path": _join(path, key)} for key in before if key not in after]
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            patch += build_patch(old, value, _join(path, key))
        elif key not in before or old != value:
            # `add` replaces what is there (RFC 6902, 4.1).
            patch.append({"op": "add", "path": _join(path, key), "value": value})
    return patch


def _join(path: str, key: str) -> str:
    """By RFC 6901."""
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
