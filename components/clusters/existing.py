"""A cluster that was made elsewhere, named by kubeconfig and context."""

import pulumi
import pulumi_kubernetes as kubernetes

from components import naming
from components.clusters.cluster import Access, Cluster
from components.clusters.reachability import Reachability
from components.config.clusters import ClusterConfig


class ExistingCluster(pulumi.ComponentResource):
    """Checks that the cluster can be used, and owns its provider.

    The provider is given the kubeconfig's *path*, as the stack file has it: credentials stay out of the state, and a
    clone elsewhere shows no difference.
    """

    cluster: Cluster

    def __init__(
        self,
        name: str,
        config: ClusterConfig,
        *,
        mesh_version: str,
        autoscales: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`autoscales`: whether autoscalers of pods come into it."""
        super().__init__(naming.type_token("clusters", "ExistingCluster"), name, None, opts)
        existing = config.existing
        assert existing is not None  # only `provision` makes these, of clusters that have it
        access = Access(existing.kubeconfig, existing.context)
        reachability = Reachability(
            naming.child(name, "reachability"),
            cluster=config.name,
            access=access,
            istio_version=mesh_version,
            autoscales=autoscales,
            opts=pulumi.ResourceOptions(parent=self),
        )
        provider = kubernetes.Provider(
            naming.child(name, "provider"),
            # Empty, not absent: the SDK would put the environment's KUBECONFIG, a path of this machine, into the state.
            kubeconfig=existing.kubeconfig or "",
            context=existing.context,
            # Alone decides whether the provider is replaced, and everything in the cluster with it.
            cluster_identifier=config.name,
            enable_server_side_apply=True,
            # cacerts and remote secrets change in place: a replaced one would be gone for a moment.
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[reachability]),
        )
        self.cluster = Cluster(
            name=config.name,
            region=config.region,
            network=config.network,
            provider=provider,
            api_server=existing.server,
            kubernetes_version=reachability.kubernetes_version,
            access=access,
            primary=config.primary,
            ready=(reachability,),
        )
        self.register_outputs({"kubernetesVersion": reachability.kubernetes_version})
