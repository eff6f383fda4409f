"""Every policy has its Envoy configuration; the one that ships is that of the example."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.compile import load_config
from sidecar.envoyconfig.parts.upstreams import CannotRenderError
from sidecar.envoyconfig.render import render_envoy, render_files
from sidecar.envoyconfig.shipped import shipped_file
from tests.fakes.written_policies import ANTHROPIC_ONLY, ONE_LOCAL, load, many_models, policy_with

EXAMPLE = load_config(shipped_file("examples", "router.yaml"))

Tree = dict[str, Any]


def rendered(text: str, folder: Path, **options: Any) -> Tree:
    """The configuration for a policy, parsed."""
    loaded: Tree = yaml.safe_load(render_envoy(load(text, folder), **options))
    return loaded


def routes(config: Tree, listener: str) -> dict[str, Tree]:
    """The routes of a listener by name, in their order."""
    found = next(it for it in config["static_resources"]["listeners"] if it["name"] == listener)
    manager = found["filter_chains"][0]["filters"][0]["typed_config"]
    return {route["name"]: route for route in manager["route_config"]["virtual_hosts"][0]["routes"]}


def clusters(config: Tree) -> dict[str, Tree]:
    return {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}


def plan(route: Tree) -> list[str]:
    """The names of its groups."""
    specifier = route["route"]["inline_cluster_specifier_plugin"]["extension"]["typed_config"]
    return [group["name"] for group in specifier["priority_groups"]]


def filters(cluster: Tree) -> dict[str, Tree]:
    (options,) = cluster["typed_extension_protocol_options"].values()
    return {it["name"].rpartition(".")[2]: it["typed_config"] for it in options.get("http_filters", [])}


@pytest.mark.parametrize(("file", "is_basic"), [("envoy.yaml", False), ("envoy-basic.yaml", True)])
def test_what_ships_is_rendered_from_the_example(file: str, is_basic: bool) -> None:
    """Comments and the like aside; `sidecar envoy examples/router.yaml` shows what a change of either should be."""
    shipped = yaml.safe_load(shipped_file("envoy", file).read_text())
    assert yaml.safe_load(render_envoy(EXAMPLE, is_basic=is_basic)) == shipped


def test_all_files_of_the_folder_are_rendered() -> None:
    files = render_files(EXAMPLE)
    assert sorted(files) == [
        "anthropic-key.yaml",
        "envoy.yaml",
        "google-key.yaml",
        "openai-key.yaml",
        "set_model.lua",
    ]
    for name in set(files) - {"envoy.yaml"}:
        shipped = shipped_file("envoy", name).read_text()
        parse = yaml.safe_load if name.endswith(".yaml") else str
        assert parse(files[name]) == parse(shipped)


@pytest.mark.parametrize(("is_basic", "listeners"), [(False, ["models"]), (True, [])])
def test_an_answer_is_read_for_its_tokens_once(is_basic: bool, listeners: list[str]) -> None:
    """To parse it costs Envoy as much as all else of the feed, and of a stream more."""
    config = yaml.safe_load(render_envoy(EXAMPLE, is_basic=is_basic))
    managers = {
        it["name"]: it["filter_chains"][0]["filters"][0]["typed_config"]
        for it in config["static_resources"]["listeners"]
    }
    counting = "envoy.filters.http.ai_protocol_manager"
    assert [
        name for name, it in managers.items() for each in it["http_filters"] if each["name"] == counting
    ] == listeners


PROVIDERS = {
    "a domain": ("https://api.example.com/v1", ("api.example.com", 443), "api.example.com", "/v1/"),
    "a base path": ("https://host.example/openai/v2/", ("host.example", 443), "host.example", "/openai/v2/"),
    "no path": ("https://host.example", ("host.example", 443), "host.example", "/"),
    "a port": ("https://host.example:8443/v1", ("host.example", 8443), "host.example:8443", "/v1/"),
    "plain": ("http://vllm:8000/v1", ("vllm", 8000), "vllm:8000", "/v1/"),
    "plain, port 80": ("http://vllm/v1", ("vllm", 80), "vllm", "/v1/"),
    "an address": ("http://10.1.2.3:8000/v1", ("10.1.2.3", 8000), "10.1.2.3:8000", "/v1/"),
    "an IPv6 address": ("http://[fd00::7]:8000/v1", ("fd00::7", 8000), "[fd00::7]:8000", "/v1/"),
    "an address with TLS": ("https://10.1.2.3/v1", ("10.1.2.3", 443), "10.1.2.3", "/v1/"),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_url_becomes_address_host_and_path(tmp_path: Path, name: str) -> None:
    url, (host, port), authority, prefix = PROVIDERS[name]
    config = rendered(policy_with(f'{{url: "{url}"}}'), tmp_path)
    action = routes(config, "models")["m"]["route"]
    assert (action["host_rewrite_literal"], action["prefix_rewrite"]) == (authority, prefix)
    cluster = clusters(config)["m-provider"]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert endpoint["address"]["socket_address"] == {"address": host, "port_value": port}
    assert ("type" in cluster) == host[-1].isdigit()  # an address is not looked up


@pytest.mark.parametrize(
    ("url", "sni", "san"),
    [
        ("https://h.example/v1", "h.example", {"san_type": "DNS", "matcher": {"exact": "h.example"}}),
        ("https://10.1.2.3/v1", None, {"san_type": "IP_ADDRESS", "matcher": {"exact": "10.1.2.3"}}),
    ],
)
def test_a_certificate_has_to_be_of_the_host(tmp_path: Path, url: str, sni: str | None, san: Tree) -> None:
    cluster = clusters(rendered(policy_with(f"{{url: {url}}}"), tmp_path))["m-provider"]
    tls = cluster["transport_socket"]["typed_config"]
    assert tls.get("sni") == sni
    assert tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"] == [san]


def test_plain_http_has_no_tls_and_one_protocol(tmp_path: Path) -> None:
    cluster = clusters(rendered(ONE_LOCAL, tmp_path))["llama-provider"]
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert "transport_socket" not in cluster
    assert options["explicit_http_config"] == {"http_protocol_options": {}}


@pytest.mark.parametrize(
    ("provider", "header"),
    [
        ("{url: https://h.example/v1, api_key_file: /keys/k}", ("authorization", "Bearer ")),
        ("{url: https://h.example/v1, api: anthropic, api_key_file: /keys/k}", ("x-api-key", "")),
    ],
)
def test_a_key_goes_into_the_header_of_its_api(tmp_path: Path, provider: str, header: tuple[str, str]) -> None:
    config = load(policy_with(provider), tmp_path)
    files = render_files(config)
    injector = filters(clusters(yaml.safe_load(files["envoy.yaml"]))["m-provider"])["credential_injector"]
    generic = injector["credential"]["typed_config"]
    assert (generic["header"], generic.get("header_value_prefix", "")) == header
    (secret,) = yaml.safe_load(files["p-key.yaml"])["resources"]
    assert secret["name"] == generic["credential"]["name"]
    assert secret["generic_secret"]["secret"] == {"filename": "/keys/k", "watched_directory": {"path": "/keys"}}


def test_a_provider_without_a_key_gets_none(tmp_path: Path) -> None:
    files = render_files(load(ONE_LOCAL, tmp_path))
    assert sorted(files) == ["envoy.yaml", "set_model.lua"]
    assert filters(clusters(yaml.safe_load(files["envoy.yaml"]))["llama-provider"]) == {}


def test_names_that_are_no_file_names_get_files_of_their_own(tmp_path: Path) -> None:
    text = """
