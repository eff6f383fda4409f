"""Why a pod cannot be injected: what in it is in the way, and what to do."""

import re
from collections.abc import Iterator
from typing import Any

from sidecar.injection.names import CONTAINERS, PREFIX, STATUS_ANNOTATION, VOLUMES
from sidecar.injection.settings import Settings

Json = dict[str, Any]

# By the last part of an image's or a program's name.
ENVOY_IMAGE = "(^|/)envoy(:[^/@]*)?(@.*)?$"
ENVOY_PROGRAM = "(^|/)envoy$"


def find_conflicts(pod: Json, settings: Settings) -> Iterator[str]:
    """A sentence each, with the field."""
    spec = pod["spec"]
    yield from _find_wrong_hosts(spec)
    yield from _find_our_names(pod)
    for field, container in named_containers(spec):
        yield from _find_ports(field, container, settings)
        if not settings.other_envoy and _is_envoy(container):
            yield (
                f"{field}: is an Envoy, too: see that it uses none of the ports "
                f"{', '.join(map(str, settings.ports.values()))}, and set {PREFIX}other-envoy: allowed"
            )


def named_containers(spec: Json) -> Iterator[tuple[str, Json]]:
    """All of a pod's, each with its place."""
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or []:
            yield f"spec.{field}[{container.get('name')}]", container


def is_injected(pod: Json) -> bool:
    """Whether it has all that is ours; one with a part of it is a conflict."""
    names = {container.get("name") for container in pod["spec"].get("initContainers") or []}
    return STATUS_ANNOTATION in _annotations(pod) and names.issuperset(CONTAINERS)


def _annotations(pod: Json) -> Json:
    annotations: Json = pod.get("metadata", {}).get("annotations") or {}
    return annotations


def _find_wrong_hosts(spec: Json) -> Iterator[str]:
    if spec.get("hostNetwork"):
        yield "spec.hostNetwork: our ports would be the node's: use the gateway, or the pod's own network"
    if (spec.get("os") or {}).get("name") == "windows":
        yield "spec.os.name: windows: our containers are for Linux: use the gateway"


def _find_our_names(pod: Json) -> Iterator[str]:
    spec = pod["spec"]
    for field, container in named_containers(spec):
        if container.get("name") in CONTAINERS:
            yield f"{field}: this name is for a container of ours: give yours another"
    for volume in spec.get("volumes") or []:
        if volume.get("name") in VOLUMES:
            yield f"spec.volumes[{volume['name']}]: this name is for a volume of ours: give yours another"
    if STATUS_ANNOTATION in _annotations(pod):
        yield f"metadata.annotations[{STATUS_ANNOTATION}]: only injection sets it: take it out"


def _find_ports(field: str, container: Json, settings: Settings) -> Iterator[str]:
    for port in container.get("ports") or []:
        for key, ours in settings.ports.items():
            if port.get("containerPort") == ours and port.get("protocol", "TCP") == "TCP":
                yield f"{field}.ports: {ours} is ours: set another with {PREFIX}{key}"


def _is_envoy(container: Json) -> bool:
    program = next(iter(container.get("command") or []), "")
    return bool(re.search(ENVOY_IMAGE, str(container.get("image", ""))) or re.search(ENVOY_PROGRAM, str(program)))
