"""Our containers and volumes of a pod, as plain data: the one source that manifests and chart are compared with."""

from typing import Any

from sidecar.injection.names import (
    CONFIG_CONTAINER,
    ENVOY_CONTAINER,
    ENVOY_VOLUME,
    KEYS_VOLUME,
    POLICY_VOLUME,
    ROUTER_CONTAINER,
    RUN_VOLUME,
)
from sidecar.injection.settings import NO_KEYS, Settings

Json = dict[str, Any]

_POLICY_FILE = "/etc/sidecar/router.yaml"
_ENVOY_FILE = "/etc/envoy/envoy.yaml"

# Starting takes a second or two; a minute is for nodes that are overcommitted.
_START_SECONDS = 60


def our_containers(settings: Settings, *, listen: str = "127.0.0.1", concurrency: int = 1) -> list[Json]:
    """Init containers, in the order in which they have to start; the last two stay until the pod ends.

    `listen`: where Envoy takes requests, beside settings.port. `concurrency`: Envoy's threads.
    """
    return [_config_container(settings, listen), _router_container(settings), _envoy_container(settings, concurrency)]


def our_volumes(settings: Settings) -> list[Json]:
    """What those containers mount."""
    keys: list[Json] = [{"name": KEYS_VOLUME, "secret": {"secretName": settings.keys}}]
    return [
        {"name": POLICY_VOLUME, "configMap": {"name": settings.policy}},
        {"name": ENVOY_VOLUME, "emptyDir": {"sizeLimit": "8Mi"}},
        {"name": RUN_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
        *(keys if settings.keys != NO_KEYS else []),
    ]


def _config_container(settings: Settings, listen: str) -> Json:
    """Writes Envoy's configuration for the policy that the pod starts with, and ends."""
    args = [
        "envoy",
        _POLICY_FILE,
        "--out",
        "/etc/envoy",
        "--listen",
        f"{listen}:{settings.port}",
        "--admin",
        f"127.0.0.1:{settings.admin_port}",
        "--status",
        f"0.0.0.0:{settings.status_port}",
        "--workers",
        str(settings.workers),
        *(["--overlay", f"/etc/sidecar/{settings.overlay}"] if settings.overlay is not None else []),
        *(["--otlp", settings.otlp] if settings.otlp is not None else []),
    ]
    return {
        "name": CONFIG_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": args,
        "resources": _router_resources(settings),
        "securityContext": _locked_down(),
        "volumeMounts": [_mount(POLICY_VOLUME, "/etc/sidecar"), {"name": ENVOY_VOLUME, "mountPath": "/etc/envoy"}],
    }


def _router_container(settings: Settings) -> Json:
    args = [
        "serve",
        "--policy",
        _POLICY_FILE,
        "--envoy",
        _ENVOY_FILE,
        "--socket",
        "/run/llm/sidecar.sock",
        "--http",
        f"0.0.0.0:{settings.http_port}",
        "--workers",
        str(settings.workers),
        "--log-level",
        settings.log_level,
    ]
    env: list[Json] = []
    if settings.otlp is not None:
        env.append({"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": f"http://{settings.otlp}"})
    if settings.console_token is not None:
        secret = {"name": settings.console_token, "key": "token"}
        env.append({"name": "SIDECAR_CONSOLE_TOKEN", "valueFrom": {"secretKeyRef": secret}})
    return {
        "name": ROUTER_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": args,
        **({"env": env} if env else {}),
        "restartPolicy": "Always",
        "ports": [{"name": "llm-http", "containerPort": settings.http_port}],
        "startupProbe": _started("/readyz", settings.http_port),
        # Never a readiness probe: while the router is down Envoy goes on with the default plan, and the pod serves.
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": settings.http_port},
            "periodSeconds": 10,
            "failureThreshold": 3,
        },
        "resources": _router_resources(settings),
        "securityContext": _locked_down(),
        "volumeMounts": [
            _mount(POLICY_VOLUME, "/etc/sidecar"),
            _mount(ENVOY_VOLUME, "/etc/envoy"),
            {"name": RUN_VOLUME, "mountPath": "/run/llm"},
        ],
    }


def _envoy_container(settings: Settings, concurrency: int) -> Json:
    args = [
        "--config-path",
        _ENVOY_FILE,
        "--disable-hot-restart",  # its shared memory would be that of another Envoy in the pod
        "--concurrency",
        str(concurrency),
        "--log-level",
        settings.log_level,
    ]
    keys = [_mount(KEYS_VOLUME, "/etc/llm-keys")] if settings.keys != NO_KEYS else []
    return {
        "name": ENVOY_CONTAINER,
        "image": settings.envoy_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["envoy"],
        "args": args,
        "restartPolicy": "Always",
        "ports": [{"name": "llm-status", "containerPort": settings.status_port}],
        "startupProbe": _started("/ready", settings.status_port),
        # Also while Envoy drains, when /ready says no.
        "livenessProbe": {"tcpSocket": {"port": settings.status_port}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": settings.status_port}, "periodSeconds": 5},
        "resources": {
            "requests": {"cpu": settings.envoy_cpu, "memory": settings.envoy_memory},
            "limits": {"cpu": settings.envoy_cpu_limit, "memory": settings.envoy_memory_limit},
        },
        "securityContext": _locked_down(),
        "volumeMounts": [
            _mount(ENVOY_VOLUME, "/etc/envoy"),
            {"name": RUN_VOLUME, "mountPath": "/run/llm"},
            *keys,
        ],
    }


def _mount(volume: str, path: str) -> Json:
    return {"name": volume, "mountPath": path, "readOnly": True}


def _started(path: str, port: int) -> Json:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1, "failureThreshold": _START_SECONDS}


def _router_resources(settings: Settings) -> Json:
    return {
        "requests": {"cpu": settings.cpu, "memory": settings.memory},
        "limits": {"cpu": settings.cpu_limit, "memory": settings.memory_limit},
    }


def _locked_down() -> Json:
    """What the Pod Security Standard `restricted` asks for, and a root file system that nothing writes to."""
    return {
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
