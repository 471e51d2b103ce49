"""Rules of the ways into and out of a VPC: security groups, endpoints, flow logs, peering."""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

from moto.ec2.models import EC2Backend

from lab.aws.cloud.around import CLOCK, around
from lab.aws.cloud.backends import backend, regions
from lab.aws.cloud.ec2_errors import Ec2Error, dependency
from lab.aws.cloud.network_rules import hold, interfaces, let_go
from lab.aws.cloud.quotas import LIMITS

ENDPOINT_READY, ENDPOINT_GONE, PEERING_READY = 60.0, 45.0, 3.0

SERVICES = (
    "s3",
    "dynamodb",
    "ecr.api",
    "ecr.dkr",
    "sts",
    "ec2",
    "logs",
    "eks",
    "eks-auth",
    "elasticloadbalancing",
    "autoscaling",
    "kms",
    "ssm",
    "ssmmessages",
    "ec2messages",
    "xray",
    "monitoring",
    "acm-pca",
    "secretsmanager",
)
"""Services whose endpoints may be asked for (VPC user guide, aws-services-privatelink-support.html)."""
GATEWAYS = ("s3", "dynamodb")


def refuse(code: str, message: str) -> Ec2Error:
    """An error of EC2."""
    return Ec2Error(code, message)


# Security groups.


