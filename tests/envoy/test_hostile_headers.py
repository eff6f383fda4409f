"""Headers that are malformed, many or large hurt nobody but their sender, and never as an error of ours."""

import socket
import threading

import httpx
import pytest

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import SIMPLE

BODY = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": SIMPLE}]}


def raw_request(gateway: Gateway, host: str) -> bytes:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(f"GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        return connection.recv(4096)


@pytest.mark.parametrize("host", ["", "a@b", "x y"])
def test_a_malformed_host_ends_no_other_clients_request(any_gateway: Gateway, host: str) -> None:
    any_gateway.providers.set_fault("slow_sse", provider="google", delay_ms=50)
    any_gateway.providers.set_fault("slow_sse", provider="openai", delay_ms=50)
    answers: list[httpx.Response] = []
    streams = [threading.Thread(target=lambda: answers.append(any_gateway.post(BODY))) for _ in range(4)]
    for stream in streams:
        stream.start()
    statuses = {raw_request(any_gateway, host).split()[1] for _ in range(3)}
    for stream in streams:
        stream.join()
    any_gateway.providers.clear_faults()
    assert [(answer.status_code, answer.text.count("[DONE]")) for answer in answers] == [(200, 1)] * 4
    assert statuses <= {b"200", b"400"}


@pytest.mark.parametrize("count", [80, 95, 120, 175, 190, 199, 300])
def test_many_headers_are_taken_or_refused_as_too_many(any_gateway: Gateway, count: int) -> None:
    headers = {f"x-header-{index}": "1" for index in range(count)}
    answer = any_gateway.post(BODY, headers=headers)
    assert answer.status_code == (200 if count < 170 else 431)
    passed_on = httpx.get(any_gateway.url + "/v1/models", headers=headers)
    assert passed_on.status_code < 500


@pytest.mark.parametrize("kilobytes", [20, 50, 57, 59, 61, 100])
def test_large_headers_are_taken_or_refused_as_too_large(any_gateway: Gateway, kilobytes: int) -> None:
    """What gets past us is refused by the stand-in provider, which takes 8 kB a header."""
    answer = any_gateway.post(BODY, headers={"x-large": "x" * (kilobytes * 1024)})
    assert answer.status_code == (400 if kilobytes <= 50 else 431)
    assert answer.headers.get("x-llm-model") == ("gemini-flash" if kilobytes <= 50 else None)
