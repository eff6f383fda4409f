"""Who the providers are: their real host, paths, key header and the models they know."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Endpoint(StrEnum):
    """What a path of a provider's API does."""

    CHAT_COMPLETIONS = "chat/completions"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    MODELS = "models"
    MESSAGES = "messages"
    COUNT_TOKENS = "messages/count_tokens"


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider as its clients see it.

    `key_headers`: the headers that may carry the key, with what stands before it; the first present counts.
    """

    name: str
    title: str
    host: str
    path_prefix: str
    key_headers: tuple[tuple[str, str], ...]
    endpoints: tuple[Endpoint, ...]
    models: tuple[str, ...]
    reasoning_models: frozenset[str] = frozenset()


OPENAI = Provider(
    name="openai",
    title="OpenAI",
    host="api.openai.com",
    path_prefix="/v1/",
    key_headers=(("authorization", "Bearer "),),
    endpoints=(
        Endpoint.CHAT_COMPLETIONS,
        Endpoint.COMPLETIONS,
        Endpoint.RESPONSES,
        Endpoint.EMBEDDINGS,
        Endpoint.MODELS,
    ),
    models=(
        "gpt-3.5-turbo-instruct",
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-nano",
        "gpt-5",
        "gpt-5-mini",
        "gpt-5-nano",
        "o3",
        "o3-mini",
        "o4-mini",
        "text-embedding-3-small",
        "text-embedding-3-large",
    ),
    reasoning_models=frozenset(("gpt-5", "gpt-5-mini", "gpt-5-nano", "o3", "o3-mini", "o4-mini")),
)

GOOGLE = Provider(
    name="google",
    title="Google",
    host="generativelanguage.googleapis.com",
    path_prefix="/v1beta/openai/",
    key_headers=(("authorization", "Bearer "),),
    # Google's OpenAI-compatible API has no legacy completions and no Responses.
    # https://ai.google.dev/gemini-api/docs/openai
    endpoints=(Endpoint.CHAT_COMPLETIONS, Endpoint.EMBEDDINGS, Endpoint.MODELS),
    models=(
        "gemini-flash",
        "gemini-flash-latest",
        "gemini-2.0-flash",
        "gemini-2.0-flash-lite",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-2.5-pro",
        "gemini-embedding-001",
    ),
)

ANTHROPIC = Provider(
    name="anthropic",
    title="Anthropic",
    host="api.anthropic.com",
    path_prefix="/v1/",
    # Older SDKs send the first, newer ones the second.
    key_headers=(("x-api-key", ""), ("authorization", "Bearer ")),
    endpoints=(Endpoint.MESSAGES, Endpoint.COUNT_TOKENS, Endpoint.MODELS),
    models=(
        "claude-3-5-haiku-latest",
        "claude-3-7-sonnet-latest",
        "claude-haiku-4-5",
        "claude-sonnet-4-0",
        "claude-sonnet-4-5",
        "claude-opus-4-1",
        "claude-opus-4-5",
    ),
)

PROVIDERS = (OPENAI, GOOGLE, ANTHROPIC)


def ports_by_host(ports: Mapping[str, int]) -> dict[str, int]:
    """Ports by provider name, turned into ports by the provider's real host."""
    return {provider.host: ports[provider.name] for provider in PROVIDERS}


# Visibly no secrets: they open nothing but the embedded providers.
DEMO_KEYS = {provider.name: f"demo-key-of-{provider.name}" for provider in PROVIDERS}
