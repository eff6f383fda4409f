"""YAML documents, injected: which of them, what stays as it was written, and what is said of those that cannot be."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.document import ConfigError
from sidecar.injection.documents import Injected, inject_documents
from sidecar.injection.pod import inject
from sidecar.injection.settings import BUILT_IN
from tests.fakes.pods import APP, PREFIX, Json, pod, pods
from tests.fakes.properties import examples

FILE = Path("deploy.yaml")

LABEL = f'{PREFIX}inject: "true"'


WEB = f"""\
# a comment
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata:
      labels: {{{LABEL}}}
      annotations:
        example.com/team: search
        {PREFIX}port: "10001"
    spec:
      containers:
      - name: app
        image: a
"""


def run(text: str, **options: Any) -> Injected:
    return inject_documents(FILE, text, BUILT_IN, **options)


def data(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def workload(kind: str, template: Json) -> Json:
    """Of that kind, which makes pods by the template."""
    head: Json = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "web"}}
    if kind == "Pod":
        return {**head, **template, "metadata": {**template["metadata"], "name": "web"}}
    spec = {"template": template}
    return {**head, "spec": {"jobTemplate": {"spec": spec}} if kind == "CronJob" else spec}


KINDS = [
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
]

UNLABELLED = pod(labels={"app": "web"})


@pytest.mark.parametrize("kind", [*KINDS, "Rollout"])
def test_whatever_makes_pods_is_injected_where_its_template_asks(kind: str) -> None:
    injected = run(yaml.safe_dump(workload(kind, pod())))

    assert [(it.name, it.was_injected) for it in injected.workloads] == [(f"{kind}/web", False)]
    assert data(injected.text) == [workload(kind, inject(pod()))]


@pytest.mark.parametrize("kind", [*KINDS, "Rollout"])
def test_without_the_label_only_known_workloads_are_and_only_if_all_are(kind: str) -> None:
    text = yaml.safe_dump(workload(kind, UNLABELLED))

    assert run(text).text == text
    assert data(run(text, injects_all=True).text) == [
        workload(kind, inject(UNLABELLED) if kind != "Rollout" else UNLABELLED)
    ]


def test_a_pod_can_stay_without_where_all_are_injected() -> None:
    text = yaml.safe_dump(workload("Deployment", pod(labels={f"{PREFIX}inject": "false"})))

    assert run(text, injects_all=True).text == text


def test_items_of_a_list_are_objects_like_any_other() -> None:
    items = [workload("Deployment", pod()), {"kind": "ConfigMap", "items": []}, workload("Job", UNLABELLED)]

    injected = run(yaml.safe_dump({"kind": "List", "items": [*items, workload("CronJob", pod())]}))

    assert [it.name for it in injected.workloads] == ["Deployment/web", "CronJob/web"]
    (whole,) = data(injected.text)
    assert whole["items"] == [
        workload("Deployment", inject(pod())),
        *items[1:],
        workload("CronJob", inject(pod())),
    ]


UNCHANGED = [
    "",
    "\n\n# nothing but a comment\n",
    "---\n---\n...\n",
    "{}",
    "just text\n",
    "kind: ConfigMap\r\ndata: {a:   b}   # windows\r\n",
    "kind: Secret\nstringData:\n  'on': !!binary aGk=\n  odd: !Ref x\n",
    "kind: X\nspec:\n  ? {a: b}\n  : c\n",
    "kind: Deployment\nmetadata: {name: a}\nspec:\n",
    "kind: Deployment\nspec: {template: {metadata: {labels: {app: a}}, spec: {containers: []}}}\n",
    "kind: List\nitems:\n",
    "# é ✓ 😀\nkind: 'ConfigMap'\ndata:\n  a: |+\n    x\n\n",
]


@pytest.mark.parametrize("text", UNCHANGED)
def test_what_does_not_ask_stands_as_it_was_written(text: str) -> None:
    assert run(text).text == text
    assert run(text).workloads == ()


@pytest.mark.parametrize("before", UNCHANGED)
@pytest.mark.parametrize("after", UNCHANGED)
def test_so_do_the_documents_around_one_that_changes(before: str, after: str) -> None:
    before = f"{before}\n---\n"
    after = f"\n---\n{after}"

    text = run(f"{before}{yaml.safe_dump(workload('Job', pod()))}{after}").text

    assert text.startswith(before) and text.endswith(after.lstrip("\n"))
    assert data(text[len(before) : len(text) - len(after)]) == [workload("Job", inject(pod()))]


@examples(100)
@given(st.lists(pods() | st.just(UNLABELLED), max_size=4), st.booleans(), st.sampled_from([True, False, None]))
def test_each_pod_of_a_stream_is_what_injection_makes_of_it(given_: list[Json], explicit: bool, flow: bool) -> None:
    documents = [workload("StatefulSet", template) for template in given_]
    text = yaml.safe_dump_all(documents, explicit_start=explicit, default_flow_style=flow, allow_unicode=True)

    injected = run(text, as_data=True)

    expected = [
        document if template is UNLABELLED else workload("StatefulSet", inject(template))
        for document, template in zip(documents, given_, strict=True)
    ]
    assert data(injected.text) == expected == list(injected.documents)
    assert run(injected.text).text == injected.text


def test_values_of_a_changed_document_are_written_as_they_were() -> None:
    text = run(
        f"""\
