"""A pod with Envoy and the router in it: the same whoever asks."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from sidecar.injection.conflicts import find_conflicts, is_injected
from sidecar.injection.containers import our_containers, our_volumes
from sidecar.injection.names import CONTAINERS, STATUS_ANNOTATION
from sidecar.injection.settings import InjectionError, read_settings

Json = dict[str, Any]


def inject(pod: Json, defaults: Mapping[str, str]) -> Json:
    """The pod, or the pod template of a workload, with what its annotations and the defaults say put into it.

    The very same object where it is injected already. Raises InjectionError. What is there stays as it is, but for
    its own containers' environment where `base-urls` asks for it.
    """
    if is_injected(pod):
        return pod
    settings = read_settings(pod.get("metadata", {}).get("annotations") or {}, defaults)
    conflicts = tuple(find_conflicts(pod, settings))
    if conflicts:
        raise InjectionError(conflicts)
    injected = copy.deepcopy(pod)
    spec = injected["spec"]
    if settings.base_urls:
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            _set_base_urls(container, settings.port)
    # First, so that the pod's own init containers can ask a model, too.
    spec["initContainers"] = [*our_containers(settings), *(spec.get("initContainers") or [])]
    spec["volumes"] = [*(spec.get("volumes") or []), *our_volumes(settings)]
    metadata = injected.setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), STATUS_ANNOTATION: injection_status(defaults)}
    return injected


def injection_status(defaults: Mapping[str, str]) -> str:
    """What was injected, by which version, and a hash of the installation's defaults."""
    canonical = json.dumps(dict(defaults), sort_keys=True, separators=(",", ":"))
    config = hashlib.sha256(canonical.encode()).hexdigest()[:12]
    status = {"version": version("envoy-llm-sidecar"), "config": config, "containers": CONTAINERS}
    return json.dumps(status, separators=(",", ":"))


def _set_base_urls(container: Json, port: int) -> None:
    env = container.get("env") or []
    named = {variable.get("name") for variable in env}
    added = [variable for variable in _base_urls(port) if variable["name"] not in named]
    if added:
        container["env"] = [*env, *added]


def _base_urls(port: int) -> Iterator[Json]:
    """As each SDK wants them: OpenAI's with the version, Anthropic's without."""
    yield {"name": "OPENAI_BASE_URL", "value": f"http://127.0.0.1:{port}/v1"}
    yield {"name": "ANTHROPIC_BASE_URL", "value": f"http://127.0.0.1:{port}"}
