"""A replay on all processors: chunks go to processes, and their summaries come back in order."""

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from threading import Thread

import msgspec

from sidecar.policytools.replay.replay import OpenReplay, Replay, opened
from sidecar.policytools.replay.summary import Change, Summary
from sidecar.streams.source import Chunk

# Enough for a process to go on with while the one before it is awaited.
_CHUNKS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a chunk came to."""

    summary: Summary
    changes: bytes
    """A line of JSON for each, if they were asked for."""


def replay_chunks(
    chunks: Iterable[Chunk], replay: Replay, processes: int, *, all_changes: bool
) -> Iterator[Replayed]:
    """In the order of the chunks, whatever the number of processes.

    Raises ConfigError, InputError, and OSError if a process dies.
    """
    if processes == 1:
        with replay.open() as own:
            for chunk in chunks:
                yield _replay_chunk(own, chunk, all_changes)
        return
    # Spawned: a fork would copy whatever threads hold, and each process opens its policies itself.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent) as pool:
        others = set(active_children())
        try:
            yield from _results(pool, chunks, replay, processes, all_changes)
        except BrokenProcessPool as error:
            raise OSError("a process of the replay was killed; was there enough memory?") from error
        except BaseException:
            for process in set(active_children()) - others:
                process.terminate()  # a chunk of texts takes seconds
            raise


def _results(
    pool: ProcessPoolExecutor, chunks: Iterable[Chunk], replay: Replay, processes: int, all_changes: bool
) -> Iterator[Replayed]:
    """Only so many chunks are taken ahead that memory does not grow with the log."""
    ahead: deque[Future[Replayed]] = deque()
    for chunk in chunks:
        with _interrupts_held_back():
            ahead.append(pool.submit(_replay_elsewhere, replay, chunk, all_changes))
        if len(ahead) == processes * _CHUNKS_AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """From processes started meanwhile for ever: Ctrl-C goes to all of a terminal, and the first ends the others."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _end_with_parent() -> None:
    """However that ends: one that is killed cannot end the others itself, and they would wait for work for ever."""

    def follow() -> None:
        parent_process().join()  # type: ignore[union-attr]  # whatever was spawned has one
        os._exit(1)

    Thread(target=follow, daemon=True).start()


def _replay_elsewhere(replay: Replay, chunk: Chunk, all_changes: bool) -> Replayed:
    return _replay_chunk(opened(replay), chunk, all_changes)


def _replay_chunk(replay: OpenReplay, chunk: Chunk, all_changes: bool) -> Replayed:
    written: list[bytes] = []

    def tell(change: Change) -> None:
        if all_changes:
            written.append(msgspec.json.encode(change.as_json()) + b"\n")

    summary = replay.summarise(chunk.lines, first_line=chunk.first_line, tell=tell)
    return Replayed(summary, b"".join(written))
