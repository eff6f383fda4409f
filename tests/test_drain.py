"""`sidecar drain` with the real Envoy: what is under way is finished, what comes meanwhile is answered."""

import json
import signal
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.fakes.held_provider import HeldProvider, held_provider, running
from tests.fakes.ports import free_port
from tests.fakes.rendered_envoy import RenderedEnvoy
from tests.fakes.serving import sidecar_command

PATIENCE_SECONDS = 60

# Longer than any test: where the idle limit is not what the test is about.
NEVER = 3600

# Frames of HTTP/2, RFC 9113.
HEADERS, GOAWAY = 1, 7

OTHER_PREFIX = """
static_resources:
  listeners:
  - name: edge
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config: {stat_prefix: front}
"""


class Draining:
    """The command for one block; waiting for its signal when the block starts."""

    def __init__(self, admin_port: int, *, least: float = 0, idle: float = NEVER, most: float = NEVER) -> None:
        limits = {"min": least, "idle": idle, "max": most}
        options = [f"--{name}-seconds={seconds}" for name, seconds in limits.items()]
        self.process = subprocess.Popen(
            sidecar_command("drain", f"--admin=127.0.0.1:{admin_port}", *options), stderr=subprocess.PIPE, text=True
        )
        self._watchdog = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Self:
        self.wait_for_line("waiting for SIGTERM")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watchdog.cancel()
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it that signal."""
        self.process.send_signal(number)

    def wait_for_line(self, text: str) -> str:
        """The next line of its log that has this in it."""
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without saying {text!r}: {lines}")

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it said until then."""
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        return self.process.wait(), said


@contextmanager
def folder() -> Iterator[Path]:
    """Short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="llm-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def written() -> Iterator[tuple[RenderedEnvoy, HeldProvider]]:
    """An Envoy that does not run, and the provider behind it."""
    with held_provider() as provider, folder() as there:
        (there / "router.yaml").write_text(provider.policy)
        envoy = RenderedEnvoy(there / "router.yaml", there / "envoy", "--otlp=none")
        envoy.write()
        yield envoy, provider


@pytest.fixture
def provider(written: tuple[RenderedEnvoy, HeldProvider]) -> HeldProvider:
    written[1].let_go.clear()
    return written[1]


@pytest.fixture
def stopped(written: tuple[RenderedEnvoy, HeldProvider]) -> Iterator[RenderedEnvoy]:
    """An Envoy that does not run yet."""
    yield written[0]
    written[0].stop()


@pytest.fixture
def envoy(stopped: RenderedEnvoy, provider: HeldProvider) -> RenderedEnvoy:
    stopped.start()
    stopped.wait_until_live()
    return stopped


class Client:
    """One connection, for one block."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._connection.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def ask(self) -> tuple[int, str | None]:
        """Status, and whether the server is going to close the connection."""
        self._post(stream=False)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.headers["connection"]

    def begin_stream(self) -> None:
        """Returns with its first event."""
        self._post(stream=True)
        self._answer = self._connection.getresponse()
        assert self._answer.readline() == b"data: first\n"

    def end_stream(self) -> bytes:
        """The rest of it."""
        return self._answer.read()

    def _post(self, *, stream: bool) -> None:
        body = {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)


def status_of(envoy: RenderedEnvoy) -> int:
    """What the pod's readiness probe sees."""
    connection = HTTPConnection("127.0.0.1", envoy.status_port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/ready")
    status = connection.getresponse().status
    connection.close()
    return status


def test_what_is_under_way_ends_and_what_comes_is_answered(envoy: RenderedEnvoy, provider: HeldProvider) -> None:
    with Client(envoy.port) as streaming, Client(envoy.port) as kept, Draining(envoy.admin_port) as draining:
        streaming.begin_stream()
        assert kept.ask() == (200, None)

        draining.tell()
        draining.wait_for_line("draining: 1 requests under way, 2 connections")
        assert status_of(envoy) == 503
        assert kept.ask() == (200, "close")
        with Client(envoy.port) as new:
            assert new.ask() == (200, "close")
        assert draining.process.poll() is None

        provider.let_go.set()
        assert streaming.end_stream().endswith(b"data: [DONE]\n\n")
        assert streaming.ask() == (200, "close")
        code, said = draining.end()

    assert code == 0
    assert "nothing is under way (0 idle connections)" in said


def test_clients_that_keep_connections_are_waited_for_a_while(envoy: RenderedEnvoy) -> None:
    with Client(envoy.port) as kept, Draining(envoy.admin_port, idle=3) as draining:
        assert kept.ask() == (200, None)
        draining.tell()
        code, said = draining.end()

    assert code == 0
    assert "nothing is under way (1 idle connections)" in said


def test_clients_of_http2_are_told_to_go(envoy: RenderedEnvoy) -> None:
    envoy.ask_admin("/healthcheck/fail", "POST")
    headers = b"\x82\x86\x41\x03pod\x04\x02/x"  # GET, http, :authority: pod, :path: /x; see RFC 7541, appendix A
    with socket.create_connection(("127.0.0.1", envoy.port), PATIENCE_SECONDS) as connection:
        settings = struct.pack(">HBBBI", 0, 0, 4, 0, 0)
        request = struct.pack(">HBBBI", 0, len(headers), HEADERS, 0x5, 1) + headers
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + request)
        frames = connection.makefile("rb")
        kinds = set[int]()
        while not kinds >= {HEADERS, GOAWAY}:  # of a connection that ends before nothing could be unpacked
            high, low, kind, _, _ = struct.unpack(">HBBBI", frames.read(9))
            frames.read(high << 8 | low)
            kinds.add(kind)
        frames.close()


