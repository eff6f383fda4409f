"""The assistant's turn: a text, or a call of one of the tools the request offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sidecar.demo.providers.samples import sample_of


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of the request; `schema` is the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether a tool may or must be called; `name` when it must be this one."""

    mode: str = "auto"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call with sample arguments."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def arguments_json(self) -> str:
        """The arguments as the OpenAI APIs carry them: JSON in a string."""
        return msgspec.json.encode(self.arguments).decode()


def call_of(tools: Sequence[Tool], choice: ToolChoice, last_user_text: str | None) -> ToolCall | None:
    """The tool that is called, if any: one that must be, or one the last user turn mentions by name.

    `last_user_text` None: the last turn is not the user's, so an answer to a tool result is due.
    """
    if choice.name is not None:
        tools = [tool for tool in tools if tool.name == choice.name]
    elif choice.mode == "auto":
        tools = [tool for tool in tools if last_user_text is not None and tool.name in last_user_text]
    if not tools or choice.mode == "none":
        return None
    return ToolCall(tools[0].name, sample_of(tools[0].schema))


def last_user_text(turns: object) -> str | None:
    """The text of the last turn if it is the user's own words, else None."""
    if isinstance(turns, str):
        return turns
    if not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
        return None
    last = turns[-1]
    content = last.get("content")
    if last.get("role") != "user":
        return None
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        if any(part.get("type") == "tool_result" for part in parts):
            return None
        return " ".join(str(part.get("text", "")) for part in parts)
    return content if isinstance(content, str) else None
