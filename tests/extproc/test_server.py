"""Listening, health, limits and leaving, over real connections."""

import asyncio
import logging
import socket as sockets
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from sidecar.extproc.processor import Processor
from sidecar.extproc.server import MAX_BODY_BYTES, DrainTimes, ExtProcServer
from sidecar.routing.classification import Classifier
from tests.fakes.classifiers import HangingClassifier, classification
from tests.fakes.envoy import PATIENCE_SECONDS, envoy_at, request_body, request_headers, router_metadata
from tests.fakes.observers import RecordingObserver
from tests.fakes.requests import body
from tests.fakes.routers import always, make_router

AT_ONCE = DrainTimes(notice_seconds=0, grace_seconds=0)
PATIENT = DrainTimes(notice_seconds=0, grace_seconds=PATIENCE_SECONDS)


def processor(classifier: Classifier | None = None, observer: RecordingObserver | None = None) -> Processor:
    """One that waits as long as a classifier takes."""
    return Processor(always(make_router(classifier=classifier)), [observer or RecordingObserver()])


@asynccontextmanager
async def listening(address: Path | str, drain: DrainTimes = AT_ONCE) -> AsyncIterator[ExtProcServer]:
    """A server for one block, without a processor yet."""
    server = ExtProcServer(str(address), drain)
    await server.start()
    try:
        yield server
    finally:
        await server.drain()


@pytest.mark.asyncio
async def test_health_follows_what_the_server_can_do(socket: Path) -> None:
    async with listening(socket) as server, envoy_at(str(socket)) as envoy:
        assert (await envoy.health(), await envoy.health("")) == ("NOT_SERVING", "NOT_SERVING")
        await server.serve(processor())
        assert (await envoy.health(), await envoy.health("")) == ("SERVING", "SERVING")


@pytest.mark.asyncio
async def test_streams_before_the_classifier_is_there_are_unavailable(socket: Path) -> None:
    async with listening(socket), envoy_at(str(socket)) as envoy:
        answers = await envoy.ask(request_headers())

    assert (answers.code, answers.replies) == (grpc.StatusCode.UNAVAILABLE, [])
    assert "loading" in answers.details


@pytest.mark.asyncio
async def test_a_server_on_a_port_serves_too() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with listening(address) as server, envoy_at(address, unix=False) as envoy:
        await server.serve(processor())
        answers = await envoy.ask(request_headers(), request_body(body()))

    assert router_metadata(answers.last)["reason"] == "difficulty"


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_an_os_error_that_names_it() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = ExtProcServer(address, AT_ONCE)
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            await server.start()
        await server.drain()


@pytest.mark.asyncio
async def test_the_socket_is_for_owner_and_group(socket: Path) -> None:
    async with listening(socket):
        assert stat.filemode(socket.stat().st_mode) == "srw-rw----"  # noqa: ASYNC240 - a test may block


def leave_dead_socket(path: Path) -> None:
    """As a killed server does."""
    with sockets.socket(sockets.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()


@pytest.mark.asyncio
async def test_a_dead_socket_is_replaced(socket: Path) -> None:
    leave_dead_socket(socket)

    async with listening(socket) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor())
        assert await envoy.health() == "SERVING"


def leave_file(path: Path) -> None:
    """Somebody's work."""
    path.write_text("dear diary")


def leave_folder(path: Path) -> None:
    """Somebody's folder."""
    path.mkdir()


@pytest.mark.asyncio
@pytest.mark.parametrize("leave", [leave_file, leave_folder])
async def test_what_is_no_socket_is_left_alone(socket: Path, leave: Callable[[Path], None]) -> None:
    leave(socket)
    server = ExtProcServer(str(socket), AT_ONCE)

    with pytest.raises(OSError, match=str(socket)):
        await server.start()

    await server.drain()
    assert not stat.S_ISSOCK(socket.stat().st_mode)  # noqa: ASYNC240 - a test may block


@pytest.mark.asyncio
async def test_a_socket_that_another_server_listens_on_is_left_to_it(socket: Path) -> None:
    async with listening(socket) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor())
        second = ExtProcServer(str(socket), AT_ONCE)
        with pytest.raises(OSError, match=f"{socket}.*in use"):
            await second.start()
        await second.drain()
        answers = await envoy.ask(request_headers(), request_body(body()))

    assert answers.code is grpc.StatusCode.OK


