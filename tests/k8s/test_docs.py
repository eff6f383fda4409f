"""What docs/kubernetes.md tells people to type, and of which names it speaks, is there."""

import argparse
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sidecar.cli import build_parser
from sidecar.injection.names import VERSION
from sidecar.injection.settings import BUILT_IN, LOCKED, load_defaults
from tests.fakes.charts import chart
from tests.fakes.manifests import K8S, find, overlay, pod_template, rendered

ROOT = K8S.parent
PAGE = ROOT / "docs" / "kubernetes.md"
TEXT = PAGE.read_text()
PAGES = {"docs/kubernetes.md": TEXT, "k8s/attach/README.md": (K8S / "attach" / "README.md").read_text()}

BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
SHOWN = [text for language, text in BLOCKS if language == "yaml"]
COMMANDS = [
    *re.findall(r"`([^`\n]+)`", TEXT),
    *(line for kind, text in BLOCKS if not kind for line in text.splitlines()),
]


def commands_of(program: str) -> Iterator[list[str]]:
    """Each use of it, as its arguments; of code in a table `|` is written `\\|`. Not where it is only spoken of."""
    for line in COMMANDS:
        for command in re.split(r"&&|\\?\|", line.partition("  #")[0]):
            words = shlex.split(command.partition(" > ")[0])
            if len(words) > 2 and words[0] == program:
                yield words[1:]


def subcommands() -> dict[str, argparse.ArgumentParser]:
    parser = build_parser()
    (commands,) = [it for it in parser._actions if isinstance(it, argparse._SubParsersAction)]
    return dict(commands.choices)


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    return str(found)


def settings_table() -> dict[str, str]:
    """Each setting with its default; rows may have several of both."""
    told: dict[str, str] = {}
    for row in re.findall(r"^\| (`.*)$", section("Settings"), re.MULTILINE):
        keys, defaults = (re.findall(r"`([^`]+)`", cell) for cell in row.split(" | ")[:2])
        assert len(keys) == len(defaults), row
        told |= dict(zip(keys, defaults, strict=True))
    return told


def test_every_setting_is_in_the_table_with_its_default() -> None:
    assert settings_table() == dict(BUILT_IN)


def test_every_command_of_ours_is_one() -> None:
    commands = list(commands_of("sidecar"))

    assert len(commands) > 4
    for arguments in commands:
        build_parser().parse_args(arguments)
    assert set(re.findall(r"`sidecar ([a-z]+)`", TEXT)) <= subcommands().keys()


def test_every_option_that_is_spoken_of_alone_is_there() -> None:
    options = {option for command in subcommands().values() for option in command._option_string_actions}
    assert set(re.findall(r"`(--[a-z-]+)`", TEXT)) <= options


@pytest.mark.parametrize("page", PAGES)
def test_every_path_below_k8s_is_there(page: str) -> None:
    paths = {path.rstrip("/.") for path in re.findall(r"(?<![\w/])(?:\.\./)?(k8s/[\w./-]+)", PAGES[page])}

    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_overlay_is_spoken_of() -> None:
    assert [folder.name for folder in (K8S / "overlays").iterdir() if f"k8s/overlays/{folder.name}" not in TEXT] == []


def test_every_namespace_secret_and_deployment_of_the_commands_is_one_of_the_manifests() -> None:
    gateway, injector = overlay("gateway"), overlay("injector-certificate-job")
    (pod,) = [template["spec"] for it in gateway if (template := pod_template(it)) is not None]

    assert find(gateway, "Service", "llm-gateway")["metadata"]["namespace"] == "llm-gateway"
    assert find(injector, "CronJob", "llm-sidecar-certificate")["metadata"]["namespace"] == "llm-sidecar-system"
    assert {"name": "llm-keys", "secret": {"secretName": "llm-keys"}} in pod["volumes"]
    for arguments in commands_of("kubectl"):
        if "-n" in arguments:
            assert arguments[arguments.index("-n") + 1] in ("shop", "llm-gateway", "llm-sidecar-system"), arguments


def test_every_key_of_the_smallest_policy_is_in_the_commands() -> None:
    """The gateway begins with that policy: a provider without its file would answer nothing."""
    providers = yaml.safe_load((K8S / "base" / "gateway" / "router.yaml").read_text())["providers"]
    files = {Path(it["api_key_file"]).name for it in providers.values()}
    (secret,) = [it for it in commands_of("kubectl") if it[:4] == ["-n", "llm-gateway", "create", "secret"]]

    assert {it.partition("=")[2].partition("=")[0] for it in secret if it.startswith("--from-literal")} == files


