"""What AWS refuses of networks and moto alone would not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.aws.cloud.quotas import LIMITS
from tests.lab_aws.provider import Refused
from tests.lab_aws.world import SUBNET, VPC, World

GATEWAY = "aws:ec2/internetGateway:InternetGateway"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


def west_group(world: World) -> str:
    return world.west.make("aws:ec2/securityGroup:SecurityGroup", "far", name="far", vpcId=world.peer_vpc.id).id


def limited(name: str, limit: int, act: Callable[[World], Any]) -> Callable[[World], Any]:
    """An act at the end of a quota."""

    def at_the_end(world: World) -> Any:
        LIMITS[name] = limit
        return act(world)

    return at_the_end


def second_gateway(world: World) -> None:
    assert world.gateway
    world.east.make(GATEWAY, "second", vpcId=world.vpc.id)


def nat_without_gateway(world: World) -> None:
    world.east.make("aws:ec2/natGateway:NatGateway", allocationId=world.address.id, subnetId=world.subnets[0].id)


def nat_twice(world: World) -> None:
    assert world.nat
    world.east.make("aws:ec2/natGateway:NatGateway", "2", allocationId=world.address.id, subnetId=world.subnets[1].id)


def route(world: World, **target: str) -> None:
    world.east.make(
        "aws:ec2/route:Route", routeTableId=world.table.id, **{"destinationCidrBlock": "0.0.0.0/0", **target}
    )


def associated(world: World) -> None:
    association = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    world.east.make(association, "1", routeTableId=world.table.id, subnetId=world.subnets[0].id)
    other = world.east.make("aws:ec2/routeTable:RouteTable", "other", vpcId=world.vpc.id)
    world.east.make(association, "2", routeTableId=other.id, subnetId=world.subnets[0].id)


def endpoint(world: World, **others: Any) -> None:
    inputs = {
        "vpcId": world.vpc.id,
        "serviceName": "com.amazonaws.us-east-1.sts",
        "vpcEndpointType": "Interface",
        "subnetIds": world.subnet_ids,
        "privateDnsEnabled": True,
        **others,
    }
    world.east.make(ENDPOINT, "endpoint", **inputs)


def overlapping_peers(world: World) -> None:
    far = world.west.make(VPC, "same", cidrBlock="10.0.0.0/16")
    world.east.make(
        "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        vpcId=world.vpc.id,
        peerVpcId=far.id,
        peerRegion="us-west-2",
    )


def used_group(world: World) -> None:
    endpoint(world, securityGroupIds=[world.group.id])
    world.east.delete(world.group)


def named_group(world: World) -> None:
    other = world.east.make("aws:ec2/securityGroup:SecurityGroup", "other", name="other", vpcId=world.vpc.id)
    rule = {"ipProtocol": "tcp", "fromPort": 1, "toPort": 1}
    world.east.make(RULE, securityGroupId=other.id, referencedSecurityGroupId=world.group.id, **rule)
    world.east.delete(world.group)


def transit(world: World) -> Any:
    return world.east.make("aws:ec2transitgateway/transitGateway:TransitGateway", "tgw")


def attached_transit(world: World) -> None:
    gateway = transit(world)
    inputs = {"transitGatewayId": gateway.id, "vpcId": world.vpc.id, "subnetIds": world.subnet_ids}
    world.east.make("aws:ec2transitgateway/vpcAttachment:VpcAttachment", **inputs)
    world.east.delete(gateway)


def flow_log(world: World) -> None:
    logs = world.east.make("aws:cloudwatch/logGroup:LogGroup", "logs", name="flow")
    role = world.role("flow", "ec2.amazonaws.com")["arn"]
    world.east.make(
        "aws:ec2/flowLog:FlowLog", vpcId=world.vpc.id, trafficType="ALL", iamRoleArn=role, logDestination=logs["arn"]
    )


REFUSED = [
    ("a VPC with a subnet", lambda w: (w.subnets, w.east.delete(w.vpc)), "has dependencies and cannot be deleted"),
    ("a VPC with a gateway", lambda w: (w.gateway, w.east.delete(w.vpc)), "has dependencies and cannot be deleted"),
    ("a VPC with a group", lambda w: (w.group, w.east.delete(w.vpc)), "has dependencies and cannot be deleted"),
    ("a VPC with a route table", lambda w: (w.table, w.east.delete(w.vpc)), "has dependencies and cannot be deleted"),
    ("a subnet with a NAT gateway", lambda w: (w.nat, w.east.delete(w.subnets[0])), "has dependencies and cannot be "
                                                                                    "deleted"),
    ("a subnet with an endpoint", lambda w: (endpoint(w), w.east.delete(w.subnets[0])),
     "has dependencies and cannot be deleted"),
    ("a subnet with a control plane", lambda w: (w.cluster, w.east.delete(w.subnets[0])),
     "has dependencies and cannot be deleted"),
    ("a gateway while addresses are mapped", lambda w: (w.nat, w.east.delete(w.gateway)),
     "has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."),
    ("an address of a NAT gateway", lambda w: (w.nat, w.east.delete(w.address)), "Address 198.51.100.*is in use."),
    ("a group of an interface", used_group, "has a dependent object"),
    ("a group that a rule names", named_group, "has a dependent object"),
    ("a transit gateway with a VPC", attached_transit, "has non-deleted Transit Gateway Attachments"),
    ("a VPC of a size", lambda w: w.east.make(VPC, cidrBlock="10.0.0.0/8"),
     "cidrBlock `10.0.0.0/8` has a size that AWS does not take: between /16 and /28"),
    ("a subnet outside of its VPC", lambda w: w.east.make(SUBNET, vpcId=w.vpc.id, cidrBlock="10.7.0.0/24"),
     "The CIDR '10.7.0.0/24' is invalid"),
    ("a subnet over another", lambda w: (w.subnets, w.east.make(SUBNET, vpcId=w.vpc.id, cidrBlock="10.0.1.128/25")),
     "The CIDR '10.0.1.128/25' conflicts with another subnet"),
    ("a zone of another region",
     lambda w: w.east.make(SUBNET, vpcId=w.vpc.id, cidrBlock="10.0.9.0/24", availabilityZone="us-west-2a"),
     "Value (us-west-2a) for parameter availabilityZone is invalid. Subnets can currently only be created in the "
     "following "
     "availability zones: us-east-1a"),
    ("a second internet gateway", second_gateway, "already has an internet gateway attached"),
    ("a NAT gateway without an internet gateway", nat_without_gateway, "has no Internet gateway attached"),
    ("an address for two NAT gateways", nat_twice, "is already associated"),
    ("a route to a gateway of no VPC", lambda w: route(w, gatewayId=w.east.make(GATEWAY, "loose").id),
     "belong to different networks"),
    ("a route to its own VPC", lambda w: route(w, destinationCidrBlock="10.0.3.0/24", gatewayId=w.gateway.id),
     "The destination CIDR block 10.0.3.0/24 is equal to or more specific than one of this VPC's CIDR blocks."),
    ("a route twice", lambda w: (route(w, gatewayId=w.gateway.id), route(w, gatewayId=w.gateway.id)),
     "with destination (0.0.0.0/0) already exists"),
    ("a route to two targets", lambda w: route(w, gatewayId=w.gateway.id, natGatewayId=w.nat.id), "a route has one "
                                                                                                  "target of"),
    ("a route to an unattached transit gateway", lambda w: route(w, transitGatewayId=transit(w).id),
     "does not exist or is not attached to"),
    ("a subnet with two route tables", associated, "conflicts with an existing association"),
    ("an endpoint of no service", lambda w: endpoint(w, serviceName="com.amazonaws.us-east-1.moon"),
     "The Vpc Endpoint Service 'com.amazonaws.us-east-1.moon' does not exist"),
    ("an endpoint of another region", lambda w: endpoint(w, serviceName="com.amazonaws.us-west-2.sts"),
     "The Vpc Endpoint Service 'com.amazonaws.us-west-2.sts' does not exist"),
    ("two endpoints of one name", lambda w: (endpoint(w), endpoint(w)), "there is already a conflicting DNS domain"),
    ("two subnets of a zone", lambda w: endpoint(w, subnetIds=[w.subnets[0].id, w.subnet(9, "a").id]),
     "Found another subnet in the same availability zone."),
    ("private names without DNS",
     lambda w: endpoint(w, vpcId=w.east.make(VPC, "dumb", cidrBlock="10.5.0.0/16").id, subnetIds=[]),
     "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames"),
    ("peers that overlap", overlapping_peers, "unexpected state 'failed', wanted target 'active, pending-acceptance'"),
    ("a group of another region",
     lambda w: w.east.make(RULE, securityGroupId=w.group.id, referencedSecurityGroupId=west_group(w), ipProtocol="tcp",
                           fromPort=15443, toPort=15443),
     "does not exist; it is one of us-west-2, and groups cannot be referenced across regions"),
    ("flow logs by a role of others", flow_log, "Unable to assume given IAM role"),
    ("a sixth VPC", limited("ec2/vpcs-per-region", 1, lambda w: w.vpc), "The maximum number of VPCs has been reached."),
    ("too many addresses", limited("ec2/elastic-ips-per-region", 0, lambda w: w.address),
     "The maximum number of addresses has been reached."),
    ("too many NAT gateways", limited("ec2/nat-gateways-per-zone", 0, lambda w: w.nat),
     "The maximum number of NAT gateways has been reached."),
    ("too many routes", limited("ec2/routes-per-table", 1, lambda w: route(w, gatewayId=w.gateway.id)),
     "The maximum number of routes has been reached"),
    ("too many rules",
     limited("ec2/rules-per-security-group", 0,
             lambda w: w.east.make(RULE, securityGroupId=w.group.id, cidrIpv4="10.0.0.0/8", ipProtocol="-1")),
     "The maximum number of rules per security group has been reached."),
]  # fmt: skip


@pytest.mark.parametrize(("act", "message"), [pytest.param(*each[1:], id=each[0]) for each in REFUSED])
def test_is_refused(world: World, act: Callable[[World], Any], message: str) -> None:
    with pytest.raises(Refused) as refused:
        act(world)
    start, _, end = message.partition("*")
    assert start in str(refused.value)
    assert end in str(refused.value)


def test_what_was_begun_is_told_with_its_id(world: World) -> None:
    with pytest.raises(Refused) as refused:
        overlapping_peers(world)
    assert str(refused.value.begun).startswith("pcx-"), (
        "the engine keeps it, and the next run mends it or takes it away"
    )