@around(EC2Backend, "create_security_group")
def create_security_group(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    present = sum(len(groups) for groups in self.groups.values())
    if present >= LIMITS["ec2/security-groups-per-region"]:
        raise refuse("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
    return original(*arguments, **named)


@around(EC2Backend, "delete_security_group")
def delete_security_group(
    original: Callable[..., Any], self: Any, name: str | None = None, group_id: str | None = None
) -> Any:
    group = self.get_security_group_from_id(group_id) if group_id else None
    if group is not None:
        whole = self.vpcs.get(group.vpc_id)
        if any(group in eni.group_set for eni in self.enis.values()) or _names(self, group):
            raise dependency(f"resource {group_id} has a dependent object")
        if group.name == "default" and whole is not None and interfaces(self, vpc=group.vpc_id):
            raise refuse(
                "CannotDelete", f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
            )
    return original(name=name, group_id=group_id)


def _names(ec2: Any, group: Any) -> bool:
    """Whether a rule of another group names it."""
    return any(
        (rule.source_group or {}).get("GroupId") == group.id
        for groups in ec2.groups.values()
        for other in groups.values()
        if other.id != group.id
        for rule in [*other.ingress_rules, *other.egress_rules]
    )


@around(EC2Backend, "authorize_security_group_ingress", "authorize_security_group_egress")
def authorize(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    wanted = list(named.get("source_groups") or [])
    for each in arguments:
        if isinstance(each, list):
            wanted += [item for item in each if isinstance(item, dict) and "GroupId" in item]
    for source in wanted:
        group_id = source.get("GroupId", "")
        if self.get_security_group_from_id(group_id) is None:
            elsewhere = [
                region
                for region in regions("ec2")
                if region != self.region_name and backend("ec2", region).get_security_group_from_id(group_id)
            ]
            # Over a peering within a region it may be named, never over one between regions (VPC peering guide,
            # vpc-peering-security-groups.html).
            where = (
                f"; it is one of {elsewhere[0]}, and groups cannot be referenced across regions" if elsewhere else ""
            )
            raise refuse("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist{where}")
    name = arguments[0] if arguments else named["group_name_or_id"]
    group = self.get_security_group_by_name_or_id(name, None)
    if group is not None:
        for rules in (group.ingress_rules, group.egress_rules):
            if len(rules) >= LIMITS["ec2/rules-per-security-group"]:
                raise refuse(
                    "RulesPerSecurityGroupLimitExceeded",
                    "The maximum number of rules per security group has been reached.",
                )
    return original(*arguments, **named)


# Endpoints.


@around(EC2Backend, "create_vpc_endpoint")
def create_vpc_endpoint(
    original: Callable[..., Any],
    self: Any,
    vpc_id: str,
    service_name: str,
    endpoint_type: str | None,
    policy_document: str | None,
    route_table_ids: list[str],
    subnet_ids: list[str] | None = None,
    *rest: Any,
    **named: Any,
) -> Any:
    vpc = self.get_vpc(vpc_id)
    prefix, service = (
        f"com.amazonaws.{self.region_name}.",
        service_name.removeprefix(f"com.amazonaws.{self.region_name}."),
    )
    gateway = (endpoint_type or "Gateway").lower() == "gateway"
    if not service_name.startswith(prefix) or service not in (GATEWAYS if gateway else SERVICES):
        raise refuse("InvalidServiceName", f"The Vpc Endpoint Service '{service_name}' does not exist")
    alive = [each for each in self.vpc_end_points.values() if each.state not in ("deleted", "deleting")]
    if gateway:
        if sum(each.vpc_endpoint_type == "Gateway" for each in alive) >= LIMITS["ec2/gateway-endpoints-per-region"]:
            raise refuse("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.")
        for each in alive:
            taken = set(each.route_table_ids or []) & set(route_table_ids or [])
            if each.service_name == service_name and taken:
                raise refuse(
                    "RouteAlreadyExists",
                    f"route table {min(taken)} already has a route with the prefix list of {service_name}",
                )
        if subnet_ids:
            raise refuse("InvalidParameter", "Subnets cannot be given for an endpoint of type Gateway")
    else:
        mine = [each for each in alive if each.vpc_id == vpc_id and each.vpc_endpoint_type == "Interface"]
        if len(mine) >= LIMITS["ec2/interface-endpoints-per-vpc"]:
            raise refuse("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.")
        _private_dns(self, vpc, service_name, mine, named)
        zones = [self.get_subnet(each).availability_zone for each in subnet_ids or []]
        if len(set(zones)) != len(zones):
            raise refuse("DuplicateSubnetsInSameZone", "Found another subnet in the same availability zone.")
    for group in named.get("security_group_ids") or []:
        found = self.get_security_group_from_id(group)
        if found is None or found.vpc_id != vpc_id:
            raise refuse("InvalidGroup.NotFound", f"The security group '{group}' does not exist in VPC {vpc_id}")
    found = original(vpc_id, service_name, endpoint_type, policy_document, route_table_ids, subnet_ids, *rest, **named)
    for eni in found.network_interface_ids:
        held = self.enis[eni]
        held.requester_managed, held.description = True, f"VPC Endpoint Interface {found.id}"
        if groups := found.security_group_ids:
            held._group_set = [self.get_security_group_from_id(each) for each in groups]
    if not gateway:
        found.state = "pending"
        CLOCK.later(ENDPOINT_READY, lambda: turn(found, "pending", "available"))
    return found


def _private_dns(ec2: Any, vpc: Any, service: str, mine: list[Any], named: dict[str, Any]) -> None:
    if not named.get("private_dns_enabled"):
        return
    if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        raise refuse(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "
            f"{vpc.id}",
        )
    if any(each.service_name == service and each.private_dns_enabled for each in mine):
        raise refuse(
            "InvalidParameter",
            f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service} in "
            "the VPC "
            f"{vpc.id}",
        )


@around(EC2Backend, "modify_vpc_endpoint")
def modify_vpc_endpoint(original: Callable[..., Any], self: Any, vpc_id: str, *rest: Any, **named: Any) -> Any:
    answer = original(vpc_id, *rest, **named)
    found = self.vpc_end_points[vpc_id]
    if found.vpc_endpoint_type == "Interface":
        # moto changes the list of subnets, and not the interfaces in them.
        held = {self.enis[each].subnet.id: each for each in found.network_interface_ids if each in self.enis}
        for subnet in set(held) - set(found.subnet_ids):
            let_go(self, held.pop(subnet))
        for subnet in set(found.subnet_ids) - set(held):
            held[subnet] = hold(self, subnet, f"VPC Endpoint Interface {found.id}", found.security_group_ids or None).id
        found.network_interface_ids = list(held.values())
    return answer


@around(EC2Backend, "delete_vpc_endpoints")
def delete_vpc_endpoints(original: Callable[..., Any], self: Any, vpce_ids: list[str] | None = None) -> Any:
    for id in vpce_ids or []:
        found = self.vpc_end_points.get(id)
        if found is None or found.state in ("deleting", "deleted"):
            continue
        if found.vpc_endpoint_type != "Interface":
            found.state = "deleted"
            # moto adds routes only where it knows the service's prefix list.
            continue
        found.state = "deleting"
        # Its interfaces stay for a while: what its subnet and its groups are held by.
        CLOCK.later(ENDPOINT_GONE, lambda id=id: original([id]))


@around(EC2Backend, "create_flow_logs")
def create_flow_logs(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    role = named.get("deliver_logs_permission_arn") or (arguments[3] if len(arguments) > 3 else None)
    roles = {each.arn: each for each in backend("iam", "aws").roles.values()}
    if role and role not in roles:
        raise refuse("InvalidParameter", f"Unable to assume given IAM role: {role}")
    if role and "vpc-flow-logs.amazonaws.com" not in str(roles[role].assume_role_policy_document):
        raise refuse(
            "InvalidParameter", f"Unable to assume given IAM role: {role} does not trust vpc-flow-logs.amazonaws.com"
        )
    return original(*arguments, **named)


# Peering.


@around(EC2Backend, "create_vpc_peering_connection")
def create_peering(original: Callable[..., Any], self: Any, vpc: Any, peer_vpc: Any, *rest: Any, **named: Any) -> Any:
    alive = [
        each
        for each in self.vpc_pcxs.values()
        if each._status.code in ("active", "pending-acceptance", "provisioning", "initiating-request")
    ]
    mine = [each for each in alive if vpc.id in (each.vpc.id, each.peer_vpc.id)]
    if len(mine) >= LIMITS["ec2/active-peerings-per-vpc"]:
        raise refuse(
            "VpcPeeringConnectionsPerVpcLimitExceeded", "The maximum number of peering connections has been reached."
        )
    if any({each.vpc.id, each.peer_vpc.id} == {vpc.id, peer_vpc.id} for each in alive):
        raise refuse(
            "VpcPeeringConnectionAlreadyExists", f"A peering connection of {vpc.id} and {peer_vpc.id} exists already"
        )
    found = original(vpc, peer_vpc, *rest, **named)
    if IPv4Network(vpc.cidr_block).overlaps(IPv4Network(peer_vpc.cidr_block)):
        # The call itself succeeds (VPC peering guide, invalid-peering-configurations.html).
        found._status.code = "failed"
        found._status.message = f"Failed due to overlapping CIDR ranges: {vpc.cidr_block} and {peer_vpc.cidr_block}"
        return found
    found._status.code = "initiating-request"
    CLOCK.later(PEERING_READY, lambda: turn(found._status, "initiating-request", "pending-acceptance", "code"))
    return found


def own_side(ec2: Any, found: Any) -> Any:
    """A connection as it is seen from one region: each side has tags of its own."""
    seen = copy.copy(found)
    seen.ec2_backend = ec2
    return seen


@around(EC2Backend, "describe_vpc_peering_connections")
def describe_peerings(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    return [own_side(self, each) for each in original(*arguments, **named)]


@around(EC2Backend, "accept_vpc_peering_connection")
def accept_peering(original: Callable[..., Any], self: Any, vpc_pcx_id: str) -> Any:
    found = original(vpc_pcx_id)
    found._status.code = "provisioning"
    CLOCK.later(PEERING_READY, lambda: turn(found._status, "provisioning", "active", "code"))
    return found


@around(EC2Backend, "delete_vpc_peering_connection")
def delete_peering(original: Callable[..., Any], self: Any, vpc_pcx_id: str) -> Any:
    found = self.get_vpc_peering_connection(vpc_pcx_id)
    if found._status.code in ("deleted", "failed", "rejected"):
        raise refuse(
            "InvalidStateTransition", f"{vpc_pcx_id} is in state {found._status.code}, and cannot be deleted from it"
        )
    return original(vpc_pcx_id)


@around(EC2Backend, "modify_vpc_peering_connection_options")
def peering_options(original: Callable[..., Any], self: Any, vpc_pcx_id: str, *rest: Any, **named: Any) -> Any:
    if self.get_vpc_peering_connection(vpc_pcx_id)._status.code != "active":
        raise refuse(
            "OperationNotPermitted",
            f"Peering {vpc_pcx_id} is not active. Peering options can be added only to active peerings.",
        )
    return original(vpc_pcx_id, *rest, **named)


def turn(found: Any, before: str, after: str, attribute: str = "state") -> None:
    """From one state to the next, unless it has gone on meanwhile."""
    if getattr(found, attribute) == before:
        setattr(found, attribute, after)
