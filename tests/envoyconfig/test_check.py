"""The check reads any Envoy file: the shipped ones, and those that people have written otherwise."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.compile import Config, load_config
from sidecar.config.finding import Finding, Severity
from sidecar.envoyconfig.check import all_rules, check_envoy
from sidecar.envoyconfig.parts.names import MAX_BODY_BYTES
from sidecar.envoyconfig.reading import names
from sidecar.envoyconfig.render import render_files
from sidecar.envoyconfig.shipped import shipped_file
from sidecar.extproc import names as wire_names
from sidecar.extproc import processor, server
from tests.fakes.written_policies import load, policy_with

SHIPPED = ["envoy.yaml", "envoy-basic.yaml"]
TYPE = "type.googleapis.com/"
HTTP_CONNECTION_MANAGER = f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "router", "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.router.v3.Router"}}
ELSEWHERE = {"ads": {}, "resource_api_version": "V3"}

Bootstrap = dict[str, Any]


def policy() -> Config:
    return load_config(shipped_file("examples", "router.yaml"))


def shipped_text(name: str) -> str:
    return shipped_file("envoy", name).read_text()


def shipped(name: str) -> Bootstrap:
    loaded: Bootstrap = yaml.safe_load(shipped_text(name))
    return loaded


def check_text(text: str, folder: Path, name: str = "envoy.yaml") -> list[Finding]:
    """What is found in that text, with the shipped key files and set_model.lua beside it."""
    for file in shipped_file("envoy", "envoy.yaml").parent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / name).write_text(text)
    return check_envoy(policy(), folder / name)


def manager(bootstrap: Bootstrap, index: int) -> Bootstrap:
    """The HTTP connection manager of the edge (0) or of the internal listener (1)."""
    found: Bootstrap = bootstrap["static_resources"]["listeners"][index]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    return found


def cluster(bootstrap: Bootstrap, name: str) -> Bootstrap:
    found: Bootstrap = next(it for it in bootstrap["static_resources"]["clusters"] if it["name"] == name)
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_is_wrong_with_what_ships(name: str) -> None:
    assert check_envoy(policy(), shipped_file("envoy", name)) == []


SELF_HOSTED = """
providers:
  local: {url: "http://10.0.0.5:8000/v1"}
  vllm: {url: "http://vllm.models.svc:8000/v1", endpoints: [chat/completions]}
  openai: {url: https://api.openai.com/v1, api_key_file: /etc/llm-keys/openai}
models:
  small: {provider: local, id: meta/llama, tier: simple, price: {input: 0, output: 0}, context: 8000, cluster: llama}
  middle: {provider: vllm, tier: moderate, price: {input: 0, output: 0}, context: 8000}
  big: {provider: openai, id: gpt-4o, tier: complex, price: {input: 1, output: 1}, context: 8000}
virtual_models: {auto: {}}
fallback: big
"""

ODD = """
providers:
  at-address: {url: https://10.1.2.3/v1}
  at-ipv6: {url: "https://[FD00:0:0::7]:8443/v1"}
  upper: {url: https://API.Example.COM:8443/V1, api_key_file: /etc/llm-keys/upper}
models:
  m: {provider: at-address, id: 'quo"ted \\ back', tier: complex, price: {input: 0, output: 0}, context: 8000}
  n: {provider: at-ipv6, id: "no", tier: complex, price: {input: 0, output: 0}, context: 8000}
  o: {provider: upper, id: '1e5', tier: complex, price: {input: 0, output: 0}, context: 8000}
virtual_models: {auto: {}}
fallback: m
"""


@pytest.mark.parametrize("is_basic", [False, True])
@pytest.mark.parametrize("written", [shipped_file("examples", "router.yaml").read_text(), SELF_HOSTED, ODD])
def test_nothing_is_wrong_with_what_is_rendered(written: str, is_basic: bool, tmp_path: Path) -> None:
    (tmp_path / "router.yaml").write_text(written)
    config = load_config(tmp_path / "router.yaml")
    for name, text in render_files(config, is_basic=is_basic, overlay=None).items():
        (tmp_path / name).write_text(text)

    assert check_envoy(config, tmp_path / "envoy.yaml") == []


def test_a_provider_at_an_ip_address_may_be_asked_for_by_a_name(tmp_path: Path) -> None:
    """As one that is reached past DNS, with a certificate of its name."""
    config = load(policy_with("{url: https://10.1.2.3/v1}"), tmp_path)
    text = render_files(config)["envoy.yaml"]
    ours, theirs = "san_type: IP_ADDRESS, matcher: {exact: 10.1.2.3}", "san_type: DNS, matcher: {exact: llm.example}"
    assert "sni" not in text and ours in text
    text = text.replace(ours, theirs).replace("common_tls_context:", "sni: llm.example\n        common_tls_context:")
    (tmp_path / "envoy.yaml").write_text(text)

    findings = check_envoy(config, tmp_path / "envoy.yaml")

    assert [it for it in findings if it.severity is not Severity.NOTE] == []


def camel_cased(node: Any) -> Any:
    """The other spelling of every field that protobuf takes."""
    if isinstance(node, list):
        return [camel_cased(item) for item in node]
    if not isinstance(node, dict):
        return node
    spelled = {key if "." in key else re.sub("_(.)", lambda found: found[1].upper(), key): key for key in node}
    return {name: camel_cased(node[key]) for name, key in spelled.items()}


@pytest.mark.parametrize("base", SHIPPED)
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("envoy.json", json.dumps),
        ("envoy.json", lambda bootstrap: json.dumps(bootstrap, indent="\t")),
        ("envoy.json", lambda bootstrap: json.dumps(camel_cased(bootstrap), indent=1)),
        ("envoy.yaml", yaml.safe_dump),
        ("envoy.yaml", lambda bootstrap: yaml.safe_dump(bootstrap, default_flow_style=True, sort_keys=False)),
    ],
)
def test_it_is_all_the_same_how_the_file_is_written(
    base: str, name: str, write: Callable[[Bootstrap], str], tmp_path: Path
) -> None:
    assert check_text(write(shipped(base)), tmp_path, name) == []


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode().replace(b"# ", b"# \xfc ", 1),
        lambda text: text.replace("# ", "# \x00 \x1b[1m \x85 \u2028", 1).encode(),
        lambda text: text.replace("\nstatic_resources:\n", "\n  \t\nstatic_resources:\n\t# x\n").encode(),
        lambda text: f"---\n{text}...\n---\n".encode(),
    ],
    ids=[
        "UTF-16",
        "byte order mark",
        "line ends of Windows",
        "Latin-1 in a comment",
        "a control character",
        "a blank tab",
        "document marks",
    ],
)
def test_it_is_all_the_same_how_it_is_encoded(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    """Envoy takes each of these."""
    check_text("", tmp_path)
    (tmp_path / "envoy.yaml").write_bytes(encode(shipped_text("envoy.yaml")))

    assert check_envoy(policy(), tmp_path / "envoy.yaml") == []


@pytest.mark.parametrize("written", [r"\ud83d\ude00", r"\\\ud83d\ude00", r"\\ud83d\\ude00", "\x01", "\t", r"\/"])
def test_whatever_json_writes_in_a_string_is_read(written: str, tmp_path: Path) -> None:
    text = json.dumps(shipped("envoy.yaml")).replace('"stat_prefix": "edge"', f'"stat_prefix": "{written}"')

    assert check_text(text, tmp_path, "envoy.json") == []


def test_json_has_no_byte_order_mark(tmp_path: Path) -> None:
    (finding,) = check_text("\ufeff" + json.dumps(shipped("envoy.yaml")), tmp_path, "envoy.json")

    assert (finding.id, finding.line) == ("yaml-syntax", 1)


@pytest.mark.parametrize("base", SHIPPED)
def test_names_of_ones_own_are_as_good(base: str, tmp_path: Path) -> None:
    text = shipped_text(base)
    for ours, theirs in (
        ("name: models\n    internal_listener", "name: inside\n    internal_listener"),
        ("server_listener_name: models", "server_listener_name: inside"),
        ("name: edge\n", "name: front\n"),
        ("x-llm-target", "x-route"),
        ("-provider", ".out"),
        ("envoy.filters.http.ext_proc", "decision"),
        ("envoy.filters.http.lua", "set-model"),
        ("cluster_name: sidecar", "cluster_name: router"),
        ("name: sidecar\n", "name: router\n"),
        ("name: openai\n                match", "name: chat\n                match"),
    ):
        assert ours in text
        text = text.replace(ours, theirs)

    assert check_text(text, tmp_path) == []


def add_a_web_site(bootstrap: Bootstrap) -> None:
    """A listener that has nothing to do with models, and an ext_proc filter of its own."""
    firewall = {
        "name": "firewall",
        "typed_config": {
            "@type": f"{TYPE}envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
            "grpc_service": {"envoy_grpc": {"cluster_name": "site"}},
            "processing_mode": {"request_body_mode": "STREAMED", "response_body_mode": "STREAMED"},
        },
    }
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "site", "timeout": "5s"}}]
    site = {
        "@type": HTTP_CONNECTION_MANAGER,
        "stat_prefix": "site",
        "route_config": {"virtual_hosts": [{"name": "site", "domains": ["*"], "routes": routes}]},
        "http_filters": [firewall, ROUTER],
    }
    address = {"socket_address": {"address": "0.0.0.0", "port_value": 80}}
    chains = [{"filters": [{"name": "http", "typed_config": site}]}]
    bootstrap["static_resources"]["listeners"].insert(
        0, {"name": "site", "address": address, "filter_chains": chains}
    )
    bootstrap["static_resources"]["clusters"].insert(0, {"name": "site", "type": "STATIC"})


def add_a_database(bootstrap: Bootstrap) -> None:
    proxy = {
        "@type": f"{TYPE}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "db",
        "cluster": "db",
    }
    address = {"socket_address": {"address": "0.0.0.0", "port_value": 5432}}
    chains = [{"filters": [{"name": "tcp", "typed_config": proxy}]}]
    bootstrap["static_resources"]["listeners"].append({"name": "db", "address": address, "filter_chains": chains})
    bootstrap["static_resources"]["clusters"].append({"name": "db", "type": "STATIC"})


def add_filters(bootstrap: Bootstrap) -> None:
    """What stands before ours: an authenticating filter, and another's ext_proc."""
    other = {
        "@type": f"{TYPE}envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        "grpc_service": {"google_grpc": {"target_uri": "waf:80", "stat_prefix": "waf"}},
        "processing_mode": {"request_body_mode": "STREAMED"},
    }
    keys = {"@type": f"{TYPE}envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth"}
    added = [{"name": "keys", "typed_config": keys}, {"name": "waf", "typed_config": other}]
    manager(bootstrap, 0)["http_filters"][:0] = added
    bootstrap["static_resources"]["listeners"][0]["address"]["socket_address"]["address"] = "0.0.0.0"


def add_a_second_edge(bootstrap: Bootstrap) -> None:
    listeners = bootstrap["static_resources"]["listeners"]
    second = json.loads(json.dumps(listeners[0]))
    second["name"], second["address"]["socket_address"]["port_value"] = "edge-2", 10001
    listeners.append(second)


def give_each_api_its_own_host(bootstrap: Bootstrap) -> None:
    (host,) = manager(bootstrap, 0)["route_config"]["virtual_hosts"]
    openai, anthropic = json.loads(json.dumps(host)), json.loads(json.dumps(host))
    openai.update(name="openai", domains=["openai.example"])
    anthropic.update(name="anthropic", domains=["anthropic.example"])
    openai["routes"] = [it for it in host["routes"] if it["name"].startswith("openai") and "other" not in it["name"]]
    anthropic["routes"] = [it for it in host["routes"] if it["name"].startswith("anthropic")]
    manager(bootstrap, 0)["route_config"]["virtual_hosts"] = [openai, anthropic]


def add_a_cluster_specifier_by_name(bootstrap: Bootstrap) -> None:
    """The priority groups stand beside the routes, which name them."""
    config = manager(bootstrap, 0)["route_config"]
    plugins = []
    for route in config["virtual_hosts"][0]["routes"]:
        plugin = route.get("route", {}).pop("inline_cluster_specifier_plugin", None)
        if plugin is not None:
            plugin["extension"]["name"] = f"plan-{route['name']}"
            route["route"]["cluster_specifier_plugin"] = plugin["extension"]["name"]
            plugins.append(plugin)
    config["cluster_specifier_plugins"] = plugins


def remove_headers_by_filters(bootstrap: Bootstrap) -> None:
    """What the lists of the internal listener do, done by a filter of the listener."""
    http = manager(bootstrap, 1)
    (host,) = http["route_config"]["virtual_hosts"]
    mutations = {
        f"{direction}_mutations": [{"remove": name} for name in host.pop(f"{direction}_headers_to_remove")]
        for direction in ("request", "response")
    }
    mutations["request_mutations"].append({"remove_on_match": {"key_matcher": {"prefix": "x-llm-"}}})
    type_ = f"{TYPE}envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    filter_ = {"name": "remove", "typed_config": {"@type": type_, "mutations": mutations}}
    http["http_filters"].insert(1, filter_)


def add_a_split(bootstrap: Bootstrap) -> None:
    """A group whose attempts are shared out between two models."""
    groups = manager(bootstrap, 0)["route_config"]["virtual_hosts"][0]["routes"][0]["route"][
        "inline_cluster_specifier_plugin"
    ]["extension"]["typed_config"]["priority_groups"]
    groups[0]["clusters"] = [{"cluster_name": "gpt-4o", "weight": 90}, {"cluster_name": "o3-mini", "weight": 10}]


@pytest.mark.parametrize(
    "change",
    [
        add_a_web_site,
        add_a_database,
        add_filters,
        add_a_second_edge,
        give_each_api_its_own_host,
        add_a_cluster_specifier_by_name,
        add_a_split,
        remove_headers_by_filters,
    ],
)
def test_what_people_add_is_no_fault(change: Callable[[Bootstrap], None], tmp_path: Path) -> None:
    bootstrap = shipped("envoy.yaml")
    change(bootstrap)

    assert check_text(yaml.safe_dump(bootstrap), tmp_path) == []


def take_edge_routes_from_elsewhere(bootstrap: Bootstrap) -> None:
    del manager(bootstrap, 0)["route_config"]
    manager(bootstrap, 0)["rds"] = {"route_config_name": "edge", "config_source": ELSEWHERE}


def take_inner_routes_from_elsewhere(bootstrap: Bootstrap) -> None:
    del manager(bootstrap, 1)["route_config"]
    manager(bootstrap, 1)["rds"] = {"route_config_name": "models", "config_source": ELSEWHERE}


def take_clusters_from_elsewhere(bootstrap: Bootstrap) -> None:
    clusters = bootstrap["static_resources"]["clusters"]
    bootstrap["static_resources"]["clusters"] = [it for it in clusters if it["name"] in ("sidecar", "otlp")]
    bootstrap["dynamic_resources"] = {"cds_config": ELSEWHERE}


def take_listeners_from_elsewhere(bootstrap: Bootstrap) -> None:
    bootstrap["static_resources"]["listeners"] = []
    bootstrap["dynamic_resources"] = {"lds_config": ELSEWHERE}


def take_addresses_from_elsewhere(bootstrap: Bootstrap) -> None:
    provider = cluster(bootstrap, "o3-mini-provider")
    del provider["load_assignment"], provider["cluster_type"]
    provider.update(type="EDS", eds_cluster_config={"eds_config": ELSEWHERE})


def take_a_filter_from_elsewhere(bootstrap: Bootstrap) -> None:
    source = {
        "config_source": ELSEWHERE,
        "type_urls": ["envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"],
    }
    filters = manager(bootstrap, 0)["http_filters"]
    filters[0] = {"name": filters[0]["name"], "config_discovery": source}


def take_certificates_from_elsewhere(bootstrap: Bootstrap) -> None:
    common = cluster(bootstrap, "o3-mini-provider")["transport_socket"]["typed_config"]["common_tls_context"]
    common.pop("validation_context", None)
    common["validation_context_sds_secret_config"] = {"name": "ca", "sds_config": ELSEWHERE}


@pytest.mark.parametrize(
    "change",
    [
        take_edge_routes_from_elsewhere,
        take_inner_routes_from_elsewhere,
        take_clusters_from_elsewhere,
        take_listeners_from_elsewhere,
        take_addresses_from_elsewhere,
        take_a_filter_from_elsewhere,
        take_certificates_from_elsewhere,
    ],
)
def test_what_is_not_in_the_file_is_not_judged_but_said(change: Callable[[Bootstrap], None], tmp_path: Path) -> None:
    bootstrap = shipped("envoy.yaml")
    change(bootstrap)

    findings = check_text(yaml.safe_dump(bootstrap), tmp_path)

    assert {(it.id, it.severity) for it in findings} == {("not-checked", Severity.NOTE)}


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("", (1, 1), "expected a mapping"),
        ("- a\n", (1, 1), "expected a mapping"),
        ("admin: {address: [}\n", (1, 19), "node content"),
        ("admin:\n\taddress: {}\n", (2, 1), "cannot start any token"),
        ("node: &node\n  metadata: *node\n", (1, 7), "within the block that it refers to"),
        ("\x7fELF\x02\x01\x01\x00" * 1000, (1, 1), "expected a mapping"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_finding(
    text: str, place: tuple[int, int], told: str, tmp_path: Path
) -> None:
    (finding,) = check_text(text, tmp_path)

    assert (finding.id, finding.line, finding.column) == ("yaml-syntax", *place)
    assert told in finding.message


def test_a_file_that_is_not_there_is_one_finding(tmp_path: Path) -> None:
    (finding,) = check_envoy(policy(), tmp_path / "missing.yaml")
    assert (finding.id, finding.message) == ("yaml-syntax", "No such file or directory")


def test_a_block_that_many_use_is_told_once_where_it_stands(tmp_path: Path) -> None:
    text = shipped_text("envoy.yaml").replace("&first-byte {num_retries: 0, per_try_timeout: 120s}", "&first-byte {}")

    (finding,) = check_text(text, tmp_path)

    assert (finding.id, finding.line) == ("inner-first-byte", line_of(text, "&first-byte {}"))


def test_what_a_merge_key_brings_is_told_where_it_stands(tmp_path: Path) -> None:
    text = shipped_text("envoy.yaml")
    text = text.replace("max_requests: 512\n        track_remaining: true", "max_requests: 512\n        track: true")
    text = text.replace("circuit_breakers: *breakers", "circuit_breakers: {<<: *breakers}")

    unknown = [it for it in check_text(text, tmp_path) if it.id == "unknown-field"]

    assert [it.line for it in unknown] == [line_of(text, "track: true")]


def line_of(text: str, part: str) -> int:
    (line,) = [number for number, line in enumerate(text.splitlines(), 1) if part in line]
    return line


def test_findings_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = shipped_text("envoy.yaml").replace("normalize_path: true", "normalize_path: false")
    text = text.replace("sni: api.openai.com", "sni: openai.com").replace("name: otlp ", "nam: otlp ")

    lines = [it.line for it in check_text(text, tmp_path)]

    assert lines == sorted(lines) and len(lines) > 2


def test_a_finding_is_told_with_place_reason_and_fix() -> None:
    finding = Finding(
        id="admin-address",
        severity=Severity.WARNING,
        file=Path("envoy.yaml"),
        line=16,
        column=30,
        message="the admin port listens at '0.0.0.0'",
        reason="Whoever reaches it can stop this Envoy.",
        fix="address: 127.0.0.1",
    )
    assert finding.explained() == (
        "envoy.yaml:16:30: warning: the admin port listens at '0.0.0.0' [admin-address]\n"
        "    why: Whoever reaches it can stop this Envoy.\n"
        "    fix: address: 127.0.0.1"
    )


def test_every_rule_says_why_and_what_to_write() -> None:
    rules = all_rules()
    assert len({rule.id for rule in rules}) == len(rules) >= 45
    for rule in rules:
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", rule.id)
        assert rule.reason.endswith(".") and rule.reason[0].isupper()
        assert rule.fix and not rule.fix.endswith(".")


def test_what_is_restated_of_the_sidecar_is_what_it_does() -> None:
    assert MAX_BODY_BYTES == server.MAX_BODY_BYTES
    assert names.MOST_HEADERS == processor._MOST_HEADERS
    assert names.MOST_HEADER_BYTES == processor._MOST_HEADER_BYTES
    assert frozenset(names.READ_HEADERS) == processor._NEEDED_HEADERS
    ours = {wire_names.CLUSTER_HEADER, wire_names.DECISION_ID_HEADER, wire_names.REASON_HEADER}
    assert set(names.SET_HEADERS) == ours | {"content-length", "content-type"}
