"""Bodies of every size and kind get a defined answer, and never an error of our own making."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import SIMPLE

MEGABYTE = 1024 * 1024


def chat(text: str) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()


def test_five_megabytes_are_decided_and_arrive_whole(any_gateway: Gateway) -> None:
    any_gateway.providers.clear_requests()
    body = chat("word " * MEGABYTE)
    answer = any_gateway.post(body)
    assert answer.status_code == 200, answer.text
    (received,) = any_gateway.providers.requests()
    assert received["body_bytes"] == len(body) - len("auto") + len(received["model"])


def test_five_megabytes_survive_a_failover() -> None:
    with Gateway() as gateway:
        gateway.providers.set_fault("503", provider="google")
        padded = json.dumps(
            {"model": "auto", "user": "x" * 5 * MEGABYTE, "messages": [{"role": "user", "content": SIMPLE}]}
        )
        answer = gateway.post(padded.encode())
        assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gpt-4o-mini")
        assert len({received["body_bytes"] for received in gateway.providers.requests()}) == 2  # two model ids


def test_beyond_16_mebibytes_the_client_is_told(any_gateway: Gateway) -> None:
    answer = any_gateway.post(chat("x" * 17 * MEGABYTE))
    assert answer.status_code == 413
    assert "16 MiB" in answer.json()["error"]["message"]


def test_a_chunked_body_is_decided(any_gateway: Gateway) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (chat(SIMPLE)[:10], chat(SIMPLE)[10:])

    answer = httpx.post(any_gateway.url + "/v1/chat/completions", content=chunks(), timeout=30)
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gemini-flash")


BROKEN = {
    "not JSON": (b"not json", "JSON"),
    "empty": (b"", "JSON"),
    "a list": (b"[]", "object"),
    "no messages": (b'{"model":"auto"}', "messages"),
    "empty messages": (b'{"model":"auto","messages":[]}', "messages"),
    "wrong type": (b'{"model":"auto","messages":[{"role":"user","content":7}]}', "messages[0].content"),
    "cut off": (b'{"model":"auto","messages":[{"role":"us', "JSON"),
    "deep": (b'{"model":"auto","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_broken_body_is_a_400_that_says_what_is_wrong(any_gateway: Gateway, path: str, name: str) -> None:
    body, said = BROKEN[name]
    answer = any_gateway.post(body, path)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert answer.headers["x-llm-reason"] == "invalid_request"


def test_half_an_emoji_is_no_reason_to_refuse(any_gateway: Gateway) -> None:
    any_gateway.providers.clear_requests()
    body = b'{"model":"auto","messages":[{"role":"user","content":"hi there, thanks a lot! \\ud83d"}]}'
    answer = any_gateway.post(body)
    assert (answer.headers["x-llm-reason"], answer.headers["x-llm-model"]) == ("difficulty", "gemini-flash")
    (received,) = any_gateway.providers.requests()
    assert received["body_bytes"] == len(body) - len("auto") + len("gemini-2.0-flash")


def test_a_compressed_body_is_refused_with_its_reason(any_gateway: Gateway) -> None:
    answer = any_gateway.post(chat(SIMPLE), headers={"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert "uncompressed" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/embeddings", 200),
        ("POST", "/v1/messages/count_tokens", 200),
    ],
)
def test_other_paths_pass_through_untouched(any_gateway: Gateway, method: str, path: str, status: int) -> None:
    any_gateway.providers.clear_requests()
    model = "claude-sonnet-4-0" if "messages" in path else "text-embedding-3-small"
    body = json.dumps({"model": model, "input": "x", "messages": [{"role": "user", "content": "x"}]}).encode()
    content = body if method == "POST" else b""
    answer = httpx.request(
        method, any_gateway.url + path, content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert "x-llm-model" not in answer.headers
    (received,) = any_gateway.providers.requests()
    assert received["body_bytes"] == len(content)
    assert received["path"] == path


def test_a_path_outside_the_api_is_a_404_of_envoy(any_gateway: Gateway) -> None:
    answer = httpx.get(any_gateway.url + "/admin")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
