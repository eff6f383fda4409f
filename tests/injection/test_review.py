"""What the webhook answers to each AdmissionReview."""

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.injection.names import CONTAINERS, POD_LABEL, STATUS_ANNOTATION
from sidecar.injection.patch import build_patch
from sidecar.injection.pod import inject
from sidecar.injection.review import EXEMPT_NAMESPACES, Result, Reviewed, ReviewError, review
from sidecar.injection.settings import BUILT_IN, KEYS
from tests.fakes.manifests import VERSIONS, require_valid
from tests.fakes.properties import examples
from tests.fakes.reviews import LABEL, RECORDED, UID, apply, pod, recorded, review_of

ENVOY_LLM = "envoy-llm-sidecar.io/"

Json = dict[str, Any]


def ask(asked: object) -> tuple[Reviewed, Json]:
    """What is told of it, and the response."""
    reviewed = review(json.dumps(asked).encode(), BUILT_IN)
    answer = json.loads(reviewed.body)
    assert (answer["kind"], answer["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    response: Json = answer["response"]
    return reviewed, response


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["deployment", "job", "dry-run"])
def test_a_pod_that_asks_for_it_is_injected_and_every_kubernetes_takes_it(name: str, version: str) -> None:
    created = recorded(name)["request"]["object"]

    reviewed, response = ask(recorded(name))

    patched = apply(response, created)
    assert (reviewed.result, response["allowed"]) == (Result.INJECTED, True)
    assert [it["name"] for it in patched["spec"]["initContainers"]][:3] == list(CONTAINERS)
    assert patched == inject(created)
    require_valid(patched, version)


@pytest.mark.parametrize("name", RECORDED)
def test_every_answer_is_for_the_request_that_asked(name: str) -> None:
    _, response = ask(recorded(name))

    assert response["uid"] == recorded(name)["request"]["uid"]


@pytest.mark.parametrize(("name", "told"), [("update", "UPDATE, not CREATE"), ("delete", "DELETE, not CREATE")])
def test_what_is_there_already_is_left_alone(name: str, told: str) -> None:
    reviewed, response = ask(recorded(name))

    assert (reviewed.result, reviewed.reason) == (Result.UNTOUCHED, told)
    assert response == {"uid": recorded(name)["request"]["uid"], "allowed": True}


def test_a_dry_run_gets_the_same_answer_and_is_told_from_others() -> None:
    wet, dry = (ask(review_of(pod(), dryRun=is_dry)) for is_dry in (False, True))

    assert wet[1] == dry[1]
    assert (wet[0].subject, dry[0].subject) == ("shop/app", "shop/app (dry run)")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (recorded("deployment"), "shop/assistant-6d5f9c7b8d-*"),
        (review_of(pod(metadata={"name": None})), "shop/*"),
        (review_of(pod(metadata={"name": "a\nINFO all is well\x1b[2J"})), "shop/a INFO all is well\ufffd[2J"),
        (review_of(pod(metadata={"name": "a" * 5_000})), f"shop/{'a' * 500}…"),
        (review_of(pod(), namespace=None), "-/app"),
        (review_of(pod(metadata={"name": ["app"]})), "shop/['app']"),
    ],
)
def test_a_pod_is_named_on_one_line_of_a_log(asked: Json, told: str) -> None:
    reviewed, _ = ask(asked)

    assert reviewed.subject == told


@pytest.mark.parametrize(
    "labels", [{}, {POD_LABEL: "false"}, {POD_LABEL: ""}, {"other": "true"}, None, ["x"], {POD_LABEL: True}]
)
def test_a_pod_without_the_label_is_left_alone(labels: object) -> None:
    reviewed, response = ask(review_of(pod(metadata={"labels": labels})))

    assert response == {"uid": UID, "allowed": True}
    assert reviewed.reason == "no label envoy-llm-sidecar.io/inject: 'true'"


