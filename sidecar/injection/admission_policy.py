"""The injection as a MutatingAdmissionPolicy: in CEL, evaluated by the API server itself, without a webhook.

What a mutating policy cannot do is refuse. A ValidatingAdmissionPolicy beside it refuses what asked for injection and
did not get it, and says why.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sidecar.injection.cel import CelWriter, text, text_list
from sidecar.injection.containers import our_containers, our_volumes
from sidecar.injection.names import (
    BASE_URLS,
    CONTAINERS,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    POD_LABEL,
    POD_LABEL_VALUE,
    PREFIX,
    STATUS_ANNOTATION,
    VOLUMES,
)
from sidecar.injection.pod import injection_status
from sidecar.injection.settings import (
    BUILT_IN,
    KEYS,
    NONE,
    PORT_KEYS,
    REQUESTS_AND_LIMITS,
    Defaults,
    Kind,
    Resources,
    Settings,
    locked_keys,
)

Json = dict[str, Any]

_NAME = "inject.envoy-llm-sidecar.io"
_EXEMPT = ["kube-system", "kube-public", "kube-node-lease", "llm-sidecar-system"]

_ALL = "(object.spec.?initContainers.orValue([]) + object.spec.containers)"
_LISTS = "spec.initContainers, spec.containers"
_ANNOTATIONS = "object.metadata.?annotations.orValue({})"
_IS_INJECTED = (
    f"{text(STATUS_ANNOTATION)} in {_ANNOTATIONS} && {text_list(CONTAINERS)}"
    ".all(ours, object.spec.?initContainers.orValue([]).exists(it, it.name == ours))"
)

# Stand for settings in our containers: texts that occur in them nowhere else, and numbers beyond all ports.
_TEXTS = {key: f"<{key}>" for key in KEYS}
_NUMBERS = {key: 70_001 + index for index, key in enumerate([*PORT_KEYS, "workers"])}
_MARKS = {str(_NUMBERS.get(key, _TEXTS[key])): f"variables.{key.replace('-', '_')}" for key in KEYS}

# Without each of them lists of ours are shorter.
_OPTIONS = ("keys", "overlay", "otlp", "console_token")

_ENVOY_IMAGE = "(^|/)envoy(:[^/@]*)?(@.*)?$"
_ENVOY_PROGRAM = "(^|/)envoy$"


def build_admission_policies(defaults: Defaults = BUILT_IN) -> list[Json]:
    """The mutating and the validating policy, each with its binding, for an installation with these defaults."""
    rules = list(_rules(defaults))
    mutating = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": _match(),
        "matchConditions": [
            {"name": "not-yet-injected", "expression": f"!({_IS_INJECTED})"},
            *({"name": name, "expression": expression} for name, expression, _ in rules),
        ],
        "variables": [{"name": _variable(key), "expression": _setting(key, defaults)} for key in KEYS],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _patches(defaults)}}],
    }
    validating = {
        "failurePolicy": "Fail",
        "matchConstraints": _match(),
        "variables": [{"name": "injected", "expression": _IS_INJECTED}],
        "validations": [
            *(
                {
                    "expression": f"variables.injected || ({expression})",
                    # In place of the other where that has a line break, or is longer than the API server allows.
                    "message": f"cannot be injected: the rule {name} does not hold",
                    "messageExpression": message,
                }
                for name, expression, message in rules
            ),
            {
                "expression": "variables.injected",
                "message": f"{POD_LABEL} asks for injection, and the MutatingAdmissionPolicy {_NAME} did not inject",
            },
        ],
    }
    return [
        _manifest("MutatingAdmissionPolicy", _NAME, mutating),
        _manifest("MutatingAdmissionPolicyBinding", _NAME, {"policyName": _NAME}),
        _manifest("ValidatingAdmissionPolicy", _NAME, validating),
        _manifest("ValidatingAdmissionPolicyBinding", _NAME, {"policyName": _NAME, "validationActions": ["Deny"]}),
    ]


def render_files() -> dict[str, str]:
    """The manifests as they stand in k8s/, by the name of their file."""
    return {
        f"{'-'.join(re.findall('[A-Z][a-z]+', it['kind'])).lower()}.yaml": write_manifest(it)
        for it in build_admission_policies()
    }


def write_manifest(manifest: Json) -> str:
    """As YAML."""
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Keeps the lines of a text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_representer(str, _represent_text)

    def ignore_aliases(self, data: Any) -> bool:
        """The same rules stand in both policies."""
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _manifest(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _match() -> Json:
    """Pods that are created and ask for it, in namespaces that do."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    not_in = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": _EXEMPT}
    return {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {
            "matchLabels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE},
            "matchExpressions": [not_in],
        },
        "objectSelector": {"matchLabels": {POD_LABEL: POD_LABEL_VALUE}},
        "resourceRules": [rule],
    }


def _variable(key: str) -> str:
    return key.replace("-", "_")


def _setting(key: str, defaults: Defaults) -> str:
    """Its text."""
    return f"object.metadata.?annotations[?{text(PREFIX + key)}].orValue({text(defaults[key])})"


