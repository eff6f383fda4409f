"""What is written: the keys of a policy file, read one by one into plain values that name what they refer to."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.config.document import Members, Value
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Price
from sidecar.routing.tier import Tier

TIERS = {tier.label: tier for tier in Tier}

# Names travel in HTTP headers, in Envoy cluster names and in metric labels.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


@dataclass(frozen=True, slots=True)
class WrittenProvider:
    """One entry of `providers`."""

    url: str
    endpoints: frozenset[Endpoint]
    api_key_file: str | None


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """One entry of `models`; `provider` is still a name."""

    provider: Value
    id: str
    cluster: str
    tier: Tier
    price: Price
    context: int
    unsupported: frozenset[str]


@dataclass(frozen=True, slots=True)
class WrittenClassifier:
    """`classifier`."""

    model: str | None = None
    deadline_ms: int = 40
    threads: int | None = None
    queue: int = 64
    cache_entries: int = 4096


def read_name(key: str, value: Value) -> str:
    """A key that names something."""
    if not _NAME.fullmatch(key):
        raise value.error("a name has up to 128 letters, digits and . _ : / @ + -, a letter or digit first")
    return key


def read_provider(value: Value) -> WrittenProvider:
    """`{url, api?, endpoints?, api_key_file?}`."""
    members = value.members().only("url", "api", "endpoints", "api_key_file")
    url = members.need("url")
    if not _is_base_url(url.text()):
        raise url.error(f"expected a URL like https://api.example.com/v1, got {url.text()!r}")
    api = members.get("api")
    of_api = [endpoint for endpoint in Endpoint if endpoint.api == (api.choice(Api) if api else Api.OPENAI)]
    endpoints = members.get("endpoints")
    api_key_file = members.get("api_key_file")
    return WrittenProvider(
        url=url.text(),
        endpoints=frozenset(_read_endpoints(endpoints, of_api) if endpoints else of_api),
        api_key_file=api_key_file.text() if api_key_file else None,
    )


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query + parts.fragment
    except ValueError:  # "[" without "]", say
        return False


def _read_endpoints(value: Value, of_api: list[Endpoint]) -> list[Endpoint]:
    endpoints = [Endpoint(name.choice(of_api)) for name in value.texts()]
    if not endpoints:
        raise value.error(f"at least one is needed, of {', '.join(of_api)}")
    return endpoints


def read_model(name: str, value: Value) -> WrittenModel:
    """`{provider, tier, price, context, id?, cluster?, unsupported?}`."""
    members = value.members().only("provider", "tier", "price", "context", "id", "cluster", "unsupported")
    id_ = members.get("id")
    cluster = members.get("cluster")
    unsupported = members.get("unsupported")
    return WrittenModel(
        provider=members.need("provider"),
        id=id_.text() if id_ else name,
        cluster=read_name(cluster.text(), cluster) if cluster else name,
        tier=read_tier(members.need("tier")),
        price=_read_price(members.need("price")),
        context=members.need("context").integer(1, 100_000_000),
        unsupported=frozenset(name.text() for name in unsupported.texts()) if unsupported else frozenset(),
    )


def read_tier(value: Value) -> Tier:
    """The name of a tier."""
    return TIERS[value.choice(TIERS)]


def read_classifier(members: Members) -> WrittenClassifier:
    """`{model?, deadline_ms?, threads?, queue?, cache_entries?}`."""
    members.only("model", "deadline_ms", "threads", "queue", "cache_entries")
    model = members.get("model")
    threads = members.get("threads")
    bounds = {"deadline_ms": (1, 10_000), "queue": (1, 10_000), "cache_entries": (0, 1_000_000)}
    given = {key: value.integer(*bounds[key]) for key, value in members if key in bounds}
    return WrittenClassifier(
        model=model.text() if model else None,
        threads=threads.integer(1, 256) if threads else None,
        **given,
    )


def _read_price(value: Value) -> Price:
    members = value.members().only("input", "output")
    return Price(members.need("input").number(0, 1e6), members.need("output").number(0, 1e6))
