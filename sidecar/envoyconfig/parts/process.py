"""What is not about requests: the bootstrap around listeners and clusters."""

from collections.abc import Sequence

from sidecar.envoyconfig.parts.messages import (
    bootstrap,
    cluster,
    connections,
    core,
    extension,
    internal_listener,
    listener,
    overload,
    packed,
    socket_address,
)
from sidecar.envoyconfig.parts.places import Address

_MOST_CONNECTIONS = 10_000


def whole_bootstrap(
    listeners: Sequence[listener.Listener], clusters: Sequence[cluster.Cluster], admin: Address
) -> bootstrap.Bootstrap:
    """All that Envoy reads."""
    return bootstrap.Bootstrap(
        node=core.Node(id="llm-edge", cluster="llm-edge"),  # Envoy refuses to read key files (SDS) without both
        admin=bootstrap.Admin(address=socket_address(*admin)),
        bootstrap_extensions=[extension("envoy.bootstrap.internal_listener", internal_listener.InternalListener())],
        overload_manager=_ceiling_on_connections(),
        static_resources=bootstrap.BootstrapStaticResources(listeners=list(listeners), clusters=list(clusters)),
    )


def _ceiling_on_connections() -> overload.OverloadManager:
    """Envoy may hold a chat request's body, up to 16 MiB, for the sidecar, the retries and set_model.lua."""
    ceiling = connections.DownstreamConnectionsConfig(max_active_downstream_connections=_MOST_CONNECTIONS)
    monitor = overload.ResourceMonitor(
        name="envoy.resource_monitors.global_downstream_max_connections", typed_config=packed(ceiling)
    )
    return overload.OverloadManager(resource_monitors=[monitor])
