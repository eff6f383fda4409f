"""A chat request: what the router needs to know of a body in any of the APIs it understands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sidecar.routing.api import Endpoint
from sidecar.routing.body import Member, parse_members, replace_lone_surrogates
from sidecar.routing.rejection import RejectedError, invalid_request

# About four bytes of UTF-8 make a token of the usual byte-pair vocabularies, in English as in Chinese.
BYTES_PER_TOKEN = 4

# No model has a window of so many tokens, and span attributes have 64 bits.
_MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request for a completion, whichever API it is written in."""

    endpoint: Endpoint
    model: str
    """What the client asked for: a virtual model or a concrete one."""
    model_member: Member
    """Where in the body that stands."""
    prompt: str
    """The text of the last user turn that has any; empty if none has."""
    user_turns: int
    input_tokens: int
    """An estimate over all text in the conversation and the tools offered."""
    max_output_tokens: int
    """The limit that the request itself sets; 0 if it sets none."""
    parameters: frozenset[str]
    """The names of all that the request sets, `temperature` for one."""
    tools: bool
    images: bool
    stream: bool


class _Part(msgspec.Struct):
    """A piece of a message's content. Types that are not known here are let through; the provider judges them."""

    type: str = ""
    text: str | None = None
    content: Any = None
    """What a tool answered, in an Anthropic tool_result: it counts as input, but nobody asked it."""


class _Message(msgspec.Struct):
    role: str
    content: str | list[str | _Part] | None = None


class _Item(msgspec.Struct):
    """One entry of the Responses API's `input`: a message, or a tool call, its output, a reference …"""

    role: str = ""
    content: str | list[str | _Part] | None = None
    output: Any = None


_Content = str | list[str | _Part] | None

_MODEL = msgspec.json.Decoder(str)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_INPUT = msgspec.json.Decoder(str | list[_Item] | None)
_PROMPT = msgspec.json.Decoder(str | list[str | int | list[int]] | None)
_SYSTEM = msgspec.json.Decoder(_Content)
_ANY = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class _Turn:
    by_user: bool
    text: str
    tool_output: str = ""


@dataclass(frozen=True, slots=True)
class _Conversation:
    turns: Sequence[_Turn]
    images: bool = False


def parse_request(endpoint: Endpoint, body: bytes) -> ChatRequest:
    """Read a body of that endpoint.

    Raises RejectedError, with a message for the client, for a body that the API would refuse too, and for one whose
    model could be read in two ways.
    """
    members = {}
    model = None
    for member in parse_members(body):
        if member.name.lower() == "model":
            model = _accept_model_member(member, model)
        members[member.name] = member
    if model is None:
        raise invalid_request("model: missing", param="model")
    conversation = _CONVERSATIONS[endpoint](members)
    tools = members.get("tools")
    return ChatRequest(
        endpoint=endpoint,
        model=_decode(_MODEL, model),
        model_member=model,
        prompt=next((turn.text for turn in reversed(conversation.turns) if turn.by_user and turn.text.strip()), ""),
        user_turns=sum(turn.by_user and bool(turn.text.strip()) for turn in conversation.turns),
        input_tokens=_estimate_tokens(conversation, tools),
        max_output_tokens=_read_max_output_tokens(members),
        parameters=frozenset(members),
        tools=tools is not None and b"{" in bytes(tools.value),  # null and [] offer none
        images=conversation.images,
        stream="stream" in members and bytes(members["stream"].value) == b"true",
    )


def _accept_model_member(member: Member, earlier: Member | None) -> Member:
    """Refuse what a provider's parser might read otherwise than ours.

    Some take the first of two keys and some the last; Go's match names whatever their case; and the Lua that sets the
    model on each attempt compares names as they are written.
    """
    if earlier is not None:
        raise invalid_request("model: given more than once", param="model")
    if member.escaped or member.name != "model":
        raise invalid_request('model: the name must be written exactly "model"', param="model")
    return member


