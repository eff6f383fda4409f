"""What can be set of an injection: by annotations of the pod, and by the defaults file for what they leave open."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sidecar.config.document import ConfigError, Loc, read_document, suggest
from sidecar.injection.names import PREFIX, STATUS_ANNOTATION, VERSION

Defaults = Mapping[str, str]
"""A value for every key of KEYS, written as an annotation has it; and LOCKED, where pods may not set all of them."""

LOCKED = "locked"
"""The only key of the defaults file that is no annotation: those that no pod may have, separated by spaces."""

NONE = "none"
"""The value of a setting that can be left out."""

_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """Of values. `pattern`, in the syntax of RE2, matches all of the text."""

    expected: str
    pattern: str
    numbers: tuple[int, int] | None = None
    """The least and the greatest, of whole numbers."""
    longest: int = 253

    def takes(self, text: str) -> bool:
        """Whether it is one."""
        if len(text) > self.longest or re.fullmatch(self.pattern, text) is None:
            return False
        return self.numbers is None or self.numbers[0] <= int(text) <= self.numbers[1]


_DNS_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_PATH_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_FRACTION = r"0\.[0-9]{0,2}[1-9]"

CONFIG_MAP = Kind("the name of a ConfigMap", _DNS_NAME)
SECRET = Kind("the name of a Secret, or none", _DNS_NAME)
CONFIG_MAP_KEY = Kind("a key of the policy's ConfigMap, or none", r"[-_a-zA-Z0-9][-._a-zA-Z0-9]*")
# Ours run without privileges; below 1024 not every container runtime lets them listen.
PORT = Kind("a port from 1024 to 65535", r"[1-9][0-9]{3,4}", numbers=(1024, 65535))
IMAGE = Kind(
    "an image like registry.example/team/name:tag",
    rf"([a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?/)?{_PATH_PART}(/{_PATH_PART})*"
    r"(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?",
    longest=512,
)
PULL_POLICY = Kind("Always, IfNotPresent or Never", "Always|IfNotPresent|Never")
LOG_LEVEL = Kind("debug, info, warning or error", "debug|info|warning|error")
CPU = Kind("processors, like 250m or 1.5", rf"[1-9][0-9]{{0,6}}m|[1-9][0-9]{{0,3}}(\.[0-9]{{1,3}})?|{_FRACTION}")
MEMORY = Kind(
    "an amount of memory, like 256Mi or 1.5Gi",
    rf"[1-9][0-9]{{0,14}}|([1-9][0-9]{{0,6}}(\.[0-9]{{1,3}})?|{_FRACTION})(Ki|Mi|Gi|Ti|k|M|G|T)",
)
WORKERS = Kind("a whole number from 1 to 64", r"[1-9][0-9]?", numbers=(1, 64))
BIND = Kind("0.0.0.0, or [::] for pods that have IPv6 addresses only", r"0\.0\.0\.0|\[::\]")
YES_OR_NO = Kind("true or false", "true|false")
OTLP = Kind(
    "HOST:PORT of an OTLP/gRPC collector, or none",
    rf"{NONE}|([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\]):{_PORT}",
)
OTHER_ENVOY = Kind("allowed or refused", "allowed|refused")

KEYS: Mapping[str, tuple[Kind, str]] = {
    "policy": (CONFIG_MAP, "llm-policy"),
    "keys": (SECRET, "llm-keys"),
    "overlay": (CONFIG_MAP_KEY, NONE),
    "port": (PORT, "10000"),
    "admin-port": (PORT, "9901"),
    "http-port": (PORT, "9902"),
    "status-port": (PORT, "9903"),
    "bind": (BIND, "0.0.0.0"),  # noqa: S104  # the pod's address is not known before it runs
    "image": (IMAGE, f"envoy-llm-sidecar:{VERSION}"),
    "envoy-image": (IMAGE, "docker.io/envoyproxy/envoy:distroless-v1.40.0"),
    "image-pull-policy": (PULL_POLICY, "IfNotPresent"),
    "log-level": (LOG_LEVEL, "warning"),
    "cpu": (CPU, "250m"),
    "memory": (MEMORY, "256Mi"),
    "cpu-limit": (CPU, "1"),
    "memory-limit": (MEMORY, "512Mi"),
    "envoy-cpu": (CPU, "100m"),
    "envoy-memory": (MEMORY, "128Mi"),
    "envoy-cpu-limit": (CPU, "1"),
    "envoy-memory-limit": (MEMORY, "512Mi"),
    "workers": (WORKERS, "1"),
    "base-urls": (YES_OR_NO, "false"),
    "otlp": (OTLP, NONE),
    "console-token": (SECRET, NONE),
    "other-envoy": (OTHER_ENVOY, "refused"),
}
"""What each takes, and what it is where neither the pod nor the defaults file says."""

BUILT_IN: Defaults = {key: default for key, (_, default) in KEYS.items()}

PORT_KEYS = ("port", "admin-port", "http-port", "status-port")

REQUESTS_AND_LIMITS = tuple(
    (f"{of}{resource}", f"{of}{resource}-limit") for of in ("", "envoy-") for resource in ("cpu", "memory")
)
"""Pairs of keys: Kubernetes takes no request that is above its limit."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a pod is not injected."""

    path: Loc
    """Of the field, within the pod."""
    message: str
    """What stands there, and what to do."""

    def __str__(self) -> str:
        """The field and the message, on one line."""
        return f"{write_path(self.path)}: {self.message}"


