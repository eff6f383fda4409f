"""The injected containers' commands: what they run takes them, down to the real Envoy."""

import subprocess
from pathlib import Path

import pytest

from sidecar.cli import build_parser
from sidecar.demo.preflight import find_envoy
from sidecar.injection.containers import our_containers
from sidecar.injection.pod import inject
from sidecar.injection.settings import read_settings
from tests.fakes.pods import PODS, Json
from tests.fakes.serving import EXAMPLES, sidecar_command

PREFIX = "envoy-llm-sidecar.io/"

PATIENCE_SECONDS = 60


def containers(name: str, **more: str) -> list[Json]:
    """Those of a pod of the table, with further settings."""
    annotations = (PODS[name].get("metadata") or {}).get("annotations") or {}
    return our_containers(read_settings({**annotations, **{f"{PREFIX}{key}": text for key, text in more.items()}}))


@pytest.mark.parametrize("name", ["the least", "all settings", "no key"])
def test_the_image_takes_the_arguments(name: str) -> None:
    config, router, _ = containers(name)

    rendering = build_parser().parse_args(config["args"])
    serving = build_parser().parse_args(router["args"])

    assert rendering.status == ("0.0.0.0", router_port(containers(name)[2]))
    assert serving.http == ("0.0.0.0", router_port(router))
    assert rendering.workers == serving.workers
    assert str(serving.policy) == str(rendering.policy)
    assert serving.envoy == rendering.out / "envoy.yaml"


def router_port(container: Json) -> int:
    """The one that it declares, which its probes ask, too."""
    (port,) = container["ports"]
    number: int = port["containerPort"]
    assert container["startupProbe"]["httpGet"]["port"] == number
    return number


@pytest.mark.parametrize(("otlp", "has_traces"), [("none", False), ("collector.example:4317", True)])
def test_the_real_envoy_takes_its_arguments_and_what_was_rendered(
    tmp_path: Path, otlp: str, has_traces: bool
) -> None:
    config, _, envoy = containers("the least", otlp=otlp)
    places = {"/etc/sidecar": tmp_path, "/etc/envoy": tmp_path, "/etc/llm-keys": tmp_path}
    (tmp_path / "router.yaml").write_text((EXAMPLES / "minimal.yaml").read_text())
    subprocess.run(
        sidecar_command(*_elsewhere(config["args"], places)),
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    for file in tmp_path.iterdir():
        file.write_text(_elsewhere([file.read_text()], places)[0])

    done = subprocess.run(
        [find_envoy(), *_elsewhere(envoy["args"], places), "--mode", "validate"],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert done.returncode == 0, done.stderr
    assert ("collector.example" in (tmp_path / "envoy.yaml").read_text()) == has_traces
    assert ("4317" in (tmp_path / "envoy.yaml").read_text()) == has_traces


def _elsewhere(texts: list[str], places: dict[str, Path]) -> list[str]:
    for named, folder in places.items():
        texts = [text.replace(named, str(folder)) for text in texts]
    return texts


def test_what_is_said_of_traces_and_of_the_console_reaches_the_router() -> None:
    _, router, _ = containers("all settings")

    assert router["env"] == [
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.monitoring.svc:4317"},
        {
            "name": "SIDECAR_CONSOLE_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "console", "key": "token"}},
        },
    ]
    assert "env" not in containers("the least")[1]


def test_only_envoy_gets_the_keys() -> None:
    mounting = [
        it["name"] for it in containers("the least") if any(m["name"] == "llm-keys" for m in it["volumeMounts"])
    ]

    assert mounting == ["llm-envoy"]


def test_none_of_ours_gets_the_token_of_the_application() -> None:
    """The API server mounts it where nothing is mounted at that path yet."""
    pod = inject(PODS["the least"])
    (volume,) = [it for it in pod["spec"]["volumes"] if it["name"] == "llm-no-token"]

    assert "emptyDir" in volume
    for container in pod["spec"]["initContainers"]:
        (mount,) = [
            it
            for it in container["volumeMounts"]
            if it["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
        ]
        assert mount["name"] == "llm-no-token" and mount["readOnly"]


def test_nothing_is_given_to_a_shell() -> None:
    for container in containers("all settings"):
        assert container.get("command", ["envoy"]) == ["envoy"]
        assert all("$" not in word for word in container["args"])
