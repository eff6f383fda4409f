"""The LLM APIs that the router understands, and the paths they are called at."""

from dataclasses import dataclass
from enum import StrEnum


class Api(StrEnum):
    """The shape a request is written in; a model can answer it only if its provider speaks it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Operation(StrEnum):
    """What is asked of the API."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    RESPONSES = "responses"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of one API."""

    api: Api
    operation: Operation


_ENDPOINTS = {
    "/v1/chat/completions": Endpoint(Api.OPENAI, Operation.CHAT),
    "/v1/completions": Endpoint(Api.OPENAI, Operation.TEXT_COMPLETION),
    "/v1/responses": Endpoint(Api.OPENAI, Operation.RESPONSES),
    "/v1/messages": Endpoint(Api.ANTHROPIC, Operation.MESSAGES),
}


def find_endpoint(method: str, path: str) -> Endpoint | None:
    """The endpoint that a request calls, or None for one that is not the router's business.

    `path` is the `:path` pseudo-header, query included. Providers differ in how forgiving they are, so letter case
    and trailing slashes are ignored: a client must not get past the policy with `/v1/Chat/Completions/`.
    """
    if method != "POST":
        return None
    return _ENDPOINTS.get(path.partition("?")[0].rstrip("/").lower())
