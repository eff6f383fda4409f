"""The Anthropic SDK takes the embedded Anthropic for the real one."""

import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio

from sidecar.demo.providers import ProviderProcess

MODEL = "claude-sonnet-4-0"
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
TOOL: Any = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def client(providers: ProviderProcess, trust: ssl.SSLContext) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=f"https://localhost:{providers.ports['anthropic']}",
        api_key=providers.keys["anthropic"],
        http_client=anthropic.DefaultHttpxClient(verify=trust),
        max_retries=0,
    ) as client:
        yield client


@pytest_asyncio.fixture
async def async_client(providers: ProviderProcess, trust: ssl.SSLContext) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=f"https://localhost:{providers.ports['anthropic']}",
        api_key=providers.keys["anthropic"],
        http_client=anthropic.DefaultAsyncHttpxClient(verify=trust),
        max_retries=0,
    ) as client:
        yield client


def test_a_message_says_which_model_it_is_from(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model=MODEL, max_tokens=100, system="be brief", messages=HELLO)

    assert message.model == MODEL
    assert message.content[0].type == "text"
    assert MODEL in message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


def test_a_stream_has_the_events_of_the_real_one(client: anthropic.Anthropic) -> None:
    kinds = [
        event.type
        for event in client.messages.create(model=MODEL, max_tokens=100, messages=HELLO, stream=True)
        if event.type != "content_block_delta"
    ]

    # The SDK keeps the ping to itself.
    assert kinds == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]


def test_a_stream_says_the_same_as_the_whole_message(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model=MODEL, max_tokens=100, messages=HELLO)
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        streamed = stream.get_final_message()

    assert whole.content[0].type == streamed.content[0].type == "text"
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage.input_tokens == whole.usage.input_tokens
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_only_what_is_marked_is_cached_and_writing_it_is_told(client: anthropic.Anthropic) -> None:
    long = "a long system prompt " * 240  # 1,260 tokens

    def counted(mark: dict[str, Any], *turns: str) -> tuple[int | None, int | None, int]:
        """Tokens written to the cache, read from there, and neither."""
        messages: list[Any] = [
            {"role": "user", "content": [{"type": "text", "text": turn} | (mark if turn == turns[-1] else {})]}
            for turn in turns
        ]
        system: list[Any] = [{"type": "text", "text": long} | mark]
        told = client.messages.create(model=MODEL, max_tokens=100, system=system, messages=messages).usage
        return told.cache_creation_input_tokens, told.cache_read_input_tokens, told.input_tokens

    marked = {"cache_control": {"type": "ephemeral"}}
    assert [counted({}, "hello, you") for _ in range(2)] == [(0, 0, 1_262)] * 2
    assert [counted(marked, "hello, you") for _ in range(2)] == [(1_262, 0, 0), (0, 1_262, 0)]
    assert counted(marked, "hello, you", "and this is another turn") == (6, 1_262, 0)
    assert counted(marked, "something else than before") == (6, 1_260, 0)


def test_a_marked_prompt_that_is_too_short_is_not_cached(client: anthropic.Anthropic) -> None:
    marked: list[Any] = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    told = [client.messages.create(model=MODEL, max_tokens=9, system=marked, messages=HELLO).usage for _ in range(2)]
    assert [(usage.cache_creation_input_tokens, usage.cache_read_input_tokens) for usage in told] == [(0, 0)] * 2


@pytest.mark.asyncio
async def test_the_asynchronous_client_reads_the_stream_too(async_client: anthropic.AsyncAnthropic) -> None:
    async with async_client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        text = "".join([piece async for piece in stream.text_stream])

    assert MODEL in text


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_a_tool_is_used_when_it_must_be(client: anthropic.Anthropic, choice: Any, is_stream: bool) -> None:
    request: Any = {"model": MODEL, "max_tokens": 100, "messages": HELLO, "tools": [TOOL], "tool_choice": choice}
    if is_stream:
        with client.messages.stream(**request) as stream:
            message: Any = stream.get_final_message()
    else:
        message = client.messages.create(**request)

    assert message.stop_reason == "tool_use"
    assert (message.content[0].name, message.content[0].input) == ("get_weather", {"city": "example"})


def test_a_tool_result_gets_a_text(client: anthropic.Anthropic) -> None:
    result = [{"type": "tool_result", "tool_use_id": "1", "content": "get_weather says 4 degrees"}]
    messages: list[Any] = [*HELLO, {"role": "user", "content": result}]
    message = client.messages.create(model=MODEL, max_tokens=100, messages=messages, tools=[TOOL])

    assert message.content[0].type == "text"


def test_tokens_are_counted(client: anthropic.Anthropic) -> None:
    short = client.messages.count_tokens(model=MODEL, messages=HELLO)
    long = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "hello " * 100}])

    assert 0 < short.input_tokens < long.input_tokens


def test_models_are_listed(client: anthropic.Anthropic) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL


def test_an_unknown_model_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="auto"):
        client.messages.create(model="auto", max_tokens=100, messages=HELLO)


def test_overload_is_an_error_of_its_own(client: anthropic.Anthropic, providers: ProviderProcess) -> None:
    providers.control.set_fault("529", provider="anthropic")
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        client.messages.create(model=MODEL, max_tokens=100, messages=HELLO)