def _read_messages(members: dict[str, Member]) -> _Conversation:
    if "messages" not in members:
        raise invalid_request("messages: missing", param="messages")
    messages: list[_Message] = _decode(_MESSAGES, members["messages"])
    if not messages:
        raise invalid_request("messages: must not be empty", param="messages")
    turns = [
        _Turn(message.role == "user", _join(message.content), _tool_output(message.content)) for message in messages
    ]
    if "system" in members:  # Anthropic's stands beside the messages
        turns.insert(0, _Turn(False, _join(_decode(_SYSTEM, members["system"]))))
    return _Conversation(turns, any(_has_image(message.content) for message in messages))


def _read_prompt(members: dict[str, Member]) -> _Conversation:
    if "prompt" not in members:
        return _Conversation([])
    prompt = _decode(_PROMPT, members["prompt"])
    if isinstance(prompt, str):
        return _Conversation([_Turn(True, prompt)])
    return _Conversation([_Turn(True, text) for text in prompt or () if isinstance(text, str)])


def _read_input(members: dict[str, Member]) -> _Conversation:
    turns = []
    images = False
    if "instructions" in members:
        instructions = _decode(_ANY, members["instructions"])
        turns.append(_Turn(False, _text_in(instructions)))
    items = _decode(_INPUT, members["input"]) if "input" in members else None
    if isinstance(items, str):
        turns.append(_Turn(True, items))
    else:
        turns += [_Turn(item.role == "user", _join(item.content), _text_in(item.output)) for item in items or ()]
        images = any(_has_image(item.content) for item in items or ())
    return _Conversation(turns, images)


_CONVERSATIONS: dict[Endpoint, Callable[[dict[str, Member]], _Conversation]] = {
    Endpoint.CHAT_COMPLETIONS: _read_messages,
    Endpoint.MESSAGES: _read_messages,
    Endpoint.COMPLETIONS: _read_prompt,
    Endpoint.RESPONSES: _read_input,
}


def _decode(decoder: msgspec.json.Decoder[Any], member: Member) -> Any:
    """The member's value; errors name the field as the client knows it (`messages[0].content`)."""
    return _decode_text(decoder, member.name, bytes(member.value))


def _decode_text(decoder: msgspec.json.Decoder[Any], name: str, text: bytes) -> Any:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _wrong_type(name, str(error)) from error
    except RecursionError as error:
        raise invalid_request(f"{name}: nested too deeply", param=name) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        readable = replace_lone_surrogates(text)
        if readable != text:
            return _decode_text(decoder, name, readable)
        raise invalid_request(f"{name}: {error}", param=name) from error


def _wrong_type(name: str, text: str) -> RejectedError:
    what, _, where = text.partition(" - at `")
    field = name + where.rstrip("`").removeprefix("$")
    return invalid_request(f"{field}: {what[:1].lower()}{what[1:]}", param=field)


def _join(content: _Content) -> str:
    """All text of a message; parts stand on lines of their own."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(text for text in map(_text_of, content) if text)


def _text_of(part: str | _Part) -> str:
    return part if isinstance(part, str) else part.text or ""


def _tool_output(content: _Content) -> str:
    if content is None or isinstance(content, str):
        return ""
    return "".join(_text_in(part.content) for part in content if isinstance(part, _Part))


def _text_in(value: Any) -> str:
    """The text of what a tool gave back: a string, or parts of which images and files are left out."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _has_image(content: _Content) -> bool:
    if content is None or isinstance(content, str):
        return False
    return any(isinstance(part, _Part) and ("image" in part.type or _has_image_in(part.content)) for part in content)


def _has_image_in(tool_output: Any) -> bool:
    parts = tool_output if isinstance(tool_output, list) else ()
    return any(isinstance(part, dict) and part.get("type") == "image" for part in parts)


def _estimate_tokens(conversation: _Conversation, tools: Member | None) -> int:
    size = sum(_size(turn.text) + _size(turn.tool_output) for turn in conversation.turns)
    if tools is not None:
        size += tools.end - tools.start
    return size // BYTES_PER_TOKEN


def _size(text: str) -> int:
    """Its length in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _read_max_output_tokens(members: dict[str, Member]) -> int:
    for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        if name in members:
            limit = _decode(_ANY, members[name])
            if type(limit) is int and limit > 0:
                return min(limit, _MOST_TOKENS)
    return 0