class InjectionError(Exception):
    """A pod that cannot be injected; says all reasons."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        """`refusals` are at least one."""
        super().__init__(refusals)
        self.refusals = refusals

    def __str__(self) -> str:
        """All of them, on one line."""
        return "; ".join(map(str, self.refusals))


@dataclass(frozen=True, slots=True)
class Resources:
    """Of a container, as Kubernetes writes quantities."""

    cpu: str
    memory: str
    cpu_limit: str
    memory_limit: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one pod. Names, ports and images as the keys of the same names."""

    policy: str
    keys: str | None
    overlay: str | None
    port: int
    admin_port: int
    http_port: int
    status_port: int
    bind: str
    """Where http_port and status_port are."""
    image: str
    envoy_image: str
    image_pull_policy: str
    log_level: str
    router: Resources
    envoy: Resources
    workers: int
    sets_base_urls: bool
    otlp: str | None
    console_token: str | None
    allows_other_envoy: bool

    def ports(self) -> dict[int, str]:
        """Ours, each with its key."""
        return {
            self.port: "port",
            self.admin_port: "admin-port",
            self.http_port: "http-port",
            self.status_port: "status-port",
        }


def read_settings(annotations: Mapping[str, object], defaults: Defaults = BUILT_IN) -> Settings:
    """Those of a pod with these annotations. Raises InjectionError for each of ours that cannot be."""
    own = {key.removeprefix(PREFIX): value for key, value in annotations.items() if key.startswith(PREFIX)}
    own.pop(STATUS_ANNOTATION.removeprefix(PREFIX), None)
    wrong = _find_wrong_values(own) | _find_locked(own, defaults)
    read = {**defaults, **{key: value for key, value in own.items() if isinstance(value, str)}}
    wrong = wrong or _find_contradictions(read, own)
    if wrong:
        raise InjectionError(
            tuple(Refusal(("metadata", "annotations", f"{PREFIX}{key}"), told) for key, told in wrong.items())
        )
    return _build_settings(read)


def load_defaults(file: Path) -> Defaults:
    """The file's values, and the built-in ones for keys that it leaves out. Raises ConfigError."""
    document = read_document(file)
    data = document.data if document.data is not None else {}
    if not isinstance(data, dict):
        raise ConfigError((document.finding("wrong-kind", (), "expected keys with values, like `port: 10000`"),))
    own = {key: _as_text(value) for key, value in data.items()}
    locked = own.pop(LOCKED, [])
    wrong = _find_wrong_values(own) | _find_wrong_locks(locked)
    read = {**BUILT_IN, **{key: value for key, value in own.items() if isinstance(value, str)}}
    if found := wrong or _find_contradictions(read, own):
        kinds = {key: "wrong-kind" if key in (*KEYS, LOCKED) else "unknown-key" for key in found}
        raise ConfigError(tuple(document.finding(kinds[key], (key,), told) for key, told in found.items()))
    return {**read, LOCKED: " ".join(locked)} if isinstance(locked, list) and locked else read


def locked_keys(defaults: Defaults) -> list[str]:
    """Those that pods may not set, in an installation with these defaults."""
    return defaults.get(LOCKED, "").split()


