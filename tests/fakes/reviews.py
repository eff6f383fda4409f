"""Admission reviews: as the API server sends them, or made of a pod; and what comes back."""

import base64
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonpatch

Json = dict[str, Any]

_FOLDER = Path(__file__).parents[1] / "injection" / "reviews"
RECORDED = sorted(file.stem for file in _FOLDER.glob("*.json"))

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"

LABEL = {"envoy-llm-sidecar.io/inject": "true"}


def recorded(name: str) -> Json:
    """In the shape of those of Kubernetes 1.33."""
    review: Json = json.loads((_FOLDER / f"{name}.json").read_text())
    return review


def pod(*, metadata: Json | None = None, **spec: Any) -> Json:
    """The least that is one, and wants to be injected."""
    container = {"name": "app", "image": "registry.example/app:1"}
    asks = {"name": "app", "namespace": "shop", "labels": LABEL, **(metadata or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": asks, "spec": {"containers": [container], **spec}}


def review_of(created: object, **request: Any) -> Json:
    """Of one that is created in namespace `shop`, unless `request` says otherwise."""
    asked = {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": created,
        "oldObject": None,
        "dryRun": False,
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": asked | request}


def apply(response: Json, created: Json) -> Json:
    """What the API server makes of the pod then."""
    if "patch" not in response:
        return created
    assert response["patchType"] == "JSONPatch"
    patched: Json = jsonpatch.apply_patch(deepcopy(created), json.loads(base64.b64decode(response["patch"])))
    return patched
