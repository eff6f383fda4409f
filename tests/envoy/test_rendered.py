"""A gateway that was rendered from a policy of one's own routes, fails over and keeps out as the shipped one does."""

from collections.abc import Iterator

import pytest

from sidecar.config.compile import load_config
from sidecar.envoyconfig.render import render_files
from tests.envoy.gateway import Gateway
from tests.envoy.prompts import BY_TIER, LEAST_TIERS

POLICY = f"""
providers:
  google:
    url: https://generativelanguage.googleapis.com/v1beta/openai
    endpoints: [chat/completions]
    api_key_file: /etc/llm-keys/google
  openai: {{url: https://api.openai.com, api_key_file: /etc/llm-keys/openai}}
models:
  small:
    provider: google
    id: gemini-2.0-flash
    cluster: a-small-one
    tier: simple
    price: {{input: 1, output: 1}}
    context: 128000
  large: {{provider: openai, id: gpt-4o, tier: complex, price: {{input: 2, output: 2}}, context: 128000}}
virtual_models: {{auto: {{}}}}
fallback: large
{LEAST_TIERS}
"""

OVERLAY = """
static_resources:
  listeners:
  - name: models
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          route_config:
            virtual_hosts:
            - name: models
              routes:
              - name: large
                route: {prefix_rewrite: /v1/}
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("rendered")
    policy, overlay = folder / "router.yaml", folder / "edits.yaml"
    policy.write_text(POLICY)
    overlay.write_text(OVERLAY)
    for name, text in render_files(load_config(policy), overlay=overlay).items():
        (folder / name).write_text(text)
    with Gateway(folder / "envoy.yaml", policy=policy) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("tier", "model", "path"),
    [("simple", "small", "/v1beta/openai/chat/completions"), ("complex", "large", "/v1/chat/completions")],
)
def test_each_tier_reaches_its_model(rendered: Gateway, tier: str, model: str, path: str) -> None:
    rendered.providers.clear_requests()
    answer = rendered.ask(BY_TIER[tier])
    assert (answer.status_code, answer.headers["x-llm-model"], answer.headers["x-llm-tier"]) == (200, model, tier)
    (received,) = rendered.providers.requests()
    assert received["path"] == path  # that of `large` is the overlay's


def test_a_failed_model_is_stood_in_for(rendered: Gateway) -> None:
    rendered.providers.set_fault("503", provider="google")
    answer = rendered.ask(BY_TIER["simple"])
    rendered.providers.clear_faults()
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "large")


def test_an_api_that_no_model_speaks_is_closed(rendered: Gateway) -> None:
    rendered.providers.clear_requests()
    answer = rendered.ask(path="/v1/messages")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    assert rendered.providers.requests() == []


def test_without_a_sidecar_the_fallback_answers(rendered: Gateway) -> None:
    rendered.kill_sidecar()
    answer = rendered.ask(BY_TIER["simple"])
    rendered.start_sidecar()
    rendered.wait_until_deciding()
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "large")
    assert "x-llm-reason" not in answer.headers
