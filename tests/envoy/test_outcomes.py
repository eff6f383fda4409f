"""What came of each request is told: who answered, what was tried before, how long it took and how many tokens."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sidecar.envoyconfig.shipped import shipped_file
from tests.envoy.gateway import NO_EJECTION, Gateway
from tests.envoy.prompts import SIMPLE

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"

MESSAGE = [{"role": "user", "content": SIMPLE}]
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "auto", "messages": MESSAGE, "stream_options": {"include_usage": True}},
    RESPONSES: {"model": "auto", "input": SIMPLE},
    MESSAGES: {"model": "auto", "messages": MESSAGE, "max_tokens": 100},
}
FAILED_FIRST = "gemini-flash"
THEN = "gpt-4o-mini"


@pytest.fixture
def clean(gateway: Gateway) -> Iterator[Gateway]:
    yield gateway
    gateway.providers.clear_faults()


def decision_id_of(answer: httpx.Response) -> str:
    return answer.headers["x-llm-decision-id"]


def record_of(gateway: Gateway, answer: httpx.Response) -> dict[str, Any]:
    return gateway.find_record(decision_id_of(answer))


def reported(answer: httpx.Response) -> tuple[int, int]:
    """Input and output tokens, as the provider told the client."""
    tokens = usage_of(answer)
    return tokens["input_tokens"], tokens["output_tokens"]


def usage_of(answer: httpx.Response) -> dict[str, Any]:
    """All that the provider told the client, in the words of Responses and Messages."""
    if answer.headers["content-type"].startswith("application/json"):
        objects = [answer.json()]
    else:
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
        objects = [json.loads(line) for line in lines]
    usages = [
        part["usage"]
        for each in objects
        for part in (each, *map(each.get, ("message", "response")))
        if has_usage(part)
    ]
    return {
        key.replace("prompt", "input").replace("completion", "output"): n for it in usages for key, n in it.items()
    }


def has_usage(part: Any) -> bool:
    return isinstance(part, dict) and bool(part.get("usage"))


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("path", BODIES)
def test_the_tokens_are_those_that_the_provider_reported(gateway: Gateway, path: str, stream: bool) -> None:
    answer = gateway.post(BODIES[path] | {"stream": stream}, path)
    assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    record = record_of(gateway, answer)
    assert (record["input_tokens"], record["output_tokens"]) == reported(answer)
    assert record["estimated"] is False
    assert (record["result"], record["status"], record["stream"]) == ("success", 200, stream)
    assert record["model"] == answer.headers["x-llm-model"] == record["plan"][0]
    assert [attempt["model"] for attempt in record["attempts"]] == [record["model"]]
    assert record["cost"] > 0
    assert record["saving"] == pytest.approx(record["baseline_cost"] - record["cost"])
    assert 0 < record["first_byte_seconds"] <= record["seconds"]
    assert len(record["trace_id"]) == 32


# Per million tokens; not those that anybody asks for.
PRICES = {
    "gpt-4o": {"input": 2.0, "cached_input": 0.5, "output": 10.0},
    "claude-sonnet": {"input": 3.0, "cached_input": 0.25, "cache_write": 4.0, "output": 15.0},
}
LONG = "Every word of this is in the handbook of the support desk. " * 100


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With prices for what providers have in their caches."""
    written = yaml.safe_load(shipped_file("examples", "router.yaml").read_text())
    for model, price in PRICES.items():
        written["models"][model]["price"] = price
    policy = tmp_path_factory.mktemp("policy") / "router.yaml"
    policy.write_text(yaml.safe_dump({key: value for key, value in written.items() if key != "tests"}))
    with Gateway(policy=policy) as gateway:
        yield gateway


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_what_the_provider_had_in_its_cache_has_its_own_price(priced: Gateway, path: str, stream: bool) -> None:
    handbook = f"{path} {stream} {LONG}"
    asked = {"input": handbook} if path == RESPONSES else {"messages": [{"role": "user", "content": handbook}]}
    body = BODIES[path] | asked | {"model": "gpt-4o", "stream": stream}

    answers = [priced.post(body, path) for _ in range(2)]

    fresh, cached = (record_of(priced, answer) for answer in answers)
    told = usage_of(answers[1])["input_tokens_details"]["cached_tokens"]
    assert (fresh["cached_tokens"], cached["cached_tokens"]) == (0, told)
    assert 1_024 <= told < cached["input_tokens"] == fresh["input_tokens"]
    price = PRICES["gpt-4o"]
    saved = told * (price["input"] - price["cached_input"]) / 1e6
    assert fresh["cost"] == cost_of(price, fresh)
    assert cached["cost"] == cost_of(price, cached) == pytest.approx(fresh["cost"] - saved)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
