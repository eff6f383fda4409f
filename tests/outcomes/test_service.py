"""The access log service over real connections: entries arrive, and nothing that is sent ends it."""

import asyncio
import logging
import socket as sockets
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from sidecar.outcomes.entries import AttemptEntry, EdgeEntry
from sidecar.outcomes.service import MAX_MESSAGE_BYTES, AccessLogServer
from tests.fakes.access_log import attempt_entry, edge_entry, log_stream, message
from tests.fakes.envoy import PATIENCE_SECONDS


class Collected:
    """A server, and what it was told."""

    def __init__(self, address: str) -> None:
        self.edges: list[EdgeEntry] = []
        self.attempts: list[AttemptEntry] = []
        self._changed = asyncio.Event()
        self.server = AccessLogServer(address, on_edge=self._edge, on_attempt=self._attempt)

    def _edge(self, entry: EdgeEntry) -> None:
        self.edges.append(entry)
        self._changed.set()

    def _attempt(self, entry: AttemptEntry) -> None:
        self.attempts.append(entry)
        self._changed.set()

    @property
    def ids(self) -> list[str | None]:
        """Of the decisions whose requests have ended."""
        return [entry.decision_id for entry in self.edges]

    async def until(self, edges: int = 0, attempts: int = 0) -> None:
        """Waits for so many entries."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.edges) < edges or len(self.attempts) < attempts:
                await self._changed.wait()
                self._changed.clear()


@asynccontextmanager
async def collecting(address: Path | str) -> AsyncIterator[Collected]:
    """A server for one block."""
    collected = Collected(str(address))
    await collected.server.start()
    try:
        yield collected
    finally:
        await collected.server.stop()


def mode_of(socket: Path) -> int:
    """Who may read and write there."""
    return stat.S_IMODE(socket.stat().st_mode)


def put_file_at(socket: Path) -> None:
    """In place of the socket, if there is one."""
    socket.unlink(missing_ok=True)
    socket.write_text("mine")


def ended(decision_id: bytes) -> bytes:
    """A message of the edge, not the first of its stream."""
    return message(edge_entry({"decision_id": decision_id}))


@pytest.mark.asyncio
async def test_entries_of_both_logs_arrive_and_the_name_is_said_once(socket: Path) -> None:
    async with collecting(socket) as collected, log_stream(str(socket)) as edge, log_stream(str(socket)) as models:
        await edge.write(message(edge_entry({"decision_id": b"id-1"}), edge_entry(), log="edge"))
        await models.write(message(attempt_entry(b"id-1"), log="models"))
        await models.write(message(attempt_entry(b"id-2"), attempt_entry(b"id-3")))
        await edge.write(ended(b"id-4"))
        await collected.until(edges=3, attempts=3)

        assert collected.ids == ["id-1", None, "id-4"]
        assert [entry.decision_id for entry in collected.attempts] == ["id-1", "id-2", "id-3"]
        assert (collected.server.edges, collected.server.attempts, collected.server.malformed) == (3, 3, 0)
        assert collected.server.streams == 2
    assert collected.server.streams == 0


@pytest.mark.asyncio
async def test_a_stream_that_ends_is_answered_and_no_longer_counted(socket: Path) -> None:
    async with collecting(socket) as collected, log_stream(str(socket)) as edge:
        await edge.write(message(edge_entry(), log="edge"))
        await edge.done_writing()

        assert await edge == b""
        assert collected.server.streams == 0


@pytest.mark.asyncio
async def test_entries_of_requests_that_go_on_are_left_out(socket: Path) -> None:
    begun = edge_entry({"decision_id": b"id-1"})
    begun.common_properties.ClearField("duration")
    async with collecting(socket) as collected, log_stream(str(socket)) as edge:
        await edge.write(message(begun, edge_entry({"decision_id": b"id-2"}), log="edge"))
        await collected.until(edges=1)

        assert (collected.ids, collected.server.edges) == (["id-2"], 1)


@pytest.mark.asyncio
async def test_garbage_costs_its_message_and_is_logged_once(socket: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with collecting(socket) as collected, log_stream(str(socket)) as edge:
        await edge.write(message(edge_entry({"decision_id": b"id-1"}), log="edge"))
        for _ in range(3):
            await edge.write(b"\xff\xff\xff")
        await edge.write(b"")
        await edge.write(ended(b"id-2"))
        await collected.until(edges=2)

        assert (collected.ids, collected.server.malformed) == (["id-1", "id-2"], 3)
    (record,) = [each for each in caplog.records if each.name == "sidecar"]
    assert (record.levelno, "3 bytes cannot be read" in record.getMessage()) == (logging.ERROR, True)


@pytest.mark.asyncio
async def test_text_that_is_not_utf8_costs_nothing(socket: Path) -> None:
    async with collecting(socket) as collected, log_stream(str(socket)) as edge:
        await edge.write(message(edge_entry(path=b"/\xff"), edge_entry({"decision_id": b"id-2"}), log="edge"))
        await collected.until(edges=2)

        assert (collected.edges[0].path, collected.server.malformed) == ("/\N{REPLACEMENT CHARACTER}", 0)


@pytest.mark.asyncio
async def test_a_log_of_another_name_is_counted_and_told(socket: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with collecting(socket) as collected, log_stream(str(socket)) as other, log_stream(str(socket)) as edge:
        await other.write(message(edge_entry(), log="mesh"))
        await other.write(ended(b"id-1"))
        await other.done_writing()
        assert await other == b""
        await edge.write(message(edge_entry(), log="edge"))
        await collected.until(edges=1)

        assert (collected.server.malformed, collected.server.edges) == (2, 1)
    assert "'mesh'" in caplog.text and "edge or models" in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize("first", [ended(b"id-1"), b"\xff"])
async def test_a_stream_that_never_said_its_name_is_ended_so_that_the_next_one_does(
    socket: Path, first: bytes
) -> None:
    async with collecting(socket) as collected:
        async with log_stream(str(socket)) as nameless:
            await nameless.write(first)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await nameless
        async with log_stream(str(socket)) as edge:
            await edge.write(message(edge_entry({"decision_id": b"id-2"}), log="edge"))
            await collected.until(edges=1)

        assert (caught.value.code(), collected.ids) == (grpc.StatusCode.INVALID_ARGUMENT, ["id-2"])


@pytest.mark.asyncio
async def test_a_message_beyond_all_bounds_ends_its_stream_and_no_other(socket: Path) -> None:
    async with collecting(socket) as collected, log_stream(str(socket)) as edge, log_stream(str(socket)) as huge:
        await edge.write(message(edge_entry(), log="edge"))
        await huge.write(b"\x00" * (MAX_MESSAGE_BYTES + 1))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await huge
        await edge.write(ended(b"id-2"))
        await collected.until(edges=2)

        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.asyncio
async def test_the_socket_is_for_the_group_and_a_dead_ones_is_removed(socket: Path) -> None:
    with sockets.socket(sockets.AF_UNIX) as dead:
        dead.bind(str(socket))
    async with collecting(socket), log_stream(str(socket)):
        assert mode_of(socket) == 0o660


@pytest.mark.asyncio
async def test_whose_place_is_taken_does_not_start(socket: Path) -> None:
    async with collecting(socket):
        with pytest.raises(OSError, match="in use by another server"):
            await Collected(str(socket)).server.start()
    put_file_at(socket)
    with pytest.raises(OSError, match="not a socket"):
        await Collected(str(socket)).server.start()
    with pytest.raises(OSError, match="no such folder"):
        await Collected(str(socket / "deeper")).server.start()


@pytest.mark.asyncio
async def test_it_also_listens_at_a_port_and_not_at_one_that_is_taken() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="cannot listen on"):
            await Collected(address).server.start()
    async with collecting(address) as collected, log_stream(address) as edge:
        await edge.write(message(edge_entry(), log="edge"))
        await collected.until(edges=1)
