"""Errors in the shape of each provider's API, so that SDKs raise what they raise in production."""

from typing import Any

import msgspec

from sidecar.demo.providers.catalog import ANTHROPIC, GOOGLE, Provider

# What the APIs call their statuses. https://platform.openai.com/docs/guides/error-codes
_OPENAI_TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    429: ("requests", "rate_limit_exceeded"),
}
# https://cloud.google.com/apis/design/errors
_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# https://docs.anthropic.com/en/api/errors
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class ApiError(Exception):
    """The provider refuses the request. `code`: OpenAI's own word, where its API has one."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def error_body(provider: Provider, error: ApiError) -> bytes:
    """The error as this provider's API writes it."""
    if provider.name == ANTHROPIC.name:
        return msgspec.json.encode(_anthropic_error(error))
    if provider.name == GOOGLE.name:
        # The OpenAI-compatible API of Google wraps its errors in a list.
        return msgspec.json.encode([_google_error(error)])
    return msgspec.json.encode(_openai_error(error))


def _openai_error(error: ApiError) -> dict[str, Any]:
    default = ("server_error", None) if error.status >= 500 else ("invalid_request_error", None)
    kind, code = _OPENAI_TYPES.get(error.status, default)
    return {"error": {"message": error.message, "type": kind, "param": None, "code": error.code or code}}


def _google_error(error: ApiError) -> dict[str, Any]:
    status = _GOOGLE_STATUSES.get(error.status, "UNKNOWN")
    return {"error": {"code": error.status, "message": error.message, "status": status}}


def _anthropic_error(error: ApiError) -> dict[str, Any]:
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def wrong_key(provider: Provider) -> ApiError:
    """401: the key is missing or not the provider's own. The key itself is not repeated."""
    if provider.name == ANTHROPIC.name:
        return ApiError(401, "invalid x-api-key")
    return ApiError(401, f"Incorrect API key provided to {provider.title}.", "invalid_api_key")


def unknown_model(provider: Provider, model: str) -> ApiError:
    """404: the provider does not have this model; it has never heard of a virtual one."""
    if provider.name == ANTHROPIC.name:
        return ApiError(404, f"model: {model}")
    return ApiError(404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found")
