"""Resources of other projects are what those projects' own schemas say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.manifests import CUSTOM_GROUPS, K8S, OVERLAYS, VERSIONS, Manifest, group_of, rendered, require_valid

VALIDATE = K8S.parent / "tests" / "clients" / "node" / "validate.mjs"
FOLDERS = [
    *(K8S / "overlays" / name for name in OVERLAYS),
    K8S / "attach" / "envoy-gateway",
    K8S / "attach" / "istio",
]


def validate(manifests: list[Manifest]) -> list[str]:
    """What is wrong with them."""
    node = Path(sys.executable).with_name("node")
    done = subprocess.run([node, VALIDATE], input=json.dumps(manifests), capture_output=True, text=True, check=True)
    wrong: list[str] = json.loads(done.stdout)
    return wrong


def custom(folder: Path) -> list[Manifest]:
    return [it for it in rendered(folder) if group_of(it) in CUSTOM_GROUPS]


def test_nothing_is_wrong_with_any() -> None:
    everything = [manifest for folder in FOLDERS for manifest in custom(folder)]

    assert {group_of(it) for it in everything} == set(CUSTOM_GROUPS)
    assert validate(everything) == []


@pytest.mark.parametrize(
    ("folder", "kind", "spoiled"),
    [
        ("attach/envoy-gateway", "EnvoyExtensionPolicy", {"extProc": [{"failOpen": "yes"}]}),
        ("attach/envoy-gateway", "HTTPRoute", {"rules": [{"matches": [{"path": {"type": "Glob"}}]}]}),
        ("attach/istio", "VirtualService", {"http": {}}),
        ("overlays/gateway-production", "PodMonitor", {"podMetricsEndpoints": 3}),
        ("overlays/injector-cert-manager", "Certificate", {"dnsNames": [1]}),
    ],
)
def test_something_would_be(folder: str, kind: str, spoiled: Manifest) -> None:
    manifest = next(it for it in custom(K8S / folder) if it["kind"] == kind)

    assert validate([{**manifest, "spec": {**manifest["spec"], **spoiled}}]) != []


def test_kubernetes_own_resources_beside_them_are_valid() -> None:
    """Their overlays are not among those that are installed as they are."""
    for folder in ("envoy-gateway", "istio"):
        for manifest in rendered(K8S / "attach" / folder):
            if group_of(manifest) not in CUSTOM_GROUPS:
                require_valid(manifest, VERSIONS[0])
