"""An AdmissionReview of Kubernetes in, one out; nothing else happens, so a dry run is like any other request."""

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from sidecar.injection.names import POD_LABEL, POD_LABEL_VALUE, STATUS_ANNOTATION
from sidecar.injection.patch import build_patch
from sidecar.injection.pod import inject, injection_status
from sidecar.injection.settings import Defaults, InjectionError

API_VERSION = "admission.k8s.io/v1"

EXEMPT_NAMESPACES = frozenset(("kube-system", "kube-public", "kube-node-lease", "llm-sidecar-system"))
"""Where nothing is injected, whatever a webhook's configuration says: a cluster has to start without us."""

# It becomes an event, and a line in somebody's terminal.
_LONGEST_MESSAGE = 1_000
_LONGEST_NAME = 253

_KIND = "AdmissionReview"

Json = dict[str, Any]


class ReviewError(Exception):
    """That is no AdmissionReview of ours; a sentence for whoever sent it."""


class Result(StrEnum):
    """What became of a request."""

    INJECTED = "injected"
    ALREADY_INJECTED = "already_injected"
    UNTOUCHED = "untouched"
    """It is not for us."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An answer, and what a log says of it."""

    body: bytes
    """An AdmissionReview with a response."""
    result: Result
    subject: str
    """Namespace and name; of a pod that has no name yet, the beginning of it and `*`."""
    reason: str
    """'' for what went as asked."""


@dataclass(frozen=True, slots=True)
class _Decision:
    result: Result
    reason: str = ""
    patch: tuple[Json, ...] = ()
    warnings: tuple[str, ...] = ()


class _Kind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.group}/{self.version} {self.kind}".lstrip("/")


_POD = _Kind("", "v1", "Pod")


class _Request(msgspec.Struct, rename="camel"):
    uid: str
    kind: _Kind
    operation: str
    namespace: str | None = None
    name: str | None = None
    sub_resource: str | None = None
    object: dict[str, Any] | None = None
    dry_run: bool | None = None


class _Envelope(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    request: _Request


def review(body: bytes, defaults: Defaults) -> Reviewed:
    """Raises ReviewError for a body that cannot be answered with an AdmissionReview."""
    try:
        request = _read(body)
        decision = _decide(request, defaults)
        answer = json.dumps({"apiVersion": API_VERSION, "kind": _KIND, "response": _respond(request.uid, decision)})
    except RecursionError as error:
        raise ReviewError("expected an AdmissionReview, got JSON that is nested too deeply") from error
    return Reviewed(answer.encode(), decision.result, _subject(request), decision.reason)


def _read(body: bytes) -> _Request:
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ReviewError(f"expected an AdmissionReview as JSON: {_printable(str(error), _LONGEST_NAME)}") from error
    kind = (value.get("apiVersion"), value.get("kind")) if isinstance(value, dict) else type(value).__name__
    if kind != (API_VERSION, _KIND):
        raise ReviewError(f"expected {(API_VERSION, _KIND)}, got {_printable(str(kind), _LONGEST_NAME)}")
    try:
        return msgspec.convert(value, _Envelope).request
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # half a character can be written in JSON
        raise ReviewError(_printable(str(error).replace("$", _KIND), _LONGEST_NAME)) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _decide(request: _Request, defaults: Defaults) -> _Decision:
    if request.operation != "CREATE":
        return _Decision(Result.UNTOUCHED, f"{_printable(request.operation, 20)}, not CREATE")
    if request.kind != _POD or request.sub_resource:
        found = "/".join(filter(None, (str(request.kind), request.sub_resource)))
        return _leave(f"expected a Pod, got {_printable(found, _LONGEST_NAME)}; see the rules of the webhook")
    if request.namespace in EXEMPT_NAMESPACES:
        return _leave(f"in namespace {request.namespace} nothing is injected")
    if request.object is None:
        raise ReviewError(f"expected a Pod in {_KIND}.request.object, got none")
    return _decide_on_pod(request.object, defaults)


def _decide_on_pod(pod: Json, defaults: Defaults) -> _Decision:
    if _texts(pod, "labels").get(POD_LABEL) != POD_LABEL_VALUE:
        return _Decision(Result.UNTOUCHED, f"no label {POD_LABEL}: {POD_LABEL_VALUE!r}")
    try:
        injected = inject(pod, defaults)
    except InjectionError as error:
        return _Decision(Result.REFUSED, _printable(str(error), _LONGEST_MESSAGE))
    if injected is not pod:
        return _Decision(Result.INJECTED, patch=tuple(build_patch(pod, injected)))
    if _texts(pod, "annotations").get(STATUS_ANNOTATION) != injection_status(defaults):
        told = "injected already, by another version or with other defaults"
        return _Decision(Result.ALREADY_INJECTED, told, warnings=(f"envoy-llm-sidecar: {told}; left as it is",))
    return _Decision(Result.ALREADY_INJECTED)


def _leave(reason: str) -> _Decision:
    """What a webhook's configuration should not have sent, or a person might not expect."""
    return _Decision(Result.UNTOUCHED, reason, warnings=(f"envoy-llm-sidecar: left as it is: {reason}",))


def _respond(uid: str, decision: _Decision) -> Json:
    response: Json = {"uid": uid, "allowed": decision.result is not Result.REFUSED}
    if decision.result is Result.REFUSED:
        message = f"envoy-llm-sidecar cannot be injected: {decision.reason}"
        response["status"] = {"status": "Failure", "reason": "Invalid", "code": 422, "message": message}
    if decision.patch:
        patch = json.dumps(decision.patch).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    if decision.warnings:
        response["warnings"] = decision.warnings
    return response


def _subject(request: _Request) -> str:
    name = _printable(f"{request.namespace or '-'}/{_name(request)}", 2 * _LONGEST_NAME)
    return f"{name} (dry run)" if request.dry_run else name


def _name(request: _Request) -> str:
    """Of a pod that a ReplicaSet or a Job makes, its name is not known yet."""
    metadata = _member(request.object, "metadata")
    return str(request.name or metadata.get("name") or f"{metadata.get('generateName') or ''}*")


def _texts(pod: Json, name: str) -> Json:
    """The pod's labels or annotations."""
    return _member(_member(pod, "metadata"), name)


def _member(value: Json | None, name: str) -> Json:
    """Empty where there is none, or something else."""
    member = (value or {}).get(name)
    return member if isinstance(member, dict) else {}


def _printable(text: str, longest: int) -> str:
    """On one line, and harmless in a terminal."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
