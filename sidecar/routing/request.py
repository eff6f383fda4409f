"""A chat request: what the router needs to know of a body in any of the APIs it understands."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sidecar.routing.api import Endpoint
from sidecar.routing.body import Member, parse_members
from sidecar.routing.rejection import RejectedError, invalid_request

# About four bytes of UTF-8 make a token of the usual byte-pair vocabularies, in English as in Chinese.
BYTES_PER_TOKEN = 4

# Where the conversation's text is.
_CONVERSATION_MEMBERS = ("messages", "system", "prompt", "input", "instructions")

# What a context window has to hold.
_TEXT_MEMBERS = (*_CONVERSATION_MEMBERS, "tools")

# Where a request says that the answer has to be JSON: OpenAI's chat completions, its Responses API, Anthropic's.
_FORMAT_MEMBERS = ("response_format", "text", "output_config", "output_format")
_JSON_MARK = re.compile(rb'"type"\s*:\s*"json')

# Of both APIs, wherever it stands: tools give back images, too.
_IMAGE_MARK = re.compile(rb'"type"\s*:\s*"(?:image|image_url|input_image)"')

# An image or a file within that text; it is counted otherwise, or not at all. Linear: a run is looked at once.
_BASE64 = re.compile(rb'"(?:data:[^",]{0,100},)?[A-Za-z0-9+/=\\_-]{512,}"')

_BASE64_MARKS = (b"base64", b'"input_audio"', b'"image_generation_call"')

# Reading more objects, lists and strings in lists one by one would stop every other request for a second.
_MOST_OBJECTS = 200_000
_STRUCTURE = (b"{", b"[", b'","', b'", "')

# Looking through more text than this would hold up every other request for longer than a classification.
_MOST_TEXT_BYTES = 1024 * 1024

# A card or a phone that a tool is given as a number; others are token ids, sizes, dates.
_NUMBERS_OF_SOMETHING = range(10**7, 10**19)

# A prompt of token ids has no braces to count: no model's window holds more of them than this.
_MOST_LIST_BYTES = 4 * 1024 * 1024

# No model has a window of so many tokens, and span attributes have 64 bits.
_MOST_TOKENS = 2**31 - 1
_MOST_DIGITS = 20


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request for a completion, whichever API it is written in."""

    endpoint: Endpoint
    model: str
    """What the client asked for: a virtual model or a concrete one."""
    model_member: Member
    """Where in the body that stands."""
    user_turns: tuple[str, ...]
    """The texts of the user's turns that have any, oldest first."""
    texts: tuple[str, ...] | None
    """Every text in it, whoever wrote it (system, user, assistant, a tool); None if that cannot be looked at."""
    input_tokens: int
    """An estimate, from the size of the conversation and the tools as they are written; images and files left out."""
    max_output_tokens: int
    """The limit that the request itself sets; 0 if it sets none."""
    parameters: frozenset[str]
    """The names of all that the request sets to something, `temperature` for one."""
    tools: int
    """How many it offers."""
    images: int
    json: bool
    """Whether the answer has to be JSON."""
    stream: bool

    @property
    def prompt(self) -> str:
        """The text of the last user turn that has any; empty if none has."""
        return self.user_turns[-1] if self.user_turns else ""


class _Part(msgspec.Struct):
    """A piece of a message's content. Whatever else it may be is let through; the provider judges it."""

    text: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[str | _Part] | None = None


class _Item(msgspec.Struct):
    """One entry of the Responses API's `input`: a message, or a tool call, its output, a reference …"""

    role: str = ""
    content: str | list[str | _Part] | None = None


_Content = str | list[str | _Part] | None

_MODEL = msgspec.json.Decoder(str)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_INPUT = msgspec.json.Decoder(str | list[_Item] | None)
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_PROMPT = msgspec.json.Decoder(str | list[str | int | list[int]] | None)


