"""The Helm chart and the Kustomize overlays are two ways to the same manifests."""

import copy
import json
import re
from typing import Any

import helm_python
import jsonschema
import pytest
import yaml

from tests.fakes.charts import CHART, chart
from tests.fakes.manifests import CUSTOM_GROUPS, K8S, VERSIONS, Manifest, find, group_of, overlay, require_valid

INJECTOR = {"gateway": {"enabled": False}, "injector": {"enabled": True}}

# An overlay, the values that say the same, and the namespace of both.
PAIRS: list[tuple[str, dict[str, Any], str]] = [
    ("gateway", {}, "llm-gateway"),
    (
        "gateway-production",
        {"gateway": {"minReplicas": 3, "maxReplicas": 30, "scaleOnQueue": True, "podMonitor": True}},
        "llm-gateway",
    ),
    ("injector-cert-manager", INJECTOR, "llm-sidecar-system"),
    (
        "injector-certificate-job",
        {**INJECTOR, "injector": {"enabled": True, "certificate": "job"}},
        "llm-sidecar-system",
    ),
]


def comparable(manifest: Manifest) -> Manifest:
    """Without what each tool has its own way for: to restart pods, and to run a Job, when something changes."""
    it: Manifest = json.loads(re.sub(r"llm-sidecar-defaults-\w+", "llm-sidecar-defaults", json.dumps(manifest)))
    if it["kind"] == "Job":
        it["metadata"]["name"] = re.sub(r"-[0-9a-f]{8}$", "", it["metadata"]["name"])
    if it["kind"] == "ConfigMap":
        it["data"] = {name: yaml.safe_load(text) for name, text in it["data"].items()}
    annotations = it.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations")
    if annotations is not None and annotations.pop("checksum/defaults", None) and not annotations:
        del it["spec"]["template"]["metadata"]["annotations"]
    return it


def by_name(manifests: tuple[Manifest, ...]) -> dict[tuple[str, str], Manifest]:
    return {(it["kind"], it["metadata"]["name"]): it for it in map(comparable, copy.deepcopy(manifests))}


@pytest.mark.parametrize(("name", "values", "namespace"), PAIRS)
def test_it_is_the_overlay(name: str, values: dict[str, Any], namespace: str) -> None:
    by_kustomize, by_helm = by_name(overlay(name)), by_name(chart(values, namespace))
    by_kustomize.pop(("Namespace", namespace), None)  # `helm install --create-namespace`

    assert by_helm.keys() == by_kustomize.keys()
    for key, manifest in by_helm.items():
        assert manifest == by_kustomize[key], key


VALUES: list[dict[str, Any]] = [
    {"imagePullSecrets": [{"name": "registry"}], "injector": {"enabled": True, "certificate": "job"}},
    {"gateway": {"policy": {"providers": {}}, "workers": 3, "drainSeconds": 60, "logLevel": "debug"}},
    {"gateway": {"existingPolicy": "mine", "keysSecret": "my-keys"}},
    {"image": {"repository": "registry.example/llm", "tag": "sha256:" + "0" * 64}, "monitoringNamespace": "watch"},
    {"injector": {"enabled": True, "certificate": "job", "defaults": {"cpu": "500m"}, "replicas": 3}},
    {"gateway": {"existingPolicy": "123", "keysSecret": "true"}, "monitoringNamespace": "0"},
    {"gateway": {"otlp": "[fd00::1]:4317", "drainSeconds": 2_000_000, "envoy": {"concurrency": 1_000_000}}},
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", VALUES)
def test_every_supported_version_takes_what_values_make_of_it(values: dict[str, Any], version: str) -> None:
    for manifest in chart(values, "2024"):
        if group_of(manifest) not in CUSTOM_GROUPS:
            require_valid(manifest, version)


def test_a_policy_can_stand_in_the_values() -> None:
    policy = yaml.safe_load((K8S.parent / "examples" / "minimal.yaml").read_text())

    written = find(chart({"gateway": {"policy": policy}}, "x"), "ConfigMap", "llm-policy")["data"]["router.yaml"]

    assert yaml.safe_load(written) == policy


def test_an_image_can_be_a_digest() -> None:
    digest = "sha256:" + "a" * 64
    gateway = find(chart({"image": {"tag": digest}}, "x"), "Deployment", "llm-gateway")["spec"]["template"]["spec"]

    assert gateway["containers"][0]["image"] == f"envoy-llm-sidecar@{digest}"


def test_injected_pods_run_what_the_chart_is_of() -> None:
    values = {"image": {"tag": "9.9.9"}, "injector": {"enabled": True, "defaults": {"port": 11000}}}

    defaults = find(chart(values, "x"), "ConfigMap", "llm-sidecar-defaults")["data"]["defaults.yaml"]

    assert yaml.safe_load(defaults) == {
        "image": "envoy-llm-sidecar:9.9.9",
        "envoy-image": "docker.io/envoyproxy/envoy:distroless-v1.40.0",
        "port": 11000,
    }


def test_traces_get_through_to_their_collector() -> None:
    rules = find(chart({"gateway": {"otlp": "collector.monitoring:4317"}}, "x"), "NetworkPolicy", "llm-gateway")[
        "spec"
    ]
    silent = find(chart({}, "x"), "NetworkPolicy", "llm-gateway")["spec"]

    assert rules["egress"] == [*silent["egress"], {"ports": [{"protocol": "TCP", "port": 4317}]}]


def test_an_upgrade_makes_a_new_job_of_what_kubernetes_does_not_let_it_change() -> None:
    def jobs(tag: str) -> dict[str, Manifest]:
        values = {"image": {"tag": tag}, "injector": {"enabled": True, "certificate": "job"}}
        return {it["metadata"]["name"]: it for it in chart(values, "x") if it["kind"] == "Job"}

    assert jobs("1") == jobs("1")
    assert not jobs("1").keys() & jobs("2").keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"gatway": {}},
        {"gateway": {"minReplicas": "2"}},
        {"injector": {"certificate": "none"}},
        {"image": {"tag": "1.0\nx: y"}},
        {"image": {"repository": "{{ .Values.x }}"}},
        {"envoyImage": {"tag": ""}},
        {"monitoringNamespace": 'a"b'},
        {"gateway": {"existingPolicy": "a: b"}},
        {"gateway": {"keysSecret": ""}},
        {"gateway": {"otlp": "a, --listen, b:1"}},
        {"gateway": {"drainSeconds": 4}},  # `drain` refuses less than it waits at least
    ],
)
def test_values_that_it_does_not_know_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError):
        chart(wrong, "x")


def test_its_own_values_are_by_its_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    jsonschema.validate(yaml.safe_load((CHART / "values.yaml").read_text()), schema)
