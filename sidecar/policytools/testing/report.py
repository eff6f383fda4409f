"""What routing tests came to, for people and for programs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sidecar.policytools.screen import Cell, Screen, table
from sidecar.policytools.testing.run import Tested

_INDENT = "    "


def render(file: Path, results: Sequence[Tested], screen: Screen) -> str:
    """A line for each test, with the differences below those that failed; the sum at the end."""
    lines = [line for result in results for line in _render_one(file, result, screen)]
    failed = sum(not result.has_passed for result in results)
    passed = f"{len(results) - failed} passed"
    total = screen.paint.bad(f"{passed}, {failed} failed") if failed else screen.paint.good(passed)
    return "\n".join((*lines, "", total, ""))


def _render_one(file: Path, result: Tested, screen: Screen) -> Iterator[str]:
    paint = screen.paint
    if result.has_passed:
        yield f"{paint.good('ok')}    {result.test.name}"
        return
    yield f"{paint.bad('FAIL')}  {result.test.name}  {paint.dim(f'{file}:{result.test.line}')}"
    rows: list[list[Cell | str]] = [
        [each.key, "expected", Cell(each.expected, "good"), "got", Cell(each.got, "bad")]
        for each in result.mismatches
    ]
    yield table(rows, screen, indent=_INDENT)
    yield table([[Cell("why", "dim"), Cell(result.why, "dim")]], screen, indent=_INDENT)


def as_json(file: Path, results: Sequence[Tested]) -> dict[str, Any]:
    """The same."""
    return {
        "file": str(file),
        "passed": sum(result.has_passed for result in results),
        "failed": sum(not result.has_passed for result in results),
        "tests": [
            {
                "name": result.test.name,
                "line": result.test.line,
                "passed": result.has_passed,
                "differences": {each.key: {"expected": each.expected, "got": each.got} for each in result.mismatches},
                "why": result.why,
            }
            for result in results
        ],
    }
