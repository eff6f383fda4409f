"""Unmodified Python SDKs, with nothing changed but their base URL, through Envoy and the sidecar."""

import anthropic
import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import BY_TIER, SIMPLE

OPENAI_MODELS = {"simple": "gemini-2.0-flash", "moderate": "gpt-4o-mini", "complex": "gpt-4o", "reasoning": "o3-mini"}
ANTHROPIC_MODELS = {"simple": "claude-3-5-haiku-latest", "reasoning": "claude-sonnet-4-0"}


@pytest.mark.parametrize("tier", BY_TIER)
def test_openai_chat_completions(any_gateway: Gateway, tier: str) -> None:
    with openai.OpenAI(base_url=f"{any_gateway.url}/v1", api_key="unused") as client:
        answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": BY_TIER[tier]}])
        assert answer.model == OPENAI_MODELS[tier]
        assert answer.choices[0].message.content
        assert answer.usage is not None and answer.usage.total_tokens > 0


@pytest.mark.parametrize("tier", BY_TIER)
def test_openai_chat_completions_as_a_stream(any_gateway: Gateway, tier: str) -> None:
    with openai.OpenAI(base_url=f"{any_gateway.url}/v1", api_key="unused") as client:
        stream = client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": BY_TIER[tier]}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    assert {chunk.model for chunk in chunks} == {OPENAI_MODELS[tier]}
    assert chunks[-1].usage is not None


def test_openai_responses(any_gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{any_gateway.url}/v1", api_key="unused") as client:
        answer = client.responses.create(model="auto", input=SIMPLE)
        assert (answer.model, bool(answer.output_text)) == ("gpt-4o-mini", True)
        events = list(client.responses.create(model="auto", input=SIMPLE, stream=True))
        assert events[-1].type == "response.completed"


def test_openai_parts_tools_and_images(any_gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{any_gateway.url}/v1", api_key="unused") as client:
        answer = client.chat.completions.create(
            model="auto",
            messages=[
                {"role": "developer", "content": "Be kind."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": SIMPLE},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    ],
                },
            ],
            tools=[
                {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
            ],
        )
        assert answer.model == "gemini-2.0-flash"


def test_openai_errors_are_the_sdks_own_exceptions(any_gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{any_gateway.url}/v1", api_key="unused", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="no such model"):
            client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": SIMPLE}])
        with pytest.raises(openai.BadRequestError, match="messages: must not be empty"):
            client.chat.completions.create(model="auto", messages=[])


@pytest.mark.parametrize("tier", ANTHROPIC_MODELS)
def test_anthropic_messages(any_gateway: Gateway, tier: str) -> None:
    with anthropic.Anthropic(base_url=any_gateway.url, api_key="unused") as client:
        answer = client.messages.create(
            model="auto", max_tokens=100, messages=[{"role": "user", "content": BY_TIER[tier]}]
        )
        assert answer.model == ANTHROPIC_MODELS[tier]
        assert answer.usage.output_tokens > 0


@pytest.mark.parametrize("tier", ANTHROPIC_MODELS)
def test_anthropic_messages_as_a_stream(any_gateway: Gateway, tier: str) -> None:
    with (
        anthropic.Anthropic(base_url=any_gateway.url, api_key="unused") as client,
        client.messages.stream(
            model="auto", max_tokens=100, messages=[{"role": "user", "content": BY_TIER[tier]}]
        ) as stream,
    ):
        assert "".join(stream.text_stream)
        assert stream.get_final_message().model == ANTHROPIC_MODELS[tier]


def test_anthropic_errors_are_the_sdks_own_exceptions(any_gateway: Gateway) -> None:
    with (
        anthropic.Anthropic(base_url=any_gateway.url, api_key="unused", max_retries=0) as client,
        pytest.raises(anthropic.NotFoundError, match="no such model"),
    ):
        client.messages.create(model="gpt-4o", max_tokens=10, messages=[{"role": "user", "content": SIMPLE}])


@pytest.mark.parametrize("tier", BY_TIER)
def test_langchain(any_gateway: Gateway, tier: str) -> None:
    chat = ChatOpenAI(model="auto", base_url=f"{any_gateway.url}/v1", api_key=SecretStr("unused"))
    answer = chat.invoke(BY_TIER[tier])
    assert answer.response_metadata["model_name"] == OPENAI_MODELS[tier]
    assert "".join(str(chunk.content) for chunk in chat.stream(BY_TIER[tier]))
