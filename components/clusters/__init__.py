"""The clusters of the mesh: whatever a stack says of them comes out as the same `Cluster`."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pulumi

from components.clusters.cluster import Cluster
from components.clusters.existing import ExistingCluster
from components.config import StackConfig
from components.config.support import support_of

__all__ = ["Cluster", "ExistingCluster", "primaries_first", "provision"]


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

        return eks_clusters(config.clusters, config.aws, mesh_id=config.mesh.id, mesh_version=config.mesh.version)
    return tuple(
        ExistingCluster(cluster.name, cluster, mesh_version=config.mesh.version).cluster for cluster in config.clusters
    )


def primaries_first(clusters: Iterable[Cluster]) -> list[Cluster]:
    """Remote clusters after all that have a control plane, else in the order of the file."""
    return sorted(clusters, key=lambda cluster: cluster.primary is not None)
