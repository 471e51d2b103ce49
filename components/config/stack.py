"""The root of the configuration: everything that a stack says."""

from functools import cached_property
from typing import Annotated

from pydantic import Field

from components.config.access import IssuersConfig
from components.config.clusters import ClustersConfig
from components.config.declared import Declared
from components.config.egress import EgressConfig
from components.config.extensions import ExtensionsConfig
from components.config.gateways import GatewaysConfig
from components.config.mesh import MeshConfig
from components.config.model import Model
from components.config.objects import ObjectsConfig
from components.config.platform import Platform
from components.config.security import SecurityConfig
from components.config.services import ServicesConfig
from components.config.telemetry import TelemetryConfig
from components.config.trust import TrustConfig


class StackConfig(Model):
    """One stack. Each field is one structured value in the namespace `istio-mesh`."""

    clusters: ClustersConfig = Field()
    """The clusters of the mesh, one per region."""

    trust: TrustConfig = Field()
    """Who trusts whom."""

    mesh: MeshConfig = Field()
    """The control plane."""

    gateways: GatewaysConfig = GatewaysConfig()
    """Where requests enter, and where they pass between networks."""

    security: SecurityConfig = SecurityConfig()
    """Exceptions from strict mutual TLS."""

    services: ServicesConfig = Field(default={})
    """The services of the platform, each said once, by `namespace/name`; none by default."""

    service_files: tuple[Annotated[str, Field(min_length=1, examples=["services/*.yaml"])], ...] = ()
    """Files with more services, each as below `services`; a `*` takes all that match. Relative to Pulumi.yaml. For
    services of many teams, and needed above 128 KiB of configuration, more than Linux hands to a program."""

    egress: EgressConfig = Field(default={})
    """Services outside the mesh that may be called from it; all else is refused. None by default."""

    issuers: IssuersConfig = Field(default={})
    """Who signs the tokens that services ask for, by name; none by default."""

    telemetry: TelemetryConfig = TelemetryConfig()
    """What the proxies tell of requests."""

    extensions: ExtensionsConfig = ExtensionsConfig()
    """Code of the platform's own in its proxies."""

    objects: ObjectsConfig = ()
    """Istio's objects written out, for what there is no word for; none by default."""

    @cached_property
    def platform(self) -> Platform:
        """The services, and what follows from all of them together."""
        return Platform(
            self.services,
            clusters=[cluster.name for cluster in self.clusters],
            external=self.egress,
            permissive=[entry.namespace for entry in self.security.permissive],
        )

    @cached_property
    def declared(self) -> Declared:
        """What mesh-wide settings depend on."""
        tells = bool(self.services) or "telemetry" in self.model_fields_set
        return Declared(services=bool(self.services), telemetry=self.telemetry if tells else None)