@dataclass(frozen=True, slots=True)
class _Conversation:
    user_turns: Sequence[str]
    """Their texts; a turn without any (an image, what a tool gave back) is none."""
    images: int = 0


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
    # Beyond that the conversation stays unread: to the policy it is a request without a prompt.
    is_readable = _is_readable(body)
    conversation = _CONVERSATIONS[endpoint](members) if is_readable else _Conversation([])
    return ChatRequest(
        endpoint=endpoint,
        model=_decode(_MODEL, model),
        model_member=model,
        user_turns=tuple(conversation.user_turns),
        texts=_read_texts(members) if is_readable else None,
        input_tokens=_estimate_tokens(members),
        max_output_tokens=_read_max_output_tokens(members),
        parameters=frozenset(name for name, member in members.items() if bytes(member.value) != b"null"),
        tools=_count_tools(members.get("tools")),
        images=conversation.images,
        json=any(_JSON_MARK.search(bytes(members[name].value)) for name in _FORMAT_MEMBERS if name in members),
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
    return _Conversation(_user_turns(messages), _count_images(members["messages"]))


def _read_prompt(members: dict[str, Member]) -> _Conversation:
    member = members.get("prompt")
    if member is None or _is_long_list(member):
        return _Conversation([])
    prompt = _decode(_PROMPT, member)
    texts = [prompt] if isinstance(prompt, str) else prompt or ()
    return _Conversation([text for text in texts if isinstance(text, str) and text.strip()])


def _is_long_list(member: Member) -> bool:
    return member.end - member.start > _MOST_LIST_BYTES and bytes(member.value).startswith(b"[")


def _read_input(members: dict[str, Member]) -> _Conversation:
    if "input" not in members:
        return _Conversation([])
    items = _decode(_INPUT, members["input"])
    if isinstance(items, str):
        items = [_Item("user", items)]
    return _Conversation(_user_turns(items or ()), _count_images(members["input"]))


def _user_turns(messages: Sequence[_Message | _Item]) -> list[str]:
    texts = (_join(message.content) for message in messages if message.role == "user")
    return [text for text in texts if text.strip()]


_CONVERSATIONS: dict[Endpoint, Callable[[dict[str, Member]], _Conversation]] = {
    Endpoint.CHAT_COMPLETIONS: _read_messages,
    Endpoint.MESSAGES: _read_messages,
    Endpoint.COMPLETIONS: _read_prompt,
    Endpoint.RESPONSES: _read_input,
}


def _decode(decoder: msgspec.json.Decoder[Any], member: Member) -> Any:
    """The member's value; errors name the field as the client knows it (`messages[0].content`)."""
    try:
        return decoder.decode(bytes(member.value))
    except msgspec.ValidationError as error:
        raise _wrong_type(member.name, str(error)) from error
    except RecursionError as error:
        raise invalid_request(f"{member.name}: nested too deeply", param=member.name) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid_request(f"{member.name}: {error}", param=member.name) from error


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


def _count_images(member: Member) -> int:
    return len(_IMAGE_MARK.findall(bytes(member.value)))


def _count_tools(member: Member | None) -> int:
    """null and [] offer none; whatever is no list is the provider's to judge, and counts as one."""
    if member is None or b"{" not in (value := bytes(member.value)):
        return 0
    try:
        return len(_RAW_LIST.decode(value))
    except (msgspec.DecodeError, RecursionError):
        return 1


def _read_texts(members: Mapping[str, Member]) -> tuple[str, ...] | None:
    """All strings and long numbers of the conversation, whatever a provider calls the fields they stand in."""
    found: list[str] = []
    room = _MOST_TEXT_BYTES
    for name in _CONVERSATION_MEMBERS:
        if name not in members:
            continue
        text = _without_base64(bytes(members[name].value))
        room -= len(text)
        if room < 0:
            return None
        try:
            _collect(msgspec.json.decode(text), found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    return tuple(found)


def _collect(value: Any, found: list[str]) -> None:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each
        elif isinstance(each, int) and each in _NUMBERS_OF_SOMETHING:
            found.append(str(each))


def _estimate_tokens(members: Mapping[str, Member]) -> int:
    texts = (bytes(members[name].value) for name in _TEXT_MEMBERS if name in members)
    return sum(map(_text_size, texts)) // BYTES_PER_TOKEN


def _without_base64(text: bytes) -> bytes:
    return _BASE64.sub(b'""', text) if any(mark in text for mark in _BASE64_MARKS) else text


def _text_size(text: bytes) -> int:
    text = _without_base64(text)
    # An escape stands for a character of three bytes or less; `\\u` is a backslash and a letter.
    return len(text) - 3 * (text.count(rb"\u") - text.count(rb"\\u"))


def _is_readable(body: bytes) -> bool:
    """Whether reading all of it takes no longer than other requests can wait."""
    return sum(map(body.count, _STRUCTURE)) <= _MOST_OBJECTS


def _read_max_output_tokens(members: Mapping[str, Member]) -> int:
    for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        limit = bytes(members[name].value) if name in members else b""
        if limit.isdigit():
            return min(int(limit[:_MOST_DIGITS]), _MOST_TOKENS)
    return 0
