"""What a provider's entry in the policy means for Envoy: where to connect, and what its requests have to carry."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from sidecar.config.compile import Config
from sidecar.routing.api import Api

DEFAULT_PORTS = {"http": 80, "https": 443}


class CannotRenderError(Exception):
    """A policy that the sidecar can run but Envoy cannot carry out; the message says what to change in it."""


@dataclass(frozen=True, slots=True)
class KeyHeader:
    """How a provider wants to see its key."""

    name: str
    prefix: str


KEY_HEADERS = {
    Api.OPENAI: KeyHeader("authorization", "Bearer "),
    Api.ANTHROPIC: KeyHeader("x-api-key", ""),
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider."""

    name: str
    slug: str
    """Its name in file names and YAML anchors; no two have the same."""
    api: Api
    host: str
    """A domain name, or an IP address without brackets."""
    port: int
    is_tls: bool
    authority: str
    """The host header that it expects."""
    prefix: str
    """What `/v1/` of a request becomes."""
    key_file: str | None

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, which needs no DNS."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def key_folder(self) -> str:
        """Where its key file is."""
        return str(PurePosixPath(self.key_file or "").parent)


def read_upstreams(config: Config) -> dict[str, Upstream]:
    """Every provider that a model of the policy uses, by name, as the models name them."""
    upstreams: dict[str, Upstream] = {}
    for model in config.policy.models.values():
        if model.provider not in upstreams:
            slug = _slug(model.provider, taken={other.slug for other in upstreams.values()})
            upstreams[model.provider] = _read_upstream(config, model.provider, slug)
    return upstreams


def _read_upstream(config: Config, name: str, slug: str) -> Upstream:
    provider = config.providers[name]
    parts = urlsplit(provider.url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    bracketed = f"[{host}]" if ":" in host else host
    return Upstream(
        name=name,
        slug=slug,
        api=min(provider.endpoints).api,  # a provider's endpoints are of one API
        host=host,
        port=port,
        is_tls=parts.scheme == "https",
        authority=bracketed if port == DEFAULT_PORTS[parts.scheme] else f"{bracketed}:{port}",
        prefix=parts.path.rstrip("/") + "/",
        key_file=provider.api_key_file,
    )


def _slug(name: str, taken: set[str]) -> str:
    slug = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")
    while slug in taken:
        slug += "-2"
    return slug
