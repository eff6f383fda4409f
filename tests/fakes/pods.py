"""Pods, as people write them and as properties need them."""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

PREFIX = "envoy-llm-sidecar.io/"

APP: Json = {"name": "app", "image": "registry.example/app:1"}

RESTRICTED: Json = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(annotations: dict[str, str] | None = None, *, labels: dict[str, str] | None = None, **spec: Any) -> Json:
    """A pod's template with these settings of ours, or with annotations of others, whose keys have a slash."""
    metadata: Json = {"labels": labels if labels is not None else {f"{PREFIX}inject": "true"}}
    if annotations:
        metadata["annotations"] = {it if "/" in it else f"{PREFIX}{it}": text for it, text in annotations.items()}
    return {"metadata": metadata, "spec": {"containers": [APP], **spec}}


PODS: dict[str, Json] = {
    "the least": pod(),
    "no metadata": {"spec": {"containers": [APP]}},
    "null where there is nothing": {
        "metadata": {"annotations": None},
        "spec": {"containers": [{**APP, "env": None, "ports": None}], "initContainers": None, "volumes": None},
    },
    "a job's": pod(restartPolicy="Never", containers=[{**APP, "command": ["python", "-c", "pass"]}]),
    "restricted": pod(containers=[{**APP, "securityContext": RESTRICTED}]),
    "its own user and group": pod(
        securityContext={"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000, "runAsNonRoot": True},
        automountServiceAccountToken=False,
        terminationGracePeriodSeconds=5,
    ),
    "root": pod(securityContext={"runAsUser": 0}, containers=[{**APP, "securityContext": {"privileged": True}}]),
    "a mesh": pod(
        initContainers=[
            {"name": "istio-init", "image": "docker.io/istio/proxyv2:1.30.0"},
            {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.30.0", "restartPolicy": "Always"},
        ],
        volumes=[{"name": "istio-envoy", "emptyDir": {"medium": "Memory"}}],
    ),
    "all settings": pod(
        {
            "example.com/team": "search",
            "policy": "my-policy",
            "keys": "my.keys",
            "overlay": "edits.yaml",
            "port": "11000",
            "admin-port": "11001",
            "http-port": "11002",
            "status-port": "11003",
            "image": "registry.example:5000/llm/sidecar@sha256:" + "0a" * 32,
            "envoy-image": "registry.example/envoy:v1.40.1",
            "image-pull-policy": "Always",
            "log-level": "debug",
            "cpu": "0.5",
            "cpu-limit": "4",
            "memory": "300Mi",
            "memory-limit": "1Gi",
            "envoy-cpu": "50m",
            "envoy-cpu-limit": "2",
            "envoy-memory": "64Mi",
            "envoy-memory-limit": "2G",
            "workers": "4",
            "base-urls": "true",
            "otlp": "collector.monitoring.svc:4317",
            "console-token": "console",
            "other-envoy": "allowed",
        },
        containers=[APP, {"name": "proxy", "image": "envoyproxy/envoy:v1.40.0"}],
    ),
    "no key": pod({"keys": "none"}),
}
"""That can be injected."""

_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9]", fullmatch=True)
_TEXTS = st.sampled_from(["", "y", "on", "0644", "12:30", "null", "- a", "a: b #", "line\nline\n", "é ✓", " x "])
_MAPS = st.dictionaries(_NAMES, _TEXTS, max_size=2)


def _named(more: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[Json]]:
    """A list of things with different names; none of them is one of ours."""
    return st.lists(
        st.fixed_dictionaries({"name": _NAMES.filter(lambda name: not name.startswith("llm-"))}, optional=more),
        max_size=3,
        unique_by=lambda it: str(it["name"]),
    )


def _variables() -> st.SearchStrategy[list[Json]]:
    names = st.sampled_from(["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "PATH", "y"])
    return st.lists(st.fixed_dictionaries({"name": names, "value": _TEXTS}), max_size=3)


_CONTAINERS = _named(
    {
        "image": st.just("registry.example/app:1"),
        "command": st.lists(_TEXTS.filter(bool), min_size=1, max_size=2),
        "env": _variables(),
        "ports": st.lists(st.builds(lambda port: {"containerPort": port}, st.integers(1, 9000)), max_size=2),
        "resources": st.builds(lambda cpu: {"requests": {"cpu": cpu}}, st.sampled_from(["1", "250m"])),
    }
)


def pods() -> st.SearchStrategy[Json]:
    """Any that can be injected, with and without `base-urls`."""
    ours = st.dictionaries(st.just(f"{PREFIX}base-urls"), st.sampled_from(["true", "false"]), max_size=1)
    annotations = st.builds(lambda own, others: {**others, **own}, ours, _MAPS)
    metadata = st.fixed_dictionaries(
        {"labels": st.builds(lambda labels: {**labels, f"{PREFIX}inject": "true"}, _MAPS)},
        optional={"annotations": annotations, "name": _NAMES},
    )
    spec = st.fixed_dictionaries(
        {"containers": _CONTAINERS.filter(bool)},
        optional={
            "initContainers": _CONTAINERS,
            "volumes": _named({"configMap": st.just({"name": "y", "defaultMode": 0o444})}),
            "securityContext": st.just({"fsGroup": 2000}),
            "restartPolicy": st.sampled_from(["Always", "Never"]),
        },
    )
    return st.fixed_dictionaries({"metadata": metadata, "spec": spec})
