"""YAML documents with workloads of any kind in, the same documents with their pods injected out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sidecar.config.document import ConfigError, Loc
from sidecar.config.finding import Finding, Severity
from sidecar.config.kinds import KINDS
from sidecar.injection.names import POD_LABEL, POD_LABEL_VALUE
from sidecar.injection.nodes import NodeError, Reader, compose, place, write
from sidecar.injection.pod import inject
from sidecar.injection.settings import Defaults, InjectionError, show, write_path

WORKLOADS = frozenset(
    (
        "Pod",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
    )
)
"""Kinds that are injected without a label where all are. With the label, whatever has a pod template is."""

_TEMPLATE: Loc = ("spec", "template")
_CRON_TEMPLATE: Loc = ("spec", "jobTemplate", "spec", "template")
_LABEL: Loc = ("metadata", "labels", POD_LABEL)

_OPT_OUT = "false"

_REASON = "An application whose sidecar is not there, or does not work, would lose every call to its models."


class RefusedError(ConfigError):
    """Documents of which some cannot be injected; says all reasons, a line each."""

    def __str__(self) -> str:
        """As compilers write it."""
        return "\n".join(map(str, self.findings))


@dataclass(frozen=True, slots=True)
class Workload:
    """A pod, or what makes pods, that has Envoy and the router now."""

    file: Path
    line: int
    name: str
    """Kind and name."""
    was_injected: bool
    """Before, already."""


@dataclass(frozen=True, slots=True)
class Injected:
    """What came of a file."""

    text: str
    """All documents. One that has not changed stands as it was written, to the byte."""
    workloads: tuple[Workload, ...]
    documents: tuple[Any, ...]
    """As plain data, if that was asked for."""


@dataclass(frozen=True, slots=True)
class _Target:
    """A pod template in a document."""

    owner: Loc
    """Of the object: of a list's item, or the document itself."""
    template: Loc
    """Within the object."""
    name: str


def inject_documents(
    file: Path, text: str, defaults: Defaults, *, injects_all: bool = False, as_data: bool = False
) -> Injected:
    """`file` is what findings name. Raises ConfigError, with all findings, if anything cannot be read or injected."""
    documents = [_Document(file, root, defaults, injects_all) for root in _compose(file, text)]
    for document in documents:
        document.inject()
    findings = tuple(finding for document in documents for finding in document.findings)
    if findings:
        raise RefusedError(findings)
    try:
        return Injected(
            _put_in_place(text, documents),
            tuple(workload for document in documents for workload in document.workloads),
            tuple(document.read_data() for document in documents) if as_data else (),
        )
    except RecursionError as error:  # in a part that is not a pod
        raise RefusedError((_unreadable(file, (0, 0), "nested too deeply"),)) from error


