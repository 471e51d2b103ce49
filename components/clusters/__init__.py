"""The clusters of the mesh: whatever a stack says of them comes out as the same `Cluster`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pulumi

from components.clusters.cluster import Cluster
from components.clusters.existing import ExistingCluster
from components.config import StackConfig
from components.config.support import support_of

__all__ = ["Cluster", "ExistingCluster", "primaries_first", "provision", "public_name"]


def provision(config: StackConfig) -> tuple[Cluster, ...]:
    """The stack's clusters, in the order of its file. Warns when Istio's own support of the version has ended."""
    support = support_of(config.mesh.version)
    if support is not None and support.end_of_life is not None and support.end_of_life < datetime.now(UTC).date():
        pulumi.log.warn(
            f"Istio {support.istio} has had no fixes since {support.end_of_life}, the end of its life. "
            "Raise istio-mesh:mesh.version."
        )
    if config.aws is not None:
        # Not above: a stack of clusters that are there already needs nothing of AWS.
        from components.clusters.eks import eks_clusters

        name = config.gateways.ingress.name
        zone_id = None if name is None else name.zone_id
        return eks_clusters(
            config.clusters, config.aws, mesh_id=config.mesh.id, mesh_version=config.mesh.version, zone_id=zone_id
        )
    return tuple(
        ExistingCluster(cluster.name, cluster, mesh_version=config.mesh.version).cluster for cluster in config.clusters
    )


def public_name(
    config: StackConfig, *, clusters: Sequence[Cluster], addresses: Mapping[str, pulumi.Output[str]]
) -> None:
    """The stack's one public name over all regions, where it has one; `addresses` are the ingresses', by cluster."""
    name = config.gateways.ingress.name
    if name is not None:
        from components.clusters.name import PublicName

        hosts = [host for server in config.gateways.ingress.servers for host in server.hosts]
        PublicName("public-name", name, hosts=hosts, clusters=clusters, addresses=addresses)


def primaries_first(clusters: Iterable[Cluster]) -> list[Cluster]:
    """Remote clusters after all that have a control plane, else in the order of the file."""
    return sorted(clusters, key=lambda cluster: cluster.primary is not None)
