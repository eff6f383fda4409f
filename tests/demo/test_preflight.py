"""What cannot start says in one line why, and with which option it would."""

import io
import socket

import pytest

from sidecar.demo.options import DemoOptions
from sidecar.demo.preflight import CannotStartError, check_ports, find_envoy, otlp_address
from sidecar.demo.run import run_demo
from sidecar.demo.screen import Screen


@pytest.mark.asyncio
async def test_a_taken_port_ends_the_demo_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        out = io.StringIO()
        code = await run_demo(DemoOptions(envoy_port=port), Screen(out))

    assert code == 2
    assert out.getvalue() == (
        f"sidecar demo: port {port} is taken: free it, or choose another with --envoy-port PORT\n"
    )


def test_a_port_chosen_twice_is_named_with_both_options() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    options = DemoOptions(envoy_port=free, admin_port=free)
    with pytest.raises(CannotStartError, match="--envoy-port and --admin-port"):
        check_ports(options)


def test_envoy_is_found() -> None:
    assert find_envoy().is_file()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (None, None),
        ("127.0.0.1:4317", ("127.0.0.1", 4317)),
        ("http://collector:4317/", ("collector", 4317)),
    ],
)
def test_a_collector_is_a_host_and_a_port(text: str | None, address: tuple[str, int] | None) -> None:
    assert otlp_address(text) == address


@pytest.mark.parametrize("text", ["collector", ":4317", "collector:grpc", ""])
def test_anything_else_is_not_a_collector(text: str) -> None:
    with pytest.raises(CannotStartError, match="HOST:PORT"):
        otlp_address(text)
