"""The status port: probes and Prometheus see what they need of the real Envoy's admin interface, and nothing else."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.fakes.rendered_envoy import RenderedEnvoy
from tests.fakes.serving import eventually
from tests.fakes.written_policies import ONE_LOCAL

# The listener's own ceiling.
_MOST_CONNECTIONS = 100


FULL_WITH_TWO = """
overload_manager:
  resource_monitors:
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config: {max_active_downstream_connections: 2}
"""


@contextmanager
def running(overlay: str = "{}") -> Iterator[RenderedEnvoy]:
    with tempfile.TemporaryDirectory(prefix="llm-") as folder:
        policy, edits = Path(folder, "router.yaml"), Path(folder, "edits.yaml")
        policy.write_text(ONE_LOCAL)
        edits.write_text(overlay)
        with RenderedEnvoy(policy, Path(folder, "envoy"), f"--overlay={edits}", "--otlp=none") as envoy:
            yield envoy


@pytest.fixture
def envoy() -> Iterator[RenderedEnvoy]:
    with running() as envoy:
        yield envoy


@pytest.fixture(scope="module")
def unharmed() -> Iterator[RenderedEnvoy]:
    """For what must leave it as it was."""
    with running() as envoy:
        yield envoy


def ask(port: int, request_line: str, *headers: str) -> tuple[int, str]:
    """Status and body; the line goes out as it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join([f"{request_line} HTTP/1.1", "Host: pod", *headers, "", ""]).encode())
        answer = HTTPResponse(connection, method=request_line.split()[0])
        answer.begin()
        return answer.status, answer.read().decode()


def test_it_tells_of_health_and_statistics(envoy: RenderedEnvoy) -> None:
    assert ask(envoy.status_port, "GET /ready")[0] == 200
    status, text = ask(envoy.status_port, "GET /stats/prometheus")
    assert status == 200 and "envoy_http_downstream_rq_active" in text

    envoy.ask_admin("/healthcheck/fail", "POST")

    assert ask(envoy.status_port, "GET /ready")[0] == 503


REFUSED = [
    "POST /quitquitquit",
    "GET /quitquitquit",
    "POST /healthcheck/fail",
    "POST /drain_listeners",
    "POST /logging?level=trace",
    "GET /",
    "GET /config_dump",
    "GET /certs",
    "GET /clusters",
    "GET /stats",
    "GET /server_info",
    "GET /ready/",
    "GET /READY",
    "GET /%72eady",
    "GET //ready",
    "GET /./ready",
    "GET /ready?x",
    "GET /ready?",
    "GET /ready%3fx",
    "GET /ready;x",
    "GET /ready/../quitquitquit",
    "GET /ready/..%2fquitquitquit",
    "GET //ready/../quitquitquit",
    "POST //ready/../quitquitquit",
    "GET /stats/prometheus?filter=.*",
    "GET /stats/prometheus/../../config_dump",
    "GET http://pod/config_dump",
    "GET /ready#x",
    "POST /ready",
    "HEAD /ready",
    "PUT /ready",
    "OPTIONS /ready",
    "OPTIONS *",
    "CONNECT pod:9901",
    "get /ready",
]


@pytest.mark.parametrize("line", REFUSED)
def test_it_tells_of_nothing_else(unharmed: RenderedEnvoy, line: str) -> None:
    asked = unharmed.stat("cluster.admin.upstream_rq_total")

    status, body = ask(unharmed.status_port, line)

    assert (status, body) in ((404, ""), (400, ""), (400, "Bad Request"))
    assert unharmed.stat("cluster.admin.upstream_rq_total") == asked
    assert unharmed.ask_admin("/ready")[0] == 200


def test_headers_make_no_other_path_of_it(unharmed: RenderedEnvoy) -> None:
    headers = ["X-Envoy-Original-Path: /config_dump", "X-HTTP-Method-Override: POST", "X-Original-URL: /config_dump"]

    assert ask(unharmed.status_port, "GET /ready", *headers) == (200, "LIVE\n")
    assert ask(unharmed.status_port, "GET /ready", f"X-Long: {'x' * 9000}")[0] == 431


def test_it_takes_few_connections_and_stands_in_no_log(envoy: RenderedEnvoy) -> None:
    at = ("127.0.0.1", envoy.status_port)
    held = [socket.create_connection(at, timeout=20) for _ in range(_MOST_CONNECTIONS)]
    eventually(lambda: envoy.stat("http.status.downstream_cx_active"), _MOST_CONNECTIONS)

    with socket.create_connection(at, timeout=20) as one_too_many:
        assert one_too_many.recv(1) == b""

    for connection in held:
        connection.close()
    eventually(lambda: envoy.stat("http.status.downstream_cx_active"), 0)
    assert ask(envoy.status_port, "GET /ready") == (200, "LIVE\n")
    envoy.stop()
    assert (envoy.folder / "envoy.out").read_bytes() == b""


def test_a_gateway_whose_clients_took_all_connections_is_not_ill() -> None:
    """Kubernetes would take it out of service, and the others would get its clients as well."""
    with running(FULL_WITH_TWO) as envoy:
        at = ("127.0.0.1", envoy.port)
        held = [socket.create_connection(at, timeout=20) for _ in range(2)]
        eventually(lambda: envoy.stat("http.edge.downstream_cx_active"), 2)

        with socket.create_connection(at, timeout=20) as one_too_many:
            assert one_too_many.recv(1) == b""
        assert ask(envoy.status_port, "GET /ready") == (200, "LIVE\n")

        for connection in held:
            connection.close()