def _rules(defaults: Defaults) -> Iterator[tuple[str, str, str]]:
    """What has to hold of a pod that can be injected: a name, CEL that is true then, and CEL of what to say else."""
    for key, (kind, _) in KEYS.items():
        value = _setting(key, defaults)
        yield (
            f"setting-{key}",
            _check(kind, value),
            f"{text(f'metadata.annotations[{PREFIX}{key}]: expected {kind.expected}, got ')} + {value}",
        )
    known = text_list([*(PREFIX + key for key in KEYS), STATUS_ANNOTATION])
    yield (
        "known-settings",
        f"{_ANNOTATIONS}.all(key, !key.startsWith({text(PREFIX)}) || key in {known})",
        text(f"metadata.annotations[{PREFIX}…]: unknown; the settings are {', '.join(KEYS)}"),
    )
    if locked := locked_keys(defaults):
        yield (
            "unlocked-settings",
            f"{_ANNOTATIONS}.all(key, !(key in {text_list(PREFIX + key for key in locked)}))",
            text(f"metadata.annotations[{PREFIX}…]: this installation does not let pods set {', '.join(locked)}"),
        )
    yield from _conflict_rules(defaults)


def _check(kind: Kind, value: str) -> str:
    # The size first: what `matches` costs grows with the text, and the API server has a limit.
    check = f"size({value}) <= {kind.longest} && {value}.matches({text(f'^({kind.pattern})$')})"
    if kind.numbers is None:
        return check
    lowest, highest = kind.numbers
    return f"{check} && int({value}) >= {lowest} && int({value}) <= {highest}"


def _conflict_rules(defaults: Defaults) -> Iterator[tuple[str, str, str]]:
    """The same as `find_conflicts`."""
    ports = [_setting(key, defaults) for key in PORT_KEYS]
    numbers = f"[{', '.join(f'int({port})' for port in ports)}]"
    yield (
        "different-ports",
        f"{numbers}.all(one, {numbers}.filter(it, it == one).size() == 1)",
        text("metadata.annotations: two of our ports are the same: give them different ones"),
    )
    for request, limit in REQUESTS_AND_LIMITS:
        asked, most = _setting(request, defaults), _setting(limit, defaults)
        field = f"metadata.annotations[{PREFIX}{request}]"
        yield (
            f"{request}-below-limit",
            f"!quantity({asked}).isGreaterThan(quantity({most}))",
            f"{text(f'{field}: ')} + {asked} + {text(f' is above {limit} ')} + {most}",
        )
    yield (
        "own-network",
        "!object.spec.?hostNetwork.orValue(false)",
        text("spec.hostNetwork: our ports would be the node's: use the gateway, or the pod's own network"),
    )
    yield (
        "linux",
        "object.spec.?os.?name.orValue('') != 'windows'",
        text("spec.os.name: Envoy and the router run on Linux: use the gateway"),
    )
    yield (
        "node-of-linux",
        "object.spec.?nodeSelector[?'kubernetes.io/os'].orValue('') != 'windows'",
        text("spec.nodeSelector[kubernetes.io/os]: Envoy and the router run on Linux: use the gateway"),
    )
    yield (
        "container-names",
        f"{_ALL}.all(it, !(it.name in {text_list(CONTAINERS)}))",
        text(f"{_LISTS}: the names {', '.join(CONTAINERS)} are for containers of ours: give yours others"),
    )
    yield (
        "volume-names",
        f"object.spec.?volumes.orValue([]).all(it, !(it.name in {text_list(VOLUMES)}))",
        text(f"spec.volumes: the names {', '.join(VOLUMES)} are for volumes of ours: give yours others"),
    )
    yield (
        "no-status",
        f"!({text(STATUS_ANNOTATION)} in {_ANNOTATIONS})",
        text(f"metadata.annotations[{STATUS_ANNOTATION}]: only injection sets it: take it out"),
    )
    yield (
        "free-ports",
        f"{_ALL}.all(it, it.?ports.orValue([]).all(port, !(port.containerPort in {numbers})"
        " || port.?protocol.orValue('TCP') != 'TCP'))",
        text(f"{_LISTS}: one of the ports is ours: set another with {PREFIX}port, …-port"),
    )
    program = "it.?command.orValue([])"
    yield (
        "no-other-envoy",
        f"{_setting('other-envoy', defaults)} == 'allowed' || {_ALL}.all(it,"
        f" !it.?image.orValue('').matches({text(_ENVOY_IMAGE)})"
        f" && ({program}.size() == 0 || !{program}[0].matches({text(_ENVOY_PROGRAM)})))",
        text(f"{_LISTS}: one is an Envoy, too: if it uses no port of ours, set {PREFIX}other-envoy: allowed"),
    )


def _patches(defaults: Defaults) -> str:
    """A list of JSONPatch: what `inject` does."""
    status = _patch("/metadata/annotations/", text(injection_status(defaults)), escaped=STATUS_ANNOTATION)
    containers = [
        _patch(f"/spec/initContainers/{index}", written) for index, written in enumerate(_write_containers())
    ]
    groups = [
        _base_url_patches(),
        f"(has(object.metadata.annotations) ? [] : [{_patch('/metadata/annotations', '{}')}])",
        f"[{status}]",
        f"(has(object.spec.initContainers) ? [] : [{_patch('/spec/initContainers', '[]')}])",
        f"[{', '.join(containers)}]",
        f"(has(object.spec.volumes) ? [] : [{_patch('/spec/volumes', '[]')}])",
        _write_volumes(),
    ]
    return "\n+ ".join(groups)


