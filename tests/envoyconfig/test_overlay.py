"""An overlay changes what it names and nothing else, and says in which line it finds nothing to change."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.compile import load_config
from sidecar.config.document import ConfigError
from sidecar.envoyconfig.overlay import apply_overlay
from sidecar.envoyconfig.render import render_envoy
from sidecar.envoyconfig.shipped import shipped_file

EXAMPLE = load_config(shipped_file("examples", "router.yaml"))

BELOW: dict[str, Any] = {
    "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9901}}},
    "static_resources": {
        "clusters": [
            {"name": "a", "connect_timeout": "1s", "lb_policy": "RANDOM"},
            {
                "name": "b",
                "circuit_breakers": {"thresholds": [{"max_requests": 5}]},
                "health_checks": [{"timeout": "1s"}, {"timeout": "2s"}],
            },
        ]
    },
}


def patched(overlay: str, folder: Path) -> Any:
    file = folder / "edits.yaml"
    file.write_text(overlay)
    return apply_overlay(BELOW, file)


def clusters(tree: Any) -> Any:
    return tree["static_resources"]["clusters"]


CLUSTERS = {
    "a value takes the other's place": (
        "{name: a, connect_timeout: 5s}",
        [{"name": "a", "connect_timeout": "5s", "lb_policy": "RANDOM"}, BELOW["static_resources"]["clusters"][1]],
    ),
    "a field is added": (
        "{name: a, dns_refresh_rate: 5s}",
        [
            {"name": "a", "connect_timeout": "1s", "lb_policy": "RANDOM", "dns_refresh_rate": "5s"},
            BELOW["static_resources"]["clusters"][1],
        ],
    ),
    "a field is taken away": (
        "{name: a, lb_policy: {$patch: delete}}",
        [{"name": "a", "connect_timeout": "1s"}, BELOW["static_resources"]["clusters"][1]],
    ),
    "an item is taken away": (
        "{name: a, $patch: delete}",
        [BELOW["static_resources"]["clusters"][1]],
    ),
    "an item is put in place": (
        "{name: a, $patch: replace, type: STATIC}",
        [{"name": "a", "type": "STATIC"}, BELOW["static_resources"]["clusters"][1]],
    ),
    "an item is added": (
        "{name: c, $patch: add, type: STATIC}",
        [*BELOW["static_resources"]["clusters"], {"name": "c", "type": "STATIC"}],
    ),
    "an item is added before another": (
        "{name: c, $patch: add, $before: b}",
        [BELOW["static_resources"]["clusters"][0], {"name": "c"}, BELOW["static_resources"]["clusters"][1]],
    ),
    "a lone item needs no name": (
        "{name: b, circuit_breakers: {thresholds: [{max_requests: 7, max_retries: 3}]}}",
        [
            BELOW["static_resources"]["clusters"][0],
            BELOW["static_resources"]["clusters"][1]
            | {"circuit_breakers": {"thresholds": [{"max_requests": 7, "max_retries": 3}]}},
        ],
    ),
    "a list without names is put in place": (
        "{name: b, health_checks: [{$patch: replace}, {timeout: 3s}]}",
        [
            BELOW["static_resources"]["clusters"][0],
            BELOW["static_resources"]["clusters"][1] | {"health_checks": [{"timeout": "3s"}]},
        ],
    ),
    "a list without names grows": (
        "{name: b, health_checks: [{$patch: append}, {timeout: 3s}]}",
        [
            BELOW["static_resources"]["clusters"][0],
            BELOW["static_resources"]["clusters"][1]
            | {"health_checks": [{"timeout": "1s"}, {"timeout": "2s"}, {"timeout": "3s"}]},
        ],
    ),
    "what Envoy's types do not know is not judged": (
        '{name: a, typed_extension_protocol_options: {x: {"@type": type.googleapis.com/acme.Own, whatever: 1}}}',
        [
            BELOW["static_resources"]["clusters"][0]
            | {"typed_extension_protocol_options": {"x": {"@type": "type.googleapis.com/acme.Own", "whatever": 1}}},
            BELOW["static_resources"]["clusters"][1],
        ],
    ),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_are_patched(tmp_path: Path, name: str) -> None:
    overlay, expected = CLUSTERS[name]
    before = yaml.safe_dump(BELOW)
    merged = patched(f"static_resources: {{clusters: [{overlay}]}}", tmp_path)
    assert clusters(merged) == expected
    assert merged["admin"] == BELOW["admin"]
    assert yaml.safe_dump(BELOW) == before


def test_a_whole_part_is_taken_away(tmp_path: Path) -> None:
    assert patched("admin: {$patch: delete}", tmp_path) == {"static_resources": BELOW["static_resources"]}


def test_a_date_stays_the_text_that_it_is(tmp_path: Path) -> None:
    assert patched("node: {id: 2027-01-31}", tmp_path)["node"] == {"id": "2027-01-31"}


WRONG = {
    "a name that is not there": (
        "static_resources:\n  clusters:\n  - {name: aa}",
        "edits.yaml:3: static_resources.clusters[aa]: nothing to patch: none here is named 'aa'",
    ),
    "nothing to take away": (
        "static_resources:\n  clusters:\n  - name: a\n    type: {$patch: delete}",
        "edits.yaml:4: static_resources.clusters[a].type: nothing to delete",
    ),
    "a part that is not there": (
        "static_resources:\n  clusters: []\n  listeners:\n  - {name: edge, $patch: delete}",
        "edits.yaml:4: ",
    ),
    "a misspelt field": (
        "static_resources:\n  clusters:\n  - name: a\n    conect_timeout: 5s",
        "edits.yaml:4: static_resources.clusters[a].conect_timeout: "
        "Cluster has no such field (did you mean connect_timeout?)",
    ),
    "a misspelt field of something new": (
        "static_resources:\n  clusters:\n  - name: c\n    $patch: add\n    lb_polcy: RANDOM",
        "edits.yaml:5: static_resources.clusters[c].lb_polcy: Cluster has no such field",
    ),
    "one that is there already": (
        "static_resources:\n  clusters:\n  - {name: a, $patch: add}",
        "edits.yaml:3: static_resources.clusters[a]: one is there already",
    ),
    "no place before it": (
        "static_resources:\n  clusters:\n  - {name: c, $patch: add, $before: x}",
        "edits.yaml:3: static_resources.clusters[c].$before: nothing to patch: none here is named 'x'",
    ),
    "a misspelt field of an extension": (
        "static_resources:\n  clusters:\n  - name: a\n    typed_extension_protocol_options:\n"
        "      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"
        '        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n'
        "        auto_confg: {}",
        "edits.yaml:7: static_resources.clusters[a].typed_extension_protocol_options."
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.auto_confg: HttpProtocolOptions has no such field",
    ),
    "an unknown directive": (
        "static_resources:\n  clusters:\n  - {name: a, $patch: remove}",
        "edits.yaml:3: static_resources.clusters[a].$patch: unknown 'remove'",
    ),
    "a list without names": (
        "static_resources:\n  clusters:\n  - name: b\n    health_checks:\n    - timeout: 5s",
        "edits.yaml:4: static_resources.clusters[b].health_checks: here are 2 items without names",
    ),
    "a value for a mapping": ("admin: 5", "edits.yaml:1: admin: a single value cannot be merged with a mapping"),
    "a mapping for a value": (
        "static_resources:\n  clusters:\n  - name: a\n    connect_timeout: {seconds: 5}",
        "edits.yaml:4: static_resources.clusters[a].connect_timeout: here is a single value",
    ),
    "a list for a mapping": ("admin: [{address: {}}]", "edits.yaml:1: admin: here is a mapping, not a list"),
    "no mapping at all": ("- admin", "edits.yaml:1: "),
    "nothing": ("# later", "edits.yaml:1: the file is empty"),
    "no YAML": ("a: [", "edits.yaml:1: not YAML"),
    "itself": (
        "node: {metadata: &a {x: *a}}",
        "edits.yaml:1: an alias in it stands for itself",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_patch_that_finds_no_place_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    overlay, message = WRONG[name]
    with pytest.raises(ConfigError) as caught:
        patched(overlay, tmp_path)
    told = re.sub(r"\.yaml:(\d+):\d+:", r".yaml:\1:", str(caught.value))  # the column follows from the line
    assert told.startswith(f"{tmp_path}/{message}")


def test_a_file_that_is_missing_is_told() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        apply_overlay(BELOW, Path("nowhere.yaml"))


AUTHENTICATION = """
static_resources:
  listeners:
  - name: edge
    address: {socket_address: {address: 0.0.0.0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          http_filters:
          - name: envoy.filters.http.api_key_auth
            $patch: add
            $before: envoy.filters.http.ext_proc
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth
              key_sources: [{header: x-api-key}]
          route_config:
            virtual_hosts:
            - name: llm
              routes:
              - {name: openai-other, $patch: delete}
  clusters:
  - name: gpt-4o-provider
    circuit_breakers: {thresholds: [{max_requests: 100}]}
"""


def test_an_overlay_reaches_every_part_of_what_is_rendered(tmp_path: Path) -> None:
    """Blocks that models share are shared no longer with the one that is patched."""
    file = tmp_path / "edits.yaml"
    file.write_text(AUTHENTICATION)
    text = render_envoy(EXAMPLE, overlay=file)
    config = yaml.safe_load(text)
    edge = config["static_resources"]["listeners"][0]
    manager = edge["filter_chains"][0]["filters"][0]["typed_config"]
    assert edge["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 10000}
    names = [it["name"].rpartition(".")[2] for it in manager["http_filters"]]
    assert names[names.index("api_key_auth") :] == ["api_key_auth", "ext_proc", "router"]
    assert "openai-other" not in [it["name"] for it in manager["route_config"]["virtual_hosts"][0]["routes"]]
    breakers = {
        it["name"]: it["circuit_breakers"]["thresholds"][0]["max_requests"]
        for it in clusters(config)
        if it["name"].endswith("-provider")
    }
    assert breakers == dict.fromkeys(breakers, 512) | {"gpt-4o-provider": 100}
    assert "--overlay edits.yaml" in text.splitlines()[1]


def test_the_overlay_of_the_documentation_can_be_applied(tmp_path: Path) -> None:
    """It is a page that people copy from."""
    page = Path(__file__).parents[2].joinpath("docs", "envoy.md").read_text()
    (overlay,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    file = tmp_path / "edits.yaml"
    file.write_text(overlay)
    added = set(render_envoy(EXAMPLE, overlay=file).splitlines()) - set(render_envoy(EXAMPLE).splitlines())
    told = {line.strip() for line in added}
    assert "- name: envoy.filters.http.jwt_authn" in told
    assert "failure_mode_allow: false" in told
    assert "retry_policy: {num_retries: 0, per_try_timeout: 125s}" in told
    (error,) = re.findall(r"^edits\.yaml:4: (.*)$", page, re.MULTILINE)
    file.write_text("static_resources:\n  clusters:\n  - {name: sidecar}\n  - {name: gpt-4.1-provider}")
    with pytest.raises(ConfigError) as caught:
        render_envoy(EXAMPLE, overlay=file)
    assert str(caught.value).endswith(error)