@pytest.mark.asyncio
async def test_a_folder_that_is_missing_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    server = ExtProcServer(str(tmp_path / "nowhere" / "s.sock"), AT_ONCE)

    with pytest.raises(OSError, match=r"nowhere/s\.sock"):
        await server.start()
    await server.drain()


@pytest.mark.asyncio
async def test_a_body_as_large_as_envoy_buffers_is_decided(socket: Path) -> None:
    empty = body("", max_tokens=10)
    largest = body("x" * (MAX_BODY_BYTES - len(empty)), model="auto")[:-1] + b" " * 4 + b"}"

    async with listening(socket) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor())
        answers = await envoy.ask(request_headers(), request_body(largest))

    assert answers.code is grpc.StatusCode.OK
    assert answers.last.immediate_response.status.code == 400  # four million tokens


@pytest.mark.asyncio
async def test_a_larger_message_ends_its_stream_and_no_other(socket: Path) -> None:
    too_large = request_body(b" " * (MAX_BODY_BYTES + 64 * 1024))

    async with listening(socket) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor())
        refused = await envoy.ask(request_headers(), too_large)
        answers = await envoy.ask(request_headers(), request_body(body()))

    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answers.code is grpc.StatusCode.OK


@pytest.mark.asyncio
async def test_a_stream_that_is_cancelled_midway_is_forgotten(socket: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    classifier, observer = HangingClassifier(), RecordingObserver()
    async with listening(socket) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor(classifier, observer))
        stream = envoy.open_stream()
        await stream.write(request_headers())
        await stream.read()
        await stream.write(request_body(body()))
        await classifier.asked.wait()

        stream.cancel()

        async with asyncio.timeout(PATIENCE_SECONDS):
            await classifier.cancelled.wait()
        answers = await envoy.ask(request_headers(), request_body(body(model="simple")))
    assert answers.code is grpc.StatusCode.OK
    assert [exchange.request.model for exchange in observer.exchanges if exchange.request] == ["simple"]
    assert caplog.text == ""


@pytest.mark.asyncio
@pytest.mark.parametrize("messages", [0, 1])
async def test_a_client_that_goes_away_is_no_error(
    socket: Path, messages: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    observer = RecordingObserver()
    async with listening(socket) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor(observer=observer))
        stream = envoy.open_stream()
        for _ in range(messages):
            await stream.write(request_headers())
            await stream.read()
        await stream.done_writing()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await stream.code() is grpc.StatusCode.OK

    assert observer.exchanges == []
    assert caplog.text == ""


@pytest.mark.asyncio
async def test_draining_says_so_and_finishes_a_stream_under_way(socket: Path) -> None:
    classifier = HangingClassifier()
    async with listening(socket, PATIENT) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor(classifier))
        under_way = asyncio.create_task(envoy.ask(request_headers(), request_body(body())))
        await classifier.asked.wait()
        watching = asyncio.Event()
        left = asyncio.create_task(envoy.wait_for_health("NOT_SERVING", watching))
        await watching.wait()

        draining = asyncio.create_task(server.drain())
        await left
        assert not draining.done()
        classifier.answer.set_result(classification("math"))

        assert router_metadata((await under_way).last)["tier"] == "reasoning"
        async with asyncio.timeout(PATIENCE_SECONDS):
            await draining


@pytest.mark.asyncio
async def test_draining_waits_no_longer_than_its_grace(socket: Path) -> None:
    classifier = HangingClassifier()
    async with listening(socket, AT_ONCE) as server, envoy_at(str(socket)) as envoy:
        await server.serve(processor(classifier))
        under_way = asyncio.create_task(envoy.ask(request_headers(), request_body(body())))
        await classifier.asked.wait()

        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.drain()

        assert (await under_way).code is not grpc.StatusCode.OK
    assert classifier.cancelled.is_set()


@pytest.mark.asyncio
async def test_a_socket_that_was_removed_is_noticed(socket: Path) -> None:
    async with listening(socket) as server:
        assert server.why_unreachable() is None

        await asyncio.to_thread(socket.unlink)
        assert "is gone" in (server.why_unreachable() or "")

        await asyncio.to_thread(socket.touch)  # something else of that name
        assert "is gone" in (server.why_unreachable() or "")
        await asyncio.to_thread(socket.unlink)
