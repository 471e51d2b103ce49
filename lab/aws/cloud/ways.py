"""Which ways between regions are open: peerings or transit gateways, routes there and back, security groups."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from lab.aws.cloud.backends import backend
from lab.aws.cloud.eks.state import CLUSTERS, Cluster

GATEWAY_PORT, API_PORT = 15443, 443


def open_ways() -> list[dict[str, Any]]:
    """Every way between two clusters of different regions: source and target region, port."""
    found: list[dict[str, Any]] = []
    for source in CLUSTERS.values():
        for target in CLUSTERS.values():
            if source.region != target.region and _joined(source, target):
                for port, groups in ((API_PORT, _api_groups(target)), (GATEWAY_PORT, _node_groups(target))):
                    if any(_lets_in(target, group, _range(source), port) for group in groups):
                        found.append({"source": source.region, "target": target.region, "port": port})
    return found


def _range(cluster: Cluster) -> IPv4Network:
    return IPv4Network(cluster.ec2.get_vpc(cluster.vpc).cidr_block)


def _joined(source: Cluster, target: Cluster) -> bool:
    """Whether packets find the way there, and the answers back."""
    return _leads(source, target) and _leads(target, source)


def _leads(source: Cluster, target: Cluster) -> bool:
    """Whether all route tables of the subnets in which the source's nodes and load balancers are lead to the target."""
    ec2, wanted = source.ec2, _range(target)
    tables = list(_tables(ec2, source))
    return bool(tables) and all(
        any(_route_leads(ec2, route, wanted, target) for route in each.routes) for each in tables
    )


def _tables(ec2: Any, cluster: Cluster) -> Iterator[Any]:
    """The route tables of the private subnets: those whose load balancers are internal."""
    for subnet in ec2.describe_subnets(filters={"vpc-id": cluster.vpc}):
        if any(tag["key"] == "kubernetes.io/role/internal-elb" for tag in subnet.get_tags()):
            own = [each for each in ec2.route_tables.values() if subnet.id in each._associations.values()]
            main = [
                each for each in ec2.route_tables.values() if each.vpc_id == cluster.vpc and each.main_association_id
            ]
            yield (own or main)[0]


def _route_leads(ec2: Any, route: Any, wanted: IPv4Network, target: Cluster) -> bool:
    destination = route.destination_cidr_block
    if not destination or not wanted.subnet_of(IPv4Network(destination)):
        return False
    if route.vpc_pcx is not None:
        return route.vpc_pcx._status.code == "active" and target.vpc in (
            route.vpc_pcx.vpc.id,
            route.vpc_pcx.peer_vpc.id,
        )
    if route.transit_gateway is not None:
        return _transit_leads(ec2, route.transit_gateway.id, wanted, target)
    return False


def _transit_leads(ec2: Any, gateway: str, wanted: IPv4Network, target: Cluster) -> bool:
    """Whether a transit gateway has a route to the target's range by a peer that is attached to the target's VPC."""
    theirs = backend("ec2", target.region)
    for table in ec2.transit_gateways_route_tables.values():
        if table.transit_gateway_id != gateway:
            continue
        for destination, route in table.routes.items():
            attachment = (route.get("transitGatewayAttachments") or {}).get("transitGatewayAttachmentId")
            peer = ec2.transit_gateway_attachments.get(attachment)
            if peer is None or peer.state != "available" or not wanted.subnet_of(IPv4Network(destination)):
                continue
            ends = {peer.accepter_tgw_info["TransitGatewayId"], peer.requester_tgw_info["TransitGatewayId"]}
            if any(
                each.resource_id == target.vpc and each.transit_gateway_id in ends and each.state == "available"
                for each in theirs.transit_gateway_attachments.values()
            ):
                return True
    return False


def _api_groups(cluster: Cluster) -> list[str]:
    """The groups of the control plane's interfaces."""
    network = cluster.said["resourcesVpcConfig"]
    return [network["clusterSecurityGroupId"], *network["securityGroupIds"]] if network["endpointPrivateAccess"] else []


def _node_groups(cluster: Cluster) -> list[str]:
    """The groups of the nodes, whose pods the internal load balancers lead to."""
    return [cluster.said["resourcesVpcConfig"]["clusterSecurityGroupId"]]


def _lets_in(cluster: Cluster, group: str, source: IPv4Network, port: int) -> bool:
    found = cluster.ec2.get_security_group_from_id(group)
    for rule in found.ingress_rules if found else []:
        cidr = (rule.ip_range or {}).get("CidrIp")
        ports = rule.ip_protocol == "-1" or (
            rule.ip_protocol == "tcp" and int(rule.from_port) <= port <= int(rule.to_port)
        )
        if cidr and ports and source.subnet_of(IPv4Network(cidr)):
            return True
    return False
