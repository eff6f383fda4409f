"""Why a pod cannot be injected: what of it would not work beside our containers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sidecar.config.document import Loc
from sidecar.injection.names import CONTAINERS, PREFIX, STATUS_ANNOTATION, VOLUMES
from sidecar.injection.settings import Refusal, Settings

Json = dict[str, Any]

_LISTS = ("initContainers", "containers")

_REMEDY = "run the gateway for it (docs/kubernetes.md)"


def find_conflicts(pod: Mapping[str, Any], settings: Settings) -> tuple[Refusal, ...]:
    """All of them; none, if it can be injected. Only fields whose form is wrong are told, if there are any."""
    malformed = tuple(find_malformed(pod))
    if malformed:
        return malformed
    spec = pod["spec"]
    return (
        *_find_half_injected(pod),
        *_find_wrong_places(spec),
        *_find_our_names(spec),
        *_find_our_ports(spec, settings),
        *(() if settings.allows_other_envoy else _find_other_envoys(spec, settings)),
    )


def find_malformed(pod: Mapping[str, Any]) -> Iterator[Refusal]:
    """Fields that are not what Kubernetes has there, of those that are looked at here."""
    yield from _malformed_metadata(pod.get("metadata"))
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        yield _malformed(("spec",), spec, "a mapping")
        return
    if not spec.get("containers"):
        yield Refusal(("spec", "containers"), "expected at least one container, got none")
    yield from _malformed_list(spec, ("spec",), "volumes")
    for name in _LISTS:
        yield from _malformed_list(spec, ("spec",), name)
        for loc, container in _containers(spec, name):
            yield from _malformed_list(container, loc, "env")
            yield from _malformed_list(container, loc, "ports")
            yield from _malformed_list(container, loc, "command", of=str)


def is_injected(pod: Mapping[str, Any]) -> bool:
    """Whether it has all of our containers already, and says so."""
    metadata, spec = pod.get("metadata"), pod.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return False
    annotations, containers = metadata.get("annotations"), spec.get("initContainers")
    if not isinstance(annotations, dict) or not isinstance(containers, list):
        return False
    names = [container.get("name") for container in containers if isinstance(container, dict)]
    return STATUS_ANNOTATION in annotations and all(name in names for name in CONTAINERS)


def _malformed_metadata(metadata: object) -> Iterator[Refusal]:
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        yield _malformed(("metadata",), metadata, "a mapping")
        return
    for name in ("annotations", "labels"):
        texts = metadata.get(name)
        if texts is not None and not isinstance(texts, dict):
            yield _malformed(("metadata", name), texts, "a mapping")
        for key, value in texts.items() if isinstance(texts, dict) else ():
            if key.startswith(PREFIX) and not isinstance(value, str):
                yield _malformed(("metadata", name, key), value, "text, in quotes")


def _malformed_list(owner: Json, loc: Loc, name: str, of: type = dict) -> Iterator[Refusal]:
    items = owner.get(name)
    if items is None:
        return
    if not isinstance(items, list):
        yield _malformed((*loc, name), items, "a list")
        return
    for index, item in enumerate(items):
        if not isinstance(item, of):
            yield _malformed((*loc, name, index), item, "a mapping" if of is dict else "text")
        elif isinstance(item, dict) and not isinstance(item.get("name"), str | None):
            yield _malformed((*loc, name, index, "name"), item["name"], "text")


def _malformed(loc: Loc, value: object, expected: str) -> Refusal:
    return Refusal(loc, f"expected {expected}, got {_kind_of(value)}")


def _kind_of(value: object) -> str:
    """The value itself may be a secret, of an environment."""
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a number")


def _find_half_injected(pod: Mapping[str, Any]) -> Iterator[Refusal]:
    """The containers without the annotation are told of by their names."""
    if STATUS_ANNOTATION in ((pod.get("metadata") or {}).get("annotations") or {}):
        yield Refusal(
            ("metadata", "annotations", STATUS_ANNOTATION),
            f"it says that the pod is injected, but it lacks some of the init containers {', '.join(CONTAINERS)}; "
            "remove the annotation and what there is of them",
        )


def _find_wrong_places(spec: Json) -> Iterator[Refusal]:
    if spec.get("hostNetwork") not in (None, False):
        yield Refusal(
            ("spec", "hostNetwork"), f"our ports would be open on the node's addresses; remove it, or {_REMEDY}"
        )
    system = spec.get("os")
    selector = spec.get("nodeSelector")
    if isinstance(system, dict) and system.get("name") == "windows":
        yield Refusal(("spec", "os", "name"), f"Envoy and the router run on Linux; {_REMEDY}")
    elif isinstance(selector, dict) and selector.get("kubernetes.io/os") == "windows":
        yield Refusal(("spec", "nodeSelector", "kubernetes.io/os"), f"Envoy and the router run on Linux; {_REMEDY}")


def _find_our_names(spec: Json) -> Iterator[Refusal]:
    for loc, container in _all_containers(spec):
        if container.get("name") in CONTAINERS:
            yield Refusal(
                (*loc, "name"),
                f"{container['name']} is the name of a container that we inject; give this one another, "
                "or remove it if it was injected before",
            )
    for index, volume in enumerate(spec.get("volumes") or []):
        if volume.get("name") in VOLUMES:
            yield Refusal(
                ("spec", "volumes", index, "name"),
                f"{volume['name']} is the name of a volume that we inject; give this one another",
            )


def _find_our_ports(spec: Json, settings: Settings) -> Iterator[Refusal]:
    ours = settings.ports()
    for loc, container in _others(spec):
        for index, port in enumerate(container.get("ports") or []):
            number = port.get("containerPort")
            if isinstance(number, int) and number in ours and port.get("protocol") in (None, "TCP"):
                yield Refusal(
                    (*loc, "ports", index, "containerPort"),
                    f"{number} is our {ours[number]}; set the annotation {PREFIX}{ours[number]} to another port",
                )


def _find_other_envoys(spec: Json, settings: Settings) -> Iterator[Refusal]:
    for loc, container in _others(spec):
        field = _envoy_field(container)
        if field:
            yield Refusal(
                (*loc, field),
                "another Envoy, whose ports may be ours; remove it, or, if it uses none of "
                f"{', '.join(map(str, settings.ports()))}, set the annotation {PREFIX}other-envoy to 'allowed'",
            )


def _envoy_field(container: Json) -> str:
    """That shows it to be an Envoy; '' if none does."""
    command = container.get("command") or []
    if command and command[0].rpartition("/")[2] == "envoy":
        return "command"
    image = container.get("image")
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0] if isinstance(image, str) else ""
    return "image" if name == "envoy" else ""


def _others(spec: Json) -> Iterator[tuple[Loc, Json]]:
    """Those with one of our names are refused for that."""
    return ((loc, it) for loc, it in _all_containers(spec) if it.get("name") not in CONTAINERS)


def _all_containers(spec: Json) -> Iterable[tuple[Loc, Json]]:
    for name in _LISTS:
        yield from _containers(spec, name)


def _containers(spec: Json, name: str) -> Iterator[tuple[Loc, Json]]:
    containers = spec.get(name)
    for index, container in enumerate(containers if isinstance(containers, list) else ()):
        if isinstance(container, dict):
            yield ("spec", name, index), container
