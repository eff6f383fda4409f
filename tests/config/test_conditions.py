"""What each condition means, by requests that it holds for and others that it doesn't."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sidecar.config.compile import load_config
from sidecar.routing.api import Endpoint
from sidecar.routing.classification import Classification, Example
from sidecar.routing.signals import Signals

POLICY = """\
providers: {acme: {url: https://api.example.com/v1}}
models: {small: {provider: acme, tier: simple, price: {input: 1, output: 2}, context: 1000}}
virtual_models: {auto: {}, auto-cheap: {}}
fallback: small
signals:
  headers: {plan: x-plan, role: x-agent-role}
  keywords: {incident: [outage], legal: [lawsuit]}
  patterns: {ticket: "[A-Z]+-[0-9]+"}
intents: {refund: {examples: [give me my money back, I want a refund]}}
rules:
  - name: r
    when: %s
    tier: simple
"""

PLAIN = Signals(
    endpoint=Endpoint.CHAT_COMPLETIONS,
    path="/v1/chat/completions",
    model="auto",
    input_tokens=1000,
    max_output_tokens=0,
    turns=1,
    tools=0,
    images=0,
    json=False,
    stream=False,
    code_fences=0,
    script="latin",
    language="en",
    # a Monday
    received=datetime(2026, 3, 2, 17, 30, tzinfo=UTC),
)
CHAT = Classification(intent="chat", confidence=0.6, difficulty=0.4, truncated=False)


def holds(folder: Path, when: str, classification: Classification | None = CHAT, **signals: Any) -> bool:
    """Whether a rule with that condition is for an ordinary request that differs in these signals."""
    file = folder / "policy.yaml"
    file.write_text(POLICY % when)
    (rule,) = load_config(file).policy.rules
    return rule.condition.holds(replace(PLAIN, **signals), classification)


def windows_of(folder: Path, when: str) -> list[str]:
    """What records call the windows of a rule with that condition."""
    file = folder / "policy.yaml"
    file.write_text(POLICY % when)
    return list(load_config(file).policy.windows)


@pytest.mark.parametrize(
    ("when", "is_for", "is_not_for"),
    [
        ("{model: auto}", {}, {"model": "small"}),
        ("{model: [auto, small]}", {"model": "small"}, {"model": "auto-cheap"}),
        ("{endpoint: responses}", {"endpoint": Endpoint.RESPONSES}, {}),
        ("{path: /v1/chat/completions}", {}, {"path": "/v1/responses", "endpoint": Endpoint.RESPONSES}),
        (
            "{path: [/v1/responses, /v1/chat/*]}",
            {"path": "/v1/chat/completions"},
            {"path": "/v1/completions", "endpoint": Endpoint.COMPLETIONS},
        ),
        ("{header: {plan: free}}", {"headers": {"plan": "free"}}, {"headers": {"plan": "Free"}}),
        ("{header: {plan: free}}", {"headers": {"plan": "free", "role": "x"}}, {}),
        ("{header: {plan: [free, trial]}}", {"headers": {"plan": "trial"}}, {"headers": {"plan": "pro"}}),
        ("{header: {plan: any}}", {"headers": {"plan": "x"}}, {"headers": {"role": "x"}}),
        ("{header: {plan: none}}", {"headers": {"role": "x"}}, {"headers": {"plan": "x"}}),
        # in a list they are values like others
        ("{header: {plan: [any, none]}}", {"headers": {"plan": "any"}}, {"headers": {"plan": "x"}}),
        ("{header: {plan: free, role: any}}", {"headers": {"plan": "free", "role": "x"}}, {"headers": {"role": "x"}}),
        ("{input_tokens: {min: 1000}}", {}, {"input_tokens": 999}),
        ("{input_tokens: {max: 1000}}", {}, {"input_tokens": 1001}),
        ("{input_tokens: {min: 5, max: 6}}", {"input_tokens": 6}, {"input_tokens": 7}),
        ("{max_output_tokens: {max: 0}}", {}, {"max_output_tokens": 1}),
        ("{turns: {min: 2}}", {"turns": 2}, {}),
        ("{tools: true}", {"tools": 1}, {}),
        ("{tools: false}", {}, {"tools": 3}),
        ("{tools: {min: 2, max: 3}}", {"tools": 3}, {"tools": 1}),
        ("{images: true}", {"images": 2}, {}),
        ("{images: no}", {}, {"images": 2}),
        ("{code_fences: {min: 1}}", {"code_fences": 1}, {}),
        ("{json: true}", {"json": True}, {}),
        ("{stream: false}", {}, {"stream": True}),
        ("{language: de}", {"language": "de"}, {}),
        ("{language: [de, und]}", {"language": "und"}, {}),
        ("{script: [cyrillic, greek]}", {"script": "greek"}, {}),
        ("{keywords: incident}", {"keywords": {"incident"}}, {"keywords": {"legal"}}),
        ("{keywords: [incident, legal]}", {"keywords": {"legal"}}, {}),
        ("{patterns: ticket}", {"patterns": {"ticket"}}, {}),
        ("{personal_data: any}", {"personal_data": {"email": 1}}, {}),
        ("{personal_data: none}", {}, {"personal_data": {"email": 1}}),
        ("{personal_data: card}", {"personal_data": {"card": 1}}, {"personal_data": {"email": 1}}),
        ("{personal_data: [card, iban]}", {"personal_data": {"iban": 1, "email": 1}}, {}),
        # too large to be searched
        ("{personal_data: card}", {"personal_data": None}, {}),
        ("{not: {personal_data: none}}", {"personal_data": None}, {}),
        ("{all: [{stream: true}, {images: true}]}", {"stream": True, "images": 1}, {"stream": True}),
        ("{stream: true, images: true}", {"stream": True, "images": 1}, {"stream": True}),
        ("{any: [{stream: true}, {images: true}]}", {"stream": True}, {}),
        ("{any: [{stream: true, images: true}, {json: true}]}", {"json": True}, {"stream": True}),
        ("{not: {stream: true}}", {}, {"stream": True}),
        ("{not: {stream: true, images: true}}", {"stream": True}, {"stream": True, "images": 1}),
        ("{not: {not: {stream: true}}}", {"stream": True}, {}),
        ("{tools: true, not: {any: [{json: true}]}}", {"tools": 1}, {"tools": 1, "json": True}),
    ],
)
def test_a_condition_holds_for_some_requests_and_not_for_others(
    tmp_path: Path, when: str, is_for: dict[str, Any], is_not_for: dict[str, Any]
) -> None:
    assert holds(tmp_path, when, None, **is_for)
    assert not holds(tmp_path, when, None, **is_not_for)


@pytest.mark.parametrize(
    ("when", "classification", "expected"),
    [
        ("{intent: chat}", CHAT, True),
        ("{intent: [math, refund]}", CHAT, False),
        ("{intent: refund}", replace(CHAT, example=Example("refund", 0.9)), True),
        ("{intent: chat}", replace(CHAT, example=Example("refund", 0.9)), False),
        ("{difficulty: {min: 0.4}}", CHAT, True),
        ("{difficulty: {max: 0.3}}", CHAT, False),
        ("{difficulty: {max: 1}}", replace(CHAT, difficulty=None), False),
        ("{confidence: {max: 0.6}}", CHAT, True),
        ("{confidence: {min: 0.61, max: 1}}", CHAT, False),
        ("{intent: chat, stream: true}", CHAT, False),
    ],
)
def test_a_condition_on_the_prompt_looks_at_its_classification(
    tmp_path: Path, when: str, classification: Classification, expected: bool
) -> None:
    assert holds(tmp_path, when, classification) is expected


@pytest.mark.parametrize(
    ("when", "hours", "called"),
    [
        # by the hours of that Monday, UTC, in which it holds
        ("{from: 18:00, to: 06:00}", [*range(6), *range(18, 24)], "18:00-06:00 UTC"),
        ("{from: 9:00, to: '17:00'}", [*range(9, 17)], "09:00-17:00 UTC"),
        ("{from: 18:00}", [*range(18, 24)], "18:00-24:00 UTC"),
        ("{from: 18:00, to: 24:00}", [*range(18, 24)], "18:00-24:00 UTC"),
        ("{to: 06:00}", [*range(6)], "00:00-06:00 UTC"),
        ("{days: mon}", [*range(24)], "mon 00:00-24:00 UTC"),
        ("{days: [sun], from: 22:00, to: 02:00}", [0, 1], "sun 22:00-02:00 UTC"),
        ("{days: [mon], from: 22:00, to: 02:00}", [22, 23], "mon 22:00-02:00 UTC"),
        ("{days: [wed, tue], zone: Asia/Tokyo}", [*range(15, 24)], "tue,wed 00:00-24:00 Asia/Tokyo"),
        ("{from: 09:00, to: 17:00, zone: Europe/Berlin}", [*range(8, 16)], "09:00-17:00 Europe/Berlin"),
    ],
)
def test_a_time_window_is_one_of_the_clock_of_its_zone(
    tmp_path: Path, when: str, hours: list[int], called: str
) -> None:
    day = PLAIN.received

    (name,) = windows_of(tmp_path, f"{{not: {{all: [{{time: {when}}}]}}}}")
    assert name == called
    assert [
        hour for hour in range(24) if holds(tmp_path, f"{{time: {when}}}", received=day.replace(hour=hour))
    ] == hours
