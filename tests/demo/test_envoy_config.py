"""The localised configuration differs from the shipped one only where a laptop differs from a deployment."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.demo.envoy_config import EnvoyFileError, LocalPlaces, localised_config, write_envoy_files, write_keys
from sidecar.envoyconfig.shipped import shipped_file

PORTS_BY_HOST = {
    "api.openai.com": 41001,
    "generativelanguage.googleapis.com": 41002,
    "api.anthropic.com": 41003,
}


@pytest.fixture
def places(tmp_path: Path) -> LocalPlaces:
    return LocalPlaces(
        folder=tmp_path,
        envoy_port=41010,
        admin_port=41011,
        provider_ports=PORTS_BY_HOST,
        ca_file=tmp_path / "ca.pem",
        sidecar_sockets=[tmp_path / "sidecar.sock", tmp_path / "sidecar-1.sock"],
        outcomes_socket=tmp_path / "collector.sock",
        otlp=("127.0.0.1", 41012),
        values={"per_try_timeout": "0.5s"},
    )


@pytest.fixture(params=["envoy.yaml", "envoy-basic.yaml"])
def source(request: pytest.FixtureRequest) -> Path:
    return shipped_file("envoy", request.param)


def leaves(node: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every scalar by its path."""
    if isinstance(node, dict):
        return {key: value for name, it in node.items() for key, value in leaves(it, (*path, name)).items()}
    if isinstance(node, list):
        return {key: value for at, it in enumerate(node) for key, value in leaves(it, (*path, str(at))).items()}
    return {path: node}


def cluster(config: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [it for it in config["static_resources"]["clusters"] if it["name"] == name]
    return dict(found)


def test_nothing_but_places_changes(source: Path, places: LocalPlaces) -> None:
    before, after = leaves(yaml.safe_load(source.read_text())), leaves(localised_config(source, places))
    changed = {path[-1] for path in before if after.get(path) != before[path]}
    added = {path for path in after if path not in before}

    assert changed == {"address", "port_value", "path", "filename", "per_try_timeout"}
    assert {path[-3:] for path in added} == {("address", "pipe", "path")}


def test_no_place_of_the_deployment_is_left(source: Path, places: LocalPlaces) -> None:
    text = json.dumps(localised_config(source, places))

    assert "/etc/" not in text
    assert "/run/llm" not in text
    assert '"port_value": 443' not in text


def test_ports_are_on_loopback(source: Path, places: LocalPlaces) -> None:
    config = localised_config(source, places)
    values = leaves(config)
    ports = {value for path, value in values.items() if path[-1] == "port_value"}
    hosts = {value for path, value in values.items() if path[-2:] == ("socket_address", "address")}

    assert config["admin"]["address"]["socket_address"]["port_value"] == 41011
    assert ports == {41001, 41002, 41003, 41010, 41011, 41012}
    assert hosts == {"127.0.0.1"}


def test_tls_checks_stay_on(source: Path, places: LocalPlaces) -> None:
    values = leaves(localised_config(source, places))

    assert {value for path, value in values.items() if path[-1] == "sni"} == set(PORTS_BY_HOST)
    assert {value for path, value in values.items() if path[-2:] == ("matcher", "exact")} >= set(PORTS_BY_HOST)
    assert {value for path, value in values.items() if path[-2:] == ("trusted_ca", "filename")} == {
        str(places.ca_file)
    }


def test_every_worker_is_an_endpoint(source: Path, places: LocalPlaces) -> None:
    endpoints = leaves(cluster(localised_config(source, places), "sidecar")["load_assignment"]["endpoints"])

    assert list(endpoints.values()) == [str(path) for path in places.sidecar_sockets]


def test_the_collector_is_where_it_was_said_to_be(source: Path, places: LocalPlaces) -> None:
    endpoints = leaves(cluster(localised_config(source, places), "outcomes")["load_assignment"]["endpoints"])

    assert list(endpoints.values()) == [str(places.outcomes_socket)]


def test_the_files_it_names_are_written(source: Path, places: LocalPlaces) -> None:
    bootstrap = write_envoy_files(source, places)
    write_keys(places, {"openai": "a-key"})
    config = leaves(json.loads(bootstrap.read_text()))
    named = [Path(value) for path, value in config.items() if path[-1] in ("path", "filename")]

    assert all(it.exists() for it in named if it.parent == places.folder / "envoy")
    secret = yaml.safe_load((places.folder / "envoy" / "openai-key.yaml").read_text())
    key_file = secret["resources"][0]["generic_secret"]["secret"]["filename"]
    assert Path(key_file).read_text() == "a-key"


SMALL = """
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
static_resources:
  listeners: [{name: edge, address: {socket_address: {address: 127.0.0.1, port_value: 10000}}}]
  clusters:
  - name: sidecar
    load_assignment: {endpoints: []}
  - name: outcomes
    load_assignment: {endpoints: []}
  - name: otlp
    load_assignment: {endpoints: []}
  - name: provider
    per_try_timeout: 9s
    load_assignment:
      endpoints:
      - lb_endpoints: [{endpoint: {address: {socket_address: {address: api.openai.com, port_value: 443}}}}]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("listeners: [{name: edge,", "listeners: [] #", "one listener"),
        ("name: sidecar", "name: router", "no cluster 'sidecar'"),
        ("name: outcomes", "name: collector", "no cluster 'outcomes'"),
        ("name: otlp", "name: collector", "no cluster 'otlp'"),
        ("api.openai.com", "api.example.com", r"no local provider for api\.example\.com"),
        ("per_try_timeout: 9s", "type: STATIC", "no value 'per_try_timeout'"),
        ("type", "type", None),
        ("per_try_timeout: 9s", "per_try_timeout: /etc/passwd", None),
        ("name: provider", "name: /etc/passwd", "/etc/passwd: no local place"),
        ("static_resources:", "resources:", "not the shape"),
        ("admin:", "- admin:", "small.yaml"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, places: LocalPlaces, old: str, new: str, message: str | None
) -> None:
    source = tmp_path / "small.yaml"
    source.write_text(SMALL.replace(old, new))
    if message is None:
        assert localised_config(source, places)
        return
    with pytest.raises(EnvoyFileError, match=message):
        localised_config(source, places)


def test_a_companion_that_is_missing_is_named(tmp_path: Path, places: LocalPlaces) -> None:
    source = tmp_path / "small.yaml"
    source.write_text(SMALL.replace("name: provider", "filename: /etc/envoy/gone.lua\n    name: provider"))
    with pytest.raises(EnvoyFileError, match=r"gone\.lua"):
        write_envoy_files(source, places)
