"""A pod without our containers in, the same pod with them out; pure, and without effect on one that has them."""

import json
from collections.abc import Mapping
from typing import Any

from sidecar.injection.conflicts import find_conflicts, find_malformed, is_injected
from sidecar.injection.containers import our_containers, our_volumes
from sidecar.injection.names import BASE_URLS, CONTAINERS, STATUS_ANNOTATION, VERSION
from sidecar.injection.settings import BUILT_IN, Defaults, InjectionError, Settings, config_of, read_settings

Json = dict[str, Any]


def inject(pod: Json, defaults: Defaults = BUILT_IN) -> Json:
    """A pod, or a pod's template (`metadata` and `spec`), with what its annotations and the defaults say put into it.

    The very same object if it is injected already; else a new one, and the one given stays as it is. Raises
    InjectionError, with all reasons.
    """
    if is_injected(pod):
        return pod
    malformed = tuple(find_malformed(pod))
    if malformed:
        raise InjectionError(malformed)
    settings = read_settings((pod.get("metadata") or {}).get("annotations") or {}, defaults)
    conflicts = find_conflicts(pod, settings)
    if conflicts:
        raise InjectionError(conflicts)
    return _put_in(pod, settings, injection_status(defaults))


def _put_in(pod: Json, settings: Settings, status: str) -> Json:
    metadata, spec = pod.get("metadata") or {}, pod["spec"]
    urls = _base_urls(settings) if settings.sets_base_urls else {}
    return {
        **pod,
        "metadata": {
            **metadata,
            "annotations": {**(metadata.get("annotations") or {}), STATUS_ANNOTATION: status},
        },
        "spec": {
            **spec,
            # Before the pod's own, which may ask a model already.
            "initContainers": [
                *our_containers(settings),
                *(_with_environment(it, urls) for it in spec.get("initContainers") or []),
            ],
            "containers": [_with_environment(it, urls) for it in spec["containers"]],
            "volumes": [*(spec.get("volumes") or []), *our_volumes(settings)],
        },
    }


def injection_status(defaults: Defaults = BUILT_IN) -> str:
    """The status annotation: the same for all pods of an installation."""
    status = {"version": VERSION, "config": config_of(defaults), "containers": CONTAINERS}
    return json.dumps(status, separators=(",", ":"))


def _base_urls(settings: Settings) -> dict[str, str]:
    return {name: url.format(port=settings.port) for name, url in BASE_URLS.items()}


def _with_environment(container: Json, wanted: Mapping[str, str]) -> Json:
    """What it sets itself stays."""
    present: list[Json] = container.get("env") or []
    names = {variable.get("name") for variable in present}
    missing: list[Mapping[str, str]] = [
        {"name": name, "value": value} for name, value in wanted.items() if name not in names
    ]
    return {**container, "env": [*present, *missing]} if missing else container
