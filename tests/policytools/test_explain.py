"""`sidecar explain`: one request, decided as it would be served, with the grounds of it."""

import asyncio
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.config.compile import load_config
from sidecar.policytools import commands
from sidecar.policytools.calls import Call, decide_call
from sidecar.policytools.commands import ExplainOptions
from sidecar.policytools.explain.explanation import Explanation, explain
from sidecar.policytools.explain.render import render
from sidecar.policytools.explain.request import Sender, read_call
from sidecar.policytools.screen import Paint, Screen
from sidecar.routing.api import Endpoint
from sidecar.routing.classification import Classification, ClassifierFailedError, ClassifierUnavailableError
from sidecar.routing.router import Routers
from sidecar.streams.lines import InputError
from tests.fakes.classifiers import classification
from tests.fakes.policy_files import NOON, router_of, write_policy
from tests.fakes.serving import EXAMPLES

REQUIRE_EU = "requirements: [{name: stays, when: {personal_data: any}, require: {regions: eu}}]"


def explained(
    policy: Path,
    request: object,
    *answers: Classification | ClassifierUnavailableError,
    path: str = "/v1/chat/completions",
    headers: dict[str, str] | None = None,
    received: datetime = NOON,
) -> Explanation:
    """A prompt, or a body."""
    config = load_config(policy)
    sender = Sender(None, path, headers or {}, received)
    source = request if isinstance(request, str) else "-"
    call = read_call(source, config.policy, sender, lambda: json.dumps(request).encode())
    shadows = tuple(router_of(load_config(file), *answers) for file in config.shadow)
    return asyncio.run(explain(config, Routers(router_of(config, *answers), shadows), call))


def verdicts(explanation: Explanation) -> dict[str, int | str]:
    """The place in the plan, or why there is none."""
    return {view.model.name: view.place or view.why for view in explanation.models}


def test_each_model_is_in_the_plan_or_it_is_said_why_not(tmp_path: Path) -> None:
    policy = write_policy(tmp_path, REQUIRE_EU)

    explanation = explained(policy, "Write to anna@example.org.", classification(difficulty=0.2))

    assert verdicts(explanation) == {"medium": 1, "large": 2, "small": "runs in us, allowed: eu"}
    assert explanation.record.requirements == ["stays"]


@pytest.mark.parametrize(
    ("more", "request_", "expected"),
    [
        ("", {"model": "auto"}, {"small": 1, "medium": 2, "large": 3}),
        (
            "rules: [{name: two, models: [large, small]}]",
            {"model": "auto"},
            {"large": 1, "small": 2, "medium": "is none of the models that the rule names"},
        ),
        (
            "rules: [{name: away, split: {by: user, arms: {a: {share: 1, models: large}, b: {share: 0}}}}]",
            {"model": "auto"},
            {
                "large": 1,
                "small": "is none of the models that the rule names",
                "medium": "is none of the models that the rule names",
            },
        ),
        (
            "rules: [{name: never, reject: {status: 403, message: never}}]",
            {"model": "auto"},
            dict.fromkeys(("small", "medium", "large"), "rule never rejects the request"),
        ),
        ("", {"model": "medium"}, {"medium": 1, "large": 2, "small": 3}),
        ("", {"model": "huge"}, dict.fromkeys(("small", "medium", "large"), "is not what was asked for")),
        (
            "requirements: [{name: stays, require: {regions: eu}}]",
            {"model": "small"},
            {
                "small": "runs in us, allowed: eu",
                "medium": "is not what was asked for",
                "large": "is not what was asked for",
            },
        ),
        (
            "rules: [{name: near, require: {providers: acme}}]",
            {"model": "auto"},
            {"small": 1, "medium": "is euro's, allowed: acme", "large": "is euro's, allowed: acme"},
        ),
        (
            "",
            {"model": "auto", "max_tokens": 200_000},
            dict.fromkeys(("small", "medium", "large"), "holds 100000 tokens"),
        ),
    ],
)
def test_the_reason_is_the_one_that_counted(
    tmp_path: Path, more: str, request_: dict[str, Any], expected: dict[str, int | str]
) -> None:
    body = {**request_, "messages": [{"role": "user", "content": "What is an oak?"}]}

    assert verdicts(explained(write_policy(tmp_path, more), body, classification())) == expected