class _Document:
    """One of a file."""

    def __init__(self, file: Path, root: yaml.Node, defaults: Defaults, injects_all: bool) -> None:
        self.root = self.changed = root
        self.workloads: list[Workload] = []
        self.findings: list[Finding] = []
        self._pods: list[tuple[Loc, Any]] = []
        self._file = file
        self._reader = Reader()
        self._defaults = defaults
        self._injects_all = injects_all

    def inject(self) -> None:
        """All of it; what cannot be is a finding."""
        try:
            for owner in self._objects():
                target = self._find_target(owner)
                if target is not None and self._is_wanted(target):
                    self._inject(target)
        except NodeError as error:
            self.findings.append(_unreadable(self._file, place(error.node), str(error)))
        except RecursionError:
            self.findings.append(_unreadable(self._file, place(self.root), "nested too deeply"))

    def read_data(self) -> Any:
        """As JSON would have it, injected. Raises ConfigError."""
        try:
            data = self._reader.plain(self.root)
        except NodeError as error:
            raise RefusedError((_unreadable(self._file, place(error.node), str(error)),)) from error
        for loc, pod in self._pods:
            data = _with(data, loc, pod)
        return data

    def _objects(self) -> Iterator[Loc]:
        """The document, or the items of a list of objects."""
        items = self._reader.find(self.root, ("items",))
        if self._text(("kind",)).endswith("List") and isinstance(items, yaml.SequenceNode):
            yield from (("items", index) for index in range(len(items.value)))
        else:
            yield ()

    def _find_target(self, owner: Loc) -> _Target | None:
        kind = self._text((*owner, "kind"))
        template = () if kind == "Pod" else _CRON_TEMPLATE if kind == "CronJob" else _TEMPLATE
        if not isinstance(self._reader.find(self.root, (*owner, *template, "spec")), yaml.MappingNode):
            return None
        name = self._text((*owner, "metadata", "name")) or self._text((*owner, "metadata", "generateName"))
        return _Target(owner, template, f"{kind}/{name}" if f"{kind}{name}".isprintable() else show(f"{kind}/{name}"))

    def _is_wanted(self, target: _Target) -> bool:
        own, of_pods = (*target.owner, *_LABEL), (*target.owner, *target.template, *_LABEL)
        label = self._reader.find(self.root, of_pods)
        value = self._reader.plain(label) if label is not None else None
        if value not in (None, POD_LABEL_VALUE, _OPT_OUT):
            self._note_at(
                target, (*target.template, *_LABEL), f"expected '{POD_LABEL_VALUE}', in quotes, got {show(value)}"
            )
        elif value is None and self._text(own) == POD_LABEL_VALUE:
            self._note_at(
                target, _LABEL, f"pods do not get this label; move it to {write_path((*target.template, *_LABEL))}"
            )
        elif value is None:
            return self._injects_all and self._text((*target.owner, "kind")) in WORKLOADS
        return value == POD_LABEL_VALUE

    def _inject(self, target: _Target) -> None:
        loc = (*target.owner, *target.template)
        node = self._reader.find(self.root, loc)
        assert node is not None  # noqa: S101  # a target has a template
        pod = self._reader.plain(node)
        try:
            injected = inject(pod, self._defaults)
        except InjectionError as error:
            for refusal in error.refusals:
                self._note_at(target, (*target.template, *refusal.path), refusal.message)
            return
        line, _ = self._reader.mark(self.root, target.owner)
        self.workloads.append(Workload(self._file, line, target.name, was_injected=injected is pod))
        if injected is not pod:
            self._pods.append((loc, injected))
            self.changed = self._reader.put(self.changed, loc, self._reader.rewrite(node, pod, injected))

    def _text(self, loc: Loc) -> str:
        """'' if there is none."""
        node = self._reader.find(self.root, loc)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    def _note_at(self, target: _Target, loc: Loc, message: str) -> None:
        mark = self._reader.mark(self.root, (*target.owner, *loc))
        told = f"{target.name}: {write_path(loc)}: {message}"
        self.findings.append(Finding("not-injectable", Severity.ERROR, self._file, *mark, told, _REASON, ""))


def _compose(file: Path, text: str) -> list[yaml.Node]:
    try:
        return compose(text)
    except RecursionError as error:
        raise RefusedError((_unreadable(file, (0, 0), "nested too deeply"),)) from error
    except yaml.MarkedYAMLError as error:
        told = "not YAML: " + ", ".join(filter(None, (error.context, error.problem)))
        mark = error.problem_mark
        raise RefusedError(
            (_unreadable(file, (mark.line + 1, mark.column + 1) if mark else (0, 0), told),)
        ) from error
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())
        raise RefusedError((_unreadable(file, (0, 0), f"not YAML: {told}"),)) from error


def _unreadable(file: Path, mark: tuple[int, int], message: str) -> Finding:
    kind = KINDS["not-yaml"]
    return Finding("not-yaml", kind.severity, file, *mark, message, kind.reason, kind.fix)


def _put_in_place(text: str, documents: list[_Document]) -> str:
    """The text with the changed documents in it."""
    pieces, end = [], 0
    for document in documents:
        if document.changed is document.root:
            continue
        start = document.root.start_mark.index
        line = text.rfind("\n", 0, start) + 1
        # An indented document is not indented any more; one that begins behind `---` gets a line of its own.
        is_alone = not text[line:start].strip()
        pieces += [text[end : line if is_alone else start], "" if is_alone else "\n", write(document.changed)]
        end = document.root.end_mark.index
    return "".join([*pieces, text[end:]])


def _with(data: Any, loc: Loc, value: Any) -> Any:
    """The data, with the value in it at a place that there is."""
    if not loc:
        return value
    step, *rest = loc
    inner = _with(data[step], tuple(rest), value)
    if isinstance(data, dict):
        return {**data, step: inner}
    return [inner if index == step else item for index, item in enumerate(data)]