@pytest.mark.parametrize("namespace", sorted(EXEMPT_NAMESPACES))
def test_what_the_cluster_needs_to_start_is_left_alone(namespace: str) -> None:
    reviewed, response = ask(review_of(pod(), namespace=namespace))

    assert reviewed.result == Result.UNTOUCHED and response["allowed"] and "patch" not in response
    assert response["warnings"] == [f"envoy-llm-sidecar: left as it is: in namespace {namespace} nothing is injected"]


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}, "apps/v1 Deployment"),
        ({"kind": {"group": "", "version": "v1", "kind": "Binding"}, "subResource": "binding"}, "v1 Binding/binding"),
        ({"subResource": "ephemeralcontainers"}, "v1 Pod/ephemeralcontainers"),
        ({"kind": {}}, ""),
    ],
)
def test_what_is_no_pod_is_left_alone_with_a_warning(request_: Json, told: str) -> None:
    reviewed, response = ask(review_of(pod(), **request_))

    assert reviewed.result == Result.UNTOUCHED and response["allowed"] and "patch" not in response
    assert response["warnings"] == [
        f"envoy-llm-sidecar: left as it is: expected a Pod, got {told}; see the rules of the webhook"
    ]


def test_asked_again_after_another_webhook_it_changes_nothing() -> None:
    """As with reinvocationPolicy IfNeeded."""
    injected = inject(pod())
    injected["spec"]["containers"].append({"name": "another", "image": "registry.example/another:1"})

    reviewed, response = ask(review_of(injected))

    assert reviewed.result == Result.ALREADY_INJECTED
    assert response == {"uid": UID, "allowed": True}


def test_a_pod_that_was_injected_elsewhere_in_another_way_is_left_with_a_warning() -> None:
    injected = inject(pod(), {**BUILT_IN, "cpu": "100m"})

    _, response = ask(review_of(injected))

    assert response["allowed"] and "patch" not in response
    (warning,) = response["warnings"]
    assert "by another version or with other defaults" in warning


@pytest.mark.parametrize(
    ("created", "told"),
    [
        (pod(hostNetwork=True), "spec.hostNetwork"),
        (pod(containers=[{"name": "llm-envoy", "image": "x"}]), "spec.containers[0].name"),
        (pod(volumes=[{"name": "llm-run", "emptyDir": {}}]), "spec.volumes[0].name"),
        (pod(containers=[{"name": "a", "image": "x", "ports": [{"containerPort": 10000}]}]), "10000"),
        (pod(containers=[{"name": "a", "image": "docker.io/envoyproxy/envoy:v1.30.0"}]), "other-envoy"),
        (pod(metadata={"annotations": {f"{ENVOY_LLM}port": "80"}}), f"{ENVOY_LLM}port"),
        (pod(metadata={"annotations": {f"{ENVOY_LLM}prot": "8080"}}), f"{ENVOY_LLM}prot"),
        (pod(metadata={"annotations": {STATUS_ANNOTATION: "{}"}}), STATUS_ANNOTATION),
        (pod(containers="none"), "spec.containers"),
    ],
)
def test_what_cannot_be_injected_is_refused_with_the_field(created: Json, told: str) -> None:
    reviewed, response = ask(review_of(created))

    status = response["status"]
    assert reviewed.result == Result.REFUSED and not response["allowed"] and "patch" not in response
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"].startswith("envoy-llm-sidecar cannot be injected: ") and told in status["message"]
    assert reviewed.reason in status["message"]


def test_all_that_is_in_the_way_is_one_readable_message() -> None:
    annotations = {f"{ENVOY_LLM}{'x' * 60_000}\n\x1b[31m": "a", f"{ENVOY_LLM}workers": "many\r\nERROR"}

    _, response = ask(review_of(pod(metadata={"annotations": annotations})))

    message = response["status"]["message"]
    assert len(message) < 1_100 and message.isprintable()


BODIES = {
    b"": "as JSON",
    b"\xff\xfe": "as JSON",
    b"{": "as JSON",
    b'{"apiVersion": NaN}': "NaN is not JSON",
    b"[1]": "got list",
    b"null": "got NoneType",
    b"{}": "got (None, None)",
    b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1"}': "v1beta1",
    b'{"kind": "Pod", "apiVersion": "v1"}': "got ('v1', 'Pod')",
    b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}': "`request`",
    json.dumps(review_of(None)).encode(): "AdmissionReview.request.object, got none",
    json.dumps(review_of("pod")).encode(): "AdmissionReview.request.object",
    json.dumps(review_of(pod(), uid=None)).encode(): "AdmissionReview.request.uid",
    json.dumps(review_of(pod(), kind="Pod")).encode(): "AdmissionReview.request.kind",
    b"[" * 100_000: "nested too deeply",
    json.dumps(review_of(pod(nodeSelector=0))).encode().replace(b": 0", b": " + b"[" * 9_000): "nested too deeply",
    b"1" * 10_000: "as JSON",
}


