"""What can be set of an injection: by annotations of the pod, and by the installation's defaults for the rest."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.injection.names import PREFIX, STATUS_ANNOTATION

NO_KEYS = "none"

# RFC 1123, as Kubernetes wants the names of ConfigMaps and Secrets.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 253
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_IMAGE = re.compile(r"[a-zA-Z0-9][-._/:@a-zA-Z0-9]*")
_QUANTITY = re.compile(r"(\d+|\d+\.\d+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_ADDRESS = re.compile(r"[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?:([0-9]{1,5})")
_LOWEST_PORT = 1024  # below it a port needs a capability
_HIGHEST_PORT = 65535
_MOST_WORKERS = 64


class InjectionError(Exception):
    """A pod that cannot be injected, or settings that cannot be; each problem is a sentence for a person."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one pod. Names of ConfigMaps and Secrets are in its namespace; quantities are Kubernetes' own texts."""

    policy: str
    keys: str
    """A Secret, or `none`."""
    overlay: str | None
    port: int
    admin_port: int
    http_port: int
    status_port: int
    image: str
    envoy_image: str
    image_pull_policy: str
    log_level: str
    cpu: str
    memory: str
    cpu_limit: str
    memory_limit: str
    envoy_cpu: str
    envoy_memory: str
    envoy_cpu_limit: str
    envoy_memory_limit: str
    workers: int
    base_urls: bool
    otlp: str | None
    console_token: str | None
    other_envoy: bool

    @property
    def ports(self) -> dict[str, int]:
        """All that we listen at, by setting."""
        return {
            "port": self.port,
            "admin-port": self.admin_port,
            "http-port": self.http_port,
            "status-port": self.status_port,
        }


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a setting's text may be."""

    expected: str
    parse: Callable[[str], Any]
    """Raises ValueError."""


def _matching(pattern: re.Pattern[str], longest: int = 1000) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if len(text) > longest or pattern.fullmatch(text) is None:
            raise ValueError(text)
        return text

    return parse


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() alone takes ` 1_0`, too.
        if re.fullmatch(r"[0-9]{1,9}", text) is None or not lowest <= int(text) <= highest:
            raise ValueError(text)
        return int(text)

    return parse


def _one_of(**values: Any) -> _Kind:
    def parse(text: str) -> Any:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return _Kind(" or ".join(values), parse)


def _parse_address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2]) <= _HIGHEST_PORT:
        raise ValueError(text)
    return text


_OBJECT = _Kind("the name of a ConfigMap or Secret", _matching(_NAME, _LONGEST_NAME))
_PORT = _Kind(f"a port from {_LOWEST_PORT} to {_HIGHEST_PORT}", _whole(_LOWEST_PORT, _HIGHEST_PORT))
_AMOUNT = _Kind("a quantity like 250m, 1 or 256Mi", _matching(_QUANTITY))
_IMAGES = _Kind("an image", _matching(_IMAGE))

_KINDS: dict[str, _Kind] = {
    "policy": _OBJECT,
    "keys": _OBJECT,
    "overlay": _Kind("a key of the policy's ConfigMap", _matching(_DATA_KEY, _LONGEST_NAME)),
    "port": _PORT,
    "admin-port": _PORT,
    "http-port": _PORT,
    "status-port": _PORT,
    "image": _IMAGES,
    "envoy-image": _IMAGES,
    "image-pull-policy": _one_of(Always="Always", IfNotPresent="IfNotPresent", Never="Never"),
    "log-level": _one_of(debug="debug", info="info", warning="warning", error="error"),
    "cpu": _AMOUNT,
    "memory": _AMOUNT,
    "cpu-limit": _AMOUNT,
    "memory-limit": _AMOUNT,
    "envoy-cpu": _AMOUNT,
    "envoy-memory": _AMOUNT,
    "envoy-cpu-limit": _AMOUNT,
    "envoy-memory-limit": _AMOUNT,
    "workers": _Kind(f"a number from 1 to {_MOST_WORKERS}", _whole(1, _MOST_WORKERS)),
    "base-urls": _one_of(true=True, false=False),
    "otlp": _Kind("HOST:PORT", _parse_address),
    "console-token": _OBJECT,
    "other-envoy": _one_of(allowed=True, refused=False),
}
KEYS = tuple(_KINDS)


def built_in_defaults(version: str) -> dict[str, str]:
    """For what an installation leaves open."""
    return {
        "policy": "llm-policy",
        "keys": "llm-keys",
        "port": "10000",
        "admin-port": "9901",
        "http-port": "9902",
        "status-port": "9903",
        "image": f"envoy-llm-sidecar:{version}",
        "envoy-image": "docker.io/envoyproxy/envoy:distroless-v1.40.0",
        "image-pull-policy": "IfNotPresent",
        "log-level": "warning",
        "cpu": "250m",
        "memory": "256Mi",
        "cpu-limit": "1",
        "memory-limit": "512Mi",
        "envoy-cpu": "100m",
        "envoy-memory": "128Mi",
        "envoy-cpu-limit": "1",
        "envoy-memory-limit": "512Mi",
        "workers": "1",
        "base-urls": "false",
        "other-envoy": "refused",
    }


def read_settings(annotations: Mapping[str, str], defaults: Mapping[str, str]) -> Settings:
    """Of a pod with these annotations; `defaults` have every key that must have a value, like `built_in_defaults`.

    Raises InjectionError that names each annotation that is unknown, or whose value cannot be.
    """
    ours = {key: text for key, text in annotations.items() if key.startswith(PREFIX) and key != STATUS_ANNOTATION}
    written = {key.removeprefix(PREFIX): text for key, text in ours.items()}
    return _build({**defaults, **written}, lambda key: f"annotation {PREFIX}{key}" if key in written else key)


def _build(written: Mapping[str, str], name: Callable[[str], str]) -> Settings:
    problems: list[str] = []
    parsed: dict[str, Any] = {"overlay": None, "otlp": None, "console_token": None}
    for key, text in written.items():
        kind = _KINDS.get(key)
        if kind is None:
            problems.append(f"{name(key)}: unknown setting; expected one of {', '.join(KEYS)}")
            continue
        try:
            parsed[key.replace("-", "_")] = kind.parse(text)
        except ValueError:
            problems.append(f"{name(key)}: {text!r}: expected {kind.expected}")
    if problems:
        raise InjectionError(tuple(problems))
    settings = Settings(**parsed)
    _require_different(settings)
    return settings


def _require_different(settings: Settings) -> None:
    seen: dict[int, str] = {}
    for key, port in settings.ports.items():
        if port in seen:
            raise InjectionError((f"{key}: {port} is {seen[port]}, too: give them different ports",))
        seen[port] = key
