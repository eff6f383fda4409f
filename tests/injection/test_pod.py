"""Injected pods: what is in them, what stays of them, and which pods are refused."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given

from sidecar.injection.names import CONTAINERS, STATUS_ANNOTATION, VERSION, VOLUMES
from sidecar.injection.pod import inject
from sidecar.injection.settings import InjectionError
from tests.fakes.manifests import VERSIONS, require_valid
from tests.fakes.pod_security import find_violations
from tests.fakes.pods import APP, PODS, PREFIX, Json, pod, pods
from tests.fakes.properties import examples

URLS = ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"]


def is_within(before: Any, after: Any) -> bool:
    """Whether `after` is `before`, and perhaps more: other keys, other items between those of a list."""
    if before is None:
        return True
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            key in after and is_within(it, after[key]) for key, it in before.items()
        )
    if isinstance(before, list):
        rest = iter(after)
        return isinstance(after, list) and all(any(is_within(it, other) for other in rest) for it in before)
    return bool(before == after) and type(before) is type(after)


def refusals(of: Json) -> list[str]:
    with pytest.raises(InjectionError) as refused:
        inject(of)
    assert str(refused.value).isprintable()
    return [str(it) for it in refused.value.refusals]


@pytest.mark.parametrize("name", PODS)
def test_envoy_and_the_router_start_before_all_else_and_end_after_it(name: str) -> None:
    spec = inject(PODS[name])["spec"]

    config, router, envoy = spec["initContainers"][:3]
    assert [it["name"] for it in (config, router, envoy)] == list(CONTAINERS)
    assert [it.get("restartPolicy") for it in (config, router, envoy)] == [None, "Always", "Always"]
    assert "startupProbe" in router and "startupProbe" in envoy
    assert spec["initContainers"][3:] == (PODS[name]["spec"].get("initContainers") or [])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", PODS)
def test_every_supported_kubernetes_takes_an_injected_pod(name: str, version: str) -> None:
    injected = inject(PODS[name])

    require_valid(
        {"apiVersion": "v1", "kind": "Pod", **injected, "metadata": {"name": "a", **injected["metadata"]}}, version
    )


@pytest.mark.parametrize("name", PODS)
def test_what_is_injected_is_restricted_whatever_the_pod_is(name: str) -> None:
    assert find_violations(inject(PODS[name])["spec"]) == find_violations(PODS[name]["spec"])


def test_a_restricted_pod_stays_one() -> None:
    assert find_violations(PODS["restricted"]["spec"]) == []
    assert find_violations(PODS["the least"]["spec"]) != [] and find_violations(PODS["root"]["spec"]) != []


@pytest.mark.parametrize("name", PODS)
def test_all_that_is_mounted_is_there(name: str) -> None:
    spec = inject(PODS[name])["spec"]

    mounted = {mount["name"] for it in spec["initContainers"][:3] for mount in it["volumeMounts"]}

    assert mounted == {it["name"] for it in spec["volumes"]} & set(VOLUMES)
    assert ("llm-keys" in mounted) == (name != "no key")


def test_the_status_says_what_was_injected() -> None:
    status = json.loads(inject(pod())["metadata"]["annotations"][STATUS_ANNOTATION])

    assert (status["version"], status["containers"]) == (VERSION, list(CONTAINERS))
    assert len(status["config"]) == 12


@examples(200)
@given(pods())
def test_injecting_only_adds(before: Json) -> None:
    as_given = copy.deepcopy(before)

    after = inject(before)

    assert before == as_given
    assert is_within(before, after)
    assert {key for key in after["spec"] if key not in before["spec"]} <= {"initContainers", "volumes"}


@examples(200)
@given(pods())
def test_injecting_again_changes_nothing(before: Json) -> None:
    once = inject(before)

    assert inject(once) is once


@examples(100)
@given(pods())
def test_base_urls_are_set_where_they_are_asked_for_and_not_set(before: Json) -> None:
    wanted = (before["metadata"].get("annotations") or {}).get(f"{PREFIX}base-urls") == "true"

    after = inject(before)["spec"]

    own = [*before["spec"].get("initContainers", []), *before["spec"]["containers"]]
    now = [*after["initContainers"][3:], *after["containers"]]
    for container, injected in zip(own, now, strict=True):
        present = container.get("env", [])
        names = [it["name"] for it in present]
        added = [name for name in URLS if name not in names] if wanted else []
        assert injected.get("env", [])[: len(present)] == present
        assert [it["name"] for it in injected.get("env", [])[len(present) :]] == added


def test_base_urls_lead_to_our_envoy() -> None:
    (app,) = inject(pod({"base-urls": "true", "port": "11000"}))["spec"]["containers"]

    assert app["env"] == [
        {"name": "OPENAI_BASE_URL", "value": "http://127.0.0.1:11000/v1"},
        {"name": "ANTHROPIC_BASE_URL", "value": "http://127.0.0.1:11000"},
    ]


def _with_port(number: object, **more: Any) -> Json:
    return pod(containers=[{**APP, "ports": [{"containerPort": 80}, {"containerPort": number, **more}]}])


CONFLICTS: list[tuple[Json, str, str]] = [
    (pod(hostNetwork=True), "spec.hostNetwork", "remove it"),
    (pod(os={"name": "windows"}), "spec.os.name", "run on Linux"),
    (pod(nodeSelector={"kubernetes.io/os": "windows"}), "spec.nodeSelector[kubernetes.io/os]", "run on Linux"),
    (pod(containers=[{**APP, "name": "llm-router"}]), "spec.containers[0].name", "give this one another"),
    (pod(initContainers=[{**APP, "name": "llm-envoy"}]), "spec.initContainers[0].name", "injected before"),
    (pod(volumes=[{"name": "a"}, {"name": "llm-keys"}]), "spec.volumes[1].name", "give this one another"),
    (_with_port(9902), "spec.containers[0].ports[1].containerPort", f"set the annotation {PREFIX}http-port"),
    (_with_port(10000, protocol="TCP"), "spec.containers[0].ports[1].containerPort", f"{PREFIX}port to another"),
    (pod(containers=[{"name": "e", "image": "a.b:1/c/envoy:v1"}]), "spec.containers[0].image", "other-envoy"),
    (pod(containers=[{"name": "e", "image": "envoy@sha256:0"}]), "spec.containers[0].image", "another Envoy"),
    (pod(initContainers=[{**APP, "command": ["/bin/envoy"]}]), "spec.initContainers[0].command", "other-envoy"),
    (pod({STATUS_ANNOTATION: "{}"}), f"metadata.annotations[{STATUS_ANNOTATION}]", "remove the annotation"),
    (pod(containers=[]), "spec.containers", "at least one container"),
    (pod(containers="x"), "spec.containers", "expected a list, got text"),
    (pod(containers=[1]), "spec.containers[0]", "expected a mapping, got a number"),
    (pod(containers=[{"name": ["a"]}]), "spec.containers[0].name", "expected text, got a list"),
    (pod(containers=[{**APP, "env": {"A": "b"}}]), "spec.containers[0].env", "expected a list, got a mapping"),
    (pod(volumes=[None]), "spec.volumes[0]", "expected a mapping, got nothing"),
    ({"metadata": [], "spec": {"containers": [APP]}}, "metadata", "expected a mapping, got a list"),
    ({"metadata": {}}, "spec", "expected a mapping, got nothing"),
]


@pytest.mark.parametrize(("of", "field", "remedy"), CONFLICTS)
def test_a_pod_that_cannot_be_injected_is_told_with_its_field_and_what_to_do(
    of: Json, field: str, remedy: str
) -> None:
    (told,) = refusals(of)

    assert told.startswith(f"{field}: ") and remedy in told


@pytest.mark.parametrize(
    "of",
    [
        pod({"other-envoy": "allowed"}, containers=[{"name": "e", "image": "envoyproxy/envoy:v1"}]),
        pod(containers=[{"name": "e", "image": "example/envoy-client:1", "command": ["run", "envoy"]}]),
        pod({"http-port": "9912"}, containers=[{**APP, "ports": [{"containerPort": 9902}]}]),
        _with_port(10000, protocol="UDP"),
        pod(hostNetwork=False, os={"name": "linux"}, nodeSelector={"kubernetes.io/os": "linux"}),
    ],
)
def test_what_only_looks_like_a_conflict_is_none(of: Json) -> None:
    assert inject(of)["metadata"]["annotations"][STATUS_ANNOTATION]


def test_all_that_is_in_the_way_is_told_at_once() -> None:
    of = pod(
        hostNetwork=True, volumes=[{"name": "llm-run"}], containers=[{**APP, "ports": [{"containerPort": 9903}]}]
    )

    assert len(refusals(of)) == 3


def test_half_an_injection_is_refused_either_way() -> None:
    whole = inject(pod())
    without_annotation = {**whole, "metadata": {"labels": {}}}
    without_envoy = copy.deepcopy(whole)
    del without_envoy["spec"]["initContainers"][2]

    assert len(refusals(without_annotation)) == len(CONTAINERS) + len(VOLUMES)
    assert any("it lacks some of the init containers" in told for told in refusals(without_envoy))


def test_a_secret_of_the_environment_is_not_told() -> None:
    assert "hunter2" not in "".join(refusals(pod(containers=[{**APP, "env": ["hunter2"]}])))
