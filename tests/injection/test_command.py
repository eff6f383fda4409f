"""`sidecar inject`, as a process: what goes where, and how it ends."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from sidecar.injection.admission_policy import build_admission_policies
from sidecar.injection.pod import inject
from sidecar.injection.settings import load_defaults
from tests.fakes.pods import PREFIX, pod
from tests.fakes.serving import sidecar_command

CONFIG_MAP = "# kept\nkind: ConfigMap\ndata: {a:   b}\n"
POD = {"kind": "Pod", **pod()}
HOST = {"kind": "Pod", **pod(hostNetwork=True)}


def run(*arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        sidecar_command("inject", *arguments), input=given, timeout=60, check=False, capture_output=True, text=True
    )


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    file = tmp_path / "deploy.yaml"
    file.write_text(f"{CONFIG_MAP}---\n{yaml.safe_dump(POD)}")
    return file


def test_manifests_go_out_as_one_stream_and_what_was_done_is_told(deploy: Path) -> None:
    done = run("-f", deploy, "-f", "-", given=CONFIG_MAP.rstrip())

    assert (done.returncode, done.stderr) == (0, f"sidecar: {deploy}:5: Pod/ injected\n")
    assert done.stdout.startswith(CONFIG_MAP) and done.stdout.endswith(f"\n---\n{CONFIG_MAP.rstrip()}")
    assert list(yaml.safe_load_all(done.stdout)) == [
        yaml.safe_load(CONFIG_MAP),
        {"kind": "Pod", **inject(pod())},
        yaml.safe_load(CONFIG_MAP),
    ]


def test_json_is_a_list_that_kubectl_takes(deploy: Path) -> None:
    done = run("-f", deploy, "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "apiVersion": "v1",
        "kind": "List",
        "items": [yaml.safe_load(CONFIG_MAP), {"kind": "Pod", **inject(pod())}],
    }


def test_the_installations_defaults_hold(deploy: Path, tmp_path: Path) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("port: 11000\nbase-urls: true\n")

    done = run("-f", deploy, "--defaults", defaults)

    assert list(yaml.safe_load_all(done.stdout))[1] == {"kind": "Pod", **inject(pod(), load_defaults(defaults))}


def test_where_nothing_asked_that_is_told(tmp_path: Path) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text(yaml.safe_dump({"kind": "Pod", **pod(labels={})}))

    done = run("-f", file)

    assert (done.returncode, done.stdout) == (0, file.read_text())
    assert f"nothing injected: no pod template has the label {PREFIX}inject: 'true'" in done.stderr
    assert "injected\n" in run("-f", file, "--all").stderr


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_if_one_is_refused_nothing_is_printed_and_all_reasons_are_told(deploy: Path, form: list[str]) -> None:
    given = yaml.safe_dump(HOST) + "---\nkind: [\n"

    done = run("-f", deploy, "-f", "-", *form, given=yaml.safe_dump(HOST))
    broken = run("-f", "-", "-f", deploy, *form, given=given)

    assert (done.returncode, broken.returncode) == (2, 2)
    assert done.stderr.startswith("sidecar: standard input:") and "Pod/: spec.hostNetwork: " in done.stderr
    assert "not YAML" in broken.stderr
    if form:
        (finding,) = json.loads(done.stdout)["error"]["findings"]
        assert finding["id"] == "not-injectable"
    else:
        assert done.stdout == broken.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-f", "missing.yaml"], "missing.yaml: No such file or directory"),
        (["-f", "."], ".: Is a directory"),
        (["-f", "-", "-f", "-"], "standard input can be read once only"),
        (["-f", "-", "--defaults", "missing.yaml"], "missing.yaml"),
        ([], "one of the arguments -f/--file --admission-policy is required"),
        (["-f", "-", "--admission-policy"], "not allowed with argument"),
    ],
)
def test_what_cannot_be_read_is_a_2(arguments: list[str], told: str) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_admission_policies_are_printed_with_the_defaults_in_them(tmp_path: Path, form: list[str]) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("policy: of-the-platform\n")

    done = run("--admission-policy", "--defaults", defaults, *form)

    printed = json.loads(done.stdout)["items"] if form else list(yaml.safe_load_all(done.stdout))
    assert (done.returncode, done.stderr) == (0, "")
    assert printed == build_admission_policies(load_defaults(defaults)) and "of-the-platform" in done.stdout


def test_what_is_not_utf_8_is_a_2(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("kind: ConfigMap\ndata: {a: \xe9}\n".encode("latin-1"))

    done = run("-f", file)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sidecar: {file}: not UTF-8: ")