def test_what_anthropic_puts_into_its_cache_has_its_own_price(priced: Gateway, stream: bool) -> None:
    def ask(*turns: str) -> dict[str, Any]:
        marked = [{"type": "text", "text": turn, "cache_control": {"type": "ephemeral"}} for turn in turns]
        message = [
            {"role": "user", "content": [*marked, {"type": "text", "text": "And what does it say of refunds?"}]}
        ]
        body = BODIES[MESSAGES] | {"model": "claude-sonnet", "messages": message, "stream": stream}
        answer = priced.post(body, MESSAGES)
        record, told = record_of(priced, answer), usage_of(answer)
        parts = told["cache_read_input_tokens"], told["cache_creation_input_tokens"]
        assert (record["cached_tokens"], record["cache_write_tokens"]) == parts
        assert record["input_tokens"] == told["input_tokens"] + sum(parts)
        assert record["cost"] == cost_of(PRICES["claude-sonnet"], record) == record["baseline_cost"]
        return record

    handbook = f"{stream} {LONG}"
    first, then = ask(handbook), ask(handbook, "Its appendix, which nobody has sent before.")

    assert (first["cached_tokens"], first["cache_write_tokens"]) == (0, then["cached_tokens"])
    assert then["cached_tokens"] > 1_024 > then["cache_write_tokens"] > 0


def cost_of(price: dict[str, float], record: dict[str, Any]) -> float:
    """USD, worked out from the record's own tokens."""
    read, written = record["cached_tokens"], record["cache_write_tokens"]
    parts = (
        (record["input_tokens"] - read - written, "input"),
        (read, "cached_input"),
        (written, "cache_write"),
        (record["output_tokens"], "output"),
    )
    whole: float = sum(tokens * price.get(kind, price["input"]) for tokens, kind in parts)
    return round(whole / 1e6, 8)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_reasoning_is_told_and_part_of_the_output(gateway: Gateway, path: str, stream: bool) -> None:
    answer = gateway.post(BODIES[path] | {"model": "o3-mini", "stream": stream}, path)
    record = record_of(gateway, answer)
    assert record["reasoning_tokens"] == usage_of(answer)["output_tokens_details"]["reasoning_tokens"] > 0
    assert record["output_tokens"] > record["reasoning_tokens"]


def test_a_stream_whose_provider_reports_nothing_is_estimated(gateway: Gateway) -> None:
    answer = gateway.post({"model": "auto", "messages": MESSAGE, "stream": True})
    record = record_of(gateway, answer)
    assert (record["result"], record["estimated"]) == ("success", True)
    assert record["input_tokens"] > 0
    assert record["output_tokens"] > 0


def test_an_attempt_that_failed_is_told_beside_the_one_that_answered(clean: Gateway) -> None:
    clean.providers.set_fault("503", provider="google")
    record = record_of(clean, clean.ask(SIMPLE))
    assert (record["result"], record["status"], record["model"], record["attempt_count"]) == ("success", 200, THEN, 2)
    assert [(it["model"], it["status"]) for it in record["attempts"]] == [(FAILED_FIRST, 503), (THEN, 200)]
    assert record["attempts"][0]["input_tokens"] is None
    assert record["attempts"][1]["output_tokens"] == record["output_tokens"]


def test_an_attempt_that_took_too_long_is_told() -> None:
    with Gateway(values=NO_EJECTION | {"per_try_timeout": "1s"}) as gateway:
        gateway.providers.set_fault("hang", provider="google")
        record = record_of(gateway, gateway.ask(SIMPLE))
    assert (record["result"], record["model"], record["attempt_count"]) == ("success", THEN, 2)
    discarded, answered = record["attempts"]
    assert (discarded["model"], answered["model"], answered["status"]) == (FAILED_FIRST, THEN, 200)
    assert discarded["error"] is not None
    assert record["seconds"] >= discarded["seconds"] >= 0.9


def test_an_answer_that_breaks_off_is_a_failure(clean: Gateway) -> None:
    clean.providers.set_fault("truncate", provider="google")
    url, body = clean.url + CHAT, BODIES[CHAT] | {"stream": True}
    with httpx.stream("POST", url, json=body, timeout=30) as answer:
        decision_id = decision_id_of(answer)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    record = clean.find_record(decision_id)
    assert (record["result"], record["status"], record["estimated"]) == ("failed", 200, True)
    assert record["flags"] != []


