"""The LLM APIs that the router understands, and the paths they are called at."""

import re
from enum import StrEnum


class Api(StrEnum):
    """The shape a request is written in; a model can answer it only if its provider speaks it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Endpoint(StrEnum):
    """One operation of one API; the value is its path below `/v1/`."""

    CHAT_COMPLETIONS = "chat/completions"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    MESSAGES = "messages"

    @property
    def api(self) -> Api:
        """The API it belongs to."""
        return Api.ANTHROPIC if self is Endpoint.MESSAGES else Api.OPENAI


# Servers differ in how forgiving they are. Spelled with odd case, trailing slashes or ;parameters these paths still
# reach the model on many of them, so none of that gets a client past the policy. The routes in envoy/ match the same.
_PATH = re.compile(rf"/v1/({'|'.join(Endpoint)})/*(?:[;%?].*)?", re.ASCII | re.IGNORECASE | re.DOTALL)

_METHODS_WITHOUT_PROMPT = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))


def find_endpoint(method: str, path: str) -> Endpoint | None:
    """The endpoint that a request calls, or None for one that is not the router's business.

    `path` is the `:path` pseudo-header, query included.
    """
    if method in _METHODS_WITHOUT_PROMPT:
        return None
    match = _PATH.fullmatch(path)
    return Endpoint(match[1].lower()) if match else None
