"""Faults that can be switched on, as clients see them."""

import ssl
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from sidecar.demo.providers import ProviderProcess, UnknownFaultError

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture
def client(providers: ProviderProcess, trust: ssl.SSLContext) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"https://localhost:{providers.ports['openai']}/v1",
        api_key=providers.keys["openai"],
        http_client=openai.DefaultHttpxClient(verify=trust),
        max_retries=0,
        timeout=10,
    ) as client:
        yield client


def ask(client: openai.OpenAI, model: str = "gpt-4o") -> str:
    return client.chat.completions.create(model=model, messages=HELLO).model


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", openai.BadRequestError),
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("529", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
        ("refused", openai.APIConnectionError),
        ("truncate", openai.APIConnectionError),
    ],
)
def test_a_fault_lasts_until_it_is_cleared(
    client: openai.OpenAI, providers: ProviderProcess, fault: str, error: type[Exception]
) -> None:
    ask(client)  # the connection is open when the fault comes
    providers.control.set_fault(fault, provider="openai")
    for _ in range(2):
        with pytest.raises(error):
            ask(client)
    providers.control.clear_faults()

    assert ask(client) == "gpt-4o"


def test_a_hanging_provider_never_answers(client: openai.OpenAI, providers: ProviderProcess) -> None:
    providers.control.set_fault("hang", provider="openai")
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.3))


def test_a_counted_fault_ends_by_itself(client: openai.OpenAI, providers: ProviderProcess) -> None:
    providers.control.set_fault("503", provider="openai", count=2)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            ask(client)

    assert ask(client) == "gpt-4o"
    assert providers.control.faults() == []


def test_a_model_s_fault_is_its_own(client: openai.OpenAI, providers: ProviderProcess) -> None:
    providers.control.set_fault("503", model="gpt-4o")
    with pytest.raises(openai.InternalServerError):
        ask(client, "gpt-4o")

    assert ask(client, "o3-mini") == "o3-mini"


def test_a_model_s_fault_goes_before_its_provider_s(client: openai.OpenAI, providers: ProviderProcess) -> None:
    providers.control.set_fault("503", provider="openai")
    providers.control.set_fault("429", model="gpt-4o")
    with pytest.raises(openai.RateLimitError):
        ask(client)


def test_one_provider_s_fault_leaves_the_others_alone(providers: ProviderProcess, client: openai.OpenAI) -> None:
    providers.control.set_fault("refused", provider="google")

    assert ask(client) == "gpt-4o"


def test_one_fault_of_several_can_be_cleared(client: openai.OpenAI, providers: ProviderProcess) -> None:
    providers.control.set_fault("503", model="gpt-4o")
    providers.control.set_fault("503", model="o3-mini")
    providers.control.clear_faults(model="gpt-4o")

    assert ask(client, "gpt-4o") == "gpt-4o"
    assert [fault["model"] for fault in providers.control.faults()] == ["o3-mini"]


@pytest.mark.parametrize(("given", "seconds"), [(None, "1"), (7, "7")])
def test_429_says_when_to_come_back(
    client: openai.OpenAI, providers: ProviderProcess, given: int | None, seconds: str
) -> None:
    providers.control.set_fault("429", provider="openai", retry_after_seconds=given)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)

    assert caught.value.response.headers["retry-after"] == seconds


def test_a_slow_stream_starts_at_once(client: openai.OpenAI, providers: ProviderProcess) -> None:
    providers.control.set_fault("slow_sse", model="gpt-4o", delay_ms=30)
    started = time.monotonic()
    arrivals = [
        time.monotonic() - started
        for _ in client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    ]

    assert arrivals[-1] - arrivals[0] >= 0.03 * (len(arrivals) - 2)
    assert arrivals[0] < arrivals[-1] / 2


def test_a_truncated_stream_breaks_off(client: openai.OpenAI, providers: ProviderProcess) -> None:
    providers.control.set_fault("truncate", model="gpt-4o")
    stream = client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    arrived: list[object] = []
    with pytest.raises(openai.APIConnectionError):
        arrived.extend(stream)  # keeps what came before the break

    assert len(arrived) > 5
    with pytest.raises(openai.APIConnectionError):
        ask(client)


@pytest.mark.parametrize("by", ["fault", "latency"])
def test_an_answer_can_be_made_to_wait(client: openai.OpenAI, providers: ProviderProcess, by: str) -> None:
    if by == "fault":
        providers.control.set_fault("slow", model="gpt-4o", delay_ms=200)
    else:
        providers.control.set_latency("gpt-4o", 200)
    started = time.monotonic()
    ask(client)
    waited = time.monotonic() - started
    providers.control.set_latency("gpt-4o", 0)

    assert waited >= 0.2


@pytest.mark.parametrize(
    ("kind", "scope"),
    [
        ("broken", {"provider": "openai"}),
        ("200", {"provider": "openai"}),
        ("503", {"provider": "nobody"}),
        ("503", {"model": "auto"}),
        ("503", {"provider": "openai", "model": "gpt-4o"}),
        ("503", {}),
        ("503", {"provider": "openai", "count": 0}),
        ("refused", {"model": "gpt-4o"}),
        ("refused", {"provider": "openai", "count": 1}),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(providers: ProviderProcess, kind: str, scope: Any) -> None:
    with pytest.raises(UnknownFaultError):
        providers.control.set_fault(kind, **scope)

    assert providers.control.faults() == []
