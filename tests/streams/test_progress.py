"""How far a stream is, on a terminal."""

import io

from sidecar.streams.progress import with_progress


def test_the_items_are_handed_on_and_counted_in_their_own_units() -> None:
    terminal = io.StringIO()

    items = list(with_progress(["ab", "cde"], terminal, unit="letters", size=len, share=lambda: 0.5))

    assert items == ["ab", "cde"]
    shown = terminal.getvalue()
    assert shown.startswith("\r") and shown.endswith("\n") and "5 letters, " in shown


def test_without_a_terminal_there_is_nothing_to_see() -> None:
    assert list(with_progress([1, 2], None)) == [1, 2]


def test_what_was_done_is_shown_even_if_it_ends_early() -> None:
    terminal = io.StringIO()
    items = with_progress(iter(range(9)), terminal)

    next(items)
    next(items)
    items.close()  # type: ignore[attr-defined]

    assert "1 prompts" in terminal.getvalue()
