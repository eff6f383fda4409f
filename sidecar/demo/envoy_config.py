"""The shipped Envoy configuration, changed only where a laptop differs from a deployment.

Ports, file places, the providers' addresses, the sockets of the sidecar and, on request, single values such as a
timeout. What makes a request safe stays as shipped: TLS with SNI and SAN checks, credentials, routes, retries.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PROVIDER_PORT = 443
SIDECAR_CLUSTER = "sidecar"
OUTCOMES_CLUSTER = "outcomes"
OTLP_CLUSTER = "otlp"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class EnvoyFileError(Exception):
    """The shipped file does not have what is to be changed in it; the message names it."""


@dataclass(frozen=True, slots=True)
class LocalPlaces:
    """Where on this machine things are.

    `provider_ports`: port on loopback by the provider's real host. `otlp`: host and port, None to leave what
    is shipped. `values`: what to put in place of every value with that key, e.g. {"per_try_timeout": "1s"}.
    """

    folder: Path
    envoy_port: int
    admin_port: int
    provider_ports: Mapping[str, int]
    ca_file: Path
    sidecar_sockets: Sequence[Path]
    outcomes_socket: Path
    otlp: tuple[str, int] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def of(self, path: str) -> str:
        """The local place of a file of the deployment. Raises EnvoyFileError for one that has none."""
        if path == CA_BUNDLE:
            return str(self.ca_file)
        for prefix, name in (("/etc/envoy", "envoy"), ("/etc/llm-keys", "keys"), ("/run/llm", "")):
            if path == prefix or path.startswith(f"{prefix}/"):
                return str(self.folder / name / path[len(prefix) :].lstrip("/"))
        raise EnvoyFileError(f"{path}: no local place is known for this file")


def localised_config(source: Path, places: LocalPlaces) -> dict[str, Any]:
    """The bootstrap in `source`, for these places. Raises EnvoyFileError."""
    shipped = _load(source)
    try:
        _require_keys(shipped, places.values)
        config: dict[str, Any] = _rebuilt(shipped, lambda node: _localised(node, places))
        _set_ports(config, places)
        _set_endpoints(_cluster(config, SIDECAR_CLUSTER), [_pipe(path) for path in places.sidecar_sockets])
        _set_endpoints(_cluster(config, OUTCOMES_CLUSTER), [_pipe(places.outcomes_socket)])
        if places.otlp is not None:
            _set_endpoints(_cluster(config, OTLP_CLUSTER), [_socket_address(*places.otlp)])
    except EnvoyFileError as error:
        raise EnvoyFileError(f"{source}: {error}") from error
    except (KeyError, TypeError) as error:
        raise EnvoyFileError(f"{source}: not the shape of an Envoy bootstrap ({error!r})") from error
    return config


def write_envoy_files(source: Path, places: LocalPlaces) -> Path:
    """Write the localised bootstrap and the files it names into `places.folder`; returns the bootstrap.

    As JSON, which Envoy reads as well and in which no `n` can be taken for a boolean. Raises EnvoyFileError.
    """
    bootstrap = places.folder / "envoy.json"
    bootstrap.write_text(json.dumps(localised_config(source, places), indent=1))
    for name in sorted(_companions(_load(source))):
        companion = source.with_name(name)
        if not companion.is_file():
            raise EnvoyFileError(f"{source}: names /etc/envoy/{name}, which is not beside it")
        written = Path(places.of(f"/etc/envoy/{name}"))
        written.parent.mkdir(parents=True, exist_ok=True)
        if companion.suffix == ".yaml":
            secrets = _rebuilt(_load(companion), lambda node: _localised(node, places))
            written.write_text(yaml.safe_dump(secrets))
        else:
            written.write_bytes(companion.read_bytes())
    return bootstrap


def write_keys(places: LocalPlaces, keys: Mapping[str, str]) -> None:
    """Write the providers' keys where the localised secrets look for them, one raw key a file."""
    folder = Path(places.of("/etc/llm-keys"))
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, key in keys.items():
        (folder / name).write_text(key)


def _load(source: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(source.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise EnvoyFileError(f"{source}: {error}") from error
    if not isinstance(loaded, dict):
        raise EnvoyFileError(f"{source}: not a mapping")
    return loaded


def _set_ports(config: dict[str, Any], places: LocalPlaces) -> None:
    config["admin"] = {"address": _socket_address("127.0.0.1", places.admin_port)}
    edges = [it for it in config["static_resources"]["listeners"] if "socket_address" in it.get("address", {})]
    if len(edges) != 1:
        raise EnvoyFileError(f"expected one listener with a socket address, found {len(edges)}")
    edges[0]["address"] = _socket_address("127.0.0.1", places.envoy_port)


def _cluster(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    for cluster in config["static_resources"]["clusters"]:
        if cluster["name"] == name:
            found: dict[str, Any] = cluster
            return found
    raise EnvoyFileError(f"no cluster {name!r}")


def _set_endpoints(cluster: dict[str, Any], addresses: Sequence[Mapping[str, Any]]) -> None:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]


def _pipe(path: Path) -> dict[str, Any]:
    return {"pipe": {"path": str(path)}}


def _socket_address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _rebuilt(node: Any, change: Callable[[Any], Any]) -> Any:
    """The same tree from changed nodes. YAML aliases are shared objects, so nothing is changed in place."""
    node = change(node)
    if isinstance(node, dict):
        return {key: _rebuilt(value, change) for key, value in node.items()}
    if isinstance(node, list):
        return [_rebuilt(value, change) for value in node]
    return node


def _localised(node: Any, places: LocalPlaces) -> Any:
    if isinstance(node, dict):
        if places.values:
            node = {key: places.values.get(key, value) for key, value in node.items()}
        if node.get("port_value") == PROVIDER_PORT and isinstance(node.get("address"), str):
            return node | _provider_address(node["address"], places)
    if isinstance(node, str) and node.startswith(("/etc/", "/run/")):
        return places.of(node)
    return node


def _provider_address(host: str, places: LocalPlaces) -> dict[str, Any]:
    # Without this error a forgotten provider would be called for real, over the internet.
    if host not in places.provider_ports:
        raise EnvoyFileError(f"no local provider for {host}")
    return {"address": "127.0.0.1", "port_value": places.provider_ports[host]}


def _require_keys(node: Any, names: Iterable[str]) -> None:
    for name in names:
        if not _has_key(node, name):
            raise EnvoyFileError(f"no value {name!r} to replace")


def _has_key(node: Any, name: str) -> bool:
    if isinstance(node, dict):
        return name in node or any(_has_key(value, name) for value in node.values())
    return isinstance(node, list) and any(_has_key(value, name) for value in node)


def _companions(node: Any) -> set[str]:
    """The names of all files under /etc/envoy/ that the configuration mentions."""
    if isinstance(node, dict):
        return set().union(*(_companions(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_companions(value) for value in node))
    if isinstance(node, str) and node.startswith("/etc/envoy/"):
        return {node.removeprefix("/etc/envoy/")}
    return set()
