"""The clusters of the mesh: whatever a stack says of them comes out as the same `Cluster`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

import pulumi

from components.clusters.cluster import Cluster
from components.clusters.existing import ExistingCluster
from components.config import StackConfig
from components.config.clusters import ClusterConfig
from components.config.support import WARN_BEFORE, eks_support_of, support_of
from components.config.upgrade import GUIDE, minor_of

__all__ = ["Cluster", "ExistingCluster", "primaries_first", "provision", "public_name"]


def provision(config: StackConfig) -> tuple[Cluster, ...]:
    """The stack's clusters, in the order of its file. Warns of versions whose support has ended, or ends soon."""
    today = datetime.now(UTC).date()
    versions = {name: [each.version for each in mesh.revisions] for name, mesh in config.meshes.items()}
    for istio in sorted({minor_of(version) for each in versions.values() for version in each}):
        support = support_of(f"{istio}.0")
        if support is not None and support.end_of_life is not None and support.end_of_life < today:
            pulumi.log.warn(
                f"Istio {support.istio} has had no fixes since {support.end_of_life}, the end of its life. "
                f"Go on to a later one: {GUIDE}."
            )
    if config.aws is not None:
        # Not above: a stack of clusters that are there already needs nothing of AWS.
        from components.clusters.eks import eks_clusters

        for cluster in config.clusters:
            warning = eks_warning(cluster, today)
            if warning is not None:
                pulumi.log.warn(warning)
        name = config.gateways.ingress.name
        zone_id = None if name is None else name.zone_id
        return eks_clusters(
            config.clusters,
            config.aws,
            mesh_id=config.mesh.id,
            istio_versions=versions,
            namespaces={cluster.name: config.namespaces(cluster.name) for cluster in config.clusters},
            zone_id=zone_id,
        )
    sizes = (config.mesh.istiod.replicas, config.gateways.ingress.replicas, config.gateways.east_west.replicas)
    autoscales = any(size.min < size.max for size in sizes)
    found = [
        ExistingCluster(
            cluster.name,
            cluster,
            istio_versions=versions[cluster.name],
            namespaces=config.namespaces(cluster.name),
            autoscales=autoscales,
        )
        for cluster in config.clusters
    ]
    return tuple(each.provide([other.checked for other in found]) for each in found)


def eks_warning(cluster: ClusterConfig, today: date) -> str | None:
    """What to say of a version of EKS whose standard support has ended, or ends within WARN_BEFORE; else None."""
    row = None if cluster.eks is None else eks_support_of(cluster.eks.version)
    if row is None or row.end_of_support is None or row.end_of_support - today > WARN_BEFORE:
        return None
    ends = "ended" if row.end_of_support < today else "ends"
    return (
        f"EKS {row.version} of cluster `{cluster.name}`: its standard support {ends} on {row.end_of_support}. From "
        "then on EKS raises the version by itself, on a day of its own. Raise `eks.version` by one."
    )


def public_name(
    config: StackConfig,
    *,
    clusters: Sequence[Cluster],
    addresses: Mapping[str, pulumi.Output[str]],
    served_by: Mapping[str, Sequence[pulumi.Resource]],
) -> None:
    """The stack's one public name over all regions, where it has one; `addresses` are the ingresses', by cluster, and
    `served_by` what answers there."""
    name = config.gateways.ingress.name
    if name is not None:
        from components.clusters.name import PublicName

        hosts = [host for server in config.gateways.ingress.servers for host in server.hosts]
        PublicName("public-name", name, hosts=hosts, clusters=clusters, addresses=addresses, served_by=served_by)


def primaries_first(clusters: Iterable[Cluster]) -> list[Cluster]:
    """Remote clusters after all that have a control plane, else in the order of the file."""
    return sorted(clusters, key=lambda cluster: cluster.primary is not None)
