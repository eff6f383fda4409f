"""A private certificate authority, made at start, and the TLS settings of each provider.

The certificates carry the providers' real host names, so Envoy checks SNI and SAN exactly as in production;
the authority's key never leaves memory.
"""

import ssl
from pathlib import Path

import trustme

from sidecar.demo.providers.catalog import Provider


class PrivateAuthority:
    """Signs the providers' certificates. `ca_file` is what clients have to trust (PEM)."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA(organization_name="envoy-llm-sidecar demo")
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def server_settings(self, provider: Provider) -> ssl.SSLContext:
        """TLS for a provider: its real host, and loopback for clients without Envoy."""
        settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self._authority.issue_cert(provider.host, "localhost", "127.0.0.1", "::1")
        certificate.configure_cert(settings)
        settings.set_alpn_protocols(["http/1.1"])
        return settings
