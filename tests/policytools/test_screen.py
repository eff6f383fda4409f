"""Columns that line up and fit, and colour where it is welcome."""

import os
import pty
from pathlib import Path

import pytest

from sidecar.policytools.screen import Cell, Paint, Screen, counted, display_width, one_line, screen_of, table

ROWS: list[list[Cell | str]] = [
    ["a", "1", "short"],
    ["木木", "200", Cell("a note that is longer than the terminal", "bad")],
    ["b"],
]


def test_columns_line_up_whatever_is_in_them() -> None:
    assert table(ROWS, Screen(), right=(1,), indent="  ").splitlines() == [
        "  a       1  short",
        "  木木  200  a note that is longer than the terminal",
        "  b",
    ]


def test_the_last_column_ends_where_the_screen_does() -> None:
    lines = table(ROWS, Screen(width=37), right=(1,), indent="  ").splitlines()

    assert lines[1] == "  木木  200  a note that is longer t…"
    assert max(map(display_width, lines)) == 37


def test_a_screen_that_is_too_narrow_for_columns_folds_them_itself() -> None:
    assert "a note that is long…" in table(ROWS, Screen(width=5))


def test_colour_takes_no_room() -> None:
    plain = table(ROWS, Screen())
    coloured = table(ROWS, Screen(paint=Paint(has_colour=True)))

    assert coloured != plain == coloured.replace("\033[31m", "").replace("\033[0m", "")


@pytest.mark.parametrize(("count", "told"), [(0, "0 lines"), (1, "1 line"), (2000, "2,000 lines")])
def test_one_is_not_many(count: int, told: str) -> None:
    assert counted(count, "line") == told


def test_nothing_has_no_lines() -> None:
    assert table([], Screen()) == ""


def test_what_could_write_elsewhere_is_a_space() -> None:
    assert one_line("a\n\033[2J\u200bé") == "a  [2J é"


@pytest.mark.parametrize(
    ("no_colour", "kind", "has_colour"), [("", "xterm", True), ("1", "xterm", False), ("", "dumb", False)]
)
def test_a_terminal_has_colour_unless_it_is_unwanted(
    monkeypatch: pytest.MonkeyPatch, no_colour: str, kind: str, has_colour: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", kind)
    leader, follower = pty.openpty()
    with os.fdopen(leader), os.fdopen(follower, "w") as terminal:
        assert screen_of(terminal).paint.has_colour is has_colour


def test_a_file_has_no_colour_and_no_width(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        assert screen_of(file) == Screen()