kind: Deployment
metadata: {{name: web}}
spec:
  template:
    metadata: {{labels: {{{LABEL}}}}}
    spec:
      containers:
      - name: app
        image: "registry.example/app:1"
        env:
        - {{name: ANSWER, value: "y"}}
        - {{name: 'NUMBER', value: '0644'}}
        args:
        - |
          two
          lines
      volumes:
      - {{name: v, configMap: {{name: "on", defaultMode: 0444}}}}
"""
    ).text

    for written in (
        'image: "registry.example/app:1"',
        '- {name: ANSWER, value: "y"}',
        "- {name: 'NUMBER', value: '0644'}",
        "        - |\n          two\n          lines\n",
        '{name: "on", defaultMode: 0444}',
    ):
        assert written in text


def test_a_name_that_some_readers_take_for_a_number_is_quoted() -> None:
    text = run(WEB.replace('port: "10001"', 'policy: "1e3"')).text

    assert "name: '1e3'" in text


def test_aliases_and_merges_mean_in_the_end_what_they_meant() -> None:
    text = f"""\
kind: List
defaults: &defaults
  metadata: &metadata {{labels: {{{LABEL}}}, annotations: {{{PREFIX}base-urls: "true"}}}}
  spec: &spec {{containers: &containers [&app {{name: app, image: a}}]}}
items:
- kind: Deployment
  metadata: {{name: first}}
  spec: {{template: *defaults}}
- kind: Deployment
  metadata: {{name: second}}
  spec:
    template:
      <<: *defaults
      spec:
        <<: *spec
        initContainers: [{{<<: *app, name: init}}]
        volumes: []
- kind: ConfigMap
  data: *metadata
