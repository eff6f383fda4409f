"""Requests as clients write them."""

import json

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.request import ChatRequest, parse_request


def body(prompt: str = "What is an oak?", model: str = "auto", **more: object) -> bytes:
    """A body that is right for chat completions and for messages."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}], **more}).encode()


def request(
    prompt: str = "What is an oak?", model: str = "auto", *, api: Api = Api.OPENAI, **more: object
) -> ChatRequest:
    """The same, read."""
    endpoint = Endpoint.CHAT_COMPLETIONS if api is Api.OPENAI else Endpoint.MESSAGES
    return parse_request(endpoint, body(prompt, model, **more))
