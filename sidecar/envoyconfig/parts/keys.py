"""The SDS files: where Envoy finds the key of a provider. A path, never the key."""

from sidecar.envoyconfig.parts.messages import core, discovery, packed, tls
from sidecar.envoyconfig.parts.upstreams import Upstream


def key_file_name(upstream: Upstream) -> str:
    """Of that provider's SDS file, beside Envoy's configuration."""
    return f"{upstream.slug}-key.yaml"


def key_secret(upstream: Upstream) -> discovery.DiscoveryResponse:
    """The contents of that provider's SDS file. Its folder is watched: a key is replaced by a rename."""
    secret = tls.Secret(
        name=upstream.name,
        generic_secret=tls.GenericSecret(
            secret=core.DataSource(
                filename=upstream.key_file, watched_directory=core.WatchedDirectory(path=upstream.key_folder)
            )
        ),
    )
    return discovery.DiscoveryResponse(resources=[packed(secret)])
