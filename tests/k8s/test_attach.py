"""What Istio's gateway is told to do, done by the real Envoy: it asks the router, whose header chooses the route."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from sidecar.demo.preflight import find_envoy
from sidecar.demo.tether import tethered
from tests.envoy.prompts import BY_TIER
from tests.fakes.manifests import K8S, Manifest, find, rendered
from tests.fakes.ports import free_port
from tests.fakes.serving import Serving, eventually

ISTIO = K8S / "attach" / "istio"
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class Model(BaseHTTPRequestHandler):
    """Answers with what it was asked for."""

    name: str

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps({"served_by": self.name, "model": body["model"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def serve_model(stack: ExitStack, name: str) -> int:
    """The port of one that is there until the stack ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type(name, (Model,), {"name": name}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return server.server_port


def routes(virtual_service: Manifest) -> list[dict[str, Any]]:
    """As Istio makes them: the first that matches."""
    made = []
    for rule in virtual_service["spec"]["http"]:
        (match,) = rule["match"]
        headers = [
            {"name": name, "string_match": {"exact": value["exact"]}}
            for name, value in match.get("headers", {}).items()
        ]
        made.append(
            {
                "match": {"prefix": match["uri"]["prefix"], "headers": headers},
                "route": {"cluster": rule["name"], "timeout": rule["timeout"]},
            }
        )
    return made


def bootstrap(models: dict[str, int], port: int, router_port: int) -> dict[str, Any]:
    """An ingress gateway with the patches of our EnvoyFilter in it."""
    manifests = rendered(ISTIO)
    patches = find(manifests, "EnvoyFilter", "llm-router")["spec"]["configPatches"]
    values = {it["applyTo"]: json.loads(json.dumps(it["patch"]["value"])) for it in patches}
    router = values["CLUSTER"]
    endpoint = router["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    endpoint["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": router_port}
    values["HTTP_FILTER"]["typed_config"]["message_timeout"] = "30s"  # of what is decided, not of how soon
    manager = {
        **values["NETWORK_FILTER"]["typed_config"],
        "stat_prefix": "gateway",
        "route_config": {
            "virtual_hosts": [
                {"name": "llm", "domains": ["*"], "routes": routes(find(manifests, "VirtualService", "llm"))}
            ]
        },
        "http_filters": [
            values["HTTP_FILTER"],
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            },
        ],
    }
    listener = {
        **values["LISTENER"],
        "name": "gateway",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {
        "static_resources": {
            "listeners": [listener],
            "clusters": [router, *(model_cluster(name, model_port) for name, model_port in models.items())],
        }
    }


def model_cluster(name: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL."""
    folder = tmp_path_factory.mktemp("istio")
    port, router_port = free_port(), free_port()
    with ExitStack() as stack:
        models = {name: serve_model(stack, name) for name in ("small", "large")}
        file = folder / "envoy.json"
        file.write_text(json.dumps(bootstrap(models, port, router_port)))
        policy = ISTIO / "router.yaml"
        stack.enter_context(Serving(f"127.0.0.1:{router_port}", free_port(), policy=policy, outcomes=folder / "o"))
        line = [find_envoy(), "--config-path", file, "--disable-hot-restart", "--log-path", folder / "envoy.log"]
        envoy = stack.enter_context(subprocess.Popen(tethered(list(map(str, line)))))
        stack.callback(envoy.terminate)
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: is_up(url), True)
        yield url


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/models").status_code == 200
    except httpx.TransportError:
        return False


def ask(url: str, prompt: str, model: str = "auto", headers: dict[str, str] | None = None) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


def test_the_tier_chooses_the_route_and_the_body_names_its_model(gateway: str) -> None:
    assert ask(gateway, BY_TIER["simple"]) == {"served_by": "small", "model": "small"}
    assert ask(gateway, BY_TIER["reasoning"]) == {"served_by": "large", "model": "large"}


def test_a_client_cannot_choose_the_route(gateway: str) -> None:
    headers = {"x-llm-cluster": "small", "x_llm_cluster": "small"}

    assert ask(gateway, BY_TIER["reasoning"], headers=headers)["served_by"] == "large"


def test_a_named_model_is_asked(gateway: str) -> None:
    assert ask(gateway, BY_TIER["reasoning"], model="small") == {"served_by": "small", "model": "small"}
