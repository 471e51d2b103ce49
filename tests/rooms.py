"""The rooms upstream of the one under test, wired as `__main__.py` wires them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi_kubernetes as kubernetes

from components.clusters import Cluster, provision
from components.config import StackConfig
from components.mesh import ControlPlane, MeshGateways
from components.resources import MeshNamespaces
from components.trust import Authorities


@dataclass(frozen=True)
class Mesh:
    """What exists before Istio's resources are made."""

    clusters: tuple[Cluster, ...]
    authorities: Authorities
    control_planes: dict[str, ControlPlane]
    gateways: dict[str, MeshGateways]
    namespaces: dict[str, Mapping[str, kubernetes.core.v1.Namespace]]


def mesh(config: StackConfig) -> Mesh:
    """Clusters, authorities, control planes and gateways of a stack; call it inside a mocked program."""
    clusters = provision(config)
    authorities = Authorities("trust", config.trust, clusters=[cluster.name for cluster in clusters])
    control_planes = {
        cluster.name: ControlPlane(
            f"{cluster.name}-mesh",
            config.meshes[cluster.name],
            trust=config.trust,
            cluster=cluster,
            intermediate=authorities.intermediates[cluster.name],
        )
        for cluster in clusters
    }
    gateways = {
        cluster.name: MeshGateways(
            f"{cluster.name}-gateways",
            config.gateways,
            mesh=config.meshes[cluster.name],
            cluster=cluster,
            control_plane=control_planes[cluster.name],
        )
        for cluster in clusters
    }
    namespaces = {
        cluster.name: MeshNamespaces(
            f"{cluster.name}-namespaces",
            config.platform,
            mesh=config.meshes[cluster.name],
            cluster=cluster,
            control_plane=control_planes[cluster.name],
        ).by_name
        for cluster in clusters
    }
    return Mesh(clusters, authorities, control_planes, gateways, namespaces)
