"""langchain-openai takes the embedded OpenAI for the real one."""

import ssl
from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from sidecar.demo.providers import ProviderProcess


class Answer(BaseModel):
    text: str
    stars: int


@pytest_asyncio.fixture
async def chat(providers: ProviderProcess, trust: ssl.SSLContext) -> AsyncIterator[ChatOpenAI]:
    with openai.DefaultHttpxClient(verify=trust) as http:
        async with openai.DefaultAsyncHttpxClient(verify=trust) as async_http:
            yield ChatOpenAI(
                model="gpt-4o",
                base_url=f"https://localhost:{providers.ports['openai']}/v1",
                api_key=SecretStr(providers.keys["openai"]),
                http_client=http,
                http_async_client=async_http,
                max_retries=0,
            )


def test_it_gets_an_answer_with_its_usage(chat: ChatOpenAI) -> None:
    message = chat.invoke("hello")

    assert "gpt-4o" in message.text
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] > 0


def test_it_streams(chat: ChatOpenAI) -> None:
    chunks = list(chat.stream("hello"))

    assert len(chunks) > 5
    assert "gpt-4o" in "".join(chunk.text for chunk in chunks)


@pytest.mark.asyncio
async def test_it_streams_asynchronously(chat: ChatOpenAI) -> None:
    assert "gpt-4o" in "".join([chunk.text async for chunk in chat.astream("hello")])


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_it_gets_structured_output(chat: ChatOpenAI, method: str) -> None:
    structured = chat.with_structured_output(Answer, method=method)  # type: ignore[arg-type]

    assert isinstance(structured.invoke("hello"), Answer)
