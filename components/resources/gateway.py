"""What the gateways serve: the public hosts with their certificates, and the other networks' requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.defaults import INGRESS_AUTHORITY_LIFETIME
from components.config.gateways import CertManagerTls, IngressConfig, ServerConfig
from components.config.mesh import MeshConfig
from components.config.names import CLUSTER_DOMAIN
from components.encoding import secret_value
from components.mesh.control_plane import NAMESPACE, IstioSystem
from components.mesh.gateways import MeshGateways
from components.mesh.values import istiod_host
from components.naming import child, common_labels, host_credential, type_token
from components.resources.objects import IstioObject, create
from components.trust.generated import RootCertificate, ServerCertificate

MINIMUM_TLS = "TLSV1_2"
"""Oldest version of TLS that the ingress speaks, in Istio's word for it."""

ISTIOD_GATEWAY = "istiod-gateway"
"""Name of the Gateway by which remote clusters reach istiod, and of its VirtualService."""

_ISTIOD_PORTS = (("tls-istiod", 15012, 15012), ("tls-webhook", 15017, 443))
"""Name and number of the Gateway's ports, with the port of istiod's Service behind each."""


@dataclass(frozen=True)
class TlsPair:
    """What a kubernetes.io/tls Secret holds: certificate (then its issuers) and key, both PEM."""

    certificate: pulumi.Input[str]
    private_key: pulumi.Input[str]


class IngressCertificates(pulumi.ComponentResource):
    """The certificates that the stack has for its public hosts, the same ones in every cluster.

    Generated ones have an authority of their own, never the mesh's root: a client that trusts a web site must not by
    that trust the mesh's workloads. They are renewed in place by an `up` in the last third of their life.
    """

    authority_certificate: pulumi.Output[str] | None
    """What clients verify generated certificates with (PEM); None when nothing is generated."""

    pairs: Mapping[str, TlsPair]
    """By credential name: see `credential_name`."""

    def __init__(
        self,
        name: str,
        config: IngressConfig,
        *,
        mesh: MeshConfig,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "IngressCertificates"), name, None, opts)
        organization = f"{mesh.id} ingress"
        authority: RootCertificate | None = None
        pairs: dict[str, TlsPair] = {}
        for server in config.servers:
            credential = credential_name(server)
            if server.tls.generated is not None:
                authority = authority or RootCertificate(
                    child(name, "authority"),
                    organization=organization,
                    common_name="Ingress CA",
                    lifetime=INGRESS_AUTHORITY_LIFETIME.seconds,
                    opts=pulumi.ResourceOptions(parent=self),
                )
                made = ServerCertificate(
                    child(name, credential),
                    issuer=authority,
                    organization=organization,
                    hosts=list(server.hosts),
                    lifetime=server.tls.generated.lifetime.seconds,
                    opts=pulumi.ResourceOptions(parent=self),
                )
                pairs[credential] = TlsPair(made.certificate, made.private_key)
            elif server.tls.certificate is not None and server.tls.private_key is not None:
                key = pulumi.Output.secret(server.tls.private_key.get_secret_value())
                pairs[credential] = TlsPair(server.tls.certificate, key)
        self.authority_certificate = None if authority is None else authority.certificate
        self.pairs = pairs
        self.register_outputs({"authorityCertificate": self.authority_certificate})


