"""Messages and count_tokens of Anthropic. https://docs.anthropic.com/en/api/messages"""

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.demo.providers.answers import Answer, json_answer, named_events
from sidecar.demo.providers.calls import Call
from sidecar.demo.providers.chat_text import pieces_of, tokens_of
from sidecar.demo.providers.errors import ApiError
from sidecar.demo.providers.turns import Tool, ToolCall, ToolChoice, call_of, last_user_text

# Anthropic's words for a tool choice, in the words of `ToolChoice`.
_CHOICE_MODES = {"any": "required", "tool": "required"}


def message(call: Call) -> Answer:
    """The answer to POST messages."""
    body = call.body
    _require_messages(body)
    if not isinstance(body.get("max_tokens"), int):
        raise ApiError(400, "max_tokens: Field required")
    tool_call = call_of(_tools(body), _tool_choice(body), last_user_text(body["messages"]))
    if body.get("stream") is True:
        return named_events(_events(call, tool_call))
    block = {"type": "text", "text": call.text} if tool_call is None else _tool_use(call, tool_call)
    return json_answer(_message(call, _stop_reason(tool_call), tokens_of(len(call.text))) | {"content": [block]})


def count_tokens(call: Call) -> Answer:
    """The answer to POST messages/count_tokens."""
    _require_messages(call.body)
    return json_answer({"input_tokens": tokens_of(call.prompt_characters)})


def _require_messages(body: Mapping[str, Any]) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise ApiError(400, "messages: Field required")
    if not messages:
        raise ApiError(400, "messages: at least one message is required")


def _message(call: Call, stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
    cached = call.use_cache()
    return {
        "id": f"msg_{call.number}",
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens_of(call.prompt_characters) - cached.read - cached.written,
            "cache_creation_input_tokens": cached.written,
            "cache_read_input_tokens": cached.read,
            "output_tokens": output_tokens,
        },
    }


def _stop_reason(tool_call: ToolCall | None) -> str:
    return "end_turn" if tool_call is None else "tool_use"


def _tool_use(call: Call, tool_call: ToolCall) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_{call.number}",
        "name": tool_call.name,
        "input": tool_call.arguments,
    }


def _events(call: Call, tool_call: ToolCall | None) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message(call, None, 1)}
    if tool_call is None:
        block: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces_of(call.text)]
    else:
        block = _tool_use(call, tool_call) | {"input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": tool_call.arguments_json}]
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "ping"}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": _stop_reason(tool_call), "stop_sequence": None},
        "usage": {"output_tokens": tokens_of(len(call.text))},
    }
    yield {"type": "message_stop"}


def _tools(body: Mapping[str, Any]) -> list[Tool]:
    return [Tool(it.get("name", ""), it.get("input_schema") or {}) for it in body.get("tools") or []]


def _tool_choice(body: Mapping[str, Any]) -> ToolChoice:
    choice = body.get("tool_choice") or {"type": "auto"}
    mode = choice.get("type", "auto")
    return ToolChoice(_CHOICE_MODES.get(mode, mode), choice.get("name"))
