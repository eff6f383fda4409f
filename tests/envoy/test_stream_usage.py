"""A policy may have streams tell their tokens: what providers get, and what clients see of it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import SIMPLE
from tests.fakes.serving import EXAMPLES


def chunks_of(gateway: Gateway, **more: object) -> list[Any]:
    """The events of a stream, the last word left out."""
    body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": SIMPLE}], **more}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_stream_has_one_more_chunk_with_its_tokens(tmp_path: Path, wanted: bool) -> None:
    policy = tmp_path / "router.yaml"
    policy.write_text((EXAMPLES / "router.yaml").read_text() + f"\nstream_usage: {str(wanted).lower()}\n")

    with Gateway(policy=policy) as gateway:
        unasked = chunks_of(gateway)
        refused = chunks_of(gateway, stream_options={"include_usage": False})

    assert bool(unasked[-1].get("usage")) is wanted
    assert (unasked[-1]["choices"] == []) is wanted
    assert not any(chunk.get("usage") for chunk in refused)
