"""The unmodified OpenAI Node SDK through Envoy and the sidecar."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.test_python_sdks import OPENAI_MODELS
from tests.envoy.gateway import Gateway
from tests.envoy.prompts import BY_TIER

SCRIPT = Path(__file__).parent / "node" / "chat.mjs"


@pytest.mark.parametrize("tier", BY_TIER)
def test_openai_node_sdk_plain_and_streaming(any_gateway: Gateway, tier: str) -> None:
    command = [str(Path(sys.executable).with_name("node")), str(SCRIPT), f"{any_gateway.url}/v1", BY_TIER[tier]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["model"] == OPENAI_MODELS[tier]
    assert answer["streamed"] == [OPENAI_MODELS[tier]]
    assert answer["text"]
    assert answer["refusal"] == "NotFoundError"
