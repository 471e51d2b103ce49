"""The mesh, along the data's way: config, clusters, trust, mesh, resources, outputs."""

import pulumi

from components import outputs
from components.clusters import provision
from components.config import load
from components.mesh import ControlPlane, MeshGateways
from components.naming import child
from components.resources import CrossNetworkGateway, IngressCertificates, IngressGateways, MeshSecurity
from components.trust import Authorities, RemoteSecrets

config = load(pulumi.Config())
mesh = config.mesh

clusters = provision(config)

authorities = Authorities("trust", config.trust, clusters=[cluster.name for cluster in clusters])
certificates = IngressCertificates("ingress-certificates", config.gateways.ingress, mesh=mesh)

control_planes: dict[str, ControlPlane] = {}
gateways: dict[str, MeshGateways] = {}
cross_networks: dict[str, CrossNetworkGateway] = {}

for cluster in clusters:
    control_plane = control_planes[cluster.name] = ControlPlane(
        child(cluster.name, "control-plane"),
        mesh,
        trust=config.trust,
        cluster=cluster,
        intermediate=authorities.intermediates[cluster.name],
    )
    gateway = gateways[cluster.name] = MeshGateways(
        child(cluster.name, "gateways"), config.gateways, mesh=mesh, cluster=cluster, control_plane=control_plane
    )
    cross_networks[cluster.name] = CrossNetworkGateway(
        child(cluster.name, "cross-network"),
        mesh=mesh,
        cluster=cluster,
        control_plane=control_plane,
        gateways=gateway,
    )
    IngressGateways(
        child(cluster.name, "ingress"),
        config.gateways.ingress,
        mesh=mesh,
        cluster=cluster,
        gateways=gateway,
        certificates=certificates,
    )
    MeshSecurity(
        child(cluster.name, "security"), config.security, mesh=mesh, cluster=cluster, control_plane=control_plane
    )

RemoteSecrets(
    "remote",
    config.trust.remote_tokens,
    clusters=clusters,
    control_planes=control_planes,
    gateways={name: cross_network.ready for name, cross_network in cross_networks.items()},
)

outputs.export(config, clusters=clusters, authorities=authorities, certificates=certificates, gateways=gateways)
