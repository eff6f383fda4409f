"""What can be chosen about the demo."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Ports on loopback, and what to run. `otlp_endpoint`: `HOST:PORT` of a collector that speaks OTLP/gRPC."""

    envoy_port: int = 10000
    admin_port: int = 9901
    http_port: int = 9902
    control_port: int = 9910
    basic: bool = False
    workers: int = 1
    otlp_endpoint: str | None = None

    @property
    def ports(self) -> dict[str, int]:
        """Every port that must be free, by the option that changes it."""
        return {
            "--envoy-port": self.envoy_port,
            "--admin-port": self.admin_port,
            "--http-port": self.http_port,
            "--control-port": self.control_port,
        }

    @property
    def envoy_file(self) -> str:
        """The shipped configuration to run."""
        return "envoy-basic.yaml" if self.basic else "envoy.yaml"
