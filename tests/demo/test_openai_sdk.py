"""The OpenAI SDK takes the embedded OpenAI and Google for the real ones."""

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from sidecar.demo.providers import ProviderProcess

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
WEATHER: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


@pytest.fixture
def client(providers: ProviderProcess, trust: ssl.SSLContext) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"https://localhost:{providers.ports['openai']}/v1",
        api_key=providers.keys["openai"],
        http_client=openai.DefaultHttpxClient(verify=trust),
        max_retries=0,
    ) as client:
        yield client


@pytest.fixture
def google(providers: ProviderProcess, trust: ssl.SSLContext) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"https://localhost:{providers.ports['google']}/v1beta/openai",
        api_key=providers.keys["google"],
        http_client=openai.DefaultHttpxClient(verify=trust),
        max_retries=0,
    ) as client:
        yield client


@pytest_asyncio.fixture
async def async_client(providers: ProviderProcess, trust: ssl.SSLContext) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"https://localhost:{providers.ports['openai']}/v1",
        api_key=providers.keys["openai"],
        http_client=openai.DefaultAsyncHttpxClient(verify=trust),
        max_retries=0,
    ) as client:
        yield client


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "o3-mini"])
def test_a_chat_answer_says_which_model_it_is_from(client: openai.OpenAI, model: str) -> None:
    completion = client.chat.completions.create(model=model, messages=HELLO)

    assert completion.model == model
    assert model in (completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_a_chat_answer_repeats_nothing_of_the_prompt(client: openai.OpenAI) -> None:
    secret: list[Any] = [{"role": "user", "content": "my password is swordfish"}]
    completion = client.chat.completions.create(model="gpt-4o", messages=secret)

    assert "swordfish" not in completion.model_dump_json()


def test_a_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))

    words = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(words) == whole.choices[0].message.content
    assert len(chunks) > 5
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_ends_with_its_usage_when_asked(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_beginning_of_a_prompt_is_cached_once_it_was_sent(client: openai.OpenAI) -> None:
    def cached(model: str, *texts: str) -> int:
        turns: list[Any] = [{"role": "user", "content": text} for text in texts]
        usage = client.chat.completions.create(model=model, messages=turns).usage
        assert usage is not None and usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens or 0

    long = "a long system prompt " * 240  # 1,260 tokens; 128 at a time are kept, from 1,024 on
    assert cached("gpt-4.1", long) == 0
    assert cached("gpt-4.1", long, "and a question") == 1_152
    assert cached("gpt-4.1", "another beginning", long) == 0
    assert cached("gpt-4.1-mini", long) == 0
    assert [cached("gpt-4.1", "hello") for _ in range(2)] == [0, 0]


def test_responses_and_legacy_completions_tell_what_was_cached(client: openai.OpenAI) -> None:
    long = "a long prompt " * 400
    told = [client.responses.create(model="gpt-4.1-nano", input=long).usage for _ in range(2)]
    assert [usage and usage.input_tokens_details.cached_tokens for usage in told] == [0, 1_280]
    answers = [client.completions.create(model="gpt-3.5-turbo-instruct", prompt=long) for _ in range(2)]
    details = [answer.usage and answer.usage.prompt_tokens_details for answer in answers]
    assert [each and each.cached_tokens for each in details] == [0, 1_280]


@pytest.mark.parametrize(("model", "reasoning"), [("o3-mini", 64), ("gpt-4o", 0)])
def test_reasoning_is_part_of_what_was_written(client: openai.OpenAI, model: str, reasoning: int) -> None:
    usage = client.chat.completions.create(model=model, messages=HELLO).usage
    assert usage is not None and usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == reasoning
    assert usage.completion_tokens > reasoning
    responded = client.responses.create(model=model, input="hello").usage
    assert responded is not None
    assert (responded.output_tokens, responded.output_tokens_details.reasoning_tokens) == (
        usage.completion_tokens,
        reasoning,
    )


@pytest.mark.asyncio
async def test_the_asynchronous_client_reads_the_stream_too(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    words = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "gpt-4o" in "".join(words)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_tool_is_called_when_it_must_be(client: openai.OpenAI, choice: Any) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=WEATHER, tool_choice=choice)

    assert completion.choices[0].finish_reason == "tool_calls"
    call = (completion.choices[0].message.tool_calls or [])[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "example"}


@pytest.mark.parametrize(
    ("messages", "is_called"),
    [
        (HELLO, False),
        ([{"role": "user", "content": "use get_weather please"}], True),
        (
            [{"role": "user", "content": "use get_weather"}, {"role": "tool", "tool_call_id": "1", "content": "4"}],
            False,
        ),
    ],
)
def test_a_tool_may_be_called_when_the_user_names_it(
    client: openai.OpenAI, messages: list[Any], is_called: bool
) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=messages, tools=WEATHER)

    assert bool(completion.choices[0].message.tool_calls) is is_called


