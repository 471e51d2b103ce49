"""What a stack declares besides its mesh: until it says its services, nothing may be refused."""

from dataclasses import dataclass

from components.config.telemetry import TelemetryConfig


@dataclass(frozen=True)
class Declared:
    """What mesh-wide settings depend on."""

    services: bool = False
    """Whether it declares services; issuers and external services are nothing without them."""

    telemetry: TelemetryConfig | None = None
    """What proxies tell; None where the stack declares neither that nor services, and Istio's own way is kept."""


NOTHING = Declared()
"""A stack of clusters and gateways alone."""
