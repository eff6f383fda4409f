"""Where this Envoy listens, and what it talks to on its own machine."""

from dataclasses import dataclass

Address = tuple[str, int]
"""Host and port. Where Envoy listens the host has to be an IP address."""


@dataclass(frozen=True, slots=True)
class Places:
    """As `sidecar envoy` takes them from the command line."""

    edge: Address = ("127.0.0.1", 10000)
    """For the clients."""
    admin: Address = ("127.0.0.1", 9901)
    """Whoever reaches it can stop this Envoy."""
    status: Address | None = None
    """Health and statistics for those who must not reach the admin interface; None: no such listener."""
    otlp: Address | None = ("127.0.0.1", 4317)
    """The trace collector; None: no tracing."""
    workers: int = 1
    """How many processes of the sidecar decide, each with a socket of its own."""

    def options(self) -> str:
        """What of it has to be said on the command line."""
        written = {
            name: "none" if value is None else value if isinstance(value, int) else write_address(value)
            for name, value, usual in (
                ("listen", self.edge, AS_SHIPPED.edge),
                ("admin", self.admin, AS_SHIPPED.admin),
                ("status", self.status, AS_SHIPPED.status),
                ("otlp", self.otlp, AS_SHIPPED.otlp),
                ("workers", self.workers, AS_SHIPPED.workers),
            )
            if value != usual
        }
        return "".join(f" --{name} {value}" for name, value in written.items())


AS_SHIPPED = Places()
"""Those of envoy/envoy.yaml."""


def write_address(address: Address) -> str:
    """HOST:PORT."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
