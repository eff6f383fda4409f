"""Keyword and pattern lists: where in a request they are looked for, and what counts where nobody could look."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.routing.api import Endpoint
from sidecar.routing.recorded import Record, read_record
from tests.fakes.policy_files import answer, write_policy

CHAT, RESPONSES, MESSAGES = Endpoint.CHAT_COMPLETIONS, Endpoint.RESPONSES, Endpoint.MESSAGES

SIGNALS = """
signals:
  keywords:
    asked: [bluebird, falcon nine]
    said: {any: [bluebird, falcon nine], in: request}
  patterns:
    asked-ticket: 'BB-[0-9]+'
    said-ticket: {any: 'BB-[0-9]+', in: request}
"""

SECRET = "What of Falcon Nine and BB-7?"
CALL = {"id": "c", "type": "function", "function": {"name": "send", "arguments": json.dumps({"text": SECRET})}}


def turn(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def chat(*turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    """With a harmless question for an end."""
    return {"messages": [*turns, turn("user", "Go on.")], **more}


def record_of(folder: Path, more: str, body: bytes | dict[str, Any], endpoint: Endpoint = CHAT) -> Record:
    """Of the decision by a policy that has these sections, too."""
    written = body if isinstance(body, bytes) else json.dumps({"model": "auto"} | body).encode()
    return read_record(answer(write_policy(folder, more), written, endpoint=endpoint).record)


@pytest.mark.parametrize(
    ("endpoint", "members"),
    [
        (CHAT, chat(turn("system", SECRET))),
        (CHAT, chat(turn("user", SECRET), turn("assistant", "Well."))),
        (CHAT, chat(turn("user", [{"type": "text", "text": SECRET}]))),
        (CHAT, chat(turn("assistant", SECRET))),
        (CHAT, chat(turn("assistant", None, tool_calls=[CALL]), turn("tool", "done", tool_call_id="c"))),
        (CHAT, chat(turn("tool", SECRET, tool_call_id="c"))),
        (CHAT, chat(tools=[{"type": "function", "function": {"name": "f", "description": SECRET}}])),
        (CHAT, chat(metadata={"title": SECRET})),
        (MESSAGES, chat(system=SECRET, max_tokens=9)),
        (RESPONSES, {"input": "Go on.", "instructions": SECRET}),
        (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": SECRET}]}),
    ],
)
def test_a_list_is_looked_for_in_the_whole_request_only_if_it_says_so(
    tmp_path: Path, endpoint: Endpoint, members: dict[str, Any]
) -> None:
    signals = record_of(tmp_path, SIGNALS, members, endpoint).signals

    assert signals is not None
    assert signals.keywords == {"said"}
    assert signals.patterns == {"said-ticket"}


def test_what_stands_in_the_prompt_is_found_by_both(tmp_path: Path) -> None:
    signals = record_of(tmp_path, SIGNALS, {"messages": [turn("user", SECRET)]}).signals

    assert signals is not None
    assert signals.keywords == {"asked", "said"}
    assert signals.patterns == {"asked-ticket", "said-ticket"}


UNREADABLE = json.dumps(chat(model="auto", metadata=[{}] * 200_001)).encode()
"""Has more objects than there is time to read."""
TOO_LONG = json.dumps(chat(model="auto", metadata="x" * 1_100_000)).encode()
"""Has more text than there is time to search; the prompt is read."""
HARMLESS = json.dumps(chat(model="auto")).encode()

RULE = "rules: [{name: r, when: %s, %s}]"
REQUIREMENT = "requirements: [{name: r, when: %s, require: {regions: eu}}]"


@pytest.mark.parametrize(
    ("section", "unreadable", "too_long", "harmless"),
    [
        # what must not happen does not happen where nobody could look
        (RULE % ("{keywords: said}", "require: {regions: eu}"), True, True, False),
        (RULE % ("{keywords: asked}", "require: {regions: eu}"), True, False, False),
        (RULE % ("{patterns: said-ticket}", "reject: {message: never}"), True, True, False),
        (RULE % ("{patterns: [asked-ticket, said-ticket]}", "reject: {message: never}"), True, True, False),
        (RULE % ("{any: [{stream: true}, {keywords: said}]}", "reject: {message: never}"), True, True, False),
        (RULE % ("{keywords: said, stream: true}", "reject: {message: never}"), False, False, False),
        (RULE % ("{not: {keywords: said}}", "require: {regions: eu}"), True, True, True),
        (RULE % ("{not: {not: {keywords: said}}}", "require: {regions: eu}"), True, True, False),
        (
            RULE
            % ("{keywords: said}", "split: {by: user, arms: {a: {share: 1, require: {regions: eu}}, b: {share: 0}}}"),
            *(True, True, False),
        ),
        (REQUIREMENT % "{keywords: said}", True, True, False),
        (REQUIREMENT % "{keywords: asked}", True, False, False),
        (REQUIREMENT % "{not: {patterns: said-ticket}}", True, True, True),
        # a rule that only chooses goes by what was found
        (RULE % ("{keywords: said}", "tier: complex"), False, False, False),
        (RULE % ("{not: {keywords: asked}}", "min_tier: complex"), True, True, True),
    ],
)
def test_what_could_not_be_searched_counts_as_found_where_something_is_forbidden(
    tmp_path: Path, section: str, unreadable: bool, too_long: bool, harmless: bool
) -> None:
    more = f"{SIGNALS}\n{section}"

    for body, holds in ((UNREADABLE, unreadable), (TOO_LONG, too_long), (HARMLESS, harmless)):
        record = record_of(tmp_path, more, body)
        assert (record.rule == "r" or record.requirements == ["r"]) is holds
        if "eu" in section and holds:
            assert record.excluded == {"small": "runs in us, allowed: eu"}


def test_a_list_in_the_request_is_looked_for_at_least_in_the_prompt(tmp_path: Path) -> None:
    more = f"{SIGNALS}\n{RULE % ('{keywords: said}', 'tier: complex')}"
    body = {"messages": [turn("user", SECRET)], "metadata": "x" * 1_100_000}

    assert record_of(tmp_path, more, body).rule == "r"
