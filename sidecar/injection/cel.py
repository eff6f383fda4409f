"""Python data written as an expression of CEL, with the API server's types for what is in a pod."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

# The only fields of our containers and volumes whose keys are data: in CEL a map, where all others are typed objects.
_MAPS = frozenset({"requests", "limits"})


def text(value: str) -> str:
    """A string literal. JSON's are CEL's."""
    return json.dumps(value, ensure_ascii=False)


def text_list(values: Iterable[str]) -> str:
    """A list of string literals."""
    return f"[{', '.join(map(text, values))}]"


class CelWriter:
    """Writes data in which marks stand for expressions."""

    def __init__(self, marks: Mapping[str, str]) -> None:
        """`marks`: texts that occur in the data only where an expression for a string is meant, and that expression.

        A number that is written like a mark is the expression's, too.
        """
        self._marks = marks
        self._pattern = re.compile("|".join(map(re.escape, marks)))

    def write(self, value: Any, path: str) -> str:
        """`path`: of the type, like `Object.spec.volumes`."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            mark = self._marks.get(str(value))
            return str(value) if mark is None else f"int({mark})"
        if isinstance(value, str):
            return self._write_text(value)
        if isinstance(value, list):
            return f"[{', '.join(self.write(item, path) for item in value)}]"
        return self._write_mapping(value, path)

    def _write_mapping(self, value: Mapping[str, Any], path: str) -> str:
        if path.rpartition(".")[2] in _MAPS:
            return f"{{{', '.join(f'{text(key)}: {self.write(item, path)}' for key, item in value.items())}}}"
        fields = ", ".join(f"{key}: {self.write(item, f'{path}.{key}')}" for key, item in value.items())
        return f"{path}{{{fields}}}"

    def _write_text(self, value: str) -> str:
        pieces: list[str] = []
        end = 0
        for found in self._pattern.finditer(value):
            pieces += [text(value[end : found.start()])] if found.start() > end else []
            pieces.append(self._marks[found[0]])
            end = found.end()
        pieces += [text(value[end:])] if end < len(value) or not pieces else []
        return " + ".join(pieces)
