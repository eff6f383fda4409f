"""No manifest has what Checkov finds wrong with it, but for what is let off with a reason."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.fakes.charts import chart
from tests.fakes.manifests import K8S, OVERLAYS, Manifest, overlay

CHECKOV = Path(sys.prefix) / "checkov" / "bin" / "checkov"

EVERYTHING = {
    "gateway": {"podMonitor": True, "scaleOnQueue": True, "otlp": "collector:4317"},
    "injector": {"enabled": True, "certificate": "job"},
}


def check(folder: Path, manifests: dict[str, tuple[Manifest, ...]]) -> list[dict[str, object]]:
    """What it finds, in all of them at once: its start takes most of the time."""
    for name, documents in manifests.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(documents))
    command: list[str | Path] = [
        CHECKOV,
        "--config-file",
        K8S / ".checkov.yaml",
        "--directory",
        folder,
        "--framework",
        "kubernetes",
    ]
    done = subprocess.run(
        [*command, "--output", "json", "--skip-download"], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 0 and report["summary"]["parsing_errors"] == 0
    failed: list[dict[str, object]] = report["results"]["failed_checks"]
    return failed


def test_nothing_is_found(tmp_path: Path) -> None:
    rendered = {**{name: overlay(name) for name in OVERLAYS}, "chart": chart(EVERYTHING, "llm-gateway")}

    failed = check(tmp_path, rendered)

    assert [(it["check_id"], it["check_name"], it["resource"]) for it in failed] == []


@pytest.mark.parametrize(
    ("field", "value", "check_id"),
    [("hostNetwork", True, "CKV_K8S_19"), ("automountServiceAccountToken", True, "CKV_K8S_38")],
)
def test_something_would_be(tmp_path: Path, field: str, value: object, check_id: str) -> None:
    spoiled = json.loads(json.dumps(overlay("gateway")))
    for manifest in spoiled:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["spec"][field] = value

    assert check_id in [it["check_id"] for it in check(tmp_path, {"spoiled": spoiled})]
