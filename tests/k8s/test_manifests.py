"""What `kubectl apply -k` sends is what Kubernetes takes, and what a security reviewer wants to see."""

import json
from typing import Any

import pytest

from sidecar.injection.admission_policy import render_files
from sidecar.injection.containers import our_containers, our_volumes
from sidecar.injection.names import NO_TOKEN_VOLUME, PREFIX
from sidecar.injection.settings import read_settings
from tests.fakes.manifests import (
    CUSTOM_GROUPS,
    K8S,
    OVERLAYS,
    VERSIONS,
    Manifest,
    find,
    group_of,
    overlay,
    pod_template,
    require_valid,
)

# Stable since then; older clusters take the webhook.
NEEDS = {"injector-admission-policy": "1.36"}


def versions_for(name: str) -> list[str]:
    oldest = NEEDS.get(name, VERSIONS[0])
    return [version for version in VERSIONS if version >= oldest]


def pods(name: str) -> list[tuple[str, Manifest]]:
    """The spec of every pod that an overlay makes, with what makes it."""
    return [
        (f"{manifest['kind']}/{manifest['metadata']['name']}", template["spec"])
        for manifest in overlay(name)
        if (template := pod_template(manifest)) is not None
    ]


def containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", []), *spec["containers"]]


@pytest.mark.parametrize(
    ("name", "version"), [(name, version) for name in OVERLAYS for version in versions_for(name)]
)
def test_every_supported_version_takes_it(name: str, version: str) -> None:
    for manifest in overlay(name):
        if group_of(manifest) not in CUSTOM_GROUPS:
            require_valid(manifest, version)


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_image_is_of_one_version(name: str) -> None:
    for owner, spec in pods(name):
        for container in containers(spec):
            _, colon, tag = container["image"].partition(":")
            assert colon and tag != "latest", f"{owner}: {container['name']}: {container['image']}"


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_container_says_what_it_needs_and_may_use(name: str) -> None:
    for owner, spec in pods(name):
        for container in containers(spec):
            said = {kind: set(container["resources"][kind]) for kind in ("requests", "limits")}
            assert said == {"requests": {"cpu", "memory"}, "limits": {"cpu", "memory"}}, (
                f"{owner}: {container['name']}"
            )


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_what_asks_the_api_server_has_a_token(name: str) -> None:
    with_token = [owner for owner, spec in pods(name) if spec["automountServiceAccountToken"]]

    assert all(owner.endswith("/llm-sidecar-certificate") for owner in with_token)


@pytest.mark.parametrize("name", OVERLAYS)
def test_rights_are_for_things_by_name(name: str) -> None:
    """Only the one right that cannot be: to create what is not there yet."""
    rules: list[dict[str, Any]] = [
        rule
        for manifest in overlay(name)
        if manifest["kind"] in ("Role", "ClusterRole")
        for rule in manifest["rules"]
    ]

    assert all("*" not in value for rule in rules for value in rule.values())
    assert all(rule.get("resourceNames") or rule["verbs"] == ["create"] for rule in rules)


def test_an_edited_policy_reaches_the_pods_that_run() -> None:
    """By its name, which stays; a folder is mounted, since a file alone would never change."""
    gateway = overlay("gateway")
    (template,) = [it for it in map(pod_template, gateway) if it is not None]

    assert find(gateway, "ConfigMap", "llm-policy")["data"]["router.yaml"]
    assert {"name": "llm-policy", "configMap": {"name": "llm-policy"}} in template["spec"]["volumes"]
    assert not any("subPath" in mount for it in containers(template["spec"]) for mount in it.get("volumeMounts", []))


@pytest.mark.parametrize("folder", ["base/gateway", "chart", "attach/envoy-gateway"])
def test_a_gateway_begins_with_the_smallest_policy(folder: str) -> None:
    """A copy, since neither Kustomize nor Helm reads a file outside its folder."""
    assert (K8S / folder / "router.yaml").read_text() == (K8S.parent / "examples" / "minimal.yaml").read_text()


def test_services_lead_to_pods() -> None:
    for name in OVERLAYS:
        manifests = overlay(name)
        labels = [template["metadata"]["labels"] for it in manifests if (template := pod_template(it)) is not None]
        for service in (it for it in manifests if it["kind"] == "Service"):
            selector = service["spec"]["selector"].items()
            assert any(selector <= pod.items() for pod in labels), f"{name}: {service['metadata']['name']}"


