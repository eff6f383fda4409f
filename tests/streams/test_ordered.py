"""Work on several threads that keeps the order and does not run ahead."""

import threading
from collections.abc import Iterator
from queue import Queue

import pytest

from sidecar.streams.ordered import in_order

PATIENCE_SECONDS = 30


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 500])
def test_results_come_in_the_order_of_the_items(threads: int, count: int) -> None:
    assert list(in_order(range(count), lambda number: number * 2, threads)) == [2 * n for n in range(count)]


def test_several_items_are_worked_on_at_once() -> None:
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    assert len(list(in_order(range(6), lambda _: together.wait(), 3))) == 6


def test_a_result_is_handed_on_while_the_next_item_is_awaited() -> None:
    items: Queue[str | None] = Queue()

    def given() -> Iterator[str]:
        while (item := items.get(timeout=PATIENCE_SECONDS)) is not None:
            yield item

    results = in_order(given(), str.upper, 2)
    for word in ("a", "b", "c"):
        items.put(word)
        assert next(results) == word.upper()
    items.put(None)
    assert list(results) == []


def test_items_are_not_taken_far_ahead_of_the_results() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = in_order(endless(), lambda number: number, 2)
    assert [next(results) for _ in range(1_000)] == list(range(1, 1_001))
    assert taken <= 1_000 + 100
    results.close()


def test_an_item_that_cannot_be_had_is_an_error_after_the_results_before_it() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("no third")

    results = in_order(broken(), lambda number: number, 2)

    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="no third"):
        next(results)


def test_work_that_fails_is_an_error_after_the_results_before_it() -> None:
    results = in_order([1, 2, 0, 4], lambda number: 8 // number, 2)

    assert [next(results), next(results)] == [8, 4]
    with pytest.raises(ZeroDivisionError):
        next(results)
