"""The Pod Security Standard `restricted` of Kubernetes, which contains `baseline`: what breaks it in a pod."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_VOLUMES = frozenset(
    (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)
_SECCOMP = frozenset(("RuntimeDefault", "Localhost"))
_SELINUX = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))
_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def find_violations(spec: Mapping[str, Any]) -> list[str]:
    """One for each field, with its place; none of a pod that a namespace with `enforce: restricted` takes."""
    return [*_of_pod(spec), *(f"{place}: {told}" for place, it in _containers(spec) for told in _of(it, spec))]


def _containers(spec: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or []:
            yield f"{field}[{container['name']}]", container


def _of_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    yield from (field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field))
    for volume in spec.get("volumes") or []:
        yield from (f"volumes[{volume['name']}].{kind}" for kind in set(volume) - {"name"} - _VOLUMES)
    context = spec.get("securityContext") or {}
    yield from (f"sysctl {it['name']}" for it in context.get("sysctls") or [] if it["name"] not in _SYSCTLS)
    yield from _of_both(context)


def _of(container: Json, spec: Mapping[str, Any]) -> Iterator[str]:
    pods, own = spec.get("securityContext") or {}, container.get("securityContext") or {}
    yield from _of_both(own)
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if not own.get("runAsNonRoot", pods.get("runAsNonRoot", False)):
        yield "runAsNonRoot"
    if (own.get("seccompProfile") or pods.get("seccompProfile") or {}).get("type") not in _SECCOMP:
        yield "seccompProfile"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities.drop"
    if not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield "capabilities.add"
    yield from ("hostPort" for port in container.get("ports") or [] if port.get("hostPort"))
    yield from (f"{probe}.host" for probe in _PROBES if _names_host(container.get(probe) or {}))


def _of_both(context: Json) -> Iterator[str]:
    """What neither a pod's nor a container's may say."""
    if context.get("runAsUser") == 0:
        yield "runAsUser"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "appArmorProfile"
    linux = context.get("seLinuxOptions") or {}
    if linux.get("type", "") not in _SELINUX or linux.get("user") or linux.get("role"):
        yield "seLinuxOptions"


def _names_host(probe: Json) -> bool:
    return any((probe.get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket"))
