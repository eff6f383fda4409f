"""What runs: everything that a policy file says, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.tier import Tier


@dataclass(frozen=True, slots=True)
class Provider:
    """Who runs models. Only Envoy talks to it; here for what writes and checks Envoy's configuration."""

    name: str
    url: str
    api: Api
    endpoints: frozenset[Endpoint]
    api_key_file: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """How to run the classifier."""

    model_folder: Path | None
    """None: the model that the package ships."""
    deadline_seconds: float
    threads: int | None
    """None: as many as the process may use processors."""
    queue: int
    """Prompts that may wait for a thread."""


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """What is remembered of earlier classifications."""

    entries: int
    """How many; 0 turns it off."""
    across_tenants: bool
    near_duplicates: bool


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file for records, and how much of them is kept."""

    path: Path
    max_bytes: int = 100_000_000
    """After which a new one is begun."""
    keep: int = 5
    """How many older ones are kept beside it."""


@dataclass(frozen=True, slots=True)
class RecordsConfig:
    """What is written of each request and its outcome."""

    to: Literal["stdout", "otlp", "none"] | RecordFile = "stdout"
    prompts: float = 0.0
    """Share of requests whose prompt is written down."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What has to become of a request. An empty tuple expects nothing; several values mean "one of these"."""

    tier: tuple[Tier, ...] = ()
    model: tuple[str, ...] = ()
    """The first of the plan."""
    not_model: tuple[str, ...] = ()
    """None of these is in the plan."""
    reason: tuple[Reason, ...] = ()
    rule: tuple[str, ...] = ()
    intent: tuple[str, ...] = ()
    arm: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    """200 for a request that is routed."""


@dataclass(frozen=True, slots=True)
class RoutingTest:
    """A request, and what has to become of it."""

    name: str
    line: int
    """Where in the policy file it stands."""
    request: Mapping[str, Any]
    """The body: as it is written, or what a client would send for the prompt."""
    expect: Expectation
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    at: datetime | None = None
    """None: now."""


@dataclass(frozen=True, slots=True)
class ReadHeader:
    """A request header that the policy reads, and where it says so."""

    name: str
    """In lower case."""
    key: str
    """Dotted keys."""
    line: int


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that a policy file says."""

    file: Path
    policy: Policy
    classifier: ClassifierConfig
    providers: Mapping[str, Provider]
    cache: CacheConfig
    tests: tuple[RoutingTest, ...]
    shadow: tuple[Path, ...]
    """Policy files that are evaluated and recorded, never applied."""
    headers: tuple[ReadHeader, ...]
    records: RecordsConfig = RecordsConfig()
