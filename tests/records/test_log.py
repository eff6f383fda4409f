"""The record log writes in its own thread, counts what it cannot write, and holds up nobody."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.config.running import RecordFile, RecordsConfig
from sidecar.records.log import RecordLog
from sidecar.routing.feedback import Feedback
from sidecar.routing.request_record import RequestRecord, write_line

FEEDBACK = Feedback("2026-03-02T12:00:00.000000Z", "id-1", score=0.5)


@contextmanager
def stdout_is(descriptor: int) -> Iterator[None]:
    """For a block; the descriptor is closed, and stdout is what it was."""
    saved = os.dup(1)
    os.dup2(descriptor, 1)
    os.close(descriptor)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def log_to(to: Any, **more: Any) -> RecordLog:
    """A log that goes there."""
    return RecordLog(RecordsConfig(to), {}, **more)


def write_all(log: RecordLog, records: Sequence[RequestRecord]) -> None:
    """And close it."""
    for record in records:
        log.observe_record(record)
    log.close()


def read_all(descriptor: int) -> bytes:
    """To the end."""
    with open(descriptor, "rb") as pipe:
        return pipe.read()


def test_records_and_feedback_are_lines_on_stdout(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with stdout_is(os.open(out, os.O_WRONLY | os.O_CREAT)):
        log = log_to("stdout")
        log.write_feedback(FEEDBACK)
        write_all(log, records)

    first, *others = out.read_bytes().splitlines(keepends=True)
    assert msgspec.json.decode(first) == {
        "feedback": {
            "time": FEEDBACK.time,
            "decision_id": "id-1",
            "score": 0.5,
            "label": None,
            "comment": None,
        }
    }
    assert others == [write_line(record) for record in records]
    assert (log.written, log.dropped) == (101, 0)


def test_a_reader_that_has_gone_costs_records_and_nothing_else(
    records: Sequence[RequestRecord], caplog: pytest.LogCaptureFixture
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with stdout_is(writing), caplog.at_level(logging.WARNING):
        log = log_to("stdout")
        write_all(log, records)

    assert (log.written, log.dropped) == (0, 100)
    assert caplog.messages == ["records are being dropped: stdout: Broken pipe"]


def test_a_reader_that_reads_nothing_holds_up_nobody(records: Sequence[RequestRecord]) -> None:
    """A pipe has room for some lines; the log for some more; the others are dropped."""
    reading, writing = os.pipe()
    with stdout_is(writing):
        log = log_to("stdout", room=10, patience_seconds=0.01)
        write_all(log, [*records] * 10)
        assert log.dropped > 900
        rest: list[bytes] = []
        reader = threading.Thread(target=lambda: rest.append(read_all(reading)))
        reader.start()
        log._thread.join()  # what it was writing goes out at last
    reader.join()

    lines = rest[0].splitlines(keepends=True)
    assert all(line in {write_line(record) for record in records} for line in lines)


def test_a_stream_that_does_not_block_gets_every_line_all_the_same(records: Sequence[RequestRecord]) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    rest: list[bytes] = []
    reader = threading.Thread(target=lambda: rest.append(read_all(reading)))
    with stdout_is(writing):
        reader.start()
        log = log_to("stdout")
        write_all(log, records)
    reader.join()

    assert rest[0] == b"".join(map(write_line, records))


def test_the_log_follows_the_policy(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    log = log_to(RecordFile(tmp_path / "a.jsonl"))
    log.observe_record(records[0])
    wait_until(lambda: log.written == 1)
    log.use(RecordsConfig(RecordFile(tmp_path / "b.jsonl")))
    write_all(log, records[1:3])

    assert (tmp_path / "a.jsonl").read_bytes() == write_line(records[0])
    assert (tmp_path / "b.jsonl").read_bytes() == b"".join(map(write_line, records[1:3]))


def test_none_writes_nothing(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with stdout_is(os.open(out, os.O_WRONLY | os.O_CREAT)):
        log = log_to("none")
        write_all(log, records)

    assert out.read_bytes() == b""
    assert (log.written, log.dropped) == (100, 0)


def test_what_comes_after_the_end_is_dropped(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    log = log_to(RecordFile(tmp_path / "r.jsonl"))
    log.close()
    log.observe_record(records[0])

    assert (log.written, log.dropped) == (0, 1)
    assert not (tmp_path / "r.jsonl").exists()


def test_a_complaint_comes_once_a_minute(records: Sequence[RequestRecord], caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    with caplog.at_level(logging.WARNING):
        log = log_to(RecordFile(Path("/nowhere/r.jsonl")), clock=lambda: now[0])
        for index, (second, complaints) in enumerate([(0.0, 1), (30.0, 1), (59.0, 1), (60.0, 2), (61.0, 2)], 1):
            now[0] = second
            log.observe_record(records[0])
            wait_until(lambda index=index: log.dropped == index)  # type: ignore[misc]
            assert len(caplog.messages) == complaints
        log.close()

    assert caplog.messages[0] == "records are being dropped: /nowhere/r.jsonl: No such file or directory"


def wait_until(condition: Callable[[], bool]) -> None:
    """The log has its own thread."""
    done = threading.Event()
    while not condition():
        done.wait(0.001)
