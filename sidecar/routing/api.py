"""The LLM APIs that the router understands, and the paths they are called at."""

import re
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
    "chat/completions": Endpoint(Api.OPENAI, Operation.CHAT),
    "completions": Endpoint(Api.OPENAI, Operation.TEXT_COMPLETION),
    "responses": Endpoint(Api.OPENAI, Operation.RESPONSES),
    "messages": Endpoint(Api.ANTHROPIC, Operation.MESSAGES),
}

# Servers differ in how forgiving they are. Spelled with odd case, trailing slashes or ;parameters these paths still
# reach the model on many of them, so none of that gets a client past the policy. The routes in envoy/ match the same.
_PATH = re.compile(r"/v1/(chat/completions|completions|responses|messages)/*(?:[;%?].*)?", re.IGNORECASE | re.DOTALL)

_METHODS_WITHOUT_PROMPT = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))


def find_endpoint(method: str, path: str) -> Endpoint | None:
    """The endpoint that a request calls, or None for one that is not the router's business.

    `path` is the `:path` pseudo-header, query included.
    """
    if method in _METHODS_WITHOUT_PROMPT:
        return None
    match = _PATH.fullmatch(path)
    return _ENDPOINTS[match[1].lower()] if match else None
