"""Records in a file: whole lines, a size, a number of older files, and disks that are full."""

import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.config.running import RecordFile
from sidecar.records.file import FileWriter
from sidecar.records.writer import WriteError
from sidecar.routing.request_record import RequestRecord, write_line


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """As on a full disk: a write beyond that fails, after it has written what has room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def lines_of(records: Sequence[RequestRecord]) -> bytes:
    """As they stand in the file."""
    return b"".join(map(write_line, records))


def test_a_file_is_gone_on_with(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    for record in records[:2]:
        writer = FileWriter(RecordFile(path))
        writer.write([record])
        writer.close()

    assert path.read_bytes() == lines_of(records[:2])
    assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("keep", [0, 1, 3])
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_a_file_that_is_large_enough_becomes_an_older_one(
    records: Sequence[RequestRecord], tmp_path: Path, keep: int, batch: int
) -> None:
    path = tmp_path / "r.jsonl"
    writer = FileWriter(RecordFile(path, max_bytes=30_000, keep=keep))
    for start in range(0, len(records), batch):
        assert writer.write(records[start : start + batch]) == len(records[start : start + batch])
    writer.close()

    files = [*(tmp_path / f"r.jsonl.{number}" for number in range(keep, 0, -1)), path]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(0 < file.stat().st_size <= 30_000 for file in files)
    assert lines_of(records).endswith(b"".join(file.read_bytes() for file in files))


def test_a_record_that_is_larger_than_a_file_gets_one_of_its_own(
    records: Sequence[RequestRecord], tmp_path: Path
) -> None:
    path = tmp_path / "r.jsonl"
    writer = FileWriter(RecordFile(path, max_bytes=10, keep=2))
    writer.write(records[:2])
    writer.close()

    assert path.read_bytes() == write_line(records[1])
    assert (tmp_path / "r.jsonl.1").read_bytes() == write_line(records[0])


def test_a_file_that_was_moved_away_is_begun_anew(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    writer = FileWriter(RecordFile(path))
    writer.write(records[:1])
    path.rename(tmp_path / "moved")
    writer.write(records[1:2])
    path.unlink()
    writer.write(records[2:3])
    writer.close()

    assert (tmp_path / "moved").read_bytes() == write_line(records[0])
    assert path.read_bytes() == write_line(records[2])


def test_a_full_disk_costs_records_but_no_half_lines(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    writer = FileWriter(RecordFile(path))
    writer.write(records[:2])
    with files_end_at(len(lines_of(records[:2])) + 100), pytest.raises(WriteError, match="File too large") as full:
        writer.write(records[2:5])
    writer.write(records[5:6])
    writer.close()

    assert full.value.written == 0
    assert path.read_bytes() == lines_of([*records[:2], records[5]])


def test_what_was_written_before_the_disk_was_full_counts(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rising = sorted(records, key=lambda record: len(write_line(record)))
    writer = FileWriter(RecordFile(path, max_bytes=1))
    with files_end_at(len(write_line(rising[9]))), pytest.raises(WriteError) as full:
        writer.write([*rising[:10], rising[-1], *rising[:5]])
    writer.close()

    assert full.value.written == 10
    assert path.read_bytes() == b""
    assert (tmp_path / "r.jsonl.1").read_bytes() == write_line(rising[9])


def test_a_folder_that_comes_later_is_written_to_then(records: Sequence[RequestRecord], tmp_path: Path) -> None:
    folder = tmp_path / "later"
    writer = FileWriter(RecordFile(folder / "r.jsonl"))
    with pytest.raises(WriteError, match=r"later/r\.jsonl: No such file or directory"):
        writer.write(records[:1])
    folder.mkdir()

    assert writer.write(records[:1]) == 1
    writer.close()
    assert (folder / "r.jsonl").read_bytes() == write_line(records[0])
