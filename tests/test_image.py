"""The image: built without an engine, it has what it needs and nothing else, and serves as an ordinary user."""

import importlib.metadata
import json
import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from sidecar.injection.containers import our_containers
from sidecar.injection.settings import read_settings
from tests.fakes.container_image import DOCKERFILE, ROOT, ContainerImage, build_image, read_stages
from tests.fakes.held_provider import held_provider
from tests.fakes.kubelet import Pod
from tests.fakes.serving import eventually

PATIENCE_SECONDS = 120

# What tokenizers downloads models with, which nothing of ours does; see the Makefile.
LEFT_OUT = ("huggingface-hub",)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def image() -> Iterator[ContainerImage]:
    with tempfile.TemporaryDirectory(prefix="llm-image-") as folder:
        Path(folder).chmod(0o755)
        yield build_image(Path(folder))


def pinned(name: str) -> dict[str, tuple[Version, Requirement, list[str]]]:
    """What a file of requirements pins for this Python: version, line and hashes, by name."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    found: dict[str, tuple[Version, Requirement, list[str]]] = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            written, *hashes = line.split(" --hash=")
            requirement = Requirement(written)
            if requirement.marker is None or requirement.marker.evaluate():
                (version,) = [Version(it.version) for it in requirement.specifier if it.operator == "=="]
                found[canonicalize_name(requirement.name)] = (version, requirement, [it.strip() for it in hashes])
    return found


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt", "requirements-demo.txt"])
def test_all_that_is_installed_has_one_version_and_its_hashes(name: str) -> None:
    lines = pinned(name)

    assert lines
    for _, requirement, hashes in lines.values():
        assert [it.operator for it in requirement.specifier] == ["=="]
        assert requirement.url is None
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", it) for it in hashes)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "requirements.txt",
            [
                *PROJECT["project"]["dependencies"],
                *PROJECT["project"]["optional-dependencies"]["envoy"],
                *PROJECT["project"]["optional-dependencies"]["kubernetes"],
            ],
        ),
        ("requirements-build.txt", PROJECT["build-system"]["requires"]),
        (
            "requirements-demo.txt",
            [it for it in PROJECT["project"]["optional-dependencies"]["demo"] if it.startswith("trustme")],
        ),
    ],
)
def test_it_is_what_the_project_asks_for(name: str, wanted: list[str]) -> None:
    """If this fails: make requirements."""
    lines = pinned(name)

    for requirement in map(Requirement, wanted):
        assert lines[canonicalize_name(requirement.name)][0] in requirement.specifier


def test_every_package_has_what_it_needs(image: ContainerImage) -> None:
    installed = {
        canonicalize_name(it.metadata["name"]): it
        for it in importlib.metadata.distributions(path=[str(image.packages)])
    }

    for distribution in installed.values():
        for requirement in map(Requirement, distribution.requires or []):
            name = canonicalize_name(requirement.name)
            if name in LEFT_OUT or (
                requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})
            ):
                continue
            assert Version(installed[name].version) in requirement.specifier


def test_it_has_the_model_and_neither_training_nor_tools(image: ContainerImage) -> None:
    programs = {file.name for file in (image.root / "opt/sidecar/bin").iterdir()}
    modules = {file.name for file in image.packages.iterdir()}

    assert (image.packages / "sidecar/inference/model/model.onnx").is_file()
    assert not (image.packages / "sidecar/finetuning").exists()
    assert not (image.packages / "sidecar/demo").exists()
    assert not modules & {"pip", "setuptools", "wheel", "hatchling", "torch", "transformers", "huggingface_hub"}
    assert not [name for name in programs if name.startswith("pip")]


def test_what_compose_adds_is_all_that_the_providers_lack(image: ContainerImage, tmp_path: Path) -> None:
    pip = [str(image.root / "opt/build/bin/pip"), "install", "--quiet", "--no-deps", "--require-hashes"]
    added = ["--requirement", str(ROOT / "requirements-demo.txt"), "--target", str(tmp_path)]
    subprocess.run([*pip, *added], check=True, timeout=PATIENCE_SECONDS)

    python = [str(image.root / "opt/sidecar/bin/python"), "-m", "sidecar.demo.providers", "--help"]
    environment = {"PYTHONPATH": f"{tmp_path}:{image.root / 'src'}"}
    subprocess.run(python, check=True, capture_output=True, env=environment, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("arguments", "lacking"),
    [
        (["demo"], "sidecar.demo"),
        (["train", "--data=x", "--out=y"], "sidecar.finetuning"),
        (["report", "x"], "duckdb"),
    ],
)
def test_commands_that_are_left_out_say_so(image: ContainerImage, arguments: list[str], lacking: str) -> None:
    ended = subprocess.run(
        [*image.entrypoint, *arguments],
        env=dict(image.environment),
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert ended.returncode == 2
    assert f"needs {lacking}" in ended.stderr


def test_the_base_is_pinned_and_the_last_stage_takes_only_the_environment() -> None:
    build, last = read_stages(DOCKERFILE.read_text())

    assert re.search(
        r"^ARG BASE=python:3\.13\.\d+-slim-\w+@sha256:[0-9a-f]{64}$", DOCKERFILE.read_text(), re.MULTILINE
    )
    assert (build[0], last[0]) == (("FROM", "${BASE} AS build"), ("FROM", "${BASE}"))
    assert [rest for name, rest in last if name == "COPY"] == ["--from=build /opt/sidecar /opt/sidecar"]


def test_the_labels_are_those_of_the_project() -> None:
    (labels,) = [rest for name, rest in read_stages(DOCKERFILE.read_text())[1] if name == "LABEL"]

    for key, label in (("name", "title"), ("license", "licenses")):
        assert f'org.opencontainers.image.{label}="{PROJECT["project"][key]}"' in labels


def ask(port: int) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body of a chat request."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi there, thanks a lot!"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    read = answer.status, dict(answer.headers), json.loads(answer.read())
    connection.close()
    return read


def test_it_serves_behind_envoy_as_the_injected_containers_say(image: ContainerImage) -> None:
    """Another user than root, no home, nothing but the volumes to write to."""
    spec = {"initContainers": our_containers(read_settings({})), "containers": []}
    user = image.user if os.getuid() == 0 else None
    # Of a root file system that cannot be written: no process makes a file of so much as a byte.
    confined = ["prlimit", "--fsize=0", "--"]
    with tempfile.TemporaryDirectory(prefix="llm-") as folder, held_provider() as provider:
        Path(folder).chmod(0o755)
        pod = Pod(
            spec,
            Path(folder, "pod"),
            provider.policy,
            image=image.entrypoint,
            environment=image.environment,
            user=user,
            confined=confined,
        )
        with pod:
            status, headers, _ = ask(pod.port)
            assert (status, headers["x-llm-model"], headers["x-llm-reason"]) == (200, "m", "difficulty")
            records = pod.containers["llm-router"].out
            eventually(lambda: [json.loads(line).get("status") for line in records], [200])
            assert pod.terminate() == {"llm-envoy": 0, "llm-router": 0}
