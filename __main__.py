"""The mesh, along the data's way: config, clusters, trust, mesh, resources, outputs."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from components import outputs, registrations
from components.clusters import primaries_first, provision, public_name
from components.config import load
from components.mesh import ControlPlane, IstioSystem, MeshGateways, RemoteControlPlane
from components.naming import child
from components.observability.tools import Tools
from components.resources import (
    Access,
    CrossNetworkGateway,
    Egress,
    Extensions,
    IngressCertificates,
    IngressGateways,
    IstiodGateway,
    MeshNamespaces,
    MeshSecurity,
    MeshTelemetry,
    OwnObjects,
    Routing,
    Scopes,
    Traffic,
)
from components.resources.egress import egress_objects
from components.resources.extensions import extension_objects
from components.resources.objects import own_objects
from components.trust import Authorities, RemoteSecrets

config = load(pulumi.Config())
# What is said of services is told to control planes, each for all clusters that it serves.
platform = config.configured

clusters = provision(config)
by_name = {cluster.name: cluster for cluster in clusters}
regions = {cluster.name: cluster.region for cluster in clusters}

authorities = Authorities("trust", config.trust, clusters=list(config.served), meshed=clusters, account=config.account)
certificates = IngressCertificates("ingress-certificates", config.gateways.ingress, mesh=config.mesh)

control_planes: dict[str, IstioSystem] = {}
tokens: dict[str, kubernetes.core.v1.Secret] = {}
gateways: dict[str, MeshGateways] = {}
exposed: dict[str, Sequence[pulumi.Resource]] = {}
cross_networks: dict[str, Sequence[pulumi.Resource]] = {}
public: dict[str, list[pulumi.Resource]] = {}

for cluster in primaries_first(clusters):
    # Each cluster stands where it stands in an upgrade.
    mesh = config.meshes[cluster.name]
    serves_remotes = len(config.served.get(cluster.name, ())) > 1
    if cluster.primary is None:
        control_plane = ControlPlane(
            child(cluster.name, "control-plane"),
            mesh,
            trust=config.trust,
            cluster=cluster,
            intermediate=authorities.intermediates[cluster.name],
            declared=config.declared,
            serves_remotes=serves_remotes,
        )
    else:
        control_plane = RemoteControlPlane(
            child(cluster.name, "control-plane"),
            mesh,
            trust=config.trust,
            cluster=cluster,
            primary=by_name[cluster.primary],
            primary_address=gateways[cluster.primary].east_west_address,
            root_certificates=authorities.root_certificates,
            exposed=exposed[cluster.primary],
        )
        tokens[cluster.name] = control_plane.token
    control_planes[cluster.name] = control_plane
    gateway = gateways[cluster.name] = MeshGateways(
        child(cluster.name, "gateways"),
        config.gateways,
        mesh=mesh,
        cluster=cluster,
        control_plane=control_plane,
        serves_remotes=serves_remotes,
    )
    if cluster.primary is None:
        cross_networks[cluster.name] = CrossNetworkGateway(
            child(cluster.name, "cross-network"),
            mesh=mesh,
            cluster=cluster,
            control_plane=control_plane,
            gateways=gateway,
        ).ready
    else:
        cross_networks[cluster.name] = [*gateway.east_west_ready, *cross_networks[cluster.primary]]
    if serves_remotes:
        exposed[cluster.name] = IstiodGateway(
            child(cluster.name, "istiod-gateway"),
            mesh=mesh,
            cluster=cluster,
            control_plane=control_plane,
            gateways=gateway,
        ).ready
    ingress = IngressGateways(
        child(cluster.name, "ingress"),
        config.gateways.ingress,
        mesh=mesh,
        cluster=cluster,
        gateways=gateway,
        certificates=certificates,
    )
    public[cluster.name] = [*gateway.ingress_ready, ingress]
    # Until the stack says its services, nothing may be refused, and a concern that it says nothing of has no part here.
    serves = bool(platform.namespaces(cluster.name))
    of_services: Mapping[str, kubernetes.core.v1.Namespace] = {}
    if serves:
        of_services = MeshNamespaces(
            child(cluster.name, "namespaces"), platform, mesh=mesh, cluster=cluster, control_plane=control_plane
        ).by_name
    security = MeshSecurity(
        child(cluster.name, "security"),
        config.security,
        mesh=mesh,
        cluster=cluster,
        control_plane=control_plane,
        namespaces=of_services,
    )
    namespaces = {**of_services, **security.namespaces}
    if serves:
        Scopes(
            child(cluster.name, "scopes"),
            config.platform,
            configured=platform,
            mesh=mesh,
            cluster=cluster,
            namespaces=namespaces,
            always=config.telemetry.hosts,
            depends_on=control_plane.ready,
        )
    if cluster.primary is not None:
        # Nobody reads Istio's objects here: they are in the primary.
        continue
    if serves:
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
        traffic = Traffic(
            child(cluster.name, "traffic"),
            platform,
            mesh=mesh,
            regions=regions,
            cluster=cluster,
            namespaces=namespaces,
            depends_on=control_plane.ready,
        )
        routing = Routing(
            child(cluster.name, "routing"),
            platform,
            mesh=mesh,
            cluster=cluster,
            namespaces=namespaces,
            rules=traffic.rules,
            depends_on=[*control_plane.ready, *gateway.ingress_ready],
        )
        public[cluster.name].append(routing)
    if egress_objects(platform, cluster.name):
        Egress(child(cluster.name, "egress"), platform, mesh=mesh, cluster=cluster, depends_on=control_plane.ready)
    if config.declared.telemetry is not None:
        MeshTelemetry(
            child(cluster.name, "telemetry"),
            config.declared.telemetry,
            mesh=mesh,
            cluster=cluster,
            depends_on=control_plane.ready,
        )
    if extension_objects(config.extensions, platform.running(cluster.name)):
        Extensions(
            child(cluster.name, "extensions"),
            config.extensions,
            platform=platform,
            mesh=mesh,
            cluster=cluster,
            namespaces=namespaces,
            depends_on=control_plane.ready,
        )
    if config.telemetry.tools is not None:
        Tools(
            child(cluster.name, "tools"),
            config.telemetry.tools,
            mesh=mesh,
            trust_domain=config.trust.trust_domain,
            cluster=cluster,
            namespaces=namespaces,
            depends_on=control_plane.ready,
        )
    if own_objects(config.objects, cluster.name):
        OwnObjects(
            child(cluster.name, "objects"),
            config.objects,
            mesh=mesh,
            cluster=cluster,
            namespaces=namespaces,
            depends_on=control_plane.ready,
        )

RemoteSecrets(
    "remote",
    config.trust.remote_tokens,
    clusters=clusters,
    control_planes=control_planes,
    gateways=cross_networks,
    tokens=tokens,
)

public_name(
    config,
    clusters=clusters,
    addresses={name: made.ingress_address for name, made in gateways.items()},
    served_by=public,
)

outputs.export(config, clusters=clusters, authorities=authorities, certificates=certificates, gateways=gateways)

pulumi.run(registrations.begun)
