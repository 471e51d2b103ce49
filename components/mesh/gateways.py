"""The gateways of one cluster: one for requests from outside, one for requests from the other clusters."""

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.gateways import GatewaysConfig
from components.config.mesh import MeshConfig
from components.mesh import values
from components.mesh.charts import LOAD_BALANCER_TIMEOUT_SECONDS, release
from components.mesh.control_plane import IstioSystem
from components.naming import child, common_labels, type_token

INGRESS_NAMESPACE = "istio-ingress"
"""Apart from istiod's, because whoever may read its Secrets has the certificates of every public host."""

INGRESS_RELEASE = "istio-ingress"
"""Name of the release, its Deployment and its Service; the chart derives the label `istio: ingress` from it."""

EAST_WEST_RELEASE = "istio-eastwestgateway"
"""The same for the gateway between networks: `istio: eastwestgateway`, which Istio's own tools look for."""


class MeshGateways(pulumi.ComponentResource):
    """Two Envoy deployments with a load balancer each; what they serve is said by Gateway resources."""

    ingress_namespace: str
    """Where the ingress gateway runs and looks for the certificates of its hosts."""

    ingress_address: pulumi.Output[str]
    """Address (or the load balancer's host name) for requests from outside; unknown until it has been made."""

    east_west_address: pulumi.Output[str]
    """The same for requests from other clusters."""

    ingress_ready: tuple[pulumi.Resource, ...]
    """The gateway for requests from outside, done when it has its address."""

    east_west_ready: tuple[pulumi.Resource, ...]
    """The same for requests from other clusters."""

    def __init__(
        self,
        name: str,
        config: GatewaysConfig,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        control_plane: IstioSystem,
        serves_remotes: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`serves_remotes`: whether remote clusters come to the control plane by the gateway between networks."""
        super().__init__(type_token("mesh", "MeshGateways"), name, None, opts)
        self.ingress_namespace = INGRESS_NAMESPACE
        namespace = kubernetes.core.v1.Namespace(
            child(name, "ingress-namespace"),
            metadata={"name": INGRESS_NAMESPACE, "labels": common_labels("ingress", mesh_id=mesh.id)},
            opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=list(cluster.ready)),
        )
        of_ingress, of_east_west = mesh.of_gateway("ingress"), mesh.of_gateway("eastWest")
        # The pods of a gateway are Envoy only after istiod's webhook has injected them.
        ingress = release(
            child(name, "ingress"),
            of_ingress,
            "gateway",
            name=INGRESS_RELEASE,
            namespace=namespace.metadata["name"],
            values=values.ingress_values(
                of_ingress,
                config.ingress,
                drain=config.drain,
                release=INGRESS_RELEASE,
                proxy=control_plane.proxy_digest(of_ingress),
                balancer=cluster.balancers.ingress,
            ),
            parent=self,
            provider=cluster.provider,
            depends_on=control_plane.ready,
            timeout=LOAD_BALANCER_TIMEOUT_SECONDS,
        )
        east_west = release(
            child(name, "east-west"),
            of_east_west,
            "gateway",
            name=EAST_WEST_RELEASE,
            namespace=control_plane.namespace,
            values=values.east_west_values(
                of_east_west,
                config.east_west,
                drain=config.drain,
                release=EAST_WEST_RELEASE,
                proxy=control_plane.proxy_digest(of_east_west),
                network=cluster.network,
                serves_remotes=serves_remotes,
                balancer=cluster.balancers.east_west,
            ),
            parent=self,
            provider=cluster.provider,
            depends_on=control_plane.ready,
            timeout=LOAD_BALANCER_TIMEOUT_SECONDS,
        )
        self.ingress_address = self._address(child(name, "ingress-service"), ingress, cluster)
        self.east_west_address = self._address(child(name, "east-west-service"), east_west, cluster)
        self.ingress_ready = (ingress,)
        self.east_west_ready = (east_west,)
        self.register_outputs({"ingressAddress": self.ingress_address, "eastWestAddress": self.east_west_address})

    def _address(self, name: str, gateway: kubernetes.helm.v3.Release, cluster: Cluster) -> pulumi.Output[str]:
        # The id comes from the release's status: a preview before the first `up` then reads nothing.
        service = kubernetes.core.v1.Service.get(
            name,
            pulumi.Output.concat(gateway.status.namespace, "/", gateway.status.name),
            opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider),
        )
        return service.status.apply(address_of)


def address_of(status: kubernetes.core.v1.outputs.ServiceStatus | None) -> str:
    """Address or host name of a load balancer's Service; empty while it has none, as when it was withdrawn."""
    balancer = status.load_balancer if status is not None else None
    entries = balancer.ingress if balancer is not None else None
    addresses = (entry.ip or entry.hostname for entry in entries or ())
    return next((address for address in addresses if address), "")
