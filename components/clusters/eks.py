"""The clusters that a stack makes in AWS: each with its network, and the ways between all of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.clusters.account import Place, places, regional_provider
from components.clusters.balancers import LoadBalancerController, load_balancer
from components.clusters.cert_manager import CertManager
from components.clusters.cluster import Access, Cluster, LoadBalancers
from components.clusters.control_plane import EksControlPlane
from components.clusters.network import Network
from components.clusters.nodes import Compute
from components.clusters.paths import End, ManagementPeering, Peerings, TransitGateways
from components.clusters.reachability import Reachability
from components.clusters.rules import Caller, Rules
from components.config.aws import AwsConfig
from components.config.aws_faults import zones_of
from components.config.aws_network import addresses
from components.config.clusters import ClusterConfig
from components.config.eks import EksClusterConfig
from components.naming import child, type_token

BETWEEN = "between-regions"
"""Logical name of the ways between the regions."""


@dataclass(frozen=True)
class _Made:
    """One cluster on its way: what is there of it before its control plane."""

    config: ClusterConfig
    eks: EksClusterConfig
    place: Place
    cidr: str
    network: Network

    @property
    def end(self) -> End:
        network = self.network
        automatic = self.eks.compute.auto_mode is not None
        return End(self.place, network.vpc_id, self.cidr, network.tables, network.intra, self.eks.slot, automatic)

    @property
    def addresses_on_the_internet(self) -> list[pulumi.Output[str]]:
        return [pulumi.Output.concat(address, "/32") for address in self.network.egress]


def eks_clusters(
    clusters: Sequence[ClusterConfig],
    shared: AwsConfig,
    *,
    mesh_id: str,
    istio_versions: Mapping[str, Sequence[str]],
    namespaces: Mapping[str, Sequence[str]],
    zone_id: str | None,
) -> tuple[Cluster, ...]:
    """Makes them; `istio_versions` are of each one's istiods, `namespaces` those in it that the stack labels for
    injection, and `zone_id` is the hosted zone of their public hosts.

    The networks of all come first, since each cluster's rules and allow-list name the others.
    """
    where = places(shared, mesh_id=mesh_id, clusters={cluster.name: cluster.region for cluster in clusters})
    made: dict[str, _Made] = {}
    for cluster in clusters:
        assert cluster.eks is not None  # only those are given
        ranges = addresses(shared.network, cluster.eks.slot, zones_of(cluster, cluster.eks))
        place = where[cluster.name]
        network = Network(child(cluster.name, "network"), shared.network, place=place, ranges=ranges)
        made[cluster.name] = _Made(cluster, cluster.eks, place, ranges.vpc, network)
    paths = _between(shared, made)
    management = _management(shared, where)
    return tuple(
        EksCluster(
            name,
            shared,
            made=made,
            istio_versions=istio_versions[name],
            namespaces=namespaces[name],
            paths=paths,
            management=management,
            zone_id=zone_id,
        ).cluster
        for name in made
    )


def _between(shared: AwsConfig, made: Mapping[str, _Made]) -> list[pulumi.Resource]:
    """The private ways; none where the internet is the way, or there is no other region."""
    ends = {name: found.end for name, found in made.items()}
    between = shared.between_regions
    if len(ends) == 1 or between.public_load_balancers is not None:
        return []
    if between.transit_gateway is not None:
        return [TransitGateways(BETWEEN, between.transit_gateway, ends, supernet=shared.network.supernet)]
    return [Peerings(BETWEEN, ends)]


def _management(shared: AwsConfig, where: Mapping[str, Place]) -> aws.Provider | None:
    """The way into the management VPC's region, which may be one of the clusters'."""
    management = shared.deploy_from.management_vpc
    if management is None:
        return None
    same = next((place.provider for place in where.values() if place.region == management.region), None)
    return same or regional_provider(management.region, shared.account)


class EksCluster(pulumi.ComponentResource):
    """One cluster with all that it needs, and its Kubernetes provider.

    Nobody asks anything of it before the deployer has its rights, and its way to the API server. What is made in it is
    gone before nodes, controller, rules and ways are.
    """

    cluster: Cluster

    def __init__(
        self,
        name: str,
        shared: AwsConfig,
        *,
        made: Mapping[str, _Made],
        istio_versions: Sequence[str],
        namespaces: Sequence[str],
        paths: Sequence[pulumi.Resource],
        management: aws.Provider | None,
        zone_id: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("clusters", "EksCluster"), name, None, opts)
        own = made[name]
        config, eks, place = own.config, own.eks, own.place
        others = [found for other, found in made.items() if other != name]
        children = pulumi.ResourceOptions(parent=self)
        readers = [found for found in others if found.config.primary is None]
        public = [*eks.endpoint.public_from]
        allowed: list[pulumi.Input[str]] = (
            [*public, *(address for peer in readers for address in peer.addresses_on_the_internet)] if public else []
        )
        control_plane = EksControlPlane(
            child(name, "eks"),
            eks,
            shared=shared,
            place=place,
            network=own.network,
            public_from=allowed,
            opts=children,
        )
        ways_in: list[pulumi.Resource] = []
        managing = shared.deploy_from.management_vpc
        if managing is not None and management is not None:
            ways_in.append(
                ManagementPeering(
                    child(name, "management"), managing, end=own.end, management=management, opts=children
                )
            )
        private = shared.between_regions.public_load_balancers is None
        from_management = [Caller("management", [managing.cidr])] if managing is not None else []
        # Where the API server is public too, its name leads to its public addresses, and the allow-list decides.
        api_callers = [] if public or not private else [_caller(peer, private) for peer in readers]
        rules = Rules(
            child(name, "rules"),
            place=place,
            nodes=control_plane.security_group,
            api=control_plane.api_group,
            readers=[*from_management, *api_callers],
            peers=[_caller(peer, private) for peer in others],
            remotes=[_caller(peer, private) for peer in others if peer.config.primary == name],
            opts=children,
        )
        compute = Compute(
            child(name, "compute"), eks, place=place, network=own.network, control_plane=control_plane, opts=children
        )
        access = Access(
            pulumi.Output.all(control_plane.name, control_plane.endpoint, control_plane.authority).apply(
                lambda known: kubeconfig(*known, region=place.region)
            ),
            None,
        )
        reachability = Reachability(
            child(name, "reachability"),
            cluster=name,
            access=access,
            istio_versions=istio_versions,
            namespaces=namespaces,
            made_as=f"v{eks.version}",
            lost=config.lost,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*control_plane.access, rules, *ways_in]),
        )
        provider = access.provider(
            child(name, "provider"),
            cluster=place.name(),
            lost=config.lost,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[reachability]),
        )
        automatic = eks.compute.auto_mode is not None
        controller: list[pulumi.Resource] = (
            []
            if automatic
            else [
                LoadBalancerController(
                    child(name, "load-balancers"),
                    shared.load_balancer_controller,
                    place=place,
                    control_plane=control_plane,
                    vpc_id=own.network.vpc_id,
                    provider=provider,
                    depends_on=[compute],
                    opts=children,
                )
            ]
        )
        certificates: list[pulumi.Resource] = (
            [
                CertManager(
                    child(name, "cert-manager"),
                    shared.cert_manager,
                    zone_id=zone_id,
                    place=place,
                    control_plane=control_plane,
                    provider=provider,
                    depends_on=[compute],
                    opts=children,
                )
            ]
            if shared.cert_manager is not None and zone_id is not None
            else []
        )
        peers = [caller for peer in others for caller in _caller(peer, private).ranges]
        also = shared.between_regions.public_load_balancers
        self.cluster = Cluster(
            name=name,
            region=config.region,
            network=config.network,
            provider=provider,
            api_server=control_plane.endpoint,
            kubernetes_version=f"v{eks.version}",
            access=access,
            primary=config.primary,
            ready=(reachability, own.network, compute, rules, *paths, *controller, *certificates),
            balancers=LoadBalancers(
                ingress=load_balancer(automatic=automatic, internal=False, keeps_client=False, tags=place.common),
                east_west=load_balancer(
                    automatic=automatic,
                    internal=private,
                    keeps_client=True,
                    tags=place.common,
                    source_ranges=[*peers, *(also.also_from if also is not None else ())],
                ),
            ),
            place=place,
            vpc_id=own.network.vpc_id,
            subnet_ids=tuple(own.network.private),
            oidc_issuer=control_plane.issuer,
            certificate_authority=control_plane.authority,
            authentication={"kind": "eks", "eksCluster": control_plane.name},
        )
        self.register_outputs({"apiServer": control_plane.endpoint})


def _caller(peer: _Made, private: bool) -> Caller:
    """A peer as it is seen from here: by its own addresses, or by those that it has on the internet."""
    return Caller(peer.config.name, [peer.cidr] if private else peer.addresses_on_the_internet)


def kubeconfig(name: str, endpoint: str, authority: str, *, region: str) -> str:
    """A kubeconfig whose credentials are asked for when they are needed: no token is kept, and none gets old.

    The region is in it, so that it does not depend on the environment of whoever uses it (pulumi-eks #1038).
    """
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
            "users": [
                {
                    "name": name,
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1beta1",
                            "command": "aws",
                            "args": [
                                "eks",
                                "get-token",
                                "--cluster-name",
                                name,
                                "--region",
                                region,
                                "--output",
                                "json",
                            ],
                            "interactiveMode": "Never",
                        }
                    },
                }
            ],
        }
    )