def test_a_client_that_leaves_amid_a_stream_is_told_apart(clean: Gateway) -> None:
    clean.providers.set_fault("slow_sse", provider="google", delay_ms=60_000)
    url, body = clean.url + CHAT, BODIES[CHAT] | {"stream": True}
    with httpx.stream("POST", url, json=body, timeout=30) as answer:
        decision_id = decision_id_of(answer)
        next(answer.iter_raw())
    record = clean.find_record(decision_id)
    assert (record["result"], record["status"], record["estimated"]) == ("cancelled", 200, True)
    assert record["model"] == FAILED_FIRST


def test_with_all_providers_down_every_attempt_is_told(clean: Gateway) -> None:
    for provider in ("google", "openai"):
        clean.providers.set_fault("503", provider=provider)
    answer = clean.ask(SIMPLE)
    record = record_of(clean, answer)
    assert (answer.status_code, record["status"], record["result"]) == (503, 503, "failed")
    assert [attempt["status"] for attempt in record["attempts"]] == [503] * record["attempt_count"]
    assert record["attempt_count"] == len(record["plan"])
    assert record["cost"] is None


def test_a_rejected_request_has_no_model(gateway: Gateway) -> None:
    record = record_of(gateway, gateway.ask(model="gpt-9"))
    assert (record["result"], record["reason"], record["status"]) == ("rejected", "unknown_model", 404)
    assert (record["model"], record["attempts"], record["cost"], record["bypassed"]) == (None, [], None, False)


def test_a_request_that_names_its_model_is_told_like_any_other(gateway: Gateway) -> None:
    answer = gateway.ask(model="gpt-4o")
    record = record_of(gateway, answer)
    assert (record["reason"], record["model"], record["virtual_model"]) == ("pinned", "gpt-4o", None)
    assert (record["input_tokens"], record["output_tokens"]) == reported(answer)


def test_the_router_has_no_part_in_what_is_no_chat(gateway: Gateway) -> None:
    assert gateway.get("/v1/models").status_code == 200
    assert gateway.post({"model": "text-embedding-3-small", "input": SIMPLE}, "/v1/embeddings").status_code == 200
    record_of(gateway, gateway.ask())  # Envoy writes its log in order
    assert not any(record["bypassed"] for record in records(gateway))


def records(gateway: Gateway) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (gateway.folder / "records.jsonl").read_text().splitlines()]


def test_no_provider_learns_of_it(gateway: Gateway) -> None:
    gateway.providers.clear_requests()
    gateway.post(BODIES[CHAT], headers={"accept-encoding": "gzip"})
    (received,) = gateway.providers.requests()
    names = {name.lower() for name in received["headers"]}
    assert not names & {"accept-encoding", "x-request-id", "traceparent"}
    assert not [name for name in names if name.startswith(("x-llm-", "x-envoy-"))]


def test_a_request_that_passed_the_router_by_is_told_with_model_and_tokens() -> None:
    with Gateway() as gateway:
        gateway.kill_workers()
        answer = gateway.ask()
        assert "x-llm-decision-id" not in answer.headers
        record = gateway.wait_for_record(lambda record: record["bypassed"])
    assert (record["decision_id"], record["reason"], record["plan"]) == (None, None, [])
    assert (record["result"], record["model"]) == ("success", "gpt-4o")
    assert (record["input_tokens"], record["output_tokens"], record["estimated"]) == (*reported(answer), False)
    assert [(it["model"], it["status"]) for it in record["attempts"]] == [("gpt-4o", 200)]
    assert record["cost"] == record["baseline_cost"] > 0


def test_killed_and_back_the_collector_is_told_again() -> None:
    with Gateway() as gateway:
        gateway.kill_collector()
        assert "x-llm-reason" in gateway.ask().headers
        gateway.wait_for_collector()
        record = record_of(gateway, gateway.ask())
    assert record["result"] == "success"


def test_no_request_waits_for_a_collector_that_hangs() -> None:
    with Gateway() as gateway:
        collector = gateway.collector_pid
        os.kill(collector, signal.SIGSTOP)
        answers = [gateway.ask() for _ in range(100)]
        os.kill(collector, signal.SIGCONT)
        told = [record_of(gateway, answer) for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    assert {record["result"] for record in told} == {"success"}


def test_without_token_usage_of_the_older_envoy_outcomes_are_estimated() -> None:
    (binary,) = Path(sys.prefix, "envoy-1.38", "envoy", "_bin").glob("envoy*")
    with Gateway("envoy-basic.yaml", envoy=binary) as gateway:
        gateway.providers.set_fault("503", provider="google", count=1)
        record = record_of(gateway, gateway.ask(SIMPLE))
    assert (record["result"], record["model"], record["estimated"]) == ("success", FAILED_FIRST, True)
    assert [(it["model"], it["status"]) for it in record["attempts"]] == [(FAILED_FIRST, 503), (FAILED_FIRST, 200)]
