"""A client cannot choose a model or a cluster past the policy, whether the sidecar lives or not."""

from collections.abc import Iterator

import pytest

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import SIMPLE

MESSAGES = b'"messages":[{"role":"user","content":"hi there, thanks a lot!"}]'

SMUGGLED = {
    "twice": b'{"model":"auto","model":"o3-mini",' + MESSAGES + b"}",
    "twice, apart": b'{"model":"auto",' + MESSAGES + b',"model":"o3-mini"}',
    "escaped": b'{"model":"auto","mod\\u0065l":"o3-mini",' + MESSAGES + b"}",
    "escaped only": b'{"mod\\u0065l":"o3-mini",' + MESSAGES + b"}",
    "another case": b'{"model":"auto","Model":"o3-mini",' + MESSAGES + b"}",
    "not text": b'{"model":["o3-mini"],' + MESSAGES + b"}",
    "missing": b"{" + MESSAGES + b"}",
}


@pytest.fixture(scope="module", params=["alive", "dead"])
def either(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    with Gateway(wait_for_sidecar=request.param == "alive") as gateway:
        yield gateway


@pytest.mark.parametrize("name", SMUGGLED)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_body_with_two_readings_of_its_model_is_refused(either: Gateway, path: str, name: str) -> None:
    either.providers.clear_requests()
    answer = either.post(SMUGGLED[name], path)
    assert answer.status_code == 400
    assert "model" in answer.json()["error"]["message"]
    assert either.providers.requests() == []


@pytest.mark.parametrize("header", ["x-llm-cluster", "x-llm-target", "x-llm-model", "x-llm-decision-id", "X-LLM-Api"])
def test_a_clients_own_router_headers_have_no_effect(any_gateway: Gateway, header: str) -> None:
    any_gateway.providers.clear_requests()
    body = {"model": "auto", "messages": [{"role": "user", "content": SIMPLE}]}
    answer = any_gateway.post(body, headers={header: "o3-mini"})
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gemini-flash")
    (received,) = any_gateway.providers.requests()
    assert not [name for name in received["headers"] if name.startswith("x-llm-")]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "/v1/Chat/Completions",
        "//v1/chat/completions",
        "/v1/chat%2Fcompletions",
        "/v1/./chat/completions",
        "/v1/x/../chat/completions",
        "/v1/chat/completions;x=1",
        "/v1/chat/completions?model=o3-mini",
    ],
)
def test_no_spelling_of_the_path_gets_past_the_policy(either: Gateway, path: str) -> None:
    either.providers.clear_requests()
    answer = either.post({"model": "o1-pro", "messages": [{"role": "user", "content": SIMPLE}]}, path)
    models = {received["model"] for received in either.providers.requests()}
    assert "o1-pro" not in models
    assert answer.status_code in {200, 404}


def test_envoys_own_control_headers_have_no_effect(any_gateway: Gateway) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": SIMPLE}]}
    headers = {
        "x-envoy-upstream-alt-stat-name": "x",
        "x-envoy-max-retries": "0",
        "x-envoy-upstream-rq-timeout-ms": "1",
    }
    assert any_gateway.post(body, headers=headers).status_code == 200
