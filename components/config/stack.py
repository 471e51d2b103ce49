"""The root of the configuration: everything that a stack says."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated

from pydantic import Field

from components.config.access import IssuersConfig
from components.config.aws import AwsConfig
from components.config.clusters import ClustersConfig
from components.config.declared import Declared
from components.config.egress import EgressConfig
from components.config.extensions import ExtensionsConfig
from components.config.gateways import GatewaysConfig
from components.config.mesh import MeshConfig
from components.config.model import Model
from components.config.objects import ObjectsConfig
from components.config.platform import Platform
from components.config.policies import PoliciesConfig
from components.config.security import SecurityConfig
from components.config.services import ServiceConfig, ServicesConfig
from components.config.telemetry import TelemetryConfig
from components.config.tools import services
from components.config.trust import TrustConfig
from components.config.upgrades import standing


class StackConfig(Model):
    """One stack. Each field is one structured value in the namespace `istio-mesh`."""

    clusters: ClustersConfig = Field()
    """The clusters of the mesh, one per region."""

    trust: TrustConfig = Field()
    """Who trusts whom."""

    mesh: MeshConfig = Field()
    """The control plane."""

    aws: AwsConfig | None = None
    """What the clusters that the stack makes in AWS have in common; default: none, it makes no cluster."""

    gateways: GatewaysConfig = GatewaysConfig()
    """Where requests enter, and where they pass between networks."""

    security: SecurityConfig = SecurityConfig()
    """Exceptions from strict mutual TLS, which is mesh-wide."""

    services: ServicesConfig = Field(default={})
    """The services of the platform, each said once, by `namespace/name`; default: none."""

    service_files: tuple[Annotated[str, Field(min_length=1, examples=["services/*.yaml"])], ...] = ()
    """Files with more services, each as below `services`; a `*` takes all that match. Relative to Pulumi.yaml. For
    services of many teams, and needed above 128 KiB of configuration, more than Linux hands to a program."""

    egress: EgressConfig = Field(default={})
    """Services outside the mesh that may be called from it, by a name of the stack's own; default: none. All else is
    refused."""

    issuers: IssuersConfig = Field(default={})
    """Who signs the tokens that services ask for, by name; default: none."""

    telemetry: TelemetryConfig = TelemetryConfig()
    """What the proxies tell of requests."""

    extensions: ExtensionsConfig = ExtensionsConfig()
    """Wasm modules of the platform's own in its proxies."""

    objects: ObjectsConfig = ()
    """Istio's objects written out, for what there is no word for; default: none."""

    policies: PoliciesConfig = PoliciesConfig()
    """Exemptions from the policies that judge each preview, and their parameters."""

    @property
    def account(self) -> str | None:
        """The AWS account that the stack makes its clusters in; None where it makes none."""
        return None if self.aws is None else self.aws.account

    @cached_property
    def known_services(self) -> dict[str, ServiceConfig]:
        """The services of the file and the tools, which are services like them."""
        return {**self.services, **services(self.telemetry.tools, [cluster.name for cluster in self.clusters])}

    @cached_property
    def meshes(self) -> dict[str, MeshConfig]:
        """For each cluster the mesh as it stands there: a remote one has what its primary has."""
        by_name = {cluster.name: cluster for cluster in self.clusters}
        return {
            cluster.name: standing(self.mesh, by_name[cluster.primary or cluster.name]) for cluster in self.clusters
        }

    def namespaces(self, cluster: str) -> tuple[str, ...]:
        """The namespaces that the stack labels for injection in a cluster."""
        return tuple(
            sorted({*self.platform.namespaces(cluster), *(entry.namespace for entry in self.security.permissive)})
        )

    @cached_property
    def platform(self) -> Platform:
        """The services, and what follows from all of them together."""
        return self._platform({})

    @cached_property
    def served(self) -> dict[str, tuple[str, ...]]:
        """For each cluster with a control plane, the clusters that it serves: itself, then its remotes."""
        return {
            primary.name: (primary.name, *(other.name for other in self.clusters if other.primary == primary.name))
            for primary in self.clusters
            if primary.primary is None
        }

    @cached_property
    def configured(self) -> Platform:
        """The same as control planes are told it: one reads its own cluster's objects for all clusters that it serves.

        In it a primary cluster and its remotes are one; what is in a remote cluster itself says `platform`.
        """
        return self._platform(self.served)

    def _platform(self, together: Mapping[str, Sequence[str]]) -> Platform:
        return Platform(
            self.known_services,
            clusters=[cluster.name for cluster in self.clusters],
            external=self.egress,
            permissive=[entry.namespace for entry in self.security.permissive],
            together=together,
        )

    @cached_property
    def declared(self) -> Declared:
        """What mesh-wide settings depend on."""
        tells = bool(self.services) or "telemetry" in self.model_fields_set
        return Declared(services=bool(self.services), telemetry=self.telemetry if tells else None)
