"""Kubernetes manifests as they are applied: rendered, and held against the schemas of the versions we support."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

K8S = Path(__file__).parents[2] / "k8s"
OVERLAYS = sorted(folder.name for folder in (K8S / "overlays").iterdir() if folder.is_dir())

# Native sidecars are stable since 1.33; the last is the latest of which there are schemas.
VERSIONS = ("1.33", "1.34", "1.35", "1.36", "1.37")

# Of which Kubernetes itself has no schema.
CUSTOM_GROUPS = (
    "cert-manager.io",
    "gateway.envoyproxy.io",
    "gateway.networking.k8s.io",
    "monitoring.coreos.com",
    "networking.istio.io",
)

Manifest = dict[str, Any]


@cache
def rendered(folder: Path) -> tuple[Manifest, ...]:
    """What `kubectl apply -k` would send."""
    kubectl = Path(sys.executable).with_name("kubectl")
    built = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return tuple(yaml.safe_load_all(built.stdout))


def overlay(name: str) -> tuple[Manifest, ...]:
    """The one in k8s/overlays."""
    return rendered(K8S / "overlays" / name)


def find(manifests: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    """The only one of that kind and name."""
    (found,) = [it for it in manifests if it["kind"] == kind and it["metadata"]["name"] == name]
    return found


def group_of(manifest: Manifest) -> str:
    """Its API's group; '' for the core's."""
    group, slash, _ = str(manifest["apiVersion"]).rpartition("/")
    return group if slash else ""


def pod_template(manifest: Manifest) -> Manifest | None:
    """Of a workload of any kind."""
    spec = manifest.get("spec", {})
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Manifest | None = spec.get("template")
    return template


def require_valid(manifest: Manifest, version: str) -> None:
    """By the schemas of that version of Kubernetes; a field that it doesn't know is an error."""
    kubernetes_validate.validate(manifest, version, strict=True)
