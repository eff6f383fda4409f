"""The policy as the router runs it: checked, frozen, with every plan that it can lead to worked out beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from sidecar.routing.api import Endpoint
from sidecar.routing.conditions import InTime
from sidecar.routing.request import ChatRequest
from sidecar.routing.request_search import RequestSearch
from sidecar.routing.rules import Rule, StandingRequirement, VirtualModel
from sidecar.routing.signals import RequestHead, SignalReader, Signals
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import TierRule

Plan = tuple["Model", ...]
"""Models in the order in which Envoy shall try them."""

KNOWN_CAPABILITIES = frozenset(("vision", "tools", "json", "streaming"))
"""Those that requests themselves ask for; a policy may have more."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float
    cached_input: float | None = None
    """Of input that the provider had in its cache; None: as other input."""
    cache_write: float | None = None
    """Of input that it put there; None: as other input."""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the policy's `models`."""

    name: str
    id: str
    """What its provider calls it: the value of `model` in a request."""
    cluster: str
    """The Envoy cluster that leads to it."""
    provider: str
    endpoints: frozenset[Endpoint]
    """What its provider can be asked at; all of one API."""
    tier: Tier
    context: int
    """Tokens of input and output together."""
    price: Price
    unsupported: frozenset[str] = frozenset()
    """Parameters of a request that its provider refuses for it."""
    capabilities: frozenset[str] = KNOWN_CAPABILITIES
    region: str | None = None
    tenants: frozenset[str] | None = None
    """Who may get it; None: everyone."""
    deprecated: date | None = None
    """From this day on, in UTC, it gets no new requests."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """By intent, and under "default", 0 to 1."""
    latency_seconds: float | None = None
    """What it usually takes to answer."""


@dataclass(frozen=True, slots=True)
class Rank:
    """How much each counts when the models of a tier are put in order; nothing counts: as they are listed."""

    cost: float = 0.0
    latency: float = 0.0
    quality: float = 0.0


@dataclass(frozen=True, slots=True)
class CallersMay:
    """What a request may ask for itself."""

    name_models: bool = True
    set_tier: bool = False
    set_max_cost: bool = False


@dataclass(frozen=True, slots=True)
class ExampleIntent:
    """An intent of the policy's own, told by examples."""

    name: str
    examples: tuple[str, ...]
    threshold: float
    """The least cosine of a prompt with one of the examples."""


Plans = Mapping[tuple[Endpoint, Tier, str], Plan]
"""By endpoint, tier, and the intent by which the tier's models are ordered ("" for all others)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which model may answer what. Immutable; a changed policy is another object with another hash."""

    models: Mapping[str, Model]
    virtual_models: Mapping[str, VirtualModel]
    fallbacks: Mapping[Endpoint, Model]
    tier_rule: TierRule
    plans: Plans
    """As `build_plans` makes them."""
    hash: str
    """Hexadecimal; the same policy has the same hash on every replica."""
    reader: SignalReader = field(default_factory=SignalReader)
    search: RequestSearch = field(default_factory=RequestSearch)
    requirements: tuple[StandingRequirement, ...] = ()
    rules: tuple[Rule, ...] = ()
    windows: Mapping[str, InTime] = field(default_factory=dict)
    """All that requirements and rules look at, by how records call them."""
    examples: tuple[ExampleIntent, ...] = ()
    conversation_turns: int = 5
    """How many user turns of a conversation are classified, at the most."""
    callers_may: CallersMay = CallersMay()
    stream_usage: bool = False
    """Whether streams that do not ask for their tokens are made to. Not in the hash: it decides nothing."""

    def read(self, request: ChatRequest, head: RequestHead) -> Signals:
        """All that rules, requirements and plans look at. Raises nothing."""
        return self.search.add_to(self.reader.read(request, head), request)

    def models_by_preference(self, endpoint: Endpoint, tier: Tier, intent: str = "") -> Plan:
        """All that can be asked there, in the order in which they may answer a prompt of that tier and intent."""
        plan = self.plans.get((endpoint, tier, intent))
        return self.plans[endpoint, tier, ""] if plan is None else plan
