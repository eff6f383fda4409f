"""The command `sidecar inject`: manifests in, out with Envoy and the router in their pods; or the policies for it."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sidecar.config.document import ConfigError
from sidecar.config.finding import Finding, Severity
from sidecar.injection.admission_policy import build_admission_policies, write_manifest
from sidecar.injection.documents import Injected, RefusedError, Workload, inject_documents
from sidecar.injection.names import POD_LABEL, POD_LABEL_VALUE
from sidecar.injection.settings import BUILT_IN, Defaults, load_defaults
from sidecar.streams.lines import InputError

_STANDARD_INPUT = Path("-")
_UNNAMED = Path("standard input")


@dataclass(frozen=True, slots=True)
class InjectOptions:
    """What the command line says."""

    files: tuple[Path, ...]
    """`-` is standard input."""
    defaults: Path | None
    injects_all: bool
    """Workloads without the label, too."""
    as_json: bool


def run_inject(options: InjectOptions) -> int:
    """Print all documents, and say on standard error which pods were injected; if one cannot be, print none.

    Raises ConfigError with all findings, OSError for a file, InputError.
    """
    if options.files.count(_STANDARD_INPUT) > 1:
        raise InputError("--file: standard input can be read once only")
    defaults = _load_defaults(options.defaults)
    injected: list[Injected] = []
    findings: list[Finding] = []
    for file in options.files:
        try:
            name, text = _read(file)
            injected.append(
                inject_documents(name, text, defaults, injects_all=options.injects_all, as_data=options.as_json)
            )
        except ConfigError as error:
            findings += error.findings
    if findings:
        raise RefusedError(tuple(findings))
    _tell([workload for it in injected for workload in it.workloads])
    if options.as_json:
        _print(_as_json(document for it in injected for document in it.documents))
    else:
        _print(_as_yaml(it.text for it in injected))
    return 0


def run_admission_policies(defaults: Path | None, *, as_json: bool) -> int:
    """Print the manifests of the admission policies that inject with these defaults. Raises ConfigError."""
    policies = build_admission_policies(_load_defaults(defaults))
    _print(_as_json(policies) if as_json else _as_yaml(map(write_manifest, policies)))
    return 0


def _load_defaults(file: Path | None) -> Defaults:
    return BUILT_IN if file is None else load_defaults(file)


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _read(file: Path) -> tuple[Path, str]:
    """Its name, and its text with line ends as they are. Raises OSError and ConfigError."""
    is_standard_input = file == _STANDARD_INPUT
    name = _UNNAMED if is_standard_input else file
    written = sys.stdin.buffer.read() if is_standard_input else file.read_bytes()
    try:
        return name, written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"not UTF-8: {error.reason} at byte {error.start}"
        reason = "A guess at the encoding would change what is applied."
        raise ConfigError(
            (Finding("file-unreadable", Severity.ERROR, name, 0, 0, told, reason, "save it as UTF-8"),)
        ) from error


def _as_yaml(texts: Iterable[str]) -> str:
    """One stream of documents."""
    stream = ""
    for text in texts:
        if stream and not stream.endswith("\n"):
            stream += "\n"
        stream += text if not stream or text.startswith("---") else f"---\n{text}"
    return stream


def _as_json(items: Iterable[object]) -> str:
    objects = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    return json.dumps(objects, ensure_ascii=False, indent=2) + "\n"


def _tell(workloads: list[Workload]) -> None:
    lines = [
        f"{it.file}:{it.line}: {it.name} {'was injected already, left as it is' if it.was_injected else 'injected'}"
        for it in workloads
    ] or [f"nothing injected: no pod template has the label {POD_LABEL}: '{POD_LABEL_VALUE}' (--all does without)"]
    sys.stderr.writelines(f"sidecar: {line}\n" for line in lines)