def test_a_model_of_another_api_cannot_be_asked() -> None:
    explanation = explained(EXAMPLES / "router.yaml", "hi", classification(), path="/v1/messages")

    places = verdicts(explanation)
    assert (places["claude-haiku"], places["claude-sonnet"]) == (1, 2)
    assert places["gpt-4o"] == "cannot be asked at /v1/messages"


def test_a_model_that_stays_although_it_hardly_should_has_its_doubt(tmp_path: Path) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "word " * 100_000}]}

    explanation = explained(write_policy(tmp_path), body, classification())

    assert {(view.place, view.why) for view in explanation.models} == {(n, "holds 100000 tokens") for n in (1, 2, 3)}


def test_costs_are_compared_with_the_fallback_s(tmp_path: Path) -> None:
    explanation = explained(write_policy(tmp_path), "What is an oak?", classification())

    assert {view.model.name: view.of_fallback for view in explanation.models} == {
        "small": pytest.approx(0.2),
        "medium": pytest.approx(0.4),
        "large": 1,
    }
    costs = explanation.as_json()["costs"]
    assert costs["fallback"] == "large" and list(costs["plan"]) == ["small", "medium", "large"]
    planned = {each.model: each.cost for each in explanation.record.plan}
    assert planned == costs["plan"]


@pytest.mark.parametrize("prompt", ["hi there", "Write to anna@example.org.", "no JSON"])
def test_the_record_is_byte_for_byte_what_serving_makes(tmp_path: Path, prompt: str) -> None:
    policy = write_policy(tmp_path, REQUIRE_EU)
    explanation = explained(policy, prompt, classification(difficulty=0.7))

    served = asyncio.run(
        decide_call(router_of(load_config(policy), classification(difficulty=0.7)), explanation.call)
    )

    assert explanation.answer.record == served.record
    encoded = msgspec.json.encode(explanation.as_json())
    assert msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])["record"] == msgspec.Raw(served.record)


def test_a_rejection_is_what_the_client_gets(tmp_path: Path) -> None:
    policy = write_policy(tmp_path, "rules: [{name: never, reject: {status: 403, message: Not today.}}]")

    explanation = explained(policy, "hi")

    error = {"message": "Not today.", "type": "invalid_request_error", "param": None, "code": None}
    assert explanation.as_json()["answer"] == {"status": 403, "body": {"error": error}}
    page = render(explanation, Screen())
    assert "→ 403  reason rejected_by_rule" in page and '"message": "Not today."' in page


def test_a_body_that_cannot_be_read_is_a_rejection_too(tmp_path: Path) -> None:
    explanation = explained(write_policy(tmp_path), {"messages": "hi"})

    assert (explanation.record.status, explanation.models, explanation.record.signals) == (400, (), None)
    page = render(explanation, Screen())
    assert "model: missing" in page and "the body cannot be read" in page


def test_shadow_policies_are_decided_beside_it(tmp_path: Path) -> None:
    for name, more in (("same.yaml", ""), ("other.yaml", "rules: [{name: all, tier: complex}]")):
        write_policy(tmp_path, more, name)
    policy = write_policy(tmp_path, "shadow: [same.yaml, other.yaml]")

    explanation = explained(policy, "hi there", classification())

    same, other = render(explanation, Screen()).splitlines()[-2:]
    assert "same.yaml" in same and "same plan" in same
    assert "other.yaml" in other and "large" in other and "differs" in other
    shadows = explanation.as_json()["shadows"]
    assert [json.loads(bytes(shadow["record"]))["model"] for shadow in shadows] == ["small", "large"]