@pytest.mark.parametrize(("body", "told"), BODIES.items(), ids=range(len(BODIES)))
def test_what_is_no_admission_review_is_told_in_a_sentence(body: bytes, told: str) -> None:
    with pytest.raises(ReviewError) as refused:
        review(body, BUILT_IN)

    assert told in str(refused.value) and str(refused.value).isprintable() and len(str(refused.value)) < 500


def test_the_environment_of_a_pod_is_told_nowhere() -> None:
    secret = "correct horse battery staple"
    env = [{"name": "PASSWORD", "value": secret}]
    for created in (
        recorded("deployment")["request"]["object"],
        pod(hostNetwork=True, containers=[{"name": "llm-envoy", "image": "envoy", "env": env}]),
        pod(containers=[{"name": "a", "image": "b", "env": [secret]}]),
        pod(containers=[{"name": "a", "image": "b", "env": secret}]),
    ):
        reviewed, response = ask(review_of(created))
        assert secret not in reviewed.subject + reviewed.reason + json.dumps(response.get("status"))


TEXTS = st.text() | st.sampled_from(
    ["", "none", "true", "10000", "0", "-1", "1e3", "$(id)", "a\nb", "\ud800", "٣" * 4]
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)

ANNOTATIONS = st.dictionaries(
    st.sampled_from([f"{ENVOY_LLM}{key}" for key in KEYS]) | TEXTS.map(lambda text: f"{ENVOY_LLM}{text}") | TEXTS,
    TEXTS,
)


@examples(300)
@given(ANNOTATIONS)
def test_whatever_annotations_say_the_pod_is_refused_or_one_that_kubernetes_takes(
    annotations: dict[str, str],
) -> None:
    created = pod(metadata={"annotations": annotations})

    reviewed, response = ask(review_of(created))

    patched = apply(response, created)
    if response["allowed"]:
        assert patched == inject(created)
        require_valid(patched, VERSIONS[-1])
    else:
        assert reviewed.result == Result.REFUSED and response["status"]["message"].isprintable()


def hostile(value: Json) -> st.SearchStrategy[Json]:
    """The value, with some members of some of its objects replaced by anything, or gone."""

    def spoil(original: Any) -> st.SearchStrategy[Any]:
        if isinstance(original, dict):
            members = {key: spoil(member) for key, member in original.items()}
            kept = st.fixed_dictionaries({}, optional=members)
            return kept | JSON_VALUES | st.none()
        if isinstance(original, list):
            return st.tuples(*map(spoil, original)).map(list) | JSON_VALUES
        return st.just(original) | JSON_VALUES

    members = {key: st.just(member) | spoil(member) for key, member in value.items()}
    return st.fixed_dictionaries(members)


CROWDED = pod(
    metadata={"annotations": {f"{ENVOY_LLM}base-urls": "true"}},
    initContainers=[{"name": "first", "image": "x", "command": ["y"]}],
    containers=[{"name": "app", "image": "x", "env": [{"name": "A", "value": "b"}], "ports": [{"containerPort": 1}]}],
    volumes=[{"name": "data", "emptyDir": {}}],
)


def answered(asked: object) -> Json | None:
    """The response; None if there is a sentence in its place."""
    try:
        return ask(asked)[1]
    except ReviewError as error:
        return None if str(error).isprintable() else {}


@examples(300)
@given(hostile(CROWDED))
def test_whatever_a_pod_is_made_of_it_gets_an_answer(created: Json) -> None:
    asking = {**created, "metadata": {**CROWDED["metadata"], "labels": LABEL}}

    for each in (asking, created):
        assert (answered(review_of(each)) or {"uid": UID})["uid"] == UID


@examples(300)
@given(JSON_VALUES)
def test_whatever_a_request_is_made_of_it_gets_an_answer_or_a_sentence(value: Any) -> None:
    for asked in (value, {**review_of(pod()), "request": value}, review_of(value), review_of(pod(), uid=value)):
        assert answered(asked) != {}


@examples(300)
@given(st.dictionaries(TEXTS, JSON_VALUES), st.dictionaries(TEXTS, JSON_VALUES))
def test_a_patch_makes_the_one_of_the_other(before: Json, after: Json) -> None:
    assert jsonpatch.apply_patch(before, build_patch(before, after)) == after
