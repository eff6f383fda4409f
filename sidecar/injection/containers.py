"""The three containers and their volumes, as Kubernetes reads them: the one source of what is injected."""

from collections.abc import Mapping
from typing import Any

from sidecar.injection.names import (
    CONFIG_CONTAINER,
    CONSOLE_TOKEN_KEY,
    ENVOY_CONTAINER,
    ENVOY_FILE,
    ENVOY_FOLDER,
    ENVOY_VOLUME,
    KEYS_FOLDER,
    KEYS_VOLUME,
    NO_TOKEN_VOLUME,
    POLICY_FILE,
    POLICY_FOLDER,
    POLICY_VOLUME,
    ROUTER_CONTAINER,
    RUN_FOLDER,
    RUN_VOLUME,
    TOKEN_FOLDER,
)
from sidecar.injection.settings import NONE, Resources, Settings

Json = dict[str, Any]

_LOOPBACK = "127.0.0.1"

_USER = 65532  # `nonroot` of distroless images; of no user of a node

# Envoy's threads; an injected one serves one application.
_CONCURRENCY = "1"


def our_containers(settings: Settings) -> list[Json]:
    """Init containers, in the order in which they start."""
    return [_envoy_config(settings), _router(settings), _envoy(settings)]


def our_volumes(settings: Settings) -> list[Json]:
    """What they mount."""
    keys = [{"name": KEYS_VOLUME, "secret": {"secretName": settings.keys}}] if settings.keys else []
    return [
        {"name": POLICY_VOLUME, "configMap": {"name": settings.policy}},
        *keys,
        {"name": ENVOY_VOLUME, "emptyDir": {"sizeLimit": "8Mi"}},
        {"name": RUN_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
        {"name": NO_TOKEN_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}},
    ]


def _envoy_config(settings: Settings) -> Json:
    """Renders Envoy's configuration, once, and ends."""
    places = {
        "--out": ENVOY_FOLDER,
        "--listen": f"{_LOOPBACK}:{settings.port}",
        "--admin": f"{_LOOPBACK}:{settings.admin_port}",
        "--status": f"{settings.bind}:{settings.status_port}",
        "--workers": str(settings.workers),
        "--otlp": settings.otlp or NONE,
    }
    if settings.overlay:
        places["--overlay"] = f"{POLICY_FOLDER}/{settings.overlay}"
    return {
        "name": CONFIG_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["envoy", POLICY_FILE, *_flat(places)],
        "resources": _resources(settings.router),
        "securityContext": _security(),
        "volumeMounts": [
            _mount(POLICY_VOLUME, POLICY_FOLDER, read_only=True),
            _mount(ENVOY_VOLUME, ENVOY_FOLDER),
            _no_token(),
        ],
    }


def _router(settings: Settings) -> Json:
    """`sidecar serve`. Not in the pod's readiness: while it is down, Envoy goes on with the default plan."""
    options = {
        "--policy": POLICY_FILE,
        # A policy with a model that this Envoy lacks is not taken before the pod is made anew.
        "--envoy": ENVOY_FILE,
        "--socket": f"{RUN_FOLDER}/sidecar.sock",
        "--http": f"{settings.bind}:{settings.http_port}",
        "--workers": str(settings.workers),
        "--log-level": settings.log_level,
    }
    environment = _router_environment(settings)
    return {
        "name": ROUTER_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["serve", *_flat(options)],
        **({"env": environment} if environment else {}),
        "restartPolicy": "Always",
        "ports": [{"name": "llm-http", "containerPort": settings.http_port}],
        "startupProbe": _startup_probe("/readyz", settings.http_port),
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": settings.http_port},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
        },
        "resources": _resources(settings.router),
        "securityContext": _security(),
        "volumeMounts": [
            _mount(POLICY_VOLUME, POLICY_FOLDER, read_only=True),
            _mount(ENVOY_VOLUME, ENVOY_FOLDER, read_only=True),
            _mount(RUN_VOLUME, RUN_FOLDER),
            _no_token(),
        ],
    }


def _router_environment(settings: Settings) -> list[Json]:
    environment: list[Json] = []
    if settings.otlp:
        environment.append({"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": f"http://{settings.otlp}"})
    if settings.console_token:
        secret = {"name": settings.console_token, "key": CONSOLE_TOKEN_KEY}
        environment.append({"name": "SIDECAR_CONSOLE_TOKEN", "valueFrom": {"secretKeyRef": secret}})
    return environment


def _envoy(settings: Settings) -> Json:
    """The probe of liveness is no request: /ready says no while Envoy drains, and lives.

    Not in the pod's readiness either: while it is started again, the application goes on with what needs no model.
    """
    keys = [_mount(KEYS_VOLUME, KEYS_FOLDER, read_only=True)] if settings.keys else []
    options = {"--concurrency": _CONCURRENCY, "--log-level": settings.log_level}
    return {
        "name": ENVOY_CONTAINER,
        "image": settings.envoy_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["envoy"],
        "args": ["--config-path", ENVOY_FILE, "--disable-hot-restart", *_flat(options)],
        "restartPolicy": "Always",
        "ports": [{"name": "llm-status", "containerPort": settings.status_port}],
        "startupProbe": _startup_probe("/ready", settings.status_port),
        "livenessProbe": {"tcpSocket": {"port": settings.status_port}, "periodSeconds": 10, "timeoutSeconds": 5},
        "resources": _resources(settings.envoy),
        "securityContext": _security(),
        "volumeMounts": [
            _mount(ENVOY_VOLUME, ENVOY_FOLDER, read_only=True),
            *keys,
            _mount(RUN_VOLUME, RUN_FOLDER),
            _no_token(),
        ],
    }


def _startup_probe(path: str, port: int) -> Json:
    """What comes after in the pod starts when this succeeds; a minute is for a busy node."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1, "failureThreshold": 60}


def _resources(of: Resources) -> Json:
    return {
        "requests": {"cpu": of.cpu, "memory": of.memory},
        "limits": {"cpu": of.cpu_limit, "memory": of.memory_limit},
    }


def _security() -> Json:
    """Pod Security's `restricted`, whatever the pod's own context says."""
    return {
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _mount(volume: str, folder: str, *, read_only: bool = False) -> Json:
    return {"name": volume, "mountPath": folder, **({"readOnly": True} if read_only else {})}


def _no_token() -> Json:
    """An empty folder, where the API server would mount the token of the pod's service account.

    It does so in all containers that have nothing there, also in injected ones. Whoever may edit the policy could
    then have Envoy send the application's token to a provider of theirs, as the file with its key.
    """
    return _mount(NO_TOKEN_VOLUME, TOKEN_FOLDER, read_only=True)


def _flat(options: Mapping[str, str]) -> list[str]:
    return [word for option in options.items() for word in option]