"""
    before = data(text)[0]

    after = data(run(text).text)[0]

    for index in (0, 1):
        template = before["items"][index]["spec"]["template"]
        assert after["items"][index]["spec"]["template"] == inject(template) != template
    assert (after["items"][2], after["defaults"]) == (before["items"][2], before["defaults"])


@pytest.mark.parametrize(
    "text",
    [
        f"--- {{kind: Pod, metadata: {{labels: {{{LABEL}}}}}, spec: {{containers: [{{name: a}}]}}}} # end\n",
        f"--- &root\nkind: Pod\nmetadata: {{labels: {{{LABEL}}}}}\nspec: {{containers: [{{name: a}}]}}",
        f"  kind: Pod\n  metadata: {{labels: {{{LABEL}}}}}\n  spec: {{containers: [{{name: a}}]}}\n...\n",
        f"%YAML 1.1\n---\nkind: Pod\nmetadata: {{labels: {{{LABEL}}}}}\nspec: {{containers: [{{name: a}}]}}\n",
        f'{{"kind": "Pod", "metadata": {{"labels": {{{LABEL!s}}}}}, "spec": {{"containers": [{{"name": "a"}}]}}}}',
        f"# ü\n---\nkind: Pod\nmetadata: {{labels: {{{LABEL}}}, name: ü}}\nspec: {{containers: [{{name: é}}]}}\n",
    ],
)
def test_a_document_is_found_wherever_it_begins_and_ends(text: str) -> None:
    (before,) = data(text)

    injected = run(f"{text}\n---\nkind: ConfigMap\n")

    assert data(injected.text) == [{**before, **inject(before)}, {"kind": "ConfigMap"}]
    # kubectl takes for JSON what begins so.
    assert not injected.text.startswith("{")


def test_one_that_is_injected_already_stands_as_it_was_written() -> None:
    text = yaml.safe_dump(workload("Job", inject(pod()))) + "# the end\n"

    injected = run(text)

    assert injected.text == text
    assert [(it.line, it.was_injected) for it in injected.workloads] == [(1, True)]


def findings(text: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        run(text, **options)
    assert all(str(finding) in str(refused.value).splitlines() for finding in refused.value.findings)
    return [str(finding) for finding in refused.value.findings]


TOO_MUCH = "x: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"x{letter}: &{letter} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, letter in zip("abcdefgh", "bcdefghi", strict=True)
)


LABEL_ON_DEPLOYMENT = WEB.replace("name: web", f"name: web\n  labels: {{{LABEL}}}").replace(
    f"      labels: {{{LABEL}}}", "      labels: {}"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            WEB.replace('"10001"', '"80"'),
            "11:9: Deployment/web: spec.template.metadata.annotations[envoy-llm-sidecar.io/port]: "
            "expected a port from 1024 to 65535, got '80'",
        ),
        (WEB.replace('"10001"', "10001"), "11:9: Deployment/web: spec.template.metadata.annotations["),
        (WEB.replace("image: a", "image: envoy"), "15:9: Deployment/web: spec.template.spec.containers[0].image: "),
        (WEB.replace("- name: app", "- image: a"), "15:9: 'image' is given twice"),
        (WEB.replace('"true"', "true"), "8:16: Deployment/web: spec.template.metadata.labels["),
        (WEB.replace('"true"', '"yes"'), "8:16: Deployment/web: spec.template.metadata.labels["),
        (
            LABEL_ON_DEPLOYMENT,
            "5:12: Deployment/web: metadata.labels[envoy-llm-sidecar.io/inject]: pods do not get this label; "
            "move it to spec.template.metadata.labels[envoy-llm-sidecar.io/inject]",
        ),
        (
            WEB.replace("image: a", "image: !!python/object/apply:os.getpid []"),
            "15:16: the tag 'tag:yaml.org,2002:py",
        ),
        (WEB.replace("image: a", "image: !!python/name:os.getpid"), "15:16: the tag 'tag:yaml.org,2002:py"),
        (WEB.replace("image: a", "image: !Ref a"), "15:16: the tag '!Ref' means nothing to Kubernetes"),
        (WEB.replace("image: a", "image: !!int a"), "15:16: expected a value of the type"),
        (WEB.replace("- name: app", "- &it\n        x: *it"), "14:9: an alias in it stands for itself"),
        (WEB.replace("image: a", "<<: a"), "15:13: <<: expected a mapping"),
        (WEB.replace("image: a", "[a]: b"), "15:9: a key must be text"),
        (f"{TOO_MUCH}{WEB}".replace("image: a", "image: *i"), "more than 100000 values"),
        (f"{WEB}        args: {'[' * 5000}", "nested too deeply"),
        ("kind: [", "not YAML"),
        ("a: \x07", "not YAML"),
        (f"{WEB}---\nkind: a\nb: c: d\n", "18:5: not YAML"),
        (yaml.safe_dump(workload("Pod", pod(hostNetwork=True))), "Pod/web: spec.hostNetwork: "),
        (
            yaml.safe_dump(workload("CronJob", pod(hostNetwork=True))),
            "CronJob/web: spec.jobTemplate.spec.template.spec.hostNetwork: ",
        ),
        (
            yaml.safe_dump({"kind": "List", "items": [{}, workload("Job", pod(os={"name": "windows"}))]}),
            "Job/web: spec.template.spec.os.name: ",
        ),
    ],
)
def test_what_cannot_be_injected_is_told_with_its_line_its_name_and_its_field(text: str, told: str) -> None:
    (finding,) = findings(text)

    assert finding.startswith("deploy.yaml") and told in finding and finding.isprintable()


def test_merges_of_merges_of_merges_are_no_work() -> None:
    levels = [f"  a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 40)]
    bomb = "kind: X\nspec:\n  a0: &a0 {x: y}\n" + "".join(levels)

    text = f"{bomb}  template: {{<<: *a39, spec: {{}}}}\n"

    assert run(text).text == text


@pytest.mark.parametrize("options", [{}, {"as_data": True}])
@pytest.mark.parametrize("depth", range(100, 1100, 100))
def test_a_part_that_is_no_pod_may_be_nested_or_is_told(depth: int, options: dict[str, bool]) -> None:
    text = f"{WEB}x: {'[' * depth}{']' * depth}\n"

    try:
        (web,) = run(text, **options).workloads
    except ConfigError as error:
        assert depth > 100
        told = str(error)
    else:
        told = web.name

    assert told in ("Deployment/web", "deploy.yaml: nested too deeply", "deploy.yaml:2:1: nested too deeply")


def test_all_that_is_wrong_is_told_at_once() -> None:
    web = WEB.replace('"10001"', '"80"')
    other = web.replace("name: web", "name: other")

    assert [told.split(": ")[1] for told in findings(f"{web}---\n{other}")] == ["Deployment/web", "Deployment/other"]


def test_a_name_cannot_forge_a_line() -> None:
    (told,) = findings(yaml.safe_dump(workload("Pod\x1b[2J", {**pod(hostNetwork=True)})))

    assert told.isprintable()


def test_numbers_are_data_as_kubernetes_reads_them() -> None:
    text = "a: [1, 0644, 1e3, 1.5, 12:30, 2026-01-01, on, ~, '1', !!str 2, {1: x}]\n"

    (document,) = run(text, as_data=True).documents

    assert document == {"a": [1, 0o644, 1000.0, 1.5, "12:30", "2026-01-01", True, None, "1", "2", {"1": "x"}]}


def test_containers_without_names_keep_their_order() -> None:
    template = pod({"base-urls": "true"}, containers=[{"image": "a"}, {"image": "b"}, APP, {"image": "a"}])

    assert data(run(yaml.safe_dump(workload("Job", template))).text) == [workload("Job", inject(template))]