def test_a_pod_has_time_to_end_its_streams() -> None:
    (template,) = [it for it in map(pod_template, overlay("gateway")) if it is not None]
    (drain,) = template["spec"]["containers"]
    longest = int(drain["args"][drain["args"].index("--max-seconds") + 1])

    # Envoy ends at once, the router within half a minute.
    assert template["spec"]["terminationGracePeriodSeconds"] >= longest + 30


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_node_can_be_drained_even_if_a_single_replica_is_left(name: str) -> None:
    budgets = [it["spec"] for it in overlay(name) if it["kind"] == "PodDisruptionBudget"]

    assert all(it["maxUnavailable"] == 1 and "minAvailable" not in it for it in budgets)


@pytest.mark.parametrize("name", [name for name in OVERLAYS if name.startswith("injector-c")])
def test_clusters_that_ration_its_priority_take_the_webhook(name: str) -> None:
    """They do outside kube-system where a quota says so."""
    manifests = overlay(name)
    webhook = find(manifests, "Deployment", "llm-sidecar-webhook")
    quota = find(manifests, "ResourceQuota", "llm-sidecar-webhook")

    (scope,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert scope["scopeName"] == "PriorityClass"
    assert scope["values"] == [webhook["spec"]["template"]["spec"]["priorityClassName"]]
    assert quota["metadata"]["namespace"] == webhook["metadata"]["namespace"]


def test_a_renewed_certificate_is_of_the_ca_that_is_trusted_already() -> None:
    """So the API server trusts the old one and the new one, while the pods still get the new one."""
    manifests = overlay("injector-cert-manager")
    ca = find(manifests, "Certificate", "llm-sidecar-webhook-ca")["spec"]
    serving = find(manifests, "Certificate", "llm-sidecar-webhook")["spec"]

    assert find(manifests, "Issuer", serving["issuerRef"]["name"])["spec"] == {"ca": {"secretName": ca["secretName"]}}
    assert ca["isCA"] and ca["secretName"] != serving["secretName"]
    assert int(ca["duration"].removesuffix("h")) > 10 * int(serving["duration"].removesuffix("h"))


def test_a_renewal_that_hangs_does_not_keep_the_next_one_from_trying() -> None:
    renewal = find(overlay("injector-certificate-job"), "CronJob", "llm-sidecar-certificate")

    assert renewal["spec"]["concurrencyPolicy"] == "Replace"


def test_the_admission_policy_is_what_is_rendered() -> None:
    folder = K8S / "base" / "admission-policy"

    assert {name: (folder / name).read_text() for name in render_files()} == render_files(), (
        "run python -m sidecar.injection.admission_policy k8s/base/admission-policy"
    )


def test_the_gateway_has_the_containers_that_are_injected() -> None:
    """But for where it listens, what it takes, that its pod has no token, and that Envoy's readiness is the pod's."""
    gateway = overlay("gateway")
    (template,) = [it for it in map(pod_template, gateway) if it is not None]
    images = {it["name"]: it["image"] for it in containers(template["spec"])}
    settings = read_settings(
        {
            f"{PREFIX}{key}": value
            for key, value in {
                "image": images["llm-router"],
                "envoy-image": images["llm-envoy"],
                "cpu": "1",
                "memory": "384Mi",
                "cpu-limit": "2",
                "memory-limit": "768Mi",
                "envoy-cpu": "500m",
                "envoy-memory": "256Mi",
                "envoy-cpu-limit": "2",
                "envoy-memory-limit": "1Gi",
            }.items()
        }
    )
    injected = json.dumps(our_containers(settings)).replace("127.0.0.1:10000", "0.0.0.0:10000")

    expected = json.loads(injected.replace('"--concurrency", "1"', '"--concurrency", "2"'))
    for container in expected:
        container["volumeMounts"] = [it for it in container["volumeMounts"] if it["name"] != NO_TOKEN_VOLUME]
    expected[2]["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 9903}, "periodSeconds": 5}
    volumes = {it["name"]: it for it in our_volumes(settings) if it["name"] != NO_TOKEN_VOLUME}
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["initContainers"] == expected
    assert {it["name"]: it for it in template["spec"]["volumes"]} == volumes