def _patch(path: str, value: str, *, escaped: str = "") -> str:
    where = f"{text(path)} + jsonpatch.escapeKey({text(escaped)})" if escaped else text(path)
    return f'JSONPatch{{op: "add", path: {where}, value: {value}}}'


def _base_url_patches() -> str:
    """Where `base-urls` asks for it, of every container of the pod's own: before ours are there."""
    fields = [_container_env_patches(field) for field in ("initContainers", "containers")]
    return f"(variables.base_urls == 'true' ? {' + '.join(fields)} : [])"


def _container_env_patches(field: str) -> str:
    all_ = f"object.spec.?{field}.orValue([])"
    path = f"{text(f'/spec/{field}/')} + string({all_}.map(other, other.name).indexOf(it.name)) + {text('/env')}"
    writer = CelWriter(_MARKS)
    created = f"{all_}.filter(it, !has(it.env)).map(it, JSONPatch{{op: 'add', path: {path}, value: []}})"
    added = [
        f"{all_}.filter(it, it.?env.orValue([]).all(variable, variable.name != {text(name)})).map(it, "
        f"JSONPatch{{op: 'add', path: {path} + '/-', value: {writer.write(variable, f'Object.spec.{field}.env')}}})"
        for name, url in BASE_URLS.items()
        for variable in [{"name": name, "value": url.format(port=_NUMBERS["port"])}]
    ]
    return " + ".join([created, *added])


def _write_containers() -> Iterator[str]:
    path = "Object.spec.initContainers"
    shorter = {option: our_containers(_marked(without=option)) for option in _OPTIONS}
    for index, container in enumerate(our_containers(_marked())):
        fields = []
        for name, value in container.items():
            written = _write_field(name, value, path, {option: it[index].get(name) for option, it in shorter.items()})
            fields.append(f"{name}: {written}")
        yield f"{path}{{{', '.join(fields)}}}"


def _write_field(name: str, value: Any, path: str, shorter: Mapping[str, Any]) -> str:
    def write(items: Any) -> str:
        return CelWriter(_MARKS).write(items, f"{path}.{name}")

    if not isinstance(value, list):
        return write(value)
    return _write_list(value, {option: it or [] for option, it in shorter.items()}, write)


def _write_volumes() -> str:
    """A patch for each."""

    def write(volumes: list[Json]) -> str:
        written = [CelWriter(_MARKS).write(volume, "Object.spec.volumes") for volume in volumes]
        return f"[{', '.join(_patch('/spec/volumes/-', volume) for volume in written)}]"

    shorter = {option: our_volumes(_marked(without=option)) for option in _OPTIONS}
    return _write_list(our_volumes(_marked()), shorter, write)


def _write_list(full: list[Any], shorter: Mapping[str, list[Any]], write: Callable[[list[Any]], str]) -> str:
    """With what is there only if an option is. `shorter`: the list without each of them."""
    runs: list[tuple[str | None, list[Any]]] = []
    for item in full:
        options = (option for option, it in shorter.items() if item not in it and len(it) < len(full))
        option = next(options, None)
        if not runs or runs[-1][0] != option:
            runs.append((option, []))
        runs[-1][1].append(item)
    return " + ".join(
        write(items) if option is None else f"(variables.{option} != {text(NONE)} ? {write(items)} : [])"
        for option, items in runs
    )


def _marked(*, without: str | None = None) -> Settings:
    """Every setting is a mark, but for one option that is not set."""
    resources = {
        of: Resources(*(_TEXTS[f"{of}{key}"] for key in ("cpu", "memory", "cpu-limit", "memory-limit")))
        for of in ("", "envoy-")
    }
    settings = Settings(
        policy=_TEXTS["policy"],
        keys=_TEXTS["keys"],
        overlay=_TEXTS["overlay"],
        port=_NUMBERS["port"],
        admin_port=_NUMBERS["admin-port"],
        http_port=_NUMBERS["http-port"],
        status_port=_NUMBERS["status-port"],
        bind=_TEXTS["bind"],
        image=_TEXTS["image"],
        envoy_image=_TEXTS["envoy-image"],
        image_pull_policy=_TEXTS["image-pull-policy"],
        log_level=_TEXTS["log-level"],
        router=resources[""],
        envoy=resources["envoy-"],
        workers=_NUMBERS["workers"],
        sets_base_urls=False,  # of the pod's own containers, not of ours
        otlp=_TEXTS["otlp"],
        console_token=_TEXTS["console-token"],
        allows_other_envoy=False,
    )
    off: Json = {} if without is None else {without: None}
    return replace(settings, **off)


def main(folder: Path) -> None:
    """Renew the manifests in that folder."""
    for name, written in render_files().items():
        (folder / name).write_text(written, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
