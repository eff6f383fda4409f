"""Webhook, admission policy and `sidecar inject` make the same pod, and refuse the same ones."""

import json
import re
from typing import Any

import jsonpatch
import pytest

from sidecar.injection.admission_policy import build_admission_policies
from sidecar.injection.names import PREFIX, STATUS_ANNOTATION
from sidecar.injection.patch import build_patch
from sidecar.injection.pod import inject
from sidecar.injection.settings import BUILT_IN, LOCKED, InjectionError
from tests.fakes.admission_policies import RefusedError, mutate, validate
from tests.fakes.manifests import require_valid

Json = dict[str, Any]

MUTATING, _, VALIDATING, _ = build_admission_policies()
APP = {"name": "app", "image": "registry.example/app:1"}


def pod(annotations: dict[str, str] | None = None, **spec: Any) -> Json:
    """As the API server shows it to an admission plugin: a pod that a ReplicaSet makes has no name yet."""
    metadata: Json = {"generateName": "app-", "labels": {f"{PREFIX}inject": "true"}}
    if annotations is not None:
        metadata["annotations"] = {f"{PREFIX}{key}" if "/" not in key else key: it for key, it in annotations.items()}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [APP], **spec}}


MIGRATION = {"name": "migrate", "image": "registry.example/app:1", "env": [{"name": "A", "value": "b"}]}
MESH = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.30.0", "restartPolicy": "Always"}
OWN_URL = {**APP, "env": [{"name": "OPENAI_BASE_URL", "value": "http://elsewhere"}]}

INJECTED: dict[str, Json] = {
    "the least": pod(),
    "no annotation of ours": pod({"example.com/team": "a/b~c"}),
    "empty lists": pod({}, initContainers=[], volumes=[]),
    "init containers and volumes of its own": pod(
        initContainers=[MIGRATION, MESH], volumes=[{"name": "tmp", "emptyDir": {}}]
    ),
    "base URLs": pod({"base-urls": "true"}, initContainers=[MIGRATION]),
    "base URLs that are set": pod({"base-urls": "true", "port": "11000"}, containers=[OWN_URL, {**APP, "name": "b"}]),
    "an empty environment": pod({"base-urls": "true"}, containers=[{**APP, "env": []}]),
    "no keys": pod({"keys": "none"}),
    "names": pod({"policy": "my-policy", "keys": "team.keys", "overlay": "edits.yaml", "console-token": "console"}),
    "ports": pod({"port": "1024", "admin-port": "65535", "http-port": "8080", "status-port": "9000"}),
    "IPv6": pod({"bind": "[::]"}),
    "traces": pod({"otlp": "collector.monitoring.svc:4317"}),
    "images": pod(
        {"image": "registry.example:5000/llm@sha256:" + "0" * 64, "envoy-image": "e:1", "image-pull-policy": "Always"}
    ),
    "resources": pod(
        {
            "cpu": "1.5",
            "cpu-limit": "4",
            "memory": "300Mi",
            "memory-limit": "1Gi",
            "envoy-cpu": "50m",
            "envoy-cpu-limit": "2",
            "envoy-memory": "64Mi",
            "envoy-memory-limit": "2Gi",
            "workers": "4",
            "log-level": "debug",
        }
    ),
    "another Envoy": pod({"other-envoy": "allowed"}, containers=[APP, {"name": "e", "image": "envoyproxy/envoy:v1"}]),
    "an image that is only called like one": pod(containers=[{"name": "e", "image": "example/envoy-client:1"}]),
    "our port by UDP": pod(containers=[{**APP, "ports": [{"containerPort": 10000, "protocol": "UDP"}]}]),
    "a job's": pod(restartPolicy="Never", containers=[APP]),
    "as much as the limit": pod({"cpu": "1000m", "memory": "0.5Gi", "envoy-cpu": "1", "envoy-memory": "512Mi"}),
}

