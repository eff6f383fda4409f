"""What the tools say of a request is what Envoy gets for it, byte for byte."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sidecar.assembly import build_engine, build_router
from sidecar.config.compile import load_config
from sidecar.envoyconfig.shipped import shipped_file
from sidecar.policytools.calls import Call, decide_call
from sidecar.routing.api import find_endpoint
from sidecar.routing.signals import RequestHead
from tests.envoy.gateway import Gateway
from training.data import authored_test_prompts

# When the requests come, as far as any window of the policy can tell.
STARTED = datetime.now(UTC)

# Patience that a busy machine needs: a missed deadline would be another decision.
POLICY = """
classifier: {deadline_ms: 8000}
callers_may: [name_models, set_tier, set_max_cost]
signals:
  headers: {tenant: x-tenant, user: x-user, plan: x-plan}
  keywords: {incident: [outage, data loss], school: [homework, exam], primes: {any: primes, in: request}}
  patterns: {ticket: '[A-Z]{2,6}-[0-9]+'}
requirements:
  - {name: mail-stays, when: {personal_data: email}, require: {not_providers: google}}
rules:
  - {name: free, when: {header: {plan: free}}, max_tier: moderate}
  - {name: blocked, when: {header: {plan: banned}}, reject: {status: 403, message: no plan}}
  - {name: incident, when: {keywords: incident}, tier: complex}
  - {name: proof, when: {keywords: primes, not: {time: NEVER_NOW}}, require: {not_providers: google}}
  - {name: late, when: {header: {plan: pro}, time: NOW}, max_tier: complex}
  - {name: code, when: {intent: [code_generation, code_debugging]}, min_tier: complex}
  - name: trial
    when: {language: [de, fr, es]}
    split: {by: user, arms: {old: {share: 0.5}, new: {share: 0.5, pin: gpt-4o}}}
intents:
  refund: {examples: [I want my money back, please refund my order], tier: simple}
"""


@dataclass(frozen=True)
class Sent:
    """One request of the mix."""

    body: dict[str, Any] | bytes
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """As it goes over the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def requests() -> Iterator[Sent]:
    """A few hundred, of every kind that a policy can tell apart."""
    for number, prompt in enumerate(islice(authored_test_prompts(), 0, 1_200, 5)):
        message = {"role": "user", "content": prompt.text}
        earlier = [
            {"role": "user", "content": "Prove that there are infinitely many primes."},
            {"role": "assistant", "content": "Done."},
        ]
        kinds = [
            Sent({"model": "auto", "messages": [message]}),
            Sent({"model": "auto", "messages": [*earlier, message], "temperature": 0.2, "stream": True}),
            Sent({"model": "auto", "messages": [message], "max_tokens": 50}, "/v1/messages"),
            Sent({"model": "auto", "messages": [message]}, headers={"x-user": f"u{number}", "x-plan": "pro"}),
            Sent({"model": "auto", "messages": [message]}, headers={"x-plan": "free", "x-tenant": "acme"}),
            Sent({"model": "gpt-4o-mini", "messages": [message]}),
            Sent({"model": "auto", "messages": [message]}, headers={"x-llm-tier": "reasoning"}),
            Sent({"model": "auto", "messages": [message]}, headers={"x-llm-max-cost": "0.0000001"}),
            Sent({"model": "auto", "input": prompt.text}, "/v1/responses"),
            Sent({"model": "gpt-9", "messages": [message]}),
            Sent({"model": "auto", "messages": [message]}, headers={"x-plan": "banned"}),
            Sent(prompt.text.encode()),
        ]
        yield kinds[number % len(kinds)]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with some of everything."""
    file = tmp_path_factory.mktemp("policy") / "router.yaml"
    more = POLICY.replace("NEVER_NOW", window(6, 7)).replace("NOW", window(-6, 6))
    file.write_text(shipped_file("examples", "router.yaml").read_text() + more)
    return file


def window(start: int, end: int) -> str:
    """Of the hours from now, on a clock that is not ours; far enough from now for the slowest run."""
    clock = STARTED.astimezone(ZoneInfo("Asia/Kolkata"))
    hours = [f'"{clock + timedelta(hours=hour):%H:%M}"' for hour in (start, end)]
    return f"{{from: {hours[0]}, to: {hours[1]}, zone: Asia/Kolkata}}"


def test_the_record_in_envoys_log_is_the_one_that_the_tools_show(policy: Path) -> None:
    sent = list(requests())
    with Gateway(policy=policy) as gateway:
        answers = [gateway.post(each.content, each.path, headers=each.headers) for each in sent]
        ids = [answer.headers["x-llm-decision-id"] for answer in answers]
        logged = [gateway.find_log_entry(decision_id)["record"] for decision_id in ids]

    assert logged == asyncio.run(records(policy, sent))
    assert len(set(ids)) == len(sent) > 200
    read = [json.loads(record) for record in logged]
    windows = [each["signals"]["time"] for each in read if "signals" in each]
    assert {tuple(sorted(each.values())) for each in windows} == {(False, True)}
    assert {each.get("rule") for each in read} >= {"proof", "late", "code", "trial"}
    reasons = {each["reason"] for each in read}
    assert reasons >= {"difficulty", "rule", "pinned", "caller", "conversation", "no_candidate", "unknown_model"}
    assert reasons >= {"rejected_by_rule", "invalid_request"}


async def records(policy: Path, sent: list[Sent]) -> list[str]:
    """What `explain` and `test` would decide, by the very function that they decide with."""
    config = load_config(policy)
    engine = build_engine(config, workers=1)
    router = build_router(config, engine)
    try:
        return [(await decide_call(router, call_of(each))).record.decode() for each in sent]
    finally:
        engine.pool.close()


def call_of(sent: Sent) -> Call:
    """As a tool reads it."""
    endpoint = find_endpoint("POST", sent.path)
    assert endpoint is not None
    return Call(endpoint, sent.content, RequestHead(sent.path, sent.headers, STARTED))
