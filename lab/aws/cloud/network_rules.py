"""Rules of VPCs, subnets, gateways, addresses and routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from itertools import cycle
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.utils import random_private_ip

from lab.aws.cloud.around import CLOCK, around
from lab.aws.cloud.ec2_errors import Ec2Error, dependency
from lab.aws.cloud.quotas import LIMITS

_PUBLIC = cycle(str(each) for net in ("198.51.100.0/24", "203.0.113.0/24") for each in IPv4Network(net).hosts())

NAT_READY, NAT_GONE = 60.0, 45.0
"""Seconds that a NAT gateway is pending, and deleting."""


def interfaces(backend: Any, *, vpc: str | None = None, subnet: str | None = None) -> list[Any]:
    """The network interfaces in a VPC or a subnet."""
    return [
        each
        for each in backend.enis.values()
        if (vpc is None or each.subnet.vpc_id == vpc) and (subnet is None or each.subnet.id == subnet)
    ]


def hold(backend: Any, subnet_id: str, description: str, groups: list[str] | None = None) -> Any:
    """Make a network interface that a service of AWS keeps in a subnet."""
    found = backend.create_network_interface(backend.get_subnet(subnet_id), None, group_ids=groups)
    found.description, found.requester_managed, found.status = description, True, "in-use"
    return found


def let_go(backend: Any, *held: Any) -> None:
    """Take such interfaces away."""
    for each in held:
        backend.enis.pop(getattr(each, "id", each), None)


def _quota(name: str, present: int, code: str, message: str) -> None:
    if present >= LIMITS[f"ec2/{name}"]:
        raise Ec2Error(code, message)


@around(EC2Backend, "create_vpc")
def create_vpc(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    if not named.get("is_default"):
        _quota("vpcs-per-region", len(self.vpcs), "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
    return original(*arguments, **named)


@around(EC2Backend, "delete_vpc")
def delete_vpc(original: Callable[..., Any], self: Any, vpc_id: str) -> Any:
    self.get_vpc(vpc_id)
    if any(_uses_of_vpc(self, vpc_id)):
        raise dependency(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    return original(vpc_id)


def _uses_of_vpc(backend: Any, vpc: str) -> Iterator[Any]:
    # Subnets and route tables are moto's own rules.
    yield from interfaces(backend, vpc=vpc)
    yield from (each for each in backend.internet_gateways.values() if each.vpc and each.vpc.id == vpc)
    yield from (each for each in backend.groups.get(vpc, {}).values() if each.name != "default")
    yield from (each for each in backend.vpc_end_points.values() if each.vpc_id == vpc and each.state != "deleted")
    yield from (
        each
        for each in backend.transit_gateway_attachments.values()
        if each.resource_id == vpc and each.state not in ("deleted", "failed")
    )


@around(EC2Backend, "create_subnet")
def create_subnet(
    original: Callable[..., Any],
    self: Any,
    vpc_id: str,
    cidr_block: str,
    ipv6_cidr_block: str | None = None,
    availability_zone: str | None = None,
    *rest: Any,
    **named: Any,
) -> Any:
    if availability_zone and not availability_zone.startswith(self.region_name):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({availability_zone}) for parameter availabilityZone is invalid. Subnets can currently only be "
            "created "
            "in the following availability zones: "
            f"{', '.join(each.name for each in self.describe_availability_zones())}.",
        )
    _quota(
        "subnets-per-vpc",
        len(self.describe_subnets(filters={"vpc-id": vpc_id})),
        "SubnetLimitExceeded",
        "The maximum number of subnets has been reached.",
    )
    subnet = original(vpc_id, cidr_block, ipv6_cidr_block, availability_zone, *rest, **named)
    # moto calls the first one of each zone a default subnet, which gives its instances public addresses.
    if not self.get_vpc(vpc_id).is_default:
        subnet.default_for_az, subnet.map_public_ip_on_launch = False, False
    return subnet


@around(EC2Backend, "delete_subnet")
def delete_subnet(original: Callable[..., Any], self: Any, subnet_id: str) -> Any:
    self.get_subnet(subnet_id)
    if interfaces(self, subnet=subnet_id):
        raise dependency(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    # Its association with a route table goes with it.
    for table in self.route_tables.values():
        for association, subnet in list(table._associations.items()):
            if subnet == subnet_id:
                del table._associations[association]
    return original(subnet_id)


@around(EC2Backend, "create_internet_gateway")
def create_internet_gateway(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    _quota(
        "internet-gateways-per-region",
        len(self.internet_gateways),
        "InternetGatewayLimitExceeded",
        "The maximum number of internet gateways has been reached.",
    )
    return original(*arguments, **named)


@around(EC2Backend, "attach_internet_gateway")
def attach_internet_gateway(original: Callable[..., Any], self: Any, internet_gateway_id: str, vpc_id: str) -> Any:
    for each in self.internet_gateways.values():
        if each.vpc and each.vpc.id == vpc_id:
            raise Ec2Error(
                "InvalidParameterValue",
                f"Network {vpc_id} already has an internet gateway attached",
            )
    return original(internet_gateway_id, vpc_id)


@around(EC2Backend, "detach_internet_gateway")
def detach_internet_gateway(original: Callable[..., Any], self: Any, internet_gateway_id: str, vpc_id: str) -> Any:
    if any(each.public_ip for each in interfaces(self, vpc=vpc_id)):
        raise dependency(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching "
            "the gateway."
        )
    return original(internet_gateway_id, vpc_id)


@around(EC2Backend, "allocate_address")
def allocate_address(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    _quota(
        "elastic-ips-per-region",
        len(self.addresses),
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
    )
    found = original(*arguments, **named)
    # moto's are loopback addresses; these are set apart for documents (RFC 5737), and nobody's.
    found.public_ip = next(_PUBLIC)
    return found


@around(EC2Backend, "release_address")
def release_address(
    original: Callable[..., Any], self: Any, address: str | None = None, allocation_id: str | None = None
) -> Any:
    for each in self.addresses:
        if allocation_id and each.allocation_id == allocation_id and each.association_id:
            raise Ec2Error("InvalidIPAddress.InUse", f"Address {each.public_ip} is in use.")
    return original(address=address, allocation_id=allocation_id)


@around(EC2Backend, "create_nat_gateway")
def create_nat_gateway(
    original: Callable[..., Any],
    self: Any,
    subnet_id: str,
    allocation_id: str | None,
    tags: Any = None,
    connectivity_type: str = "public",
) -> Any:
    subnet = self.get_subnet(subnet_id)
    alike = [
        each
        for each in self.nat_gateways.values()
        if each.state != "deleted" and self.get_subnet(each.subnet_id).availability_zone == subnet.availability_zone
    ]
    _quota(
        "nat-gateways-per-zone",
        len(alike),
        "NatGatewayLimitExceeded",
        "The maximum number of NAT gateways has been reached.",
    )
    if connectivity_type == "public":
        if not allocation_id:
            raise Ec2Error("MissingParameter", "The request must contain the parameter AllocationId")
        address = self.address_by_allocation([allocation_id])[0]
        if address.association_id:
            raise Ec2Error(
                "Resource.AlreadyAssociated",
                f"Elastic IP address [{allocation_id}] is already associated",
            )
        if not any(each.vpc and each.vpc.id == subnet.vpc_id for each in self.internet_gateways.values()):
            raise Ec2Error("Gateway.NotAttached", f"Network {subnet.vpc_id} has no Internet gateway attached")
    found = original(subnet_id, allocation_id, tags, connectivity_type)
    found._eni.description, found._eni.requester_managed = f"Interface for NAT Gateway {found.id}", True
    found._eni.private_ip_address = random_private_ip(subnet.cidr_block)
    found.address_set[0]["privateIp"] = found.private_ip = found._eni.private_ip_address
    found.state = "pending"
    CLOCK.later(NAT_READY, lambda: _turn(found, "pending", "available"))
    return found


@around(EC2Backend, "delete_nat_gateway")
def delete_nat_gateway(original: Callable[..., Any], self: Any, nat_gateway_id: str) -> Any:
    found = self.nat_gateways.get(nat_gateway_id)
    if found is None:
        raise Ec2Error("NatGatewayNotFound", f"NatGateway {nat_gateway_id} was not found")
    if found.state in ("deleting", "deleted"):
        return found
    found.state = "deleting"

    def end() -> None:
        # Until now it has held its interface and its address.
        for address in self.addresses:
            if address.eni is found._eni:
                self.disassociate_address(address=address.public_ip)
        let_go(self, found._eni)
        original(nat_gateway_id)

    CLOCK.later(NAT_GONE, end)
    return found


@around(EC2Backend, "describe_nat_gateways")
def describe_nat_gateways(original: Callable[..., Any], self: Any, filters: Any, nat_gateway_ids: Any) -> Any:
    for each in nat_gateway_ids or []:
        if each not in self.nat_gateways:
            raise Ec2Error("NatGatewayNotFound", f"NatGateway {each} was not found")
    found = original(filters, nat_gateway_ids)
    # moto has no filter by tags here.
    for name, wanted in (filters or {}).items():
        if name.startswith("tag:"):
            tags = {each.id: {tag["key"]: tag["value"] for tag in each.get_tags()} for each in found}
            found = [each for each in found if tags[each.id].get(name[4:]) in wanted]
    return found


def _turn(found: Any, before: str, after: str) -> None:
    if found.state == before:
        found.state = after


@around(EC2Backend, "create_route_table")
def create_route_table(original: Callable[..., Any], self: Any, vpc_id: str, *rest: Any, **named: Any) -> Any:
    alike = [each for each in self.route_tables.values() if each.vpc_id == vpc_id]
    _quota(
        "route-tables-per-vpc",
        len(alike),
        "RouteTableLimitExceeded",
        "The maximum number of route tables has been reached.",
    )
    return original(vpc_id, *rest, **named)


@around(EC2Backend, "delete_route_table")
def delete_route_table(original: Callable[..., Any], self: Any, route_table_id: str) -> Any:
    # The main one's own association is no obstacle when its VPC goes.
    if self.get_route_table(route_table_id)._associations:
        raise dependency(f"The routeTable '{route_table_id}' has dependencies and cannot be deleted.")
    for each in self.vpc_end_points.values():
        if each.state != "deleted" and route_table_id in (each.route_table_ids or []):
            raise dependency(f"The routeTable '{route_table_id}' has dependencies and cannot be deleted.")
    return original(route_table_id)


@around(EC2Backend, "associate_route_table")
def associate_route_table(
    original: Callable[..., Any],
    self: Any,
    route_table_id: str,
    gateway_id: str | None = None,
    subnet_id: str | None = None,
) -> Any:
    for table in self.route_tables.values():
        for association, target in table._associations.items():
            if subnet_id and target == subnet_id and table.id != route_table_id:
                raise Ec2Error(
                    "Resource.AlreadyAssociated",
                    f"the specified association for route table {route_table_id} conflicts with an existing "
                    "association "
                    f"({association})",
                )
    return original(route_table_id, gateway_id=gateway_id, subnet_id=subnet_id)


@around(EC2Backend, "create_route", "replace_route")
def create_route(
    original: Callable[..., Any],
    self: Any,
    route_table_id: str,
    destination_cidr_block: str | None,
    *rest: Any,
    **named: Any,
) -> Any:
    table = self.get_route_table(route_table_id)
    if destination_cidr_block and not named.get("local"):
        vpc = self.get_vpc(table.vpc_id)
        wanted = IPv4Network(destination_cidr_block)
        for association in vpc.get_cidr_block_association_set():
            if wanted.subnet_of(IPv4Network(association["cidr_block"])):
                raise Ec2Error(
                    "InvalidParameterValue",
                    f"The destination CIDR block {destination_cidr_block} is equal to or more specific than one of "
                    "this "
                    "VPC's CIDR blocks. This route can target only an interface or an instance.",
                )
        _targets(self, table.vpc_id, named)
        _quota(
            "routes-per-table",
            len(table.routes),
            "RouteLimitExceeded",
            f"The maximum number of routes has been reached for {route_table_id}.",
        )
    return original(route_table_id, destination_cidr_block, *rest, **named)


def _targets(backend: Any, vpc: str, named: Any) -> None:
    gateway = named.get("gateway_id")
    if gateway and gateway.startswith("igw-"):
        found = backend.internet_gateways.get(gateway)
        if found is None:
            raise Ec2Error("InvalidGatewayID.NotFound", f"The gateway ID '{gateway}' does not exist")
        if not found.vpc or found.vpc.id != vpc:
            raise Ec2Error(
                "InvalidParameterValue",
                f"route table of {vpc} and network gateway {gateway} belong to different networks",
            )
    nat = named.get("nat_gateway_id")
    if nat:
        found = backend.nat_gateways.get(nat)
        if found is None or found.state in ("deleting", "deleted"):
            raise Ec2Error("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat}' does not exist")
    peering = named.get("vpc_peering_connection_id")
    if peering:
        found = backend.vpc_pcxs.get(peering)
        if found is None or found._status.code not in ("active", "pending-acceptance", "provisioning"):
            raise Ec2Error(
                "InvalidVpcPeeringConnectionID.NotFound", f"The vpcPeeringConnection ID '{peering}' does not exist"
            )
        if vpc not in (found.vpc.id, found.peer_vpc.id):
            raise Ec2Error("InvalidParameterValue", f"{peering} does not join {vpc}: no route of it can lead there")
    transit = named.get("transit_gateway_id")
    if transit:
        attached = [
            each
            for each in backend.transit_gateway_attachments.values()
            if each.transit_gateway_id == transit and each.resource_id == vpc and each.state == "available"
        ]
        if not attached:
            raise Ec2Error(
                "InvalidTransitGatewayID.NotFound",
                f"transitGateway ID '{transit}' does not exist or is not attached to {vpc}",
            )