REFUSED: dict[str, Json] = {
    "host network": pod(hostNetwork=True),
    "Windows": pod(os={"name": "windows"}),
    "a node for Windows": pod(nodeSelector={"kubernetes.io/os": "windows"}),
    "our container's name": pod(containers=[{**APP, "name": "llm-router"}]),
    "our container's name before the start": pod(initContainers=[{**APP, "name": "llm-envoy"}]),
    "our volume's name": pod(volumes=[{"name": "llm-keys", "emptyDir": {}}]),
    "our port": pod(containers=[{**APP, "ports": [{"containerPort": 9902}]}]),
    "our port, set": pod({"port": "8080"}, containers=[{**APP, "ports": [{"containerPort": 8080}]}]),
    "an Envoy by image": pod(containers=[APP, {"name": "e", "image": "envoyproxy/envoy:v1.30.0"}]),
    "an Envoy by digest": pod(containers=[APP, {"name": "e", "image": "envoy@sha256:" + "0" * 64}]),
    "an Envoy by command": pod(containers=[APP, {"name": "e", "image": "x", "command": ["/usr/bin/envoy"]}]),
    "a status of somebody else's": pod({STATUS_ANNOTATION: "{}"}),
    "an unknown setting": pod({"prot": "10000"}),
    "one port twice": pod({"port": "9901"}),
    "more processors than the limit": pod({"cpu": "1.5"}),
    "a limit below what is asked": pod({"memory-limit": "0.2G"}),
    "more memory for Envoy than the limit": pod({"envoy-memory": "600Mi", "envoy-memory-limit": "599Mi"}),
    "a value that is too long to be shown": pod({"image": "a" * 10_000}),
    **{
        f"{key}: {value}": pod({key: value})
        for key, value in [
            ("policy", "My_Policy"),
            ("policy", ""),
            ("keys", "-a"),
            ("overlay", "../../etc/passwd"),
            ("port", "80"),
            ("port", "65536"),
            ("port", "10000\n"),
            ("port", " 10000"),
            ("http-port", "٨٠٨٠"),
            ("image", "a b"),
            ("image", "x:1 --privileged"),
            ("image-pull-policy", "always"),
            ("log-level", "trace"),
            ("cpu", "-1"),
            ("cpu", "1; rm"),
            ("memory", "256MB"),
            ("memory", "0"),
            ("workers", "0"),
            ("workers", "65"),
            ("base-urls", "yes"),
            ("bind", "::"),
            ("otlp", "collector"),
            ("otlp", "http://collector:4317"),
            ("otlp", "collector:0"),
            ("console-token", "a" * 254),
            ("other-envoy", "true"),
        ]
    },
}


def by_webhook(given: Json) -> Json:
    patched: Json = jsonpatch.apply_patch(given, json.loads(json.dumps(build_patch(given, inject(given)))))
    return patched


@pytest.mark.parametrize("name", INJECTED)
def test_all_make_the_same_pod(name: str) -> None:
    given = INJECTED[name]

    offline = inject(given)

    assert offline != given
    assert mutate(MUTATING, given) == offline
    assert by_webhook(given) == offline


@pytest.mark.parametrize("name", INJECTED)
def test_the_validating_policy_lets_it_pass(name: str) -> None:
    validate(VALIDATING, inject(INJECTED[name]))


@pytest.mark.parametrize("name", INJECTED)
def test_again_changes_nothing(name: str) -> None:
    injected = inject(INJECTED[name])

    assert inject(injected) == injected
    assert mutate(MUTATING, injected) == injected
    assert build_patch(injected, inject(injected)) == []


@pytest.mark.parametrize("name", REFUSED)
def test_all_refuse_the_same(name: str) -> None:
    given = REFUSED[name]

    with pytest.raises(InjectionError) as offline:
        inject(given)
    assert mutate(MUTATING, given) == given
    with pytest.raises(RefusedError) as policy:
        validate(VALIDATING, given)

    # Of a list the policy cannot tell which item, and of two annotations that contradict each other not which.
    field = re.split(r"\[\d|\[envoy|:", str(offline.value))[0]
    # The API server shows no message with a line break or of more than five kilobytes.
    cannot_be_shown = re.search(r"\n|\w{5000}", "".join(given["metadata"].get("annotations", {}).values()))
    assert ("the rule setting-" if cannot_be_shown else field) in str(policy.value)


def test_a_pod_that_asked_and_was_not_injected_is_refused() -> None:
    with pytest.raises(RefusedError, match="did not inject"):
        validate(VALIDATING, pod())


@pytest.mark.parametrize("version", ["1.36", "1.37"])
def test_policies_are_what_kubernetes_takes(version: str) -> None:
    for manifest in build_admission_policies():
        require_valid(manifest, version)


def test_an_installations_defaults_are_in_its_policy() -> None:
    defaults = {**BUILT_IN, "port": "12000", "otlp": "collector:4317", "keys": "none"}
    mutating, *_ = build_admission_policies(defaults)

    assert mutate(mutating, pod()) == inject(pod(), defaults)
    assert mutate(mutating, pod({"otlp": "none"})) == inject(pod({"otlp": "none"}), defaults)


LOCKING = {**BUILT_IN, "port": "12000", LOCKED: "image envoy-image overlay"}


def test_what_an_installation_locks_is_its_own_in_every_pod() -> None:
    mutating, _, validating, _ = build_admission_policies(LOCKING)
    given = pod({"port": "11000", "log-level": "debug"})

    offline = inject(given, LOCKING)

    assert mutate(mutating, given) == offline
    validate(validating, offline)


@pytest.mark.parametrize("key", ["image", "envoy-image", "overlay"])
def test_a_pod_that_sets_what_is_locked_is_refused_by_all(key: str) -> None:
    mutating, _, validating, _ = build_admission_policies(LOCKING)
    given = pod({key: BUILT_IN[key]})

    with pytest.raises(InjectionError, match="does not let pods set it"):
        inject(given, LOCKING)
    assert mutate(mutating, given) == given
    with pytest.raises(RefusedError, match="does not let pods set image, envoy-image, overlay"):
        validate(validating, given)
