"""A chat request: what the router needs to know of a body in any of the APIs it understands."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import msgspec
import re2

from sidecar.routing.api import Endpoint
from sidecar.routing.body import Edit, Member, parse_members
from sidecar.routing.rejection import RejectedError, invalid_request

# About four bytes of UTF-8 make a token of the usual byte-pair vocabularies, in English as in Chinese.
BYTES_PER_TOKEN = 4

# What a context window has to hold.
_TEXT_MEMBERS = ("messages", "system", "prompt", "input", "instructions", "tools", "functions")

# Where a request says that the answer has to be JSON: OpenAI's chat completions, its Responses API, Anthropic's.
_FORMAT_MEMBERS = ("response_format", "text", "output_config", "output_format")
_JSON_MARK = re.compile(rb'"type"\s*:\s*"json')

# Of both APIs, wherever it stands: tools give back images, too.
_IMAGE_MARK = re.compile(rb'"type"\s*:\s*"(?:image|image_url|input_image)"')


def _escapable(word: str) -> str:
    """In RE2 syntax: the word in JSON, where a letter may be written as its number."""
    return "".join(rf"(?:{letter}|\\u00(?i:{ord(letter):02x}))" for letter in word)


# The same marks with letters escaped, which any parser takes.
_TYPE = rf'"{_escapable("type")}"\s*:\s*"'
_ESCAPED_JSON_MARK = re2.compile(f"{_TYPE}{_escapable('json')}".encode())
_ESCAPED_IMAGE_MARK = re2.compile(
    f'{_TYPE}(?:{"|".join(map(_escapable, ("image", "image_url", "input_image")))})"'.encode()
)
_SIGN_OF_ESCAPED = rb"\u00"

# An image or a file within that text; it is counted otherwise, or not at all. Linear: a run is looked at once.
_BASE64 = re.compile(rb'"(?:data:[^",]{0,100},)?[A-Za-z0-9+/=\\_-]{512,}"')

_BASE64_MARKS = (b"base64", b'"input_audio"', b'"image_generation_call"')

# It may begin at each; with more of them it is not looked for, and counts as text.
_MOST_QUOTES = 500_000

# More need not be counted one by one when they are written so oddly that nobody but an attacker would.
_MOST_ESCAPED_MARKS = 10_000

# What stands for another character in JSON that is in a string itself, as a tool call's arguments are, and in code.
_INNER_ESCAPE = re.compile(r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|[bfnrt])")

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

# What the APIs call the limit of an answer.
_LIMIT_MEMBERS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


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
    """Every text in it, whoever wrote it and whatever for, keys and long numbers too, in the order of the body; None
    if that cannot be looked at."""
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
    usage_edit: Edit | None = None
    """Makes a stream that says nothing of it tell its tokens; None where that is not possible, or already said."""

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

_STREAM_OPTIONS = "stream_options"
_INCLUDE_USAGE = "include_usage"

# Of two of them, nobody knows which one the provider takes.
_USAGE_MEMBERS = frozenset(("stream", _STREAM_OPTIONS))

_TOLD_ON_REQUEST = frozenset((Endpoint.CHAT_COMPLETIONS, Endpoint.COMPLETIONS))

_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])

_MODEL = msgspec.json.Decoder(str)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_INPUT = msgspec.json.Decoder(str | list[_Item] | None)
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_PROMPT = msgspec.json.Decoder(str | list[str | int | list[int]] | None)


def parse_request(endpoint: Endpoint, body: bytes) -> ChatRequest:
    """Read a body of that endpoint.

    Raises RejectedError, with a message for the client, for a body that the API would refuse too, and for one whose
    model could be read in two ways.
    """
    members: dict[str, Member] = {}
    repeated = set()
    model = None
    listed = parse_members(body)
    for member in listed:
        if member.name in members:
            repeated.add(member.name)
        if member.name.lower() == "model":
            model = _accept_model_member(member, model)
        members[member.name] = member
    if model is None:
        raise invalid_request("model: missing", param="model")
    # Beyond that the conversation stays unread: to the policy it is a request without a prompt.
    is_readable = _is_readable(body)
    has_base64 = _has_base64(body)
    return ChatRequest(
        endpoint=endpoint,
        model=_decode(_MODEL, model),
        model_member=model,
        user_turns=tuple(_CONVERSATIONS[endpoint](members)) if is_readable else (),
        # All of them: of a name that is given twice some providers take the first.
        texts=_read_texts((member for member in listed if member is not model), has_base64) if is_readable else None,
        input_tokens=_estimate_tokens(members, has_base64),
        max_output_tokens=_read_max_output_tokens(members),
        parameters=frozenset(name for name, member in members.items() if bytes(member.value) != b"null"),
        tools=_count_tools(members.get("tools")) + _count_tools(members.get("functions")),
        images=_count_images(members.get(_IMAGE_MEMBERS.get(endpoint, ""))),
        json=any(_asks_for_json(members[name]) for name in _FORMAT_MEMBERS if name in members),
        stream="stream" in members and bytes(members["stream"].value) == b"true",
        usage_edit=None if repeated & _USAGE_MEMBERS else _find_usage_edit(endpoint, members),
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


def _find_usage_edit(endpoint: Endpoint, members: Mapping[str, Member]) -> Edit | None:
    """Anthropic's API and OpenAI's Responses API tell of tokens in any case."""
    stream = members.get("stream")
    if endpoint not in _TOLD_ON_REQUEST or stream is None or bytes(stream.value) != b"true":
        return None
    options = members.get(_STREAM_OPTIONS)
    if options is None:
        return Edit(stream.end, stream.end, b',"stream_options":{"include_usage":true}')
    written = bytes(options.value)
    if written == b"null":
        return Edit(options.start, options.end, b'{"include_usage":true}')
    if not written.startswith(b"{"):  # the provider's to judge
        return None
    try:
        names = _NAMES.decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if _INCLUDE_USAGE in names:
        return None
    inside = options.start + 1
    return Edit(inside, inside, b'"include_usage":true' + (b"," if names else b""))


def _read_messages(members: dict[str, Member]) -> list[str]:
    if "messages" not in members:
        raise invalid_request("messages: missing", param="messages")
    messages: list[_Message] = _decode(_MESSAGES, members["messages"])
    if not messages:
        raise invalid_request("messages: must not be empty", param="messages")
    return _user_turns(messages)


def _read_prompt(members: dict[str, Member]) -> list[str]:
    member = members.get("prompt")
    if member is None or _is_long_list(member):
        return []
    prompt = _decode(_PROMPT, member)
    texts = [prompt] if isinstance(prompt, str) else prompt or ()
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _is_long_list(member: Member) -> bool:
    return member.end - member.start > _MOST_LIST_BYTES and bytes(member.value).startswith(b"[")


def _read_input(members: dict[str, Member]) -> list[str]:
    if "input" not in members:
        return []
    items = _decode(_INPUT, members["input"])
    if isinstance(items, str):
        items = [_Item("user", items)]
    return _user_turns(items or ())


def _user_turns(messages: Sequence[_Message | _Item]) -> list[str]:
    """Their texts; a turn without any (an image, what a tool gave back) is none."""
    texts = (_join(message.content) for message in messages if message.role == "user")
    return [text for text in texts if text.strip()]


_CONVERSATIONS: dict[Endpoint, Callable[[dict[str, Member]], list[str]]] = {
    Endpoint.CHAT_COMPLETIONS: _read_messages,
    Endpoint.MESSAGES: _read_messages,
    Endpoint.COMPLETIONS: _read_prompt,
    Endpoint.RESPONSES: _read_input,
}

_IMAGE_MEMBERS = {
    Endpoint.CHAT_COMPLETIONS: "messages",
    Endpoint.MESSAGES: "messages",
    Endpoint.RESPONSES: "input",
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


def _count_images(member: Member | None) -> int:
    if member is None:
        return 0
    value = bytes(member.value)
    plain = len(_IMAGE_MARK.findall(value))
    if _SIGN_OF_ESCAPED not in value:
        return plain
    return max(plain, sum(1 for _ in islice(_ESCAPED_IMAGE_MARK.finditer(value), _MOST_ESCAPED_MARKS)))


def _asks_for_json(member: Member) -> bool:
    value = bytes(member.value)
    return _JSON_MARK.search(value) is not None or (
        _SIGN_OF_ESCAPED in value and _ESCAPED_JSON_MARK.search(value) is not None
    )


def _count_tools(member: Member | None) -> int:
    """null and [] offer none; whatever is no list is the provider's to judge, and counts as one."""
    if member is None or b"{" not in (value := bytes(member.value)):
        return 0
    try:
        return len(_RAW_LIST.decode(value))
    except (msgspec.DecodeError, RecursionError):
        return 1


