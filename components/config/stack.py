"""The root of the configuration: everything that a stack says."""

from pydantic import Field

from components.config.clusters import ClustersConfig
from components.config.gateways import GatewaysConfig
from components.config.mesh import MeshConfig
from components.config.model import Model
from components.config.security import SecurityConfig
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
