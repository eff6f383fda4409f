"""The plan that the sidecar decides on is the model that Envoy calls."""

import sys
from pathlib import Path

import pytest

from tests.envoy.gateway import HOSTS, Gateway
from tests.envoy.prompts import BY_TIER

OPENAI = {
    "simple": ("gemini-flash", "google", "gemini-2.0-flash", "/v1beta/openai/chat/completions"),
    "moderate": ("gpt-4o-mini", "openai", "gpt-4o-mini", "/v1/chat/completions"),
    "complex": ("gpt-4o", "openai", "gpt-4o", "/v1/chat/completions"),
    "reasoning": ("o3-mini", "openai", "o3-mini", "/v1/chat/completions"),
}
ANTHROPIC = {
    "simple": ("claude-haiku", "anthropic", "claude-3-5-haiku-latest", "/v1/messages"),
    "moderate": ("claude-sonnet", "anthropic", "claude-sonnet-4-0", "/v1/messages"),
    "complex": ("claude-sonnet", "anthropic", "claude-sonnet-4-0", "/v1/messages"),
    "reasoning": ("claude-sonnet", "anthropic", "claude-sonnet-4-0", "/v1/messages"),
}


@pytest.mark.parametrize("tier", BY_TIER)
@pytest.mark.parametrize(("path", "models"), [("/v1/chat/completions", OPENAI), ("/v1/messages", ANTHROPIC)])
def test_each_tier_reaches_its_model_with_host_path_and_key(
    any_gateway: Gateway, path: str, models: dict[str, tuple[str, str, str, str]], tier: str
) -> None:
    any_gateway.providers.clear_requests()
    answer = any_gateway.ask(BY_TIER[tier], path=path)
    name, provider, model_id, upstream_path = models[tier]
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-llm-model"] == name
    assert answer.headers["x-llm-tier"] == tier
    assert answer.headers["x-llm-reason"] in {"intent", "difficulty"}
    (received,) = any_gateway.providers.requests()
    assert (received["provider"], received["model"], received["path"]) == (provider, model_id, upstream_path)
    assert received["host"] == HOSTS[provider]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "hi there, thanks a lot!"}),
        ("/v1/responses", {"input": "hi there, thanks a lot!"}),
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi there!"}]}]}),
    ],
)
def test_the_other_openai_endpoints_are_routed_too(any_gateway: Gateway, path: str, body: dict[str, object]) -> None:
    """Google's OpenAI-compatible API has chat completions only, so its model is passed over."""
    answer = any_gateway.post({"model": "auto"} | body, path)
    assert answer.status_code == 200, answer.text
    assert (answer.headers["x-llm-tier"], answer.headers["x-llm-model"]) == ("simple", "gpt-4o-mini")


def test_a_model_of_the_policy_can_be_asked_for_by_name(any_gateway: Gateway) -> None:
    answer = any_gateway.ask(model="o3-mini")
    assert (answer.headers["x-llm-model"], answer.headers["x-llm-reason"]) == ("o3-mini", "pinned")


def test_a_model_that_is_not_in_the_policy_is_a_404_in_the_apis_own_shape(any_gateway: Gateway) -> None:
    openai = any_gateway.ask(model="gpt-9")
    assert (openai.status_code, openai.json()["error"]["code"]) == (404, "model_not_found")
    anthropic = any_gateway.ask(model="gpt-4o", path="/v1/messages")
    assert (anthropic.status_code, anthropic.json()["error"]["type"]) == (404, "not_found_error")


def test_the_basic_configuration_runs_on_the_oldest_envoy_that_it_is_for() -> None:
    (binary,) = Path(sys.prefix, "envoy-1.38", "envoy", "_bin").glob("envoy*")
    with Gateway("envoy-basic.yaml", envoy=binary) as gateway:
        assert gateway.ask(BY_TIER["reasoning"]).headers["x-llm-model"] == "o3-mini"
        assert gateway.ask(BY_TIER["simple"], path="/v1/messages").headers["x-llm-model"] == "claude-haiku"
        gateway.kill_sidecar()
        assert gateway.ask().headers["x-llm-model"] == "gpt-4o"


def test_the_decision_is_in_the_access_log(any_gateway: Gateway) -> None:
    decision_id = any_gateway.ask().headers["x-llm-decision-id"]
    entry = any_gateway.find_log_entry(decision_id)
    assert (entry["plan"], entry["model"], entry["tier"]) == ("gemini-flash", "gemini-flash", "simple")