def test_a_stream_that_never_ends_is_given_up(envoy: RenderedEnvoy) -> None:
    with Client(envoy.port) as streaming, Draining(envoy.admin_port, most=1) as draining:
        streaming.begin_stream()
        draining.tell()
        code, said = draining.end()

    assert code == 1
    assert "giving up after 1 s: 1 requests are cut" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_cuts_nothing(envoy: RenderedEnvoy, provider: HeldProvider, number: signal.Signals) -> None:
    with Client(envoy.port) as streaming, Draining(envoy.admin_port, idle=0) as draining:
        streaming.begin_stream()
        draining.tell(number)
        draining.wait_for_line("draining: 1 requests under way")
        draining.tell(number)
        draining.wait_for_line("told again to end: still draining, at most 3600 s in all")
        provider.let_go.set()
        assert streaming.end_stream().endswith(b"data: [DONE]\n\n")
        code, _ = draining.end()

    assert code == 0


def test_an_envoy_that_is_still_coming_up_is_drained(stopped: RenderedEnvoy) -> None:
    with Draining(stopped.admin_port, least=10) as draining:
        draining.tell()
        draining.wait_for_line("draining for 10 to 3600 s")
        stopped.start()
        code, said = draining.end()

    assert code == 0
    assert "draining: 0 requests under way, 0 connections" in said


def test_an_envoy_that_is_started_again_meanwhile_is_drained_again(envoy: RenderedEnvoy) -> None:
    with Draining(envoy.admin_port, least=10) as draining:
        draining.tell()
        draining.wait_for_line("draining: 0 requests under way, 0 connections")
        envoy.stop()
        envoy.start()
        code, _ = draining.end()
        assert status_of(envoy) == 503

    assert code == 0


def test_without_envoy_it_says_so() -> None:
    with Draining(free_port(), least=1) as draining:
        draining.tell()
        code, said = draining.end()

    assert code == 1
    assert "does not answer, so nothing is drained: [Errno 111] Connection refused" in said


def test_an_envoy_whose_requests_cannot_be_counted_is_refused_at_once(provider: HeldProvider) -> None:
    with folder() as there:
        (there / "router.yaml").write_text(provider.policy)
        (there / "edits.yaml").write_text(OTHER_PREFIX)
        options = ("--otlp=none", f"--overlay={there / 'edits.yaml'}")
        with RenderedEnvoy(there / "router.yaml", there / "envoy", *options) as envoy:
            command = sidecar_command("drain", f"--admin=127.0.0.1:{envoy.admin_port}")
            ended = subprocess.run(command, timeout=PATIENCE_SECONDS, check=False, capture_output=True, text=True)

    assert ended.returncode == 2
    assert "it has no http.edge.downstream_rq_active: no listener has the stat_prefix `edge`" in ended.stderr


def test_an_answer_that_is_not_envoys_is_told() -> None:
    """Such as that of another server at that port."""
    with (
        running(ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)) as server,
        Draining(server.server_port) as draining,
    ):
        draining.tell()
        code, said = draining.end()

    assert code == 1
    assert 'nothing is drained: POST /healthcheck/fail was answered "HTTP/1.0 501 Unsupported method' in said


def test_it_is_small(envoy: RenderedEnvoy) -> None:
    """It is there for all of the pod's life, for the last seconds of it."""
    with Draining(envoy.admin_port) as draining:
        status = Path(f"/proc/{draining.process.pid}/status").read_text()

    (kib,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")]
    assert kib < 16 * 1024


def test_limits_that_cannot_be_kept_are_refused() -> None:
    command = sidecar_command("drain", "--min-seconds=9", "--max-seconds=8")
    ended = subprocess.run(command, timeout=PATIENCE_SECONDS, check=False, capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (2, "sidecar: --max-seconds is less than --min-seconds\n")
