"""The two Envoys that are compared: the shipped configuration, and the same with the sidecar taken out of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.demo.child import Child
from sidecar.demo.envoy_config import SIDECAR_CLUSTER, LocalPlaces, write_envoy_files, write_keys
from sidecar.demo.preflight import find_envoy
from sidecar.demo.providers import ProviderProcess
from sidecar.envoyconfig.shipped import shipped_file

# The same for both, and on the smallest machine a core is left for the sidecar.
WORKERS = 1

_EXT_PROC = "envoy.filters.http.ext_proc"


@dataclass(frozen=True, slots=True)
class EnvoyPlaces:
    """Where one Envoy lives: a folder of its own, its ports, the sidecar's socket, a collector (nobody listens)."""

    folder: Path
    port: int
    admin_port: int
    sidecar_socket: Path
    otlp_port: int

    @property
    def url(self) -> str:
        """Where chat completions go."""
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    @property
    def ready_url(self) -> str:
        """Answers 200 when it listens."""
        return f"http://127.0.0.1:{self.admin_port}/ready"


def envoy_child(places: EnvoyPlaces, providers: ProviderProcess, *, with_sidecar: bool) -> Child:
    """Write its files; not yet started."""
    bootstrap = _write_bootstrap(places, providers)
    if not with_sidecar:
        config = json.loads(bootstrap.read_text())
        bootstrap.write_text(json.dumps(without_sidecar(config)))
    command = [str(find_envoy()), "--config-path", str(bootstrap), "--concurrency", str(WORKERS)]
    # Hot restart would share memory with any other Envoy on this machine.
    command += ["--log-level", "error", "--disable-hot-restart"]
    # Access log lines are made as in production, but hundreds of megabytes of them kept nowhere.
    return Child("envoy", command, log=places.folder / "envoy.log", out=Path("/dev/null"))


def without_sidecar(node: Any) -> Any:
    """The configuration without the ext_proc filter, what routes say of it, and the sidecar's cluster."""
    if isinstance(node, dict):
        return {key: without_sidecar(value) for key, value in node.items() if key != _EXT_PROC}
    if isinstance(node, list):
        return [without_sidecar(each) for each in node if not _is_sidecar(each)]
    return node


def _is_sidecar(node: Any) -> bool:
    return isinstance(node, dict) and node.get("name") in (_EXT_PROC, SIDECAR_CLUSTER)


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
        otlp=("127.0.0.1", places.otlp_port),
    )
    write_keys(local, providers.keys)
    return write_envoy_files(shipped_file("envoy", "envoy.yaml"), local)
