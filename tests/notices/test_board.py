"""Whether the workers would decide a request now, from what they said last."""

from typing import Any

from sidecar.notices.board import WorkerBoard
from sidecar.routing.notice import WorkerNotice


def notice(worker: int = 0, **more: Any) -> WorkerNotice:
    """One that is ready, unless told otherwise."""
    said = {"sequence": 0, "pid": 100 + worker, "why_not_ready": None, "policy": "ab12", "classifier": "1"}
    return WorkerNotice(worker=worker, **(said | more))


def test_ready_is_who_says_so() -> None:
    board = WorkerBoard(1, clock=lambda: 0.0)
    assert board.why_not_ready() == "starting"

    board.put(notice(why_not_ready="the classifier is loading"))
    assert board.why_not_ready() == "the classifier is loading"

    board.put(notice())
    assert board.why_not_ready() is None


def test_all_of_several_have_to_be_ready_and_the_first_that_is_not_is_named() -> None:
    board = WorkerBoard(2, clock=lambda: 0.0)
    board.put(notice(0))
    assert board.why_not_ready() == "worker 1: starting"

    board.put(notice(1, why_not_ready="draining"))
    assert board.why_not_ready() == "worker 1: draining"


def test_who_says_nothing_for_seconds_is_not_ready() -> None:
    now = 0.0
    board = WorkerBoard(1, clock=lambda: now)
    board.put(notice())

    now = 3.9
    assert board.why_not_ready() is None
    now = 4.0
    assert board.why_not_ready() == "no sign of life for 4 s"
    board.put(notice())
    assert board.why_not_ready() is None


def test_it_knows_the_processes_and_the_policies_in_use() -> None:
    board = WorkerBoard(3)
    board.put(notice(1, policy="cd34"))
    board.put(notice(0))
    board.put(notice(2, policy=""))

    assert board.pids == [100, 101, 102]
    assert board.policies == {"ab12", "cd34"}
