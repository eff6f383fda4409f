"""Chat completions, as OpenAI and Google's compatible API answer them.

https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.demo.providers.answers import Answer, data_events, json_answer
from sidecar.demo.providers.calls import Call
from sidecar.demo.providers.chat_text import pieces_of, tokens_of
from sidecar.demo.providers.errors import ApiError
from sidecar.demo.providers.structured import structured_text
from sidecar.demo.providers.turns import Tool, ToolCall, ToolChoice, call_of, last_user_text

# The stub is sure of itself: -0.05 is a probability of 0.95.
LOGPROB = -0.05


def chat_completion(call: Call) -> Answer:
    """The answer to POST chat/completions."""
    body = call.body
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise ApiError(400, "Invalid 'messages': expected a non-empty array.", "invalid_type")
    tool_call = call_of(_tools(body), _tool_choice(body), last_user_text(body["messages"]))
    text = structured_text(body.get("response_format")) or call.text
    usage = usage_of(call, text)
    if body.get("stream") is True:
        return data_events(_chunks(call, text, tool_call, usage))
    return json_answer(_completion(call, text, tool_call) | {"usage": usage})


def usage_of(call: Call, answer: str) -> dict[str, Any]:
    """The usage object of chat completions and legacy completions; made once for each answer."""
    prompt = tokens_of(call.prompt_characters)
    completion = tokens_of(len(answer)) + call.reasoning_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": call.use_cache().read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": call.reasoning_tokens, "audio_tokens": 0},
    }


def _completion(call: Call, text: str, tool_call: ToolCall | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if tool_call is not None:
        message |= {"content": None, "tool_calls": [_tool_call(call, tool_call)]}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": _logprobs(call.body, pieces_of(text)),
        "finish_reason": "stop" if tool_call is None else "tool_calls",
    }
    return {
        "id": f"chatcmpl-{call.number}",
        "object": "chat.completion",
        "created": call.created,
        "model": call.model,
        "choices": [choice],
        "service_tier": "default",
    }


def _chunks(call: Call, text: str, tool_call: ToolCall | None, usage: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    options = call.body.get("stream_options")
    has_usage = isinstance(options, dict) and options.get("include_usage") is True
    chunk: dict[str, Any] = {
        "id": f"chatcmpl-{call.number}",
        "object": "chat.completion.chunk",
        "created": call.created,
        "model": call.model,
        "service_tier": "default",
    } | ({"usage": None} if has_usage else {})
    for choice in _choices(call, text, tool_call):
        yield chunk | {"choices": [choice]}
    if has_usage:
        yield chunk | {"choices": [], "usage": usage}


def _choices(call: Call, text: str, tool_call: ToolCall | None) -> Iterator[dict[str, Any]]:
    """The choice of each chunk: the role, the words or the call's arguments, the reason to stop."""

    def choice(delta: Mapping[str, Any], finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    if tool_call is None:
        yield choice({"role": "assistant", "content": "", "refusal": None})
        for piece in pieces_of(text):
            yield choice({"content": piece}, logprobs=_logprobs(call.body, [piece]))
        yield choice({}, "stop")
        return
    started = {"index": 0} | _tool_call(call, tool_call)
    started["function"] = {"name": tool_call.name, "arguments": ""}
    yield choice({"role": "assistant", "content": None, "tool_calls": [started]})
    yield choice({"tool_calls": [{"index": 0, "function": {"arguments": tool_call.arguments_json}}]})
    yield choice({}, "tool_calls")


def _tool_call(call: Call, tool_call: ToolCall) -> dict[str, Any]:
    return {
        "id": f"call_{call.number}",
        "type": "function",
        "function": {"name": tool_call.name, "arguments": tool_call.arguments_json},
    }


def _tools(body: Mapping[str, Any]) -> list[Tool]:
    functions = [tool.get("function") or {} for tool in body.get("tools") or []]
    return [Tool(it.get("name", ""), it.get("parameters") or {}) for it in functions]


def _tool_choice(body: Mapping[str, Any]) -> ToolChoice:
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, str):
        return ToolChoice(choice)
    return ToolChoice("required", choice.get("function", {}).get("name"))


def _logprobs(body: Mapping[str, Any], tokens: list[str]) -> dict[str, Any] | None:
    if body.get("logprobs") is not True:
        return None
    top = 1 if body.get("top_logprobs") else 0
    content = []
    for token in tokens:
        entry = {"token": token, "logprob": LOGPROB, "bytes": list(token.encode())}
        content.append(entry | {"top_logprobs": [entry] * top})
    return {"content": content, "refusal": None}