def test_every_value_that_helm_is_given_is_taken() -> None:
    commands = list(commands_of("helm"))

    assert len(commands) == 2
    for arguments in commands:
        values: dict[str, dict[str, bool]] = {}
        for pair in arguments[arguments.index("--set") + 1].split(",") if "--set" in arguments else ():
            path, _, value = pair.partition("=")
            outer, inner = path.split(".")
            values.setdefault(outer, {})[inner] = {"true": True, "false": False}[value]
        assert arguments[:3] == ["install", "llm", "k8s/chart"]
        namespace = arguments[arguments.index("-n") + 1]
        assert all(it["metadata"].get("namespace", namespace) == namespace for it in chart(values, namespace))


def test_the_overlay_of_ones_own_names_ones_own_image(tmp_path: Path) -> None:
    shown = next(text for text in SHOWN if "newName" in text)
    (line,) = re.findall(r"the line `(.*?)`", shown)
    image = yaml.safe_load(line)["image"]
    (tmp_path / "kustomization.yaml").write_text(
        shown.replace("k8s/", f"{os.path.relpath(K8S, tmp_path.resolve())}/")
    )
    (tmp_path / "defaults.yaml").write_text(line)

    manifests = rendered(tmp_path)

    used = {
        container["image"]
        for it in manifests
        if (template := pod_template(it)) is not None
        for container in template["spec"]["containers"]
    }
    (defaults,) = [it for it in manifests if it["kind"] == "ConfigMap"]
    assert used == {image} == {load_defaults(tmp_path / "defaults.yaml")["image"]}
    assert defaults["data"] == {"defaults.yaml": line}
    assert image.endswith(f":{VERSION}")


def test_a_policy_of_ones_own_takes_the_gateways_place(tmp_path: Path) -> None:
    shown = next(text for text in SHOWN if "files: [router.yaml]" in text)
    base = os.path.relpath(K8S / "overlays" / "gateway", tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(f"namespace: llm-gateway\nresources: [{base}]\n{shown}")
    (tmp_path / "router.yaml").write_text("models: {}\n")

    assert find(rendered(tmp_path), "ConfigMap", "llm-policy")["data"] == {"router.yaml": "models: {}\n"}


def test_what_is_locked_as_shown_can_be_locked(tmp_path: Path) -> None:
    (line,) = re.findall(rf"`({LOCKED}: .*?)`", TEXT)
    (tmp_path / "defaults.yaml").write_text(line)

    assert load_defaults(tmp_path / "defaults.yaml")[LOCKED] == "image envoy-image"


def test_every_metric_and_alert_has_its_page() -> None:
    metrics = (ROOT / "docs" / "metrics.md").read_text() + (ROOT / "sidecar" / "injection" / "webhook.py").read_text()
    rules = (ROOT / "observability" / "prometheus" / "rules.yaml").read_text()

    named = set(re.findall(r"`((?:llm_(?:router|webhook)|envoy)_\w+)`", TEXT))
    assert named
    assert [name for name in sorted(named) if name not in metrics] == []
    assert [name for name in re.findall(r"`(LlmRouter\w+)`", TEXT) if f"alert: {name}\n" not in rules] == []


@pytest.mark.parametrize(
    ("message", "source"),
    [
        ("the gateway has no key for this provider", "envoy/envoy.yaml"),
        ("envoy-llm-sidecar cannot be injected: ", "sidecar/injection/review.py"),
        ("policy not reloaded, ", "sidecar/reload.py"),
        (" stays in use: ", "sidecar/reload.py"),
        (" has no cluster ", "sidecar/config/carried.py"),
        (" requests under way, ", "sidecar/drain.py"),
        ("unknown", "sidecar/injection/settings.py"),
    ],
)
def test_what_people_see_is_what_is_said(message: str, source: str) -> None:
    assert message in TEXT
    assert message in (ROOT / source).read_text()


def test_the_sums_are_right() -> None:
    """What a replica does at the autoscaler's target is its request, 70 % of it, divided by what a request takes."""
    (pod,) = [template["spec"] for it in overlay("gateway") if (template := pod_template(it)) is not None]
    requests = {it["name"]: it["resources"]["requests"]["cpu"] for it in pod["initContainers"]}
    assert (requests["llm-router"], requests["llm-envoy"]) == ("1", "500m")
    rows = re.findall(r"\| ([\d.]+) ms \| ([\d.]+) ms \| (\d+)/s \| (\d+)/s", section("How much"))

    assert len(rows) == 3
    for router, envoy, alone, at_target in rows:
        assert float(alone) == pytest.approx(1000 / float(router), rel=0.03)
        assert float(at_target) == pytest.approx(min(700 / float(router), 350 / float(envoy)), rel=0.03)
