"""An attempt that fails goes on to the next model of the plan, with that model's own id, host and key."""

from collections.abc import Iterator

import pytest

from tests.envoy.gateway import HOSTS, NO_EJECTION, Gateway
from tests.envoy.prompts import COMPLEX, SIMPLE

PLAN = [("gemini-flash", "google", "gemini-2.0-flash"), ("gpt-4o-mini", "openai", "gpt-4o-mini")]


@pytest.fixture(scope="module")
def impatient() -> Iterator[Gateway]:
    """Gives a hanging provider one second."""
    with Gateway(values=NO_EJECTION | {"per_try_timeout": "1s"}) as gateway:
        yield gateway


@pytest.fixture
def clean(impatient: Gateway) -> Iterator[Gateway]:
    impatient.providers.clear_requests()
    yield impatient
    impatient.providers.clear_faults()


@pytest.mark.parametrize("fault", ["500", "503", "529", "429", "reset", "hang"])
def test_the_second_model_answers_when_the_first_fails(clean: Gateway, fault: str) -> None:
    clean.providers.set_fault(fault, provider="google")
    answer = clean.ask(SIMPLE)
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gpt-4o-mini")
    assert answer.json()["model"] == "gpt-4o-mini"
    attempts = clean.providers.requests()
    assert len(attempts) == 2
    for attempt, (_, provider, model_id) in zip(attempts, PLAN, strict=True):
        assert (attempt["provider"], attempt["model"], attempt["host"]) == (provider, model_id, HOSTS[provider])
        assert attempt["headers"]["authorization"] == f"Bearer {clean.keys[provider]}"
        assert int(attempt["headers"]["content-length"]) == attempt["body_bytes"]


def test_the_second_model_answers_when_the_first_refuses_connections(clean: Gateway) -> None:
    clean.providers.set_fault("refused", provider="google")
    answer = clean.ask(SIMPLE)
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gpt-4o-mini")
    assert [attempt["model"] for attempt in clean.providers.requests()] == ["gpt-4o-mini"]


def test_the_third_model_answers_when_two_fail_in_different_ways(clean: Gateway) -> None:
    clean.providers.set_fault("503", provider="google")
    clean.providers.set_fault("429", model="gpt-4o-mini")
    answer = clean.ask(SIMPLE)
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gpt-4o")
    assert [attempt["model"] for attempt in clean.providers.requests()] == [
        "gemini-2.0-flash",
        "gpt-4o-mini",
        "gpt-4o",
    ]


def test_an_anthropic_request_stays_with_models_that_speak_its_api(clean: Gateway) -> None:
    clean.providers.set_fault("529", model="claude-3-5-haiku-latest")
    answer = clean.ask(SIMPLE, path="/v1/messages")
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "claude-sonnet")
    attempts = clean.providers.requests()
    assert [attempt["provider"] for attempt in attempts] == ["anthropic", "anthropic"]
    assert all(attempt["headers"]["x-api-key"] == clean.keys["anthropic"] for attempt in attempts)
    assert all("authorization" not in attempt["headers"] for attempt in attempts)


def test_a_failed_stream_goes_on_to_the_next_model_before_its_first_byte(clean: Gateway) -> None:
    clean.providers.set_fault("503", provider="google")
    answer = clean.post({"model": "auto", "stream": True, "messages": [{"role": "user", "content": SIMPLE}]})
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gpt-4o-mini")
    assert answer.text.rstrip().endswith("data: [DONE]")


def test_the_clients_own_mistakes_are_not_retried(clean: Gateway) -> None:
    clean.providers.set_fault("400", provider="openai")
    assert clean.ask(COMPLEX).status_code == 400
    assert len(clean.providers.requests()) == 1


def test_with_a_whole_provider_down_a_weaker_model_elsewhere_answers(clean: Gateway) -> None:
    clean.providers.set_fault("503", provider="openai")
    answer = clean.ask(COMPLEX)
    assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gemini-flash")


def test_when_every_model_fails_the_client_gets_the_last_error(clean: Gateway) -> None:
    for provider in ("google", "openai"):
        clean.providers.set_fault("503", provider=provider)
    answer = clean.ask(SIMPLE)
    assert answer.status_code == 503
    assert "error" in answer.json()
    assert len(clean.providers.requests()) == 4


def test_with_the_basic_configuration_retries_stay_on_the_chosen_model() -> None:
    with Gateway("envoy-basic.yaml") as basic:
        basic.providers.set_fault("503", provider="google", count=2)
        answer = basic.ask(SIMPLE)
        assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gemini-flash")
        assert [attempt["model"] for attempt in basic.providers.requests()] == ["gemini-2.0-flash"] * 3
