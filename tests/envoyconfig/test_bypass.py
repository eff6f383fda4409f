"""Without a sidecar a rendered gateway answers by models that may answer whatever comes, and by no other."""

from collections.abc import Iterator

import pytest

from sidecar.config.compile import load_config
from sidecar.envoyconfig.check import check_envoy
from sidecar.envoyconfig.render import render_files
from tests.envoy.gateway import Gateway

POLICY = """
providers:
  google:
    url: https://generativelanguage.googleapis.com/v1beta/openai
    endpoints: [chat/completions]
    api_key_file: /etc/llm-keys/google
    region: us
  openai:
    {url: https://api.openai.com/v1, endpoints: [chat/completions], api_key_file: /etc/llm-keys/openai, region: eu}
models:
  near: {provider: openai, id: gpt-4o, tier: complex, price: {input: 2, output: 2}, context: 128000}
  far: {provider: google, id: gemini-2.0-flash, tier: complex, price: {input: 1, output: 1}, context: 128000}
  theirs:
    {provider: openai, id: gpt-4.1, tier: complex, price: {input: 1, output: 1}, context: 128000, tenants: globex}
  other: {provider: openai, id: 'quo"ted \\ back', tier: simple, price: {input: 1, output: 1}, context: 128000}
virtual_models: {auto: {tier: complex}}
fallback: near
signals: {headers: {tenant: x-tenant-id}}
requirements: [{name: stays, when: {personal_data: any}, require: {regions: eu}}]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("choosy")
    policy = folder / "router.yaml"
    policy.write_text(POLICY)
    config = load_config(policy)
    for name, text in render_files(config).items():
        (folder / name).write_text(text)
    assert check_envoy(config, folder / "envoy.yaml") == []
    with Gateway(folder / "envoy.yaml", policy=policy) as gateway:
        yield gateway


def models_asked(gateway: Gateway) -> set[str]:
    return {received["model"] for received in gateway.providers.requests()}


def test_a_decision_may_name_every_model(gateway: Gateway) -> None:
    gateway.providers.set_fault("503", model="gpt-4o")
    answer = gateway.ask()
    gateway.providers.clear_faults()

    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "far")


def test_without_one_only_those_are_asked_that_may_answer_whatever_comes(gateway: Gateway) -> None:
    gateway.kill_sidecar()
    gateway.providers.clear_requests()
    gateway.providers.set_fault("503", provider="openai")
    refused = gateway.ask("Write to anna.schmidt@example.org.")
    gateway.providers.clear_faults()
    answer = gateway.ask("Write to anna.schmidt@example.org.")
    gateway.start_sidecar()
    gateway.wait_until_deciding()

    assert models_asked(gateway) == {"gpt-4o", 'quo"ted \\ back'}
    assert refused.status_code == 503
    assert (answer.status_code, "x-llm-reason" in answer.headers) == (200, False)