class IngressGateways(pulumi.ComponentResource):
    """The ingress gateway's Gateway resource in one cluster, and the Secrets with its hosts' certificates.

    A remote cluster has the Secrets alone: its primary's Gateway is for the gateways of both.
    """

    ready: tuple[pulumi.Resource, ...]
    """What serves the hosts; nothing when none is configured, or another cluster's does."""

    def __init__(
        self,
        name: str,
        config: IngressConfig,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        gateways: MeshGateways,
        certificates: IngressCertificates,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "IngressGateways"), name, None, opts)
        self.ready = ()
        namespace = gateways.ingress_namespace
        labels = common_labels("ingress", mesh_id=mesh.id)
        children = pulumi.ResourceOptions(
            parent=self, provider=cluster.provider, depends_on=list(gateways.ingress_ready)
        )
        credentials: list[pulumi.Resource] = []
        for credential, pair in certificates.pairs.items():
            credentials.append(
                kubernetes.core.v1.Secret(
                    child(name, credential),
                    metadata={"name": credential, "namespace": namespace, "labels": labels},
                    type="kubernetes.io/tls",
                    data={
                        "tls.crt": secret_value(pair.certificate),
                        "tls.key": secret_value(pair.private_key),
                    },
                    opts=children,
                )
            )
        for server in config.servers:
            if server.tls.cert_manager is not None:
                credential = credential_name(server)
                credentials.append(
                    kubernetes.apiextensions.CustomResource(
                        child(name, credential),
                        api_version="cert-manager.io/v1",
                        kind="Certificate",
                        metadata={"name": credential, "namespace": namespace, "labels": labels},
                        spec=certificate_spec(server.hosts, server.tls.cert_manager, secret=credential),
                        opts=children,
                    )
                )
        # istiod finds the certificates in the cluster of the gateway's pods, and what they serve in its own.
        if config.servers and cluster.primary is None:
            gateway = kubernetes.apiextensions.CustomResource(
                child(name, "gateway"),
                api_version="networking.istio.io/v1",
                kind="Gateway",
                metadata={"name": "ingress", "namespace": namespace, "labels": labels},
                spec=ingress_spec(config.servers),
                opts=pulumi.ResourceOptions(
                    parent=self, provider=cluster.provider, depends_on=[*gateways.ingress_ready, *credentials]
                ),
            )
            self.ready = (gateway,)
        self.register_outputs({})


class CrossNetworkGateway(pulumi.ComponentResource):
    """What the east-west gateway of one cluster lets through: mutual TLS of the mesh, to services of the cluster."""

    ready: tuple[pulumi.Resource, ...]
    """The Gateway resource, done after its Envoy has an address."""

    def __init__(
        self,
        name: str,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        control_plane: IstioSystem,
        gateways: MeshGateways,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "CrossNetworkGateway"), name, None, opts)
        gateway = kubernetes.apiextensions.CustomResource(
            child(name, "gateway"),
            api_version="networking.istio.io/v1",
            kind="Gateway",
            metadata={
                "name": "cross-network-gateway",
                "namespace": control_plane.namespace,
                "labels": common_labels("east-west", mesh_id=mesh.id),
            },
            spec=cross_network_spec(),
            opts=pulumi.ResourceOptions(
                parent=self, provider=cluster.provider, depends_on=list(gateways.east_west_ready)
            ),
        )
        self.ready = (gateway,)
        self.register_outputs({})


class IstiodGateway(pulumi.ComponentResource):
    """What the east-west gateway of a primary lets through to its istiod: connections of its remote clusters."""

    ready: tuple[pulumi.Resource, ...]
    """The way to istiod, done after its Envoy has an address."""

    def __init__(
        self,
        name: str,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        control_plane: IstioSystem,
        gateways: MeshGateways,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "IstiodGateway"), name, None, opts)
        self.ready = create(
            self,
            name,
            istiod_objects(mesh, cluster.network),
            labels=common_labels("east-west", mesh_id=mesh.id),
            cluster=cluster,
            depends_on=[*control_plane.ready, *gateways.east_west_ready],
            namespaces={},
        )
        self.register_outputs({})


def credential_name(server: ServerConfig) -> str:
    """Name of the Secret, in the ingress gateway's namespace, with the certificate of `server`.

    Made from its first host, so that it stays when servers are put in another order.
    """
    return server.tls.existing_secret or host_credential(server.hosts[0])


