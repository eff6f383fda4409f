"""Policies in files, and what a server that runs one of them would record."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from sidecar.config.compile import load_config
from sidecar.config.running import Config
from sidecar.policytools.calls import Answer, Call, decide_call
from sidecar.routing.api import Endpoint
from sidecar.routing.classification import Classification, ClassifierUnavailableError
from sidecar.routing.router import Router
from sidecar.routing.signals import RequestHead
from tests.fakes.classifiers import classification
from tests.fakes.decisions import NoExamples

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

_BASE = """
providers:
  acme: {url: "https://acme.example/v1", region: us}
  euro: {url: "https://euro.example/v1", region: eu}
models:
  small: {provider: acme, tier: simple, price: {input: 1, output: 2}, context: 100000, latency_ms: 500}
  medium: {provider: euro, tier: moderate, price: {input: 2, output: 4}, context: 100000, latency_ms: 1000}
  large: {provider: euro, tier: complex, price: {input: 5, output: 10}, context: 100000, latency_ms: 2000}
virtual_models: {auto: {}}
fallback: large
"""


def write_policy(folder: Path, more: str = "", name: str = "router.yaml") -> Path:
    """Three models, of a tier, a price and a latency each, and whatever else."""
    file = folder / name
    file.write_text(f"{_BASE}{more}\n")
    return file


class ScriptedClassifier:
    """Says what it is told of each prompt in turn; an error is raised."""

    def __init__(self, answers: Iterable[Classification | ClassifierUnavailableError]) -> None:
        self._answers = iter(answers)

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """The next one."""
        answer = next(self._answers, classification())
        if isinstance(answer, ClassifierUnavailableError):
            raise answer
        return answer


def router_of(config: Config, *answers: Classification | ClassifierUnavailableError) -> Router:
    """By that policy, with a classifier that is told what to say."""
    return Router(
        config.policy, ScriptedClassifier(answers), NoExamples(), deadline_seconds=60, classifier_version="fake-1"
    )


def answer(
    policy: Path,
    body: bytes,
    *answers: Classification | ClassifierUnavailableError,
    endpoint: Endpoint = Endpoint.CHAT_COMPLETIONS,
    headers: dict[str, str] | None = None,
    received: datetime = NOON,
) -> Answer:
    """What a server would decide and record."""
    call = Call(endpoint, body, RequestHead(f"/v1/{endpoint}", headers or {}, received))
    return asyncio.run(decide_call(router_of(load_config(policy), *answers), call))


def log_line(record: bytes, received: datetime | None = NOON) -> bytes:
    """As Envoy's access log has it."""
    line = {"method": "POST", "status": 200, "plan": "small", "record": record.decode(), "decision_id": "f00d"}
    return json.dumps(line | ({} if received is None else {"time": received.isoformat()})).encode() + b"\n"
