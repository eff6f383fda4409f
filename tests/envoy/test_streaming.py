"""Streams pass as they come, and are never cut."""

import time

import httpx

from tests.envoy.gateway import NO_EJECTION, Gateway
from tests.envoy.prompts import SIMPLE

BODY = {"model": "auto", "stream": True, "max_tokens": 100, "messages": [{"role": "user", "content": SIMPLE}]}


def event_times(gateway: Gateway, path: str) -> list[float]:
    """Seconds from the request to each chunk of the answer."""
    started = time.monotonic()
    with httpx.stream("POST", gateway.url + path, json=BODY, timeout=60) as answer:
        return [time.monotonic() - started for _ in answer.iter_raw()]


def test_the_first_event_arrives_long_before_the_last(any_gateway: Gateway) -> None:
    for path in ("/v1/chat/completions", "/v1/messages"):
        any_gateway.providers.set_fault("slow_sse", provider="google", delay_ms=75)
        any_gateway.providers.set_fault("slow_sse", provider="anthropic", delay_ms=75)
        times = event_times(any_gateway, path)
        any_gateway.providers.clear_faults()
        assert len(times) > 3
        assert times[0] < times[-1] / 2


def test_a_stream_outlives_the_time_allowed_for_its_first_byte() -> None:
    with Gateway(values=NO_EJECTION | {"per_try_timeout": "0.5s"}) as gateway:
        gateway.providers.set_fault("slow_sse", provider="google", delay_ms=75)
        with httpx.stream("POST", gateway.url + "/v1/chat/completions", json=BODY, timeout=60) as answer:
            text = "".join(answer.iter_text())
        assert answer.headers["x-llm-model"] == "gemini-flash"
        assert text.rstrip().endswith("data: [DONE]")
        assert answer.elapsed.total_seconds() > 0.5
