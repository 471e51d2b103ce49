"""Faults between the clusters that a stack makes in AWS, what it says of AWS, and its mesh."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

from components.config.aws import CERT_MANAGER_ISSUER, PEERING_LIMIT, AwsConfig
from components.config.aws_values import network
from components.config.clusters import ClusterConfig
from components.config.eks import EksClusterConfig
from components.config.faults import Fault
from components.config.gateways import GatewaysConfig
from components.config.mesh import MeshConfig
from components.config.regions import REGIONS
from components.config.support import kubernetes_minor, support_of
from components.naming import AWS_ROLE_NAME_LIMIT, LONGEST_AWS_ROLE, aws_name

ALLOW_LIST_LIMIT = 40
"""Ranges in the allow-list of an API server (Amazon EKS endpoints and quotas)."""

_FAILOVER_REGIONS = 2

Made = Sequence[tuple[int, ClusterConfig, EksClusterConfig]]
"""Clusters that the stack makes, with their index in the file."""


def aws_faults(
    clusters: Sequence[tuple[int, ClusterConfig]],
    aws: AwsConfig | None,
    mesh: MeshConfig | None,
    *,
    given: bool,
    wanted: bool,
) -> Iterator[Fault]:
    """Relative to the stack. `given`: whether the file has `aws`, be it with faults of its own; `wanted`: whether a
    cluster has `eks`, be it with some. `mesh` and `aws` are None where they have some, and `clusters` those without.
    """
    made = [(index, cluster, cluster.eks) for index, cluster in clusters if cluster.eks is not None]
    if not wanted:
        if given:
            yield Fault(
                "no cluster has `eks`",
                "Nothing would be made in AWS, and a reader would think that it is",
                "Take it out, or write `eks` in place of `existing`",
                ("aws",),
            )
        return
    if not given:
        yield Fault(
            "it is missing, and clusters have `eks`",
            "Neither their account nor their addresses are known",
            "Add it to the stack's file; Pulumi.staging.yaml shows how",
            ("aws",),
        )
    yield from _mixed(clusters)
    yield from _places(made)
    if mesh is not None:
        yield from _versions(made, mesh)
    if aws is not None:
        yield from _slots(made, aws)
        yield from _ways_in(made, aws)
        yield from _ways_between(made, aws)
    if aws is not None and mesh is not None:
        yield from _names(made, aws, mesh)


def _mixed(clusters: Sequence[tuple[int, ClusterConfig]]) -> Iterator[Fault]:
    for index, cluster in clusters:
        if cluster.eks is None:
            yield Fault(
                f"`{cluster.name}` exists already, and other clusters are made here",
                "No path leads from the VPCs that are made to a cluster elsewhere, and its peers would see no endpoint "
                "of it",
                "Make all clusters of the stack by `eks`, or none",
                ("clusters", index, "existing"),
            )


def _places(made: Made) -> Iterator[Fault]:
    regions: dict[str, int] = {}
    for index, cluster, eks in made:
        where = ("clusters", index)
        region = REGIONS.get(cluster.region)
        if region is None:
            near = difflib.get_close_matches(cluster.region, REGIONS, n=1, cutoff=0.6)
            yield Fault(
                f"`{cluster.region}` is not a region that is known here",
                "Its zones and load balancers are not known",
                f"Did you mean `{near[0]}`?" if near else f"Take one of {', '.join(REGIONS)}",
                (*where, "region"),
            )
            continue
        if cluster.region in regions:
            yield Fault(
                f"{cluster.region} is the region of clusters[{regions[cluster.region]}] already",
                "Both would be lost with it, and names by latency could not tell them apart",
                "Give each cluster a region of its own",
                (*where, "region"),
            )
        regions.setdefault(cluster.region, index)
        for position, zone in enumerate(eks.zones or ()):
            if zone not in region.zones:
                yield Fault(
                    f"`{zone}` is not a zone of {cluster.region}",
                    "EKS would refuse the subnets",
                    f"Take some of {', '.join(region.zones)}",
                    (*where, "eks", "zones", position),
                )
            elif zone in (eks.zones or ())[:position]:
                yield Fault(
                    f"`{zone}` is there twice",
                    "Two zones would be one, and fail together",
                    "Name another zone",
                    (*where, "eks", "zones", position),
                )


def _versions(made: Made, mesh: MeshConfig) -> Iterator[Fault]:
    support = support_of(mesh.version)
    for index, _, eks in made:
        if support is not None and not support.takes(kubernetes_minor(eks.version)):
            yield Fault(
                f"Istio {mesh.version} takes Kubernetes {support.kubernetes_range}, and this is {eks.version}",
                "They were never tested together, and istiod may not start",
                "Take a version of that range, or another `mesh.version`",
                ("clusters", index, "eks", "version"),
            )


def _slots(made: Made, aws: AwsConfig) -> Iterator[Fault]:
    seen: dict[int, int] = {}
    fits = aws.network.slots
    for index, _, eks in made:
        where = ("clusters", index, "eks", "slot")
        if eks.slot >= fits:
            yield Fault(
                f"slot {eks.slot} is outside of `{aws.network.supernet}`, which has {fits} of "
                f"/{aws.network.vpc_prefix}",
                "Its VPC would have addresses that are somebody else's",
                f"Take a slot below {fits}, or widen `aws.network.supernet`",
                where,
            )
        if eks.slot in seen:
            yield Fault(
                f"slot {eks.slot} is that of clusters[{seen[eks.slot]}] already",
                "Two VPCs would have the same addresses, and no route could lead from one to the other",
                f"Take a free one, as in `{_free(made, fits)}`",
                where,
            )
        seen.setdefault(eks.slot, index)


def _free(made: Made, fits: int) -> int:
    taken = {eks.slot for _, _, eks in made}
    return next((slot for slot in range(fits) if slot not in taken), fits)


def _ways_in(made: Made, aws: AwsConfig) -> Iterator[Fault]:
    gateways = nat_gateways(made, aws)
    for index, cluster, eks in made:
        where = ("clusters", index, "eks", "endpoint", "publicFrom")
        public = [network(found) for found in eks.endpoint.public_from]
        if public and aws.deploy_from.management_vpc is not None:
            yield Fault(
                "the API server is public too, and the stack is deployed from a management VPC",
                "Its name then leads to its public addresses: the runner would leave by its own NAT, and be refused",
                "Leave it out, or name the runner's addresses on the internet (`aws.deployFrom.egress`)",
                where,
            )
        for runner in aws.deploy_from.egress or ():
            if not any(network(runner).subnet_of(found) for found in public):
                yield Fault(
                    f"`{runner}` of aws.deployFrom.egress is not in it",
                    f"The first `pulumi up` would make the cluster and then not reach it: the API server of "
                    f"{cluster.name} is {'open to others alone' if public else 'private'}",
                    "Add it, or deploy from a management VPC (`aws.deployFrom.managementVpc`)",
                    where,
                )
        peers = sum(count for name, count in gateways.items() if name != cluster.name)
        if public and len(public) + peers > ALLOW_LIST_LIMIT:
            yield Fault(
                f"{len(public)} ranges and the {peers} NAT gateways of the peers are more than the {ALLOW_LIST_LIMIT} "
                "that EKS takes",
                "The peers could not read this cluster's endpoints, or somebody who was allowed could not come in",
                "Take wider ranges, leave it out for a private endpoint, or share NAT gateways",
                where,
            )


def _ways_between(made: Made, aws: AwsConfig) -> Iterator[Fault]:
    between = aws.between_regions
    if between.peering is not None and len(made) > PEERING_LIMIT:
        pairs = len(made) * (len(made) - 1) // 2
        yield Fault(
            f"{len(made)} regions make {pairs} peerings",
            "Each is a route in every table of two VPCs, and a region more or less touches all others",
            f"Write `transitGateway: {{}}`; peering is for up to {PEERING_LIMIT} regions",
            ("aws", "betweenRegions", "peering"),
        )
    if between.public_load_balancers is not None and len(made) > 1:
        for index, cluster, eks in made:
            if not eks.endpoint.public_from:
                yield Fault(
                    f"the API server of `{cluster.name}` is private, and no private path leads to it",
                    "Its peers could not read its endpoints, and no request would come across",
                    "Name who reaches it over the internet, or take `aws.betweenRegions.peering`",
                    ("clusters", index, "eks", "endpoint", "publicFrom"),
                )


def _names(made: Made, aws: AwsConfig, mesh: MeshConfig) -> Iterator[Fault]:
    for index, cluster, _ in made:
        longest = aws_name(mesh.id, aws.tags.environment, cluster.name, LONGEST_AWS_ROLE)
        if len(longest) > AWS_ROLE_NAME_LIMIT:
            yield Fault(
                f"`{longest}` has {len(longest)} characters",
                f"IAM takes {AWS_ROLE_NAME_LIMIT} for a role's name, which is made of mesh, environment and cluster",
                "Shorten the cluster's name, `mesh.id` or `aws.tags.environment`",
                ("clusters", index, "name"),
            )


def name_faults(
    gateways: GatewaysConfig, clusters: Sequence[ClusterConfig], names: Sequence[str], aws: AwsConfig | None
) -> Iterator[Fault]:
    """Faults between the public hosts and the clusters that serve them, relative to the stack.

    `clusters` are those without a fault of their own, `names` those of all.
    """
    where = ("gateways", "ingress", "name")
    name = gateways.ingress.name
    if name is not None and not gateways.ingress.servers:
        yield Fault(
            "there is a zone and no host",
            "No record would be made in it",
            "Add `servers`, or take `name` out",
            where,
        )
    if name is not None and any(cluster.eks is None for cluster in clusters):
        yield Fault(
            "not all clusters are made by this stack in AWS",
            "The hosted zone of a load balancer elsewhere is not known, and no record could lead to it",
            "Take it out, and point the hosts to the addresses among the stack's outputs",
            where,
        )
    if name is not None and name.failover is not None:
        if len(names) != _FAILOVER_REGIONS:
            yield Fault(
                f"failover is between two regions, and there are {len(names)}",
                "The others would get no request at all",
                "Write `latency: {}`",
                (*where, "failover"),
            )
        if name.failover.primary not in names:
            yield Fault(
                f"there is no cluster `{name.failover.primary}`",
                "No region would be the first one",
                f"Name one of {', '.join(f'`{known}`' for known in names)}",
                (*where, "failover", "primary"),
            )
    if aws is not None:
        yield from _certificate_faults(gateways, aws)


def _certificate_faults(gateways: GatewaysConfig, aws: AwsConfig) -> Iterator[Fault]:
    if aws.cert_manager is not None and gateways.ingress.name is None:
        yield Fault(
            "there is no zone in which it could prove whose the hosts are",
            "No certificate would be issued",
            "Add `gateways.ingress.name`",
            ("aws", "certManager"),
        )
    for index, server in enumerate(gateways.ingress.servers):
        wanted = server.tls.cert_manager
        if wanted is None:
            continue
        where = ("gateways", "ingress", "servers", index, "tls", "certManager")
        if aws.cert_manager is None:
            yield Fault(
                "a cluster that has just been made has no cert-manager",
                "The first `pulumi up` would stop at its kinds",
                "Add `aws.certManager`, or give a certificate",
                where,
            )
        elif (wanted.issuer, wanted.kind) != (CERT_MANAGER_ISSUER, "ClusterIssuer"):
            yield Fault(
                f"there is no {wanted.kind} `{wanted.issuer}` in a cluster that has just been made",
                "No certificate would be issued",
                f"Write `certManager: {{issuer: {CERT_MANAGER_ISSUER}}}`",
                where,
            )


def nat_gateways(made: Made, aws: AwsConfig) -> Mapping[str, int]:
    """The number of NAT gateways of each cluster's VPC, by the cluster's name."""
    shared = aws.network.nat == "shared"
    return {cluster.name: 1 if shared else len(zones_of(cluster, eks)) for _, cluster, eks in made}


def zones_of(cluster: ClusterConfig, eks: EksClusterConfig) -> Sequence[str]:
    """The zones of a cluster: those that it names, or the region's first three."""
    region = REGIONS.get(cluster.region)
    return eks.zones or (region.zones[:DEFAULT_ZONES] if region is not None else ())


DEFAULT_ZONES = 3
"""Zones of a cluster that names none: one may fail, and two are left to agree."""
