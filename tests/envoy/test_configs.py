"""Every Envoy configuration that ships is one that Envoy takes, and says what the policy says."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.compile import load_config
from sidecar.demo.preflight import find_envoy
from sidecar.envoyconfig.shipped import shipped_file
from tests.envoy.gateway import Gateway

FOLDER = shipped_file("envoy", "envoy.yaml").parent
CONFIGS = sorted(FOLDER.glob("envoy*.yaml"))


def load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text())
    return loaded


def test_both_configurations_are_found() -> None:
    assert [file.name for file in CONFIGS] == ["envoy-basic.yaml", "envoy.yaml"]


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_envoy_takes_it(file: Path, tmp_path: Path) -> None:
    bootstrap = Gateway(file.name).write_bootstrap(tmp_path)
    command = [str(find_envoy()), "--mode", "validate", "-c", str(bootstrap)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_it_carries_out_the_example_policy(file: Path) -> None:
    config = load(file)
    clusters = {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}
    inner = next(it for it in config["static_resources"]["listeners"] if it["name"] == "models")
    manager = inner["filter_chains"][0]["filters"][0]["typed_config"]
    routes = {route["name"]: route for route in manager["route_config"]["virtual_hosts"][0]["routes"]}
    policy = load_config(shipped_file("examples", "router.yaml")).policy
    assert set(routes) == set(policy.models)
    for model in policy.models.values():
        assert {model.cluster, f"{model.name}-provider"} <= set(clusters)
        assert routes[model.name]["metadata"]["filter_metadata"]["envoy.filters.http.lua"]["model"] == model.id
        assert routes[model.name]["route"]["cluster"] == f"{model.name}-provider"
        assert routes[model.name]["response_headers_to_add"][0]["header"]["value"] == model.name


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_every_provider_is_called_over_checked_tls(file: Path) -> None:
    for cluster in load(file)["static_resources"]["clusters"]:
        if cluster["name"].endswith("-provider"):
            tls = cluster["transport_socket"]["typed_config"]
            host = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"][
                "socket_address"
            ]
            checked = tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
            assert tls["sni"] == host["address"] == checked[0]["matcher"]["exact"]


def test_keys_stand_in_files_of_their_own() -> None:
    """No credential is written into a configuration; each names the raw key file of one provider."""
    for file in FOLDER.glob("*-key.yaml"):
        (secret,) = load(file)["resources"]
        assert secret["generic_secret"]["secret"]["filename"] == f"/etc/llm-keys/{secret['name']}"
    for file in CONFIGS:
        assert "inline_string: sk" not in file.read_text() and "inline_bytes" not in file.read_text()
