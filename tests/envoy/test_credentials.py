"""Keys live in files and in requests to their own provider, nowhere else."""

import time
from pathlib import Path

import httpx
import pytest

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import BY_TIER

SECRET = "sk-client-secret"
CLIENT_HEADERS = {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET, "cookie": SECRET, "api-key": SECRET}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("tier", BY_TIER)
def test_a_clients_credentials_never_reach_a_provider(any_gateway: Gateway, path: str, tier: str) -> None:
    any_gateway.providers.clear_requests()
    body = {"model": "auto", "max_tokens": 10, "messages": [{"role": "user", "content": BY_TIER[tier]}]}
    assert any_gateway.post(body, path, headers=CLIENT_HEADERS).status_code == 200
    (received,) = any_gateway.providers.requests()
    assert SECRET not in str(received)


def test_keys_are_not_in_envoys_admin_interface(any_gateway: Gateway) -> None:
    dump = httpx.get(f"http://127.0.0.1:{any_gateway.admin_port}/config_dump?include_eds").text
    assert "credential_injector" in dump
    assert not [key for key in any_gateway.keys.values() if key in dump]


def test_keys_are_not_in_the_sidecars_log_or_process(gateway: Gateway) -> None:
    gateway.ask()
    environment = (gateway.folder / "sidecar.log").read_text()
    environment += Path(f"/proc/{gateway.sidecar_pid}/environ").read_text()
    assert not [key for key in gateway.keys.values() if key in environment]


def test_a_new_key_is_used_without_a_restart() -> None:
    with Gateway() as gateway:
        key_file = gateway.folder / "keys" / "google"
        renewed = key_file.with_name("google.new")
        renewed.write_text("a-rotated-key")
        renewed.rename(key_file)
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            gateway.providers.clear_requests()
            gateway.ask()
            if gateway.providers.requests()[0]["headers"]["authorization"] == "Bearer a-rotated-key":
                return
        raise AssertionError("the old key is still sent")
