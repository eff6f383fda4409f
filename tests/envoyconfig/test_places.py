"""Where Envoy listens and what it talks to: flags of `sidecar envoy`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.cli import main
from sidecar.config.compile import load_config
from sidecar.config.finding import Severity
from sidecar.envoyconfig.check import check_envoy
from sidecar.envoyconfig.shipped import shipped_file
from sidecar.workers import worker_address

POLICY = shipped_file("examples", "router.yaml")

IN_A_POD = ("--listen=0.0.0.0:10000", "--admin=127.0.0.1:9901", "--status=0.0.0.0:9903", "--otlp=none", "--workers=2")

Tree = dict[str, Any]


def rendered(capsys: pytest.CaptureFixture[str], *options: str) -> Tree:
    """What the command prints, parsed."""
    assert main(["envoy", str(POLICY), *options]) == 0
    loaded: Tree = yaml.safe_load(capsys.readouterr().out)
    return loaded


def named(config: Tree, kind: str) -> dict[str, Tree]:
    """Listeners or clusters by name."""
    return {it["name"]: it for it in config["static_resources"][kind]}


def address(node: Tree) -> Tree:
    found: Tree = node["address"]["socket_address"]
    return found


def hosts(cluster: Tree) -> list[Tree]:
    """The addresses of a cluster."""
    return [it["endpoint"]["address"] for it in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]]


@pytest.mark.parametrize(("file", "options"), [("envoy.yaml", ()), ("envoy-basic.yaml", ("--basic",))])
def test_without_flags_it_is_what_ships(
    file: str, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rendered(capsys, *options) == yaml.safe_load(shipped_file("envoy", file).read_text())


def test_each_address_goes_to_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    config = rendered(
        capsys, "--listen=0.0.0.0:1", "--admin=127.0.0.2:2", "--status=10.0.0.7:3", "--otlp=jaeger.observability:4"
    )

    listeners, clusters = named(config, "listeners"), named(config, "clusters")
    assert address(listeners["edge"]) == {"address": "0.0.0.0", "port_value": 1}
    assert address(config["admin"]) == {"address": "127.0.0.2", "port_value": 2}
    assert address(listeners["status"]) == {"address": "10.0.0.7", "port_value": 3}
    assert hosts(clusters["otlp"]) == [{"socket_address": {"address": "jaeger.observability", "port_value": 4}}]
    assert hosts(clusters["admin"]) == [{"socket_address": {"address": "127.0.0.2", "port_value": 2}}]


@pytest.mark.parametrize(("everywhere", "here"), [("0.0.0.0:9901", "127.0.0.1"), ("[::]:9901", "::1")])
def test_an_admin_interface_at_all_addresses_is_asked_here(
    everywhere: str, here: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = rendered(capsys, f"--admin={everywhere}", "--status=127.0.0.1:9903")

    assert hosts(named(config, "clusters")["admin"]) == [{"socket_address": {"address": here, "port_value": 9901}}]


def test_at_all_addresses_of_ipv6_those_of_ipv4_are_heard_too(capsys: pytest.CaptureFixture[str]) -> None:
    config = rendered(capsys, "--listen=[::]:10000")

    edge = named(config, "listeners")["edge"]
    assert address(edge) == {"address": "::", "port_value": 10000, "ipv4_compat": True}


def test_each_worker_is_at_the_socket_where_it_listens(capsys: pytest.CaptureFixture[str]) -> None:
    config = rendered(capsys, "--workers=3")

    sockets = [worker_address("/run/llm/sidecar.sock", index) for index in range(3)]
    assert hosts(named(config, "clusters")["sidecar"]) == [{"pipe": {"path": socket}} for socket in sockets]


def test_without_a_trace_collector_no_span_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    config = rendered(capsys, "--otlp=none")

    assert "otlp" not in named(config, "clusters")
    assert "tracing" not in str(config)


@pytest.mark.parametrize("options", [(), ("--basic",)])
def test_the_check_finds_no_mistake_in_what_a_pod_gets(options: tuple[str, ...], tmp_path: Path) -> None:
    """But for what is so on purpose: a gateway without authentication, and without traces."""
    assert main(["envoy", str(POLICY), *options, *IN_A_POD, "--out", str(tmp_path)]) == 0

    findings = check_envoy(load_config(POLICY), tmp_path / "envoy.yaml")

    assert {it.id: it.severity for it in findings} == {
        "edge-authentication": Severity.WARNING,
        "tracing": Severity.WARNING,
    }


def test_the_file_says_how_it_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envoy", str(POLICY), *IN_A_POD, "--admin=[::1]:9901"]) == 0

    assert (
        "# Rendered by `sidecar envoy POLICY --listen 0.0.0.0:10000 --admin [::1]:9901 --status 0.0.0.0:9903 "
        "--otlp none --workers 2`.\n" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--listen=localhost:10000", "argument --listen: expected an IP address and a port, got 'localhost:10000'"),
        ("--status=9903", "argument --status: expected HOST:PORT, got '9903'"),
        ("--admin=127.0.0.1:0", "argument --admin: expected a port from 1 to 65535, got '0'"),
        ("--otlp=jaeger", "argument --otlp: expected HOST:PORT, got 'jaeger'"),
        ("--workers=0", "argument --workers: expected a whole number from 1, got '0'"),
    ],
)
def test_what_is_no_place_is_told_with_the_option(option: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["envoy", str(POLICY), option])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err
