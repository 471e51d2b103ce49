"""Which ways between regions are open: peerings or transit gateways, routes there and back, security groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lab.aws.cloud.backends import backend
from lab.aws.cloud.eks.state import CLUSTERS, Cluster

GATEWAY_PORT, API_PORT = 15443, 443

FROM_RUNNER = "runner"
"""Source of the ways of the place that the engine is in; those of clusters bear their region's name."""


@dataclass
class Runner:
    """Where the engine is.

    Attributes:
        vpc, region: The VPC that it is in; None where it comes over the internet.
        tables: Ids of the route tables of its subnets.
        egress: Ranges that it comes from over the internet.
    """

    vpc: str | None = None
    region: str | None = None
    tables: Sequence[str] = ()
    egress: Sequence[str] = ()


RUNNER = Runner()


@dataclass(frozen=True)
class _End:
    """A VPC, and the route tables of those of its subnets that something is in."""

    region: str
    vpc: str
    tables: Sequence[Any]

    @property
    def ec2(self) -> Any:
        return backend("ec2", self.region)

    @property
    def range(self) -> IPv4Network:
        return IPv4Network(self.ec2.get_vpc(self.vpc).cidr_block)


def open_ways() -> list[dict[str, Any]]:
    """Every way between two clusters of different regions, and from the engine to clusters: source, target, port."""
    found: list[tuple[str, str, int]] = []
    for target in CLUSTERS.values():
        for source in CLUSTERS.values():
            if source.region == target.region:
                continue
            if _gateway_open(source, target):
                found.append((source.region, target.region, GATEWAY_PORT))
            if _api_open(_nodes(source), _nat_addresses(source), target):
                found.append((source.region, target.region, API_PORT))
        if _api_open(_runner(), RUNNER.egress, target):
            found.append((FROM_RUNNER, target.region, API_PORT))
    return [{"source": source, "target": target, "port": port} for source, target, port in found]


def _gateway_open(source: Cluster, target: Cluster) -> bool:
    here, there = _nodes(source), _nodes(target)
    return _joined(here, there) and _lets_in(target, _node_groups(target), here.range, GATEWAY_PORT)


def _api_open(source: _End | None, egress: Iterable[str], target: Cluster) -> bool:
    """Whether an API server is reached. Where it is public too, its name leads to its public addresses from outside of
    its VPC, and its allow-list decides (EKS user guide, cluster-endpoint.html).
    """
    network = target.said["resourcesVpcConfig"]
    if network["endpointPublicAccess"]:
        allowed = [IPv4Network(each) for each in network["publicAccessCidrs"]]
        ranges = [IPv4Network(each) for each in egress]
        return bool(ranges) and all(any(each.subnet_of(one) for one in allowed) for each in ranges)
    if source is None or not network["endpointPrivateAccess"]:
        return False
    ec2, subnets = target.ec2, network["subnetIds"]
    there = _End(target.region, target.vpc, [_table_of(ec2, target.vpc, each) for each in subnets])
    groups = [network["clusterSecurityGroupId"], *network["securityGroupIds"]]
    return _joined(source, there) and _lets_in(target, groups, source.range, API_PORT)


def _nodes(cluster: Cluster) -> _End:
    """The private subnets of a cluster: those whose load balancers are internal, and in which its nodes are."""
    subnets = [
        each.id
        for each in cluster.ec2.describe_subnets(filters={"vpc-id": cluster.vpc})
        if any(tag["key"] == "kubernetes.io/role/internal-elb" for tag in each.get_tags())
    ]
    return _End(cluster.region, cluster.vpc, [_table_of(cluster.ec2, cluster.vpc, each) for each in subnets])


def _runner() -> _End | None:
    if RUNNER.vpc is None or RUNNER.region is None:
        return None
    ec2 = backend("ec2", RUNNER.region)
    return _End(RUNNER.region, RUNNER.vpc, [ec2.route_tables[each] for each in RUNNER.tables])


def _nat_addresses(cluster: Cluster) -> list[str]:
    """Where a cluster's pods come from on the internet."""
    return [
        f"{IPv4Address(address['publicIp'])}/32"
        for each in cluster.ec2.nat_gateways.values()
        if each.vpc_id == cluster.vpc and each.state == "available"
        for address in each.address_set
    ]


def _table_of(ec2: Any, vpc: str, subnet: str) -> Any:
    tables = [each for each in ec2.route_tables.values() if each.vpc_id == vpc]
    own = [each for each in tables if subnet in each._associations.values()]
    return (own or [each for each in tables if each.main_association_id])[0]


def _joined(source: _End, target: _End) -> bool:
    """Whether packets find the way there, and the answers back."""
    return _leads(source, target) and _leads(target, source)


def _leads(source: _End, target: _End) -> bool:
    """Whether all route tables of the one lead to the other."""
    return bool(source.tables) and all(
        any(_route_leads(source.ec2, route, target) for route in table.routes) for table in source.tables
    )


def _route_leads(ec2: Any, route: Any, target: _End) -> bool:
    destination = route.destination_cidr_block
    if not destination or not target.range.subnet_of(IPv4Network(destination)):
        return False
    if route.vpc_pcx is not None:
        return route.vpc_pcx._status.code == "active" and target.vpc in (
            route.vpc_pcx.vpc.id,
            route.vpc_pcx.peer_vpc.id,
        )
    if route.transit_gateway is not None:
        return _transit_leads(ec2, route.transit_gateway.id, target)
    return False


def _transit_leads(ec2: Any, gateway: str, target: _End) -> bool:
    """Whether a transit gateway has a route to the target's range by a peer that is attached to the target's VPC."""
    theirs = backend("ec2", target.region)
    for table in ec2.transit_gateways_route_tables.values():
        if table.transit_gateway_id != gateway:
            continue
        for destination, route in table.routes.items():
            attachment = (route.get("transitGatewayAttachments") or {}).get("transitGatewayAttachmentId")
            peer = ec2.transit_gateway_attachments.get(attachment)
            if peer is None or peer.state != "available" or not target.range.subnet_of(IPv4Network(destination)):
                continue
            ends = {peer.accepter_tgw_info["TransitGatewayId"], peer.requester_tgw_info["TransitGatewayId"]}
            if any(
                each.resource_id == target.vpc and each.transit_gateway_id in ends and each.state == "available"
                for each in theirs.transit_gateway_attachments.values()
            ):
                return True
    return False


def _node_groups(cluster: Cluster) -> list[str]:
    """The groups of the nodes, whose pods the internal load balancers lead to."""
    return [cluster.said["resourcesVpcConfig"]["clusterSecurityGroupId"]]


def _lets_in(cluster: Cluster, groups: Iterable[str], source: IPv4Network, port: int) -> bool:
    return any(_group_lets_in(cluster.ec2.get_security_group_from_id(each), source, port) for each in groups)


def _group_lets_in(group: Any, source: IPv4Network, port: int) -> bool:
    for rule in group.ingress_rules if group else []:
        cidr = (rule.ip_range or {}).get("CidrIp")
        ports = rule.ip_protocol == "-1" or (
            rule.ip_protocol == "tcp" and int(rule.from_port) <= port <= int(rule.to_port)
        )
        if cidr and ports and source.subnet_of(IPv4Network(cidr)):
            return True
    return False
