"""What can be set of an injection: by annotations of the pod, and by the installation's defaults for the rest."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.injection.names import PREFIX, STATUS_ANNOTATION

NO_KEYS = "none"

_HIGHEST_PORT = 65535


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
class Kind:
    """What a setting's text may be: as data, because an admission policy has to check it in CEL."""

    expected: str
    pattern: str
    """Of the whole text; RE2's syntax."""
    longest: int = 253
    numbers: tuple[int, int] | None = None
    """From and to, of the number that the text ends with."""
    parsed: Callable[[str], Any] = str

    def parse(self, text: str) -> Any:
        """Raises ValueError."""
        if len(text) > self.longest or re.fullmatch(self.pattern, text, re.ASCII) is None:
            raise ValueError(text)
        if self.numbers is not None:
            lowest, highest = self.numbers
            if not lowest <= int(text.rpartition(":")[2]) <= highest:
                raise ValueError(text)
        return self.parsed(text)


def _one_of(**values: Any) -> Kind:
    return Kind(" or ".join(values), "|".join(values), parsed=values.__getitem__)


# Names are RFC 1123's, as Kubernetes wants those of ConfigMaps and Secrets. Below port 1024 a capability is needed.
_OBJECT = Kind(
    "the name of a ConfigMap or Secret",
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
)
_PORT = Kind(f"a port from 1024 to {_HIGHEST_PORT}", "[0-9]{4,5}", numbers=(1024, _HIGHEST_PORT), parsed=int)
_AMOUNT = Kind("a quantity like 250m, 1 or 256Mi", r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", longest=20)
_IMAGE = Kind("an image", "[a-zA-Z0-9][-._/:@a-zA-Z0-9]*", longest=500)

KINDS: dict[str, Kind] = {
    "policy": _OBJECT,
    "keys": _OBJECT,
    "overlay": Kind("a key of the policy's ConfigMap", "[-._a-zA-Z0-9]+"),
    "port": _PORT,
    "admin-port": _PORT,
    "http-port": _PORT,
    "status-port": _PORT,
    "image": _IMAGE,
    "envoy-image": _IMAGE,
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
    "workers": Kind("a number from 1 to 64", "[0-9]{1,2}", numbers=(1, 64), parsed=int),
    "base-urls": _one_of(true=True, false=False),
    "otlp": Kind("HOST:PORT", "[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?:[0-9]{1,5}", numbers=(1, _HIGHEST_PORT)),
    "console-token": _OBJECT,
    "other-envoy": _one_of(allowed=True, refused=False),
}
KEYS = tuple(KINDS)


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
        kind = KINDS.get(key)
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
