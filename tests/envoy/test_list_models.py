"""Which models there are is the sidecar's to say; without it the fallback's provider answers, as to anything else."""

import pytest

from tests.envoy.gateway import Gateway
from tests.fakes.model_lister import ModelLister

CONFIGS = ["envoy.yaml", "envoy-basic.yaml"]
LISTED = b'{"object":"list","data":[]}'


@pytest.mark.parametrize("config", CONFIGS)
def test_the_sidecar_may_answer(config: str) -> None:
    with (
        Gateway(config, wait_for_sidecar=False) as gateway,
        ModelLister(gateway.folder / "sidecar.sock", LISTED) as it,
    ):
        gateway.wait_for_health()
        for path in ("/v1/models", "/v1/Models/", "//v1/models?limit=5"):
            answer = gateway.get(path)
            assert (answer.status_code, answer.content) == (200, LISTED)
        passed = gateway.get("/v1/files")
        assert passed.content != LISTED
        assert it.paths == ["/v1/models", "/v1/Models/", "/v1/models?limit=5"]


@pytest.mark.parametrize("config", CONFIGS)
def test_without_a_sidecar_the_fallbacks_provider_answers(config: str) -> None:
    with Gateway(config, wait_for_sidecar=False) as gateway:
        answer = gateway.get("/v1/models")
        assert answer.status_code == 200
        assert "x-llm-model" not in answer.headers
        (received,) = gateway.providers.requests()
        assert (received["provider"], received["path"]) == ("openai", "/v1/models")