def _read_texts(members: Iterable[Member], has_base64: bool) -> tuple[str, ...] | None:
    """All strings and long numbers, whatever a provider calls the fields they stand in."""
    found: list[str] = []
    room = _MOST_TEXT_BYTES
    for member in members:
        text = bytes(member.value)
        if has_base64:
            text = _BASE64.sub(_emptied_unless_broken, text)
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
            found.append(_INNER_ESCAPE.sub(_inner_character, each) if "\\" in each else each)
        elif isinstance(each, dict):
            # A number's name may be its key, so the one stays before the other.
            pending += chain.from_iterable(zip(reversed(each.values()), reversed(each), strict=True))
        elif isinstance(each, list):
            pending += reversed(each)
        elif isinstance(each, int | float) and _NUMBERS_OF_SOMETHING.start <= each < _NUMBERS_OF_SOMETHING.stop:
            found.append(str(int(each)))


def _inner_character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else "\n"


def _estimate_tokens(members: Mapping[str, Member], has_base64: bool) -> int:
    texts = (bytes(members[name].value) for name in _TEXT_MEMBERS if name in members)
    return sum(_text_size(text, has_base64) for text in texts) // BYTES_PER_TOKEN


def _has_base64(body: bytes) -> bool:
    return any(mark in body for mark in _BASE64_MARKS) and body.count(b'"') <= _MOST_QUOTES


def _emptied_unless_broken(base64: re.Match[bytes]) -> bytes:
    """With line breaks it may as well be a column of numbers, which has to be looked through."""
    written = base64[0]
    return b'""' if written.count(b"\\") == written.count(rb"\/") else written


def _text_size(text: bytes, has_base64: bool) -> int:
    if has_base64:
        text = _BASE64.sub(b'""', text)
    if b"\\" not in text:
        return len(text)
    # An escape stands for a character of three bytes or less; `\\u` is a backslash and a letter.
    return len(text) - 3 * (text.count(rb"\u") - text.count(rb"\\u"))


def _is_readable(body: bytes) -> bool:
    """Whether reading all of it takes no longer than other requests can wait."""
    return sum(map(body.count, _STRUCTURE)) <= _MOST_OBJECTS


def _read_max_output_tokens(members: Mapping[str, Member]) -> int:
    """The highest of its limits; what is no number is the provider's to judge."""
    limits = (bytes(members[name].value) for name in _LIMIT_MEMBERS if name in members)
    return max(map(_read_amount, limits), default=0)


def _read_amount(written: bytes) -> int:
    """1000, 1000.0 and 1e3 are the same to a provider."""
    if not written[:1].isdigit():
        return 0
    return _MOST_TOKENS if len(written) > _MOST_DIGITS else int(min(float(written), _MOST_TOKENS))