def test_a_tool_call_is_streamed(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o", messages=HELLO, tools=WEATHER, tool_choice="required"
    ) as stream:
        message = stream.get_final_completion().choices[0].message

    assert message.tool_calls
    assert message.tool_calls[0].function.arguments == '{"city":"example"}'


def test_logprobs_come_when_asked(client: openai.OpenAI) -> None:
    silent = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    asked = client.chat.completions.create(model="gpt-4o", messages=HELLO, logprobs=True, top_logprobs=2)

    assert silent.choices[0].logprobs is None
    assert asked.choices[0].logprobs is not None
    tokens = asked.choices[0].logprobs.content or []
    assert "".join(token.token for token in tokens) == asked.choices[0].message.content
    assert all(token.logprob <= 0 and token.top_logprobs for token in tokens)


class Verdict(BaseModel):
    is_good: bool
    words: list[str]


def test_a_structured_answer_fits_its_schema(client: openai.OpenAI) -> None:
    completion = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Verdict)

    assert isinstance(completion.choices[0].message.parsed, Verdict)


def test_responses_answer(client: openai.OpenAI) -> None:
    response = client.responses.create(model="o3-mini", input="hello", instructions="be brief")

    assert "o3-mini" in response.output_text
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_responses_stream_their_events_in_order(client: openai.OpenAI) -> None:
    with client.responses.stream(model="o3-mini", input="hello") as stream:
        events = list(stream)
        response = stream.get_final_response()

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == response.output_text


@pytest.mark.parametrize("is_stream", [False, True])
def test_responses_call_a_tool(client: openai.OpenAI, is_stream: bool) -> None:
    request: Any = {
        "model": "gpt-4o",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "call get_weather"}]}],
        "tools": [{"type": "function", **WEATHER[0]["function"], "strict": False}],
    }
    if is_stream:
        with client.responses.stream(**request) as stream:
            response: Any = stream.get_final_response()
    else:
        response = client.responses.create(**request)

    assert response.output[0].type == "function_call"
    assert response.output[0].arguments == '{"city":"example"}'


@pytest.mark.parametrize("is_stream", [False, True])
def test_legacy_completions_answer(client: openai.OpenAI, is_stream: bool) -> None:
    answer: Any = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello", stream=is_stream)
    parts = list(answer) if is_stream else [answer]

    assert "gpt-3.5-turbo-instruct" in "".join(part.choices[0].text for part in parts)
    assert parts[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_the_same_for_the_same_text(client: openai.OpenAI, encoding: Any) -> None:
    answer = client.embeddings.create(
        model="text-embedding-3-small", input=["one", "two", "one"], encoding_format=encoding, dimensions=16
    )
    vectors = [item.embedding for item in answer.data]

    assert vectors[0] == vectors[2] != vectors[1]
    assert answer.usage.prompt_tokens > 0


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert "gpt-4o" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("auto")


def test_google_answers_chat_under_its_own_path(google: openai.OpenAI) -> None:
    completion = google.chat.completions.create(model="gemini-2.0-flash", messages=HELLO)
    named_in_full = google.chat.completions.create(model="models/gemini-2.0-flash", messages=HELLO)

    assert "Google" in (completion.choices[0].message.content or "")
    assert named_in_full.model == "gemini-2.0-flash"


def test_google_has_no_responses(google: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        google.responses.create(model="gemini-2.0-flash", input="hello")