providers:
  a/b: {url: https://one.example, api_key_file: /keys/1}
  a:b: {url: https://two.example, api_key_file: /keys/2}
models:
  m1: {provider: a/b, tier: simple, price: {input: 0, output: 0}, context: 8192}
  m2: {provider: "a:b", tier: simple, price: {input: 0, output: 0}, context: 8192}
virtual_models: {auto: {}}
fallback: m1
"""
    files = render_files(load(text, tmp_path))
    keys = [yaml.safe_load(files[name])["resources"][0]["name"] for name in ("a-b-key.yaml", "a-b-2-key.yaml")]
    assert keys == ["a/b", "a:b"]


def test_the_default_plan_is_the_fallback_then_stronger_then_the_rest(tmp_path: Path) -> None:
    text = """
providers: {openai: {url: https://api.openai.com/v1}}
models:
  reasoning: {provider: openai, tier: reasoning, price: {input: 0, output: 0}, context: 8192}
  simple: {provider: openai, tier: simple, price: {input: 0, output: 0}, context: 8192}
  complex-1: {provider: openai, tier: complex, price: {input: 0, output: 0}, context: 8192}
  complex-2: {provider: openai, tier: complex, price: {input: 0, output: 0}, context: 8192, cluster: other}
  moderate: {provider: openai, tier: moderate, price: {input: 0, output: 0}, context: 8192}
virtual_models: {auto: {}}
fallback: complex-2
"""
    order = ["other", "complex-1", "reasoning", "moderate", "simple"]
    assert plan(routes(rendered(text, tmp_path), "edge")["openai"]) == order


SPLIT = """
providers:
  chat: {url: https://chat.example, endpoints: [chat/completions]}
  all: {url: https://all.example}
models:
  chat-only: {provider: chat, tier: complex, price: {input: 0, output: 0}, context: 8192}
  chat-strong: {provider: chat, tier: reasoning, price: {input: 0, output: 0}, context: 8192}
  all: {provider: all, tier: moderate, price: {input: 0, output: 0}, context: 8192}
virtual_models: {auto: {}}
fallback: [chat-only, all]
"""


def test_endpoints_with_another_fallback_have_a_route_of_their_own(tmp_path: Path) -> None:
    edge = routes(rendered(SPLIT, tmp_path), "edge")
    assert plan(edge["openai"]) == ["chat-only", "chat-strong", "all"]
    assert plan(edge["openai-completions"]) == ["all"]
    regexes = [edge[name]["match"]["safe_regex"]["regex"] for name in ("openai", "openai-completions")]
    assert regexes == ["(?i)/v1/chat/completions/*([;%].*)?", "(?i)/v1/(completions|responses)/*([;%].*)?"]
    basic = routes(rendered(SPLIT, tmp_path, is_basic=True), "edge")
    assert [basic[f"{name}-fallback"]["route"]["cluster"] for name in ("openai", "openai-completions")] == [
        "chat-only",
        "all",
    ]


def test_models_that_would_answer_404_to_some_of_a_routes_requests_come_last(tmp_path: Path) -> None:
    text = SPLIT.replace("[chat-only, all]", "all")
    assert plan(routes(rendered(text, tmp_path), "edge")["openai"]) == ["all", "chat-only", "chat-strong"]


def test_endpoints_that_nobody_offers_still_reach_the_sidecar(tmp_path: Path) -> None:
    text = policy_with("{url: https://chat.example, endpoints: [chat/completions]}")
    regex = routes(rendered(text, tmp_path), "edge")["openai"]["match"]["safe_regex"]["regex"]
    assert regex == "(?i)/v1/(chat/completions|completions|responses)/*([;%].*)?"


@pytest.mark.parametrize(
    ("text", "spoken", "other", "rest"),
    [
        (ONE_LOCAL, "openai", "anthropic", "llama"),
        (ANTHROPIC_ONLY, "anthropic", "openai", "sonnet"),
    ],
)
def test_an_api_that_no_model_speaks_is_closed(tmp_path: Path, text: str, spoken: str, other: str, rest: str) -> None:
    edge = routes(rendered(text, tmp_path), "edge")
    assert list(edge) == [spoken, "list-models", f"{other}-not-spoken", f"{spoken}-other", "not-an-api"]
    assert edge[f"{other}-not-spoken"]["direct_response"]["status"] == 404
    assert edge[f"{spoken}-other"]["match"] == {"prefix": "/v1/", "case_sensitive": False}
    assert edge[f"{spoken}-other"]["route"]["cluster"] == edge["list-models"]["route"]["cluster"] == rest


@pytest.mark.parametrize(("count", "retries"), [(1, 3), (4, 3), (5, 4), (8, 7), (30, 7)])
def test_every_model_of_a_plan_gets_its_turn(tmp_path: Path, count: int, retries: int) -> None:
    config = rendered(many_models(count, fallback="model-0"), tmp_path)
    policy = routes(config, "edge")["openai"]["route"]["retry_policy"]
    assert policy["num_retries"] == retries
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    silence = float(manager["stream_idle_timeout"].removesuffix("s"))
    assert silence > (retries + 1) * float(policy["per_try_timeout"].removesuffix("s"))


def test_a_model_id_is_written_as_json_will_have_it(tmp_path: Path) -> None:
    model = routes(rendered(policy_with("{url: http://h}", """, id: 'a"b\\c'"""), tmp_path), "models")["m"]
    assert model["metadata"]["filter_metadata"]["envoy.filters.http.lua"]["model"] == 'a\\"b\\\\c'


@pytest.mark.parametrize("name", ["y", "1e5", "0x10", "NULL", "10", "1.5", "on", "inf", "2024-01-01", "1:30"])
def test_a_name_stays_text_to_every_reader_of_yaml(tmp_path: Path, name: str) -> None:
    """Envoy takes more words for booleans and numbers than Python does, so such a name is always quoted."""
    text = policy_with("{url: http://h}").replace("m:", f'"{name}":').replace("fallback: m", f'fallback: "{name}"')
    lines = render_envoy(load(text, tmp_path)).splitlines()
    assert [line for line in lines if re.search(rf"(: |- |\[){re.escape(name)}([,}}\]]|$)", line)] == []
    assert f'  - name: "{name}"' in lines


@pytest.mark.parametrize(
    "models",
    [
        {"sidecar": "", "other": ""},
        {"m": ", cluster: x", "n": ", cluster: x"},
        {"m": "", "m-provider": ""},
    ],
)
def test_two_clusters_of_one_name_are_refused(tmp_path: Path, models: dict[str, str]) -> None:
    written = "\n".join(
        f"  {name}: {{provider: p, tier: simple, price: {{input: 0, output: 0}}, context: 8192{more}}}"
        for name, more in models.items()
    )
    text = f"providers: {{p: {{url: http://h}}}}\nmodels:\n{written}\nvirtual_models: {{auto: {{}}}}\n"
    config = load(f"{text}fallback: {next(iter(models))}", tmp_path)
    with pytest.raises(
        CannotRenderError, match=r"two of Envoy's clusters would be named .*: give a model another name"
    ):
        render_envoy(config)
