"""What the providers refuse, and that each refuses in its own API's shape."""

import http.client
import json
import ssl
from typing import Any

import pytest

from sidecar.demo.providers import ProviderProcess

CHAT = "/v1/chat/completions"
GOOGLE_CHAT = "/v1beta/openai/chat/completions"
MESSAGES = "/v1/messages"
PATHS = {"openai": CHAT, "google": GOOGLE_CHAT, "anthropic": MESSAGES}
MODELS = {"openai": "gpt-4o", "google": "gemini-2.0-flash", "anthropic": "claude-sonnet-4-0"}


class Caller:
    """Sends single requests with the right key, unless told otherwise; returns status and decoded body."""

    def __init__(self, providers: ProviderProcess, trust: ssl.SSLContext) -> None:
        self._providers = providers
        self._trust = trust

    def __call__(
        self,
        provider: str,
        body: object,
        *,
        path: str | None = None,
        key: str | None = None,
        host: str = "localhost",
        version: str = "2023-06-01",
    ) -> tuple[int, Any]:
        key = self._providers.keys[provider] if key is None else key
        header = ("x-api-key", key) if provider == "anthropic" else ("authorization", f"Bearer {key}")
        headers = {header[0]: header[1], "host": host} | ({"anthropic-version": version} if version else {})
        connection = http.client.HTTPSConnection("localhost", self._providers.ports[provider], context=self._trust)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", path or PATHS[provider], data, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


@pytest.fixture
def call(providers: ProviderProcess, trust: ssl.SSLContext) -> Caller:
    return Caller(providers, trust)


def request_for(provider: str, **changes: object) -> dict[str, object]:
    body = {"model": MODELS[provider], "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
    return body | changes


@pytest.mark.parametrize("provider", ["openai", "google", "anthropic"])
@pytest.mark.parametrize("other", ["openai", "google", "anthropic"])
def test_only_a_provider_s_own_key_opens_it(
    call: Caller, providers: ProviderProcess, provider: str, other: str
) -> None:
    status, _ = call(provider, request_for(provider), key=providers.keys[other])

    assert status == (200 if provider == other else 401)


@pytest.mark.parametrize("provider", ["openai", "google", "anthropic"])
@pytest.mark.parametrize("model", ["auto", "gpt-17", ""])
def test_a_model_it_does_not_have_is_not_found(call: Caller, provider: str, model: str) -> None:
    assert call(provider, request_for(provider, model=model))[0] == 404


def test_no_provider_has_another_one_s_model(call: Caller) -> None:
    assert call("google", request_for("google", model="gpt-4o"))[0] == 404


@pytest.mark.parametrize("body", [b"", b"not json", b'["list"]', b'{"model": "gpt-4o"', b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_what_is_not_a_json_object_is_a_bad_request(call: Caller, provider: str, body: bytes) -> None:
    assert call(provider, body)[0] == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": []},
        {"messages": "hello"},
        {"messages": None},
        {"model": 4},
        {"tools": "hammer"},
        {"tools": [1]},
        {"tools": [{"function": 1}], "tool_choice": "required"},
        {"tool_choice": [1]},
    ],
)
def test_a_wrong_type_is_a_bad_request(call: Caller, changes: dict[str, object]) -> None:
    assert call("openai", request_for("openai", **changes))[0] == 400


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("openai", "/v1/nothing"),
        ("openai", "/v1/messages"),
        ("openai", "/chat/completions"),
        ("google", "/v1/chat/completions"),
        ("google", "/v1beta/openai/responses"),
        ("google", "/v1beta/openai/completions"),
        ("anthropic", "/v1/chat/completions"),
    ],
)
def test_a_path_it_does_not_have_is_not_found(call: Caller, provider: str, path: str) -> None:
    assert call(provider, request_for(provider), path=path)[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [("api.openai.com", 200), ("api.openai.com:443", 200), ("127.0.0.1:1", 200), ("gateway.example", 421)],
)
def test_only_its_own_host_is_served(call: Caller, host: str, status: int) -> None:
    assert call("openai", request_for("openai"), host=host)[0] == status


def test_anthropic_wants_to_know_the_version(call: Caller) -> None:
    assert call("anthropic", request_for("anthropic"), version="")[0] == 400


def test_an_error_has_the_shape_of_the_api(call: Caller) -> None:
    _, openai = call("openai", request_for("openai", model="auto"))
    _, google = call("google", request_for("google", model="auto"))
    _, anthropic = call("anthropic", request_for("anthropic", model="auto"))

    assert openai["error"]["code"] == "model_not_found"
    assert google[0]["error"]["status"] == "NOT_FOUND"
    assert (anthropic["type"], anthropic["error"]["type"]) == ("error", "not_found_error")


def test_a_body_of_five_megabytes_is_taken(call: Caller) -> None:
    large = [{"role": "user", "content": "word " * 1_000_000}]
    status, answer = call("openai", request_for("openai", messages=large))

    assert status == 200
    assert answer["usage"]["prompt_tokens"] == 1_250_000
