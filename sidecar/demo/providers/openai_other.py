"""The smaller OpenAI endpoints: legacy completions and embeddings.

https://platform.openai.com/docs/api-reference/completions
https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.demo.providers.answers import Answer, data_events, json_answer
from sidecar.demo.providers.calls import Call
from sidecar.demo.providers.chat_text import pieces_of, tokens_of
from sidecar.demo.providers.errors import ApiError
from sidecar.demo.providers.openai_chat import usage_of

# Right in shape and small to send; the real ones have 1536 and more.
DEFAULT_DIMENSIONS = 8


def completion(call: Call) -> Answer:
    """The answer to POST completions."""
    if not isinstance(call.body.get("prompt"), str | list):
        raise ApiError(400, "you must provide a prompt", "missing_required_parameter")
    usage = usage_of(call, call.text)
    if call.body.get("stream") is True:
        return data_events(_completion_chunks(call, usage))
    return json_answer(_completion(call, call.text, "stop") | {"usage": usage})


def _completion(call: Call, text: str, finish: str | None) -> dict[str, Any]:
    return {
        "id": f"cmpl-{call.number}",
        "object": "text_completion",
        "created": call.created,
        "model": call.model,
        "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}],
    }


def _completion_chunks(call: Call, usage: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces_of(call.text):
        yield _completion(call, piece, None)
    yield _completion(call, "", "stop")
    options = call.body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        yield _completion(call, "", None) | {"choices": [], "usage": usage}


def embeddings(call: Call) -> Answer:
    """The answer to POST embeddings."""
    given = call.body.get("input")
    if not given:
        raise ApiError(400, "'$.input' is invalid.", "invalid_request_error")
    # A list of numbers is one input: a text that is already tokens.
    inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    size = call.body.get("dimensions") or DEFAULT_DIMENSIONS
    is_base64 = call.body.get("encoding_format") == "base64"
    vectors = [_vector(text, size) for text in inputs]
    data = [
        {"object": "embedding", "index": index, "embedding": _coded(vector) if is_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = tokens_of(call.prompt_characters)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_answer({"object": "list", "data": data, "model": call.model, "usage": usage})


def _vector(text: object, size: int) -> list[float]:
    """A vector of length one that is the same for the same text."""
    seed = hashlib.sha256(repr(text).encode("utf-8", "surrogatepass")).digest()
    values = [seed[index % len(seed)] - 127.5 for index in range(size)]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def _coded(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
