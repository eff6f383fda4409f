"""The Envoys that are compared: the shipped configuration, and the same with parts of it taken out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.demo.child import Child
from sidecar.demo.envoy_config import (
    OUTCOMES_CLUSTER,
    SIDECAR_CLUSTER,
    LocalPlaces,
    write_envoy_files,
    write_keys,
)
from sidecar.demo.preflight import find_envoy
from sidecar.demo.providers import ProviderProcess
from sidecar.envoyconfig.shipped import shipped_file

# The same for both, and on the smallest machine a core is left for the sidecar.
WORKERS = 1

_EXT_PROC = "envoy.filters.http.ext_proc"

# What tells the collector of outcomes: log and filters.
_FEED = frozenset(
    (
        "envoy.access_loggers.http_grpc",
        "envoy.filters.http.ai_protocol_manager",
        "envoy.filters.http.header_to_metadata",
        OUTCOMES_CLUSTER,
    )
)


@dataclass(frozen=True, slots=True)
class EnvoyPlaces:
    """Where one Envoy lives: a folder of its own, its ports, the sockets of the sidecar, a trace collector (nobody
    listens)."""

    folder: Path
    port: int
    admin_port: int
    sidecar_socket: Path
    outcomes_socket: Path
    otlp_port: int

    @property
    def url(self) -> str:
        """Where chat completions go."""
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    @property
    def ready_url(self) -> str:
        """Answers 200 when it listens."""
        return f"http://127.0.0.1:{self.admin_port}/ready"


def envoy_child(places: EnvoyPlaces, providers: ProviderProcess, change: Callable[[Any], Any] | None = None) -> Child:
    """Write its files; not yet started. `change`: what is made of the configuration."""
    bootstrap = _write_bootstrap(places, providers)
    if change is not None:
        bootstrap.write_text(json.dumps(change(json.loads(bootstrap.read_text()))))
    command = [str(find_envoy()), "--config-path", str(bootstrap), "--concurrency", str(WORKERS)]
    # Hot restart would share memory with any other Envoy on this machine.
    command += ["--log-level", "error", "--disable-hot-restart"]
    # Access log lines are made as in production, but hundreds of megabytes of them kept nowhere.
    return Child("envoy", command, log=places.folder / "envoy.log", out=Path("/dev/null"))


def without_sidecar(node: Any) -> Any:
    """Without the ext_proc filter, what routes say of it, what tells of outcomes, and the sidecar's clusters."""
    return _without(node, _FEED | {_EXT_PROC, SIDECAR_CLUSTER})


def without_feed(node: Any) -> Any:
    """Without what tells of outcomes."""
    return _without(node, _FEED)


def _without(node: Any, names: frozenset[str]) -> Any:
    """Without things of these names, and keys of these names."""
    if isinstance(node, dict):
        return {key: _without(value, names) for key, value in node.items() if key not in names}
    if isinstance(node, list):
        kept = [each for each in node if not (isinstance(each, dict) and each.get("name") in names)]
        return [_without(each, names) for each in kept]
    return node


def _write_bootstrap(places: EnvoyPlaces, providers: ProviderProcess) -> Path:
    if providers.ca_file is None:
        raise RuntimeError("the providers have no certificates")
    places.folder.mkdir()
    local = LocalPlaces(
        folder=places.folder,
        envoy_port=places.port,
        admin_port=places.admin_port,
        provider_ports=providers.ports_by_host,
        ca_file=providers.ca_file,
        sidecar_sockets=[places.sidecar_socket],
        outcomes_socket=places.outcomes_socket,
        otlp=("127.0.0.1", places.otlp_port),
    )
    write_keys(local, providers.keys)
    return write_envoy_files(shipped_file("envoy", "envoy.yaml"), local)
