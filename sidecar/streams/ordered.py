"""Work on a stream of items: on several threads, in the items' order, while items still come."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# A prompt takes from 2 ms to 14 ms: behind a long one, this much work is at hand for the other threads.
_AHEAD_PER_THREAD = 16


def in_order(items: Iterable[T], work: Callable[[T], R], threads: int) -> Generator[R, None, None]:
    """What `work` makes of each item.

    A result is handed on while the next item is still awaited, and only a few items are taken ahead, so memory does
    not grow with the input. What `items` or `work` raises is raised here, after the results that come before it.
    Closing the generator ends the work.
    """
    ahead: Queue[Future[R] | None] = Queue(threads * _AHEAD_PER_THREAD)
    pool = ThreadPoolExecutor(threads)

    def feed() -> None:
        try:
            for item in items:
                ahead.put(pool.submit(work, item))
            ahead.put(None)
        except Exception as error:  # noqa: BLE001 - goes to whoever takes the results, as any error of `work`
            failed: Future[R] = Future()
            failed.set_exception(error)
            ahead.put(failed)

    # A daemon: when the work ends early, it may be waiting for a line that never comes.
    Thread(target=feed, daemon=True).start()
    try:
        while (future := ahead.get()) is not None:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
