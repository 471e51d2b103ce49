"""A cluster that was made elsewhere, named by kubeconfig and context."""

from collections.abc import Sequence

import pulumi

from components import naming
from components.clusters.cluster import Access, Cluster
from components.clusters.reachability import Reachability
from components.config.clusters import ClusterConfig


class ExistingCluster(pulumi.ComponentResource):
    """Checks that the cluster can be used, then owns its provider.

    The provider is given the kubeconfig's *path*, as the stack file has it: credentials stay out of the state, and a
    clone elsewhere shows no difference.
    """

    checked: Reachability
    """Done when the cluster can be used."""

    def __init__(
        self,
        name: str,
        config: ClusterConfig,
        *,
        istio_versions: Sequence[str],
        namespaces: Sequence[str] = (),
        autoscales: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`istio_versions`: of the istiods in it; `namespaces`: those that the stack labels for injection;
        `autoscales`: whether autoscalers of pods come into it."""
        super().__init__(naming.type_token("clusters", "ExistingCluster"), name, None, opts)
        self._name = name
        existing = config.existing
        assert existing is not None  # only `provision` makes these, of clusters that have it
        access = Access(existing.kubeconfig, existing.context)
        reachability = Reachability(
            naming.child(name, "reachability"),
            cluster=config.name,
            access=access,
            istio_versions=istio_versions,
            namespaces=namespaces,
            autoscales=autoscales,
            lost=config.lost,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.checked = reachability
        self._config, self._existing, self._access = config, existing, access
        self.register_outputs({"kubernetesVersion": reachability.kubernetes_version})

    def provide(self, checked: Sequence[pulumi.Resource]) -> Cluster:
        """The cluster with its provider, once all of `checked` are: where one of them is refused, none is changed."""
        config, existing, access = self._config, self._existing, self._access
        provider = access.provider(
            naming.child(self._name, "provider"),
            cluster=config.name,
            lost=config.lost,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(checked)),
        )
        return Cluster(
            name=config.name,
            region=config.region,
            network=config.network,
            provider=provider,
            api_server=existing.server,
            kubernetes_version=self.checked.kubernetes_version,
            access=access,
            primary=config.primary,
            ready=(self.checked,),
        )
