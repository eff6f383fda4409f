"""What the providers remember of the requests they received."""

import hashlib
import http.client
import json
import ssl

import pytest

from sidecar.demo.providers import EmbeddedProviders, ProviderProcess
from sidecar.demo.providers.received import ReceivedRequests


def post(providers: ProviderProcess, trust: ssl.SSLContext, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPSConnection("localhost", providers.ports["openai"], context=trust)
    try:
        connection.request("POST", "/v1/chat/completions?a=1", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_record_says_what_an_attempt_carried(providers: ProviderProcess, trust: ssl.SSLContext) -> None:
    body = json.dumps({"model": "gpt-4o", "messages": []}).encode()
    headers = {"Authorization": "Bearer stolen", "X-LLM-Tier": "simple", "Host": "api.openai.com", "From": "a@b.c"}
    post(providers, trust, body, headers)
    [record] = providers.control.requests()

    assert (record["provider"], record["model"], record["fault"]) == ("openai", "gpt-4o", None)
    assert (record["method"], record["path"]) == ("POST", "/v1/chat/completions?a=1")
    assert record["host"] == "api.openai.com"
    assert record["headers"]["authorization"] == "Bearer stolen"
    assert record["headers"]["x-llm-tier"] == "simple"
    assert record["headers"]["content-length"] == str(len(body))
    assert "from" not in record["headers"]
    assert record["body_bytes"] == len(body)
    assert record["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_a_request_that_met_a_fault_is_recorded_with_it(providers: ProviderProcess, trust: ssl.SSLContext) -> None:
    providers.control.set_fault("503", model="o3-mini", count=1)
    post(providers, trust, b'{"model": "o3-mini"}', {})
    post(providers, trust, b"not json", {})

    assert [(it["model"], it["fault"]) for it in providers.control.requests()] == [("o3-mini", "503"), (None, None)]


def test_records_can_be_read_in_part_and_forgotten(providers: ProviderProcess, trust: ssl.SSLContext) -> None:
    for model in ("gpt-4o", "o3-mini", "gpt-4o"):
        post(providers, trust, json.dumps({"model": model}).encode(), {})

    assert len(providers.control.requests(model="gpt-4o")) == 2
    assert len(providers.control.requests(provider="openai")) == 3
    assert providers.control.requests(provider="google") == []
    providers.control.clear_requests()
    assert providers.control.requests() == []


@pytest.mark.parametrize(("limit", "kept"), [(3, ["3", "4", "5"]), (0, [])])
def test_only_the_last_requests_are_kept(limit: int, kept: list[str]) -> None:
    received = ReceivedRequests(limit)
    for number in range(6):
        received.add("openai", str(number), ("POST", "/"), {}, b"", None)

    assert [record.model for record in received.read()] == kept


def test_a_header_sent_twice_keeps_both_values() -> None:
    received = ReceivedRequests()
    received.add("openai", None, ("POST", "/"), {"Authorization": "a", "authorization": "b"}, b"", None)

    assert received.read()[0].headers == {"authorization": "a, b"}


@pytest.mark.asyncio
async def test_providers_in_the_same_loop_offer_the_same() -> None:
    providers = EmbeddedProviders(models={"openai": ["gpt-next"]})
    await providers.start()
    try:
        assert providers.ca_file is not None
        assert providers.ca_file.exists()
        assert set(providers.ports) == {"openai", "google", "anthropic"}
        assert providers.ports_by_host["api.openai.com"] == providers.ports["openai"]
        await providers.set_fault("refused", provider="openai")
        await providers.set_fault("503", model="gpt-next", count=1)
        assert [fault["fault"] for fault in providers.faults()] == ["refused", "503"]
        await providers.clear_faults()
        assert providers.requests() == []
    finally:
        await providers.stop()

    assert not providers.ca_file.exists()
