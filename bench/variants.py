"""What is compared under load: each variant is a URL, the bodies to send there, and the processes that work for it.

The first is what the others are compared with. A peer is one more entry: its URL, its processes, its bodies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.prompts import PromptSource, chat_body
from bench.system import System

# The model of Envoy's plan when there is no sidecar: pinned, it gets the same requests.
PINNED_MODEL = "gpt-4o"

SHORT_TOKENS = 16
MEDIUM_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Variant:
    """One way through the system."""

    name: str
    what: str
    url: str
    make_body: Callable[[], str]
    """A body for the next request."""
    pids: Mapping[str, int]
    """Whose processor time counts, by what to call it."""
    headers: Mapping[str, str] = field(default_factory=dict)


def build_variants(system: System, source: PromptSource) -> Sequence[Variant]:
    """All of them, plain Envoy first."""
    repeated = chat_body(source.make(SHORT_TOKENS))
    plain = {"envoy": system.plain_envoy_pid, "providers": system.providers_pid}
    sidecar = {"worker": system.worker_pid, "collector": system.collector_pid}
    routed = sidecar | {"envoy": system.routed_envoy_pid, "providers": system.providers_pid}
    unfed = sidecar | {"envoy": system.unfed_envoy_pid, "providers": system.providers_pid}

    def new(tokens: int, model: str = "auto") -> Callable[[], str]:
        return lambda: chat_body(source.make(tokens), model)

    plain_url, url = system.plain_url, system.routed_url
    short, medium = SHORT_TOKENS, MEDIUM_TOKENS
    return [
        Variant("plain", "envoy.yaml without the sidecar", plain_url, new(short, PINNED_MODEL), plain),
        Variant("pinned", "the request names a model: nothing to classify", url, new(short, PINNED_MODEL), routed),
        Variant(
            "unfed",
            "the same, and Envoy does not tell its outcome",
            system.unfed_url,
            new(short, PINNED_MODEL),
            unfed,
        ),
        Variant("cached", "the same prompt every time", url, lambda: repeated, routed),
        Variant(f"new-{short}", f"every prompt new, {short} tokens", url, new(short), routed),
        Variant(f"new-{medium}", f"every prompt new, {medium} tokens", url, new(medium), routed),
    ]