@pytest.mark.parametrize(
    ("more", "prompt", "answers", "told"),
    [
        (
            "",
            "hi",
            [classification()],
            ["rule        the policy has none", "fake-1, read 1 turn", "tier        simple"],
        ),
        ("rules: [{name: r, tier: complex}]", "hi", [], ["r (1 of 1)", "skipped: the rule settles it"]),
        ("rules: [{name: r, when: {tools: true}, tier: complex}]", "hi", [classification()], ["none of 1 matches"]),
        (
            "",
            "hi",
            [ClassifierFailedError("out of order")],
            ["gave no answer: out of order", "complex (classifier_failed)"],
        ),
        (
            "intents: {chat: {min_tier: moderate}}",
            "hi",
            [Classification("chat", 0.2, 0.01, True, likeliest=(("chat", 0.2), ("math", 0.1)))],
            [
                "cut to its beginning and end",
                "chat 0.20, math 0.10",
                "0.010",
                "simple (difficulty) → moderate (intent) → complex (low_confidence)",
            ],
        ),
        ("", "Mail anna@example.org", [classification()], ["personal data  email 1", "in, no limit for the answer"]),
        (
            """rules:
              - {name: r, when: {time: {from: "08:00", to: "12:00"}}, tier: complex}
              - {name: s, when: {not: {time: {days: mon, zone: Europe/Berlin}}}, tier: complex}""",
            "hi",
            [classification()],
            ["not in 08:00-12:00 UTC, in mon 00:00-24:00 Europe/Berlin"],
        ),
    ],
)
def test_the_page_says_why(tmp_path: Path, more: str, prompt: str, answers: list[Any], told: list[str]) -> None:
    page = render(explained(write_policy(tmp_path, more), prompt, *answers), Screen())

    assert [part for part in told if part not in page] == []


def test_the_page_fits_the_terminal_and_has_colour_only_there(tmp_path: Path) -> None:
    explanation = explained(write_policy(tmp_path, REQUIRE_EU), "Mail anna@example.org", classification())

    plain = render(explanation, Screen())
    narrow = render(explanation, Screen(width=68))
    coloured = render(explanation, Screen(paint=Paint(has_colour=True)))

    assert "runs in us, allowed: eu" in plain and "\033" not in plain
    models = narrow.partition("models")[2].splitlines()[1:]
    assert models and max(map(len, models)) <= 68 and "…" in narrow
    assert "\033[" in coloured


def test_what_a_client_sent_does_not_write_to_the_terminal(tmp_path: Path) -> None:
    policy = write_policy(tmp_path, "signals: {headers: {plan: x-plan}}")

    page = render(explained(policy, "hi", classification(), headers={"x-plan": "\033[2Jfree\nfake"}), Screen())

    assert "\033" not in page and "plan  [2Jfree fake" in page


CALLS = [
    (
        "What is an oak?",
        "/v1/chat/completions",
        {"model": "auto", "messages": [{"role": "user", "content": "What is an oak?"}]},
    ),
    (
        "What is an oak?",
        "/v1/messages",
        {"model": "auto", "messages": [{"role": "user", "content": "What is an oak?"}]},
    ),
    ("What is an oak?", "/v1/completions", {"model": "auto", "prompt": "What is an oak?"}),
    ("What is an oak?", "/v1/responses", {"model": "auto", "input": "What is an oak?"}),
    ("no-such-file.txt", "/v1/completions", {"model": "auto", "prompt": "no-such-file.txt"}),
    ("x" * 5000, "/v1/completions", {"model": "auto", "prompt": "x" * 5000}),
    ("null\0character", "/v1/completions", {"model": "auto", "prompt": "null\0character"}),
]


@pytest.mark.parametrize(("prompt", "path", "body"), CALLS)
def test_a_prompt_is_sent_as_a_client_would(tmp_path: Path, prompt: str, path: str, body: dict[str, Any]) -> None:
    policy = load_config(write_policy(tmp_path)).policy

    call = read_call(prompt, policy, Sender(None, path, {"x-plan": "free"}, NOON), bytes)

    assert json.loads(call.body) == body
    assert (f"/v1/{call.endpoint}", call.head.path, call.head.headers, call.head.received) == (
        path,
        path,
        {"x-plan": "free"},
        NOON,
    )