def config_of(defaults: Defaults) -> str:
    """Tells installations apart: a hash of the version and the defaults, as 12 hexadecimal digits."""
    canonical = json.dumps({"defaults": dict(defaults), "version": VERSION}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def write_path(path: Loc) -> str:
    """`spec.containers[0].name`; keys with dots of their own in brackets, too."""
    written = ""
    for step in path:
        text = str(step) if str(step).isprintable() else repr(step)[1:-1]
        plain = isinstance(step, str) and "." not in text and "/" not in text
        written += (f".{text}" if written else text) if plain else f"[{text}]"
    return written


def show(value: object) -> str:
    """A value in a message: short, and on one line."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST_SHOWN else repr(value[:_LONGEST_SHOWN])[:-1] + "…'"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return json.dumps(value, default=repr)


def _find_wrong_values(own: Mapping[str, object]) -> dict[str, str]:
    wrong = {}
    for key, value in own.items():
        if key not in KEYS:
            wrong[key] = f"unknown{suggest(key, KEYS) or '; the settings are ' + ', '.join(KEYS)}"
            continue
        kind, _ = KEYS[key]
        if not isinstance(value, str):
            wrong[key] = f"expected {kind.expected}, as text: put {show(value)} in quotes"
        elif not kind.takes(value):
            wrong[key] = f"expected {kind.expected}, got {show(value)}"
    return wrong


def _find_locked(own: Mapping[str, object], defaults: Defaults) -> dict[str, str]:
    return {
        key: f"this installation does not let pods set it; it is {defaults[key]}"
        for key in locked_keys(defaults)
        if key in own
    }


def _find_wrong_locks(locked: object) -> dict[str, str]:
    if not isinstance(locked, list):
        return {LOCKED: f"expected a list of settings, like [image, envoy-image], got {show(locked)}"}
    for key in locked:
        if not isinstance(key, str) or key not in KEYS:
            remedy = suggest(str(key), KEYS) or f"; the settings are {', '.join(KEYS)}"
            return {LOCKED: f"expected settings, got {show(key)}{remedy}"}
    return {}


def _find_contradictions(read: Mapping[str, str], own: Mapping[str, object]) -> dict[str, str]:
    """Between values that are right by themselves; each is told of the one that was set here, not by default."""
    wrong = {}
    for index, key in enumerate(PORT_KEYS):
        for other in PORT_KEYS[:index]:
            if read[key] == read[other]:
                told, of = (key, other) if key in own else (other, key)
                wrong[told] = f"{read[key]} is {of}, too; set another port"
    for request, limit in REQUESTS_AND_LIMITS:
        if amount_of(read[request]) > amount_of(read[limit]):
            told = request if request in own else limit
            wrong[told] = f"{request} {read[request]} is above {limit} {read[limit]}; set both"
    return wrong


_UNITS: Mapping[str, Decimal] = {
    "m": Decimal("0.001"),
    **{letter: Decimal(1000**power) for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}i": Decimal(1024**power) for power, letter in enumerate("KMGT", 1)},
}


def amount_of(quantity: str) -> Decimal:
    """Processors or bytes."""
    digits = quantity.rstrip("mkKMGTi")
    return Decimal(digits) * _UNITS.get(quantity[len(digits) :], Decimal(1))


def _as_text(value: object) -> object:
    """A value of a YAML file as an annotation would have it; what could not be in one stays what it is."""
    if isinstance(value, bool):
        return str(value).lower()
    # What writes YAML for others, as Helm does, makes 1.0 of 1 and 2.68435456e+08 of 268435456.
    return f"{value:.15g}" if isinstance(value, float) else str(value) if isinstance(value, int) else value


def _build_settings(read: Mapping[str, str]) -> Settings:
    def optional(key: str) -> str | None:
        return None if read[key] == NONE else read[key]

    def resources(of: str) -> Resources:
        return Resources(read[f"{of}cpu"], read[f"{of}memory"], read[f"{of}cpu-limit"], read[f"{of}memory-limit"])

    return Settings(
        policy=read["policy"],
        keys=optional("keys"),
        overlay=optional("overlay"),
        port=int(read["port"]),
        admin_port=int(read["admin-port"]),
        http_port=int(read["http-port"]),
        status_port=int(read["status-port"]),
        bind=read["bind"],
        image=read["image"],
        envoy_image=read["envoy-image"],
        image_pull_policy=read["image-pull-policy"],
        log_level=read["log-level"],
        router=resources(""),
        envoy=resources("envoy-"),
        workers=int(read["workers"]),
        sets_base_urls=read["base-urls"] == "true",
        otlp=optional("otlp"),
        console_token=optional("console-token"),
        allows_other_envoy=read["other-envoy"] == "allowed",
    )
