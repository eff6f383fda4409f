"""The Responses API of OpenAI. https://platform.openai.com/docs/api-reference/responses"""

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.demo.providers.answers import Answer, json_answer, named_events
from sidecar.demo.providers.calls import Call
from sidecar.demo.providers.chat_text import pieces_of, tokens_of
from sidecar.demo.providers.errors import ApiError
from sidecar.demo.providers.structured import structured_text
from sidecar.demo.providers.turns import Tool, ToolCall, ToolChoice, call_of, last_user_text


def response(call: Call) -> Answer:
    """The answer to POST responses."""
    body = call.body
    if not body.get("input"):
        raise ApiError(400, "Missing required parameter: 'input'.", "missing_required_parameter")
    tool_call = call_of(_tools(body), _tool_choice(body), last_user_text(body["input"]))
    text = structured_text((body.get("text") or {}).get("format")) or call.text
    item = _message_item(call, text) if tool_call is None else _call_item(call, tool_call)
    if body.get("stream") is True:
        return named_events(_numbered(_events(call, item)))
    return json_answer(_response(call, "completed", item))


def _response(call: Call, status: str, item: Mapping[str, Any] | None) -> dict[str, Any]:
    body = call.body
    return {
        "id": f"resp_{call.number}",
        "object": "response",
        "created_at": call.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": call.model,
        "output": [] if item is None else [item],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None if item is None else _usage(call, item),
        "metadata": body.get("metadata") or {},
    }


def _usage(call: Call, item: Mapping[str, Any]) -> dict[str, Any]:
    text = item["arguments"] if "arguments" in item else item["content"][0]["text"]
    prompt, answer = tokens_of(call.prompt_characters), tokens_of(len(text)) + call.reasoning_tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": call.use_cache().read},
        "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": call.reasoning_tokens},
        "total_tokens": prompt + answer,
    }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message_item(call: Call, text: str) -> dict[str, Any]:
    return {
        "id": f"msg_{call.number}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_text_part(text)],
    }


def _call_item(call: Call, tool_call: ToolCall) -> dict[str, Any]:
    return {
        "id": f"fc_{call.number}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{call.number}",
        "name": tool_call.name,
        "arguments": tool_call.arguments_json,
    }


def _events(call: Call, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    begun = _response(call, "in_progress", None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    place: dict[str, Any] = {"item_id": item["id"], "output_index": 0}
    empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
    opened = item | {"status": "in_progress"} | empty
    yield {"type": "response.output_item.added", "output_index": 0, "item": opened}
    yield from _message_events(place, item) if item["type"] == "message" else _call_events(place, item)
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": _response(call, "completed", item)}


def _message_events(place: dict[str, Any], item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    place = place | {"content_index": 0}
    text = item["content"][0]["text"]
    yield {"type": "response.content_part.added", **place, "part": _text_part("")}
    for piece in pieces_of(text):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": item["content"][0]}


def _call_events(place: dict[str, Any], item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = "response.function_call_arguments"
    yield {"type": f"{kind}.delta", **place, "delta": item["arguments"]}
    yield {"type": f"{kind}.done", **place, "name": item["name"], "arguments": item["arguments"]}


def _numbered(events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, event in enumerate(events):
        yield event | {"sequence_number": number}


def _tools(body: Mapping[str, Any]) -> list[Tool]:
    functions = [tool for tool in body.get("tools") or [] if tool.get("type") == "function"]
    return [Tool(it.get("name", ""), it.get("parameters") or {}) for it in functions]


def _tool_choice(body: Mapping[str, Any]) -> ToolChoice:
    choice = body.get("tool_choice") or "auto"
    return ToolChoice(choice) if isinstance(choice, str) else ToolChoice("required", choice.get("name"))
