"""The mesh, along the data's way: config, clusters, trust, mesh, resources, outputs."""

import pulumi

from components import outputs
from components.clusters import provision
from components.config import load
from components.mesh import ControlPlane, MeshGateways
from components.naming import child
from components.resources import (
    Access,
    CrossNetworkGateway,
    Egress,
    Extensions,
    IngressCertificates,
    IngressGateways,
    MeshNamespaces,
    MeshSecurity,
    MeshTelemetry,
    OwnObjects,
    Routing,
    Scopes,
    Traffic,
)
from components.trust import Authorities, RemoteSecrets

config = load(pulumi.Config())
mesh = config.mesh
platform = config.platform

clusters = provision(config)
regions = {cluster.name: cluster.region for cluster in clusters}

authorities = Authorities("trust", config.trust, clusters=[cluster.name for cluster in clusters])
certificates = IngressCertificates("ingress-certificates", config.gateways.ingress, mesh=mesh)

control_planes: dict[str, ControlPlane] = {}
gateways: dict[str, MeshGateways] = {}
ready: list[pulumi.Resource] = []

for cluster in clusters:
    control_plane = control_planes[cluster.name] = ControlPlane(
        child(cluster.name, "control-plane"),
        mesh,
        trust=config.trust,
        cluster=cluster,
        intermediate=authorities.intermediates[cluster.name],
        telemetry=config.telemetry,
    )
    gateway = gateways[cluster.name] = MeshGateways(
        child(cluster.name, "gateways"), config.gateways, mesh=mesh, cluster=cluster, control_plane=control_plane
    )
    cross_network = CrossNetworkGateway(
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
    namespaces = MeshNamespaces(
        child(cluster.name, "namespaces"), platform, mesh=mesh, cluster=cluster, control_plane=control_plane
    ).by_name
    MeshSecurity(
        child(cluster.name, "security"),
        config.security,
        mesh=mesh,
        cluster=cluster,
        control_plane=control_plane,
        namespaces=namespaces,
    )
    Access(
        child(cluster.name, "access"),
        platform,
        issuers=config.issuers,
        security=config.security,
        trust=config.trust,
        mesh=mesh,
        cluster=cluster,
        namespaces=namespaces,
        depends_on=control_plane.ready,
    )
    Egress(child(cluster.name, "egress"), platform, mesh=mesh, cluster=cluster, depends_on=control_plane.ready)
    Scopes(
        child(cluster.name, "scopes"),
        platform,
        mesh=mesh,
        cluster=cluster,
        namespaces=namespaces,
        always=config.telemetry.hosts,
        depends_on=control_plane.ready,
    )
    traffic = Traffic(
        child(cluster.name, "traffic"),
        platform,
        mesh=mesh,
        regions=regions,
        cluster=cluster,
        namespaces=namespaces,
        depends_on=control_plane.ready,
    )
    Routing(
        child(cluster.name, "routing"),
        platform,
        mesh=mesh,
        cluster=cluster,
        namespaces=namespaces,
        rules=traffic.rules,
        depends_on=[*control_plane.ready, *gateway.ready],
    )
    MeshTelemetry(
        child(cluster.name, "telemetry"),
        config.telemetry,
        mesh=mesh,
        cluster=cluster,
        depends_on=control_plane.ready,
    )
    Extensions(
        child(cluster.name, "extensions"),
        config.extensions,
        platform=platform,
        mesh=mesh,
        cluster=cluster,
        namespaces=namespaces,
        depends_on=control_plane.ready,
    )
    OwnObjects(
        child(cluster.name, "objects"),
        config.objects,
        mesh=mesh,
        cluster=cluster,
        namespaces=namespaces,
        depends_on=control_plane.ready,
    )
    ready += [*gateway.ready, *cross_network.ready]

RemoteSecrets("remote", config.trust.remote_tokens, clusters=clusters, control_planes=control_planes, gateways=ready)

outputs.export(config, clusters=clusters, authorities=authorities, certificates=certificates, gateways=gateways)