BODY = b'{"model":  "auto", "messages": [{"role": "user", "content": "hi"}]}'


@pytest.mark.parametrize(
    ("written", "model", "path", "call"),
    [
        (BODY, None, None, (Endpoint.CHAT_COMPLETIONS, BODY, {"x-plan": "free"})),
        (BODY, "small", None, (Endpoint.CHAT_COMPLETIONS, BODY.replace(b"auto", b"small"), {"x-plan": "free"})),
        (BODY, None, "/v1/messages", (Endpoint.MESSAGES, BODY, {"x-plan": "free"})),
        (
            b'{"path": "/v1/messages?beta=1", "headers": {"X-Role": "a", "X-Plan": "b"}, "body": %s}' % BODY,
            None,
            None,
            (Endpoint.MESSAGES, BODY, {"x-role": "a", "x-plan": "free"}),
        ),
        (
            b'{"body": "cut \\ud83d"}',
            None,
            None,
            (Endpoint.CHAT_COMPLETIONS, "cut \ufffd".encode(), {"x-plan": "free"}),
        ),
        (b'{"body": "no \\"JSON\\""}', "small", None, (Endpoint.CHAT_COMPLETIONS, b'no "JSON"', {"x-plan": "free"})),
    ],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_a_request_is_sent_as_it_is_written(
    tmp_path: Path,
    written: bytes,
    model: str | None,
    path: str | None,
    call: tuple[Endpoint, bytes, dict[str, str]],
    is_file: bool,
) -> None:
    policy = load_config(write_policy(tmp_path)).policy
    file = tmp_path / "request.json"
    file.write_bytes(written)

    read: Call = read_call(
        str(file) if is_file else "-", policy, Sender(model, path, {"x-plan": "free"}, NOON), lambda: written
    )

    assert (read.endpoint, read.body, read.head.headers) == call


def test_standard_input_may_be_a_prompt(tmp_path: Path) -> None:
    policy = load_config(write_policy(tmp_path)).policy

    call = read_call("-", policy, Sender(None, "/v1/completions", {}, NOON), "Was ist ein Öl?\n".encode)

    assert json.loads(call.body)["prompt"] == "Was ist ein Öl?"


@pytest.mark.parametrize(
    ("source", "written", "path", "told"),
    [
        ("missing.json", b"", None, "missing.json: no such file"),
        ("-", b'{"body": 3, "headers": 4}', None, "standard input: expected a request body as JSON"),
        ("-", b'{"model": "auto"', None, "standard input: expected a request body as JSON"),
        ("-", b'{"body": {}, "method": "get"}', None, "GET /v1/chat/completions goes past the router"),
        ("hi", b"", "/v1/embeddings", "POST /v1/embeddings goes past the router; it decides POST to /v1/chat/comp"),
    ],
)
def test_what_cannot_be_explained_is_named(
    tmp_path: Path, source: str, written: bytes, path: str | None, told: str
) -> None:
    policy = load_config(write_policy(tmp_path)).policy

    with pytest.raises(InputError) as error:
        read_call(source, policy, Sender(None, path, {}, NOON), lambda: written)

    assert str(error.value).startswith(told)


def test_the_command_explains_with_the_shipped_classifier(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    options = ExplainOptions(EXAMPLES / "router.yaml", "Prove that there are infinitely many primes.", as_json=True)

    assert commands.run_explain(options) == 0

    told = json.loads(capsysbinary.readouterr().out)
    assert told["record"]["model"] == told["models"][0]["model"] == "o3-mini"
    assert len(told["record"]["readings"][0]["likeliest"]) == 3


def test_the_command_reads_standard_input_and_prints_a_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"hi there, thanks a lot!")))

    assert commands.run_explain(ExplainOptions(EXAMPLES / "router.yaml", "-")) == 0

    assert capsys.readouterr().out.startswith("auto at /v1/chat/completions → gemini-flash  tier simple")
