"""Signals: what a policy may look at before any model has read the prompt, read once from a request."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sidecar.routing.api import Endpoint
from sidecar.routing.language import detect_language, detect_script
from sidecar.routing.personal_data import find_personal_data
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.request import ChatRequest
from sidecar.routing.tier import Tier

TENANT, USER, CONVERSATION = "tenant", "user", "conversation"
"""Names of header signals that mean something to the router itself."""

TIER_HEADER = "x-llm-tier"
MAX_COST_HEADER = "x-llm-max-cost"
"""What a caller may ask for, where the policy allows it."""

_TIERS = {tier.label: tier for tier in Tier}

# Names of people, not of a few plans or tenants: a decision record says that they are there, and tells them apart.
_PERSONAL = frozenset((USER, CONVERSATION))

# Of what a client writes as it likes, and a decision record repeats; no name or path of a policy is as long.
_LONGEST_VALUE = 256

_FENCE = "```"


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What came before the body."""

    path: str
    """As on the request line, with the query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    received: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def header(self, name: str) -> str:
        """Empty if there is none."""
        return self.headers.get(name, "").strip()[:_LONGEST_VALUE]


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything that rules, requirements and plans are decided by, apart from the classification."""

    endpoint: Endpoint
    path: str
    model: str
    """What the client asked for."""
    input_tokens: int
    max_output_tokens: int
    turns: int
    """User turns that have text."""
    tools: int
    images: int
    json: bool
    """The answer has to be JSON."""
    stream: bool
    code_fences: int
    script: str
    language: str
    received: datetime
    parameters: frozenset[str] = frozenset()
    """Those that the request sets and that some model of the policy does not take."""
    keywords: frozenset[str] = frozenset()
    """The policy's keyword lists of which something stands in the prompt."""
    patterns: frozenset[str] = frozenset()
    personal_data: Mapping[str, int] | None = field(default_factory=dict)
    """How many of each kind stand anywhere in the request; None if it was too large to be searched to its end."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By the policy's names for them; absent and empty ones left out."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """What a split goes by: a hash of each of tenant, user and conversation."""
    tier: Tier | None = None
    """What the caller asks for."""
    max_cost: float | None = None
    """USD; what the caller would pay for this request."""


@dataclass(frozen=True, slots=True)
class SignalReader:
    """Reads the signals that a policy defines; deterministic, and linear in the size of the request."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Names of the policy, and the request headers behind them, in lower case."""
    keywords: Mapping[str, PhraseList] = field(default_factory=dict)
    patterns: Mapping[str, PatternList] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    """Those that some model of the policy does not take."""

    @property
    def wanted_headers(self) -> frozenset[str]:
        """All request headers that are looked at."""
        return frozenset((*self.headers.values(), TIER_HEADER, MAX_COST_HEADER))

    def read(self, request: ChatRequest, head: RequestHead) -> Signals:
        """Raises nothing: a caller's header that makes no sense counts as none."""
        prompt = request.prompt
        headers = {name: value for name, header in self.headers.items() if (value := head.header(header))}
        return Signals(
            endpoint=request.endpoint,
            path=head.path.partition("?")[0][:_LONGEST_VALUE],
            model=request.model[:_LONGEST_VALUE],
            input_tokens=request.input_tokens,
            max_output_tokens=request.max_output_tokens,
            turns=len(request.user_turns),
            tools=request.tools,
            images=request.images,
            json=request.json,
            stream=request.stream,
            code_fences=prompt.count(_FENCE) // 2,
            script=detect_script(prompt),
            language=detect_language(prompt),
            received=head.received,
            parameters=self.parameters & request.parameters,
            keywords=frozenset(name for name, phrases in self.keywords.items() if phrases.found_in(prompt)),
            patterns=frozenset(name for name, patterns in self.patterns.items() if patterns.found_in(prompt)),
            personal_data=_personal_data(request),
            headers=headers,
            keys=_keys(request, headers),
            tier=_TIERS.get(head.header(TIER_HEADER).lower()),
            max_cost=_amount(head.header(MAX_COST_HEADER)),
        )


def describe_signals(signals: Signals) -> dict[str, object]:
    """As a decision record shows them; what names a person is there as a hash."""
    return {
        "endpoint": signals.endpoint.value,
        "path": signals.path,
        "model": signals.model,
        "input_tokens": signals.input_tokens,
        "max_output_tokens": signals.max_output_tokens,
        "turns": signals.turns,
        "tools": signals.tools,
        "images": signals.images,
        "json": signals.json,
        "stream": signals.stream,
        "code_fences": signals.code_fences,
        "script": signals.script,
        "language": signals.language,
        "parameters": sorted(signals.parameters),
        "keywords": sorted(signals.keywords),
        "patterns": sorted(signals.patterns),
        "personal_data": None if signals.personal_data is None else dict(sorted(signals.personal_data.items())),
        "headers": {
            name: f"#{signals.keys[name]}" if name in _PERSONAL else value
            for name, value in sorted(signals.headers.items())
        },
        "keys": dict(sorted(signals.keys.items())),
        "tier": signals.tier.label if signals.tier is not None else None,
        "max_cost": signals.max_cost,
    }


def _personal_data(request: ChatRequest) -> Mapping[str, int] | None:
    if request.texts is None:
        return None
    found = find_personal_data("\n".join(request.texts))
    return found.counts if found.is_whole else None


def _keys(request: ChatRequest, headers: Mapping[str, str]) -> dict[str, str]:
    """Where a header is missing: a conversation is told by its first turn, a user by the conversation."""
    first = request.user_turns[0] if request.user_turns else ""
    conversation = hash_name(headers.get(CONVERSATION, first))  # once: it may be megabytes
    return {
        TENANT: hash_name(headers.get(TENANT, "")),
        USER: hash_name(headers[USER]) if USER in headers else conversation,
        CONVERSATION: conversation,
    }


def hash_name(text: str) -> str:
    """What stands in a record for the name of a person, a tenant or a conversation."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _amount(text: str) -> float | None:
    if "_" in text:  # a number to Python alone
        return None
    try:
        amount = float(text)
    except ValueError:
        return None
    return amount if 0 <= amount < float("inf") else None
