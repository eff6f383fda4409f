"""A replay on all processors: chunks go to processes, and their summaries come back in order."""

import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import msgspec

from sidecar.policytools.replay.replay import OpenReplay, Replay, opened
from sidecar.policytools.replay.source import Chunk
from sidecar.policytools.replay.summary import Change, Summary
from sidecar.streams.ordered import in_order

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

    Raises ConfigError, ModelFolderError, and OSError if a process dies.
    """
    if processes == 1:
        with replay.open() as own:
            for chunk in chunks:
                yield _replay_chunk(own, chunk, all_changes)
        return
    # Spawned: a fork would copy whatever threads hold, and each process opens its policies itself.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_ignore_interrupts) as pool:
        try:
            yield from in_order(
                chunks,
                lambda chunk: pool.submit(_replay_elsewhere, replay, chunk, all_changes).result(),
                processes,
                _CHUNKS_AHEAD,
            )
        except BrokenProcessPool as error:
            raise OSError("a process of the replay was killed; was there enough memory?") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C goes to all processes of a terminal; the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _replay_elsewhere(replay: Replay, chunk: Chunk, all_changes: bool) -> Replayed:
    return _replay_chunk(opened(replay), chunk, all_changes)


def _replay_chunk(replay: OpenReplay, chunk: Chunk, all_changes: bool) -> Replayed:
    written: list[bytes] = []

    def tell(change: Change) -> None:
        if all_changes:
            written.append(msgspec.json.encode(change.as_json()) + b"\n")

    summary = replay.summarise(chunk.lines, first_line=chunk.first_line, tell=tell)
    return Replayed(summary, b"".join(written))