def attached_hosts(server: ServerConfig) -> list[str]:
    """A server's hosts as a Gateway has them: one that is offered takes no route from any other namespace."""
    if server.offered_to is None:
        return list(server.hosts)
    return [f"{namespace}/{host}" for namespace in server.offered_to for host in server.hosts]


def ingress_spec(servers: Sequence[ServerConfig]) -> dict[str, Any]:
    """The Gateway of all public hosts: 443 with each server's certificate, 80 redirected to it."""
    return {
        "selector": {"istio": "ingress"},
        "servers": [
            *(
                {
                    # Istio refuses a name that is there twice, and takes it into the name of the route.
                    "port": {"number": 443, "name": f"https-{server.hosts[0]}", "protocol": "HTTPS"},
                    "hosts": attached_hosts(server),
                    "tls": {
                        "mode": "SIMPLE",
                        "credentialName": credential_name(server),
                        "minProtocolVersion": MINIMUM_TLS,
                    },
                }
                for server in servers
            ),
            {
                "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                "hosts": [host for server in servers for host in attached_hosts(server)],
                "tls": {"httpsRedirect": True},
            },
        ],
    }


def cross_network_spec() -> dict[str, Any]:
    """The Gateway between networks: passes mutual TLS on, unopened, by its SNI, to services of the cluster alone.

    `*.local` is every name that ends in `.local`, which hosts outside the clusters do not.
    """
    return {
        "selector": {"istio": "eastwestgateway"},
        "servers": [
            {
                "port": {"number": 15443, "name": "tls", "protocol": "TLS"},
                "hosts": ["*.local"],
                "tls": {"mode": "AUTO_PASSTHROUGH"},
            }
        ],
    }


def istiod_objects(mesh: MeshConfig, network: str) -> list[IstioObject]:
    """The Gateway and the VirtualService by which remote clusters reach the istiods of the cluster on `network`."""
    hosts = [istiod_host(each) for each in mesh.revisions]
    return [
        IstioObject("Gateway", NAMESPACE, ISTIOD_GATEWAY, istiod_gateway_spec(hosts, network)),
        IstioObject("VirtualService", NAMESPACE, ISTIOD_GATEWAY, istiod_route_spec(hosts)),
    ]


def istiod_gateway_spec(hosts: Sequence[str], network: str) -> dict[str, Any]:
    """The Gateway of istiods, which are asked for as `hosts`: passes their TLS on, unopened, and nothing else.

    On the pods of this network alone: Istio gives a Gateway to the gateways of remote clusters too.
    """
    return {
        "selector": {"istio": "eastwestgateway", "topology.istio.io/network": network},
        "servers": [
            {
                "port": {"number": port, "name": name, "protocol": "TLS"},
                "hosts": list(hosts),
                "tls": {"mode": "PASSTHROUGH"},
            }
            for name, port, _ in _ISTIOD_PORTS
        ],
    }


def istiod_route_spec(hosts: Sequence[str]) -> dict[str, Any]:
    """The VirtualService from that Gateway to istiods' Services, for configuration and certificates, and webhooks."""
    return {
        "hosts": list(hosts),
        "gateways": [ISTIOD_GATEWAY],
        # Nobody but the gateway has a use for it.
        "exportTo": ["."],
        "tls": [
            {
                "match": [{"port": port, "sniHosts": [host]}],
                "route": [{"destination": {"host": f"{host}.{CLUSTER_DOMAIN}", "port": {"number": target}}}],
            }
            for host in hosts
            for _, port, target in _ISTIOD_PORTS
        ],
    }


def certificate_spec(hosts: Sequence[str], issuer: CertManagerTls, *, secret: str) -> dict[str, Any]:
    """A cert-manager Certificate for `hosts`, kept and renewed in the Secret `secret`."""
    return {
        "secretName": secret,
        "dnsNames": list(hosts),
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"name": issuer.issuer, "kind": issuer.kind, "group": "cert-manager.io"},
    }
