"""VPCs, subnets, gateways, addresses, route tables."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from typing import Any

from lab.aws.plugin.clients import Aws, code, given, unpaired
from lab.aws.plugin.kind import Gone, Kind, Values, arn, ec2_tags, kind, retag_ec2, tagged

# How long the real provider waits for what still uses a resource (internal/service/ec2, its deletion time-outs).
_VPC, _SUBNET, _GATEWAY = 300.0, 1200.0, 1200.0


def cidr_faults(property: str, text: Any, smallest: int = 28, largest: int = 16) -> Iterator[tuple[str, str]]:
    """What AWS refuses of a VPC's or a subnet's range (VPC user guide, VPC CIDR blocks)."""
    if text is None:
        return
    try:
        network = ip_network(text)
    except ValueError as error:
        yield property, f"`{text}` is not a network: {error}"
        return
    if not isinstance(network, IPv4Network) or not largest <= network.prefixlen <= smallest:
        yield property, f"`{text}` has a size that AWS does not take: between /{largest} and /{smallest}"


def the_only(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The resource that was asked for.

    Raises:
        Gone: There is none.
    """
    if not found:
        raise Gone
    return found[0]


def gone_for(error: Exception, *codes: str) -> bool:
    """Whether an error says that there is no such resource."""
    return code(error) in codes


class Ec2Kind(Kind):
    """A type of EC2 whose resources carry tags and are found by them.

    Attributes:
        not_found: The code that says that there is none.
    """

    not_found = ""

    def describe(self, aws: Aws, **how: Any) -> list[dict[str, Any]]:
        """The answer of the type's Describe call, by ids (`Ids`) or `Filters`."""
        raise NotImplementedError

    def identity(self, found: dict[str, Any]) -> str:
        """The id in a description."""
        raise NotImplementedError

    def one(self, aws: Aws, id: str) -> dict[str, Any]:
        """The description of one.

        Raises:
            Gone: There is none.
        """
        try:
            return the_only(self.describe(aws, ids=[id]))
        except Exception as error:
            if code(error) == self.not_found:
                raise Gone from error
            raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        tags = inputs.get("tags")
        if not tags:
            return None
        filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
        found = [each for each in self.describe(aws, filters=filters) if self.present(each)]
        return self.identity(found[0]) if len(found) == 1 else None

    def present(self, found: dict[str, Any]) -> bool:
        """Whether a description is of one that is not being deleted."""
        return (
            not str(found.get("State", found.get("Status", "")))
            .lower()
            .startswith(("delet", "reject", "expir", "fail"))
        )


@kind("aws:ec2/vpc:Vpc")
class Vpc(Ec2Kind):
    computed = (
        "arn",
        "defaultNetworkAclId",
        "defaultRouteTableId",
        "defaultSecurityGroupId",
        "mainRouteTableId",
        "ownerId",
        "tagsAll",
    )
    not_found = "InvalidVpcID.NotFound"

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        yield from cidr_faults("cidrBlock", inputs.get("cidrBlock"))

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_vpcs(**given(VpcIds=ids, Filters=filters))["Vpcs"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["VpcId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_vpc(
            CidrBlock=inputs["cidrBlock"], InstanceTenancy=inputs["instanceTenancy"], **ec2_tags("vpc", inputs)
        )
        return answer["Vpc"]["VpcId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        # One attribute a call (API_ModifyVpcAttribute).
        aws.ec2.modify_vpc_attribute(VpcId=id, EnableDnsSupport={"Value": inputs["enableDnsSupport"]})
        aws.ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": inputs.get("enableDnsHostnames", False)})

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        vpc = self.one(aws, id)
        mine = [{"Name": "vpc-id", "Values": [id]}]

        def attribute(name: str) -> bool:
            return aws.ec2.describe_vpc_attribute(VpcId=id, Attribute=name)[name[0].upper() + name[1:]]["Value"]

        main = aws.ec2.describe_route_tables(Filters=[*mine, {"Name": "association.main", "Values": ["true"]}])
        group = aws.ec2.describe_security_groups(Filters=[*mine, {"Name": "group-name", "Values": ["default"]}])
        acl = aws.ec2.describe_network_acls(Filters=[*mine, {"Name": "default", "Values": ["true"]}])
        table = main["RouteTables"][0]["RouteTableId"]
        return {
            "arn": arn(aws, "ec2", f"vpc/{id}"),
            "cidrBlock": vpc["CidrBlock"],
            "instanceTenancy": vpc["InstanceTenancy"],
            "enableDnsSupport": attribute("enableDnsSupport"),
            "enableDnsHostnames": attribute("enableDnsHostnames"),
            "mainRouteTableId": table,
            "defaultRouteTableId": table,
            "defaultSecurityGroupId": group["SecurityGroups"][0]["GroupId"],
            "defaultNetworkAclId": acl["NetworkAcls"][0]["NetworkAclId"],
            "ownerId": aws.account,
            **tagged(unpaired(vpc.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        _delete(aws, lambda: aws.ec2.delete_vpc(VpcId=id), self.not_found, _VPC)


@kind("aws:ec2/subnet:Subnet")
class Subnet(Ec2Kind):
    computed = ("arn", "availabilityZone", "availabilityZoneId", "ownerId", "tagsAll")
    not_found = "InvalidSubnetID.NotFound"

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        yield from cidr_faults("cidrBlock", inputs.get("cidrBlock"))

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_subnets(**given(SubnetIds=ids, Filters=filters))["Subnets"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["SubnetId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_subnet(
            VpcId=inputs["vpcId"],
            **given(
                CidrBlock=inputs.get("cidrBlock"),
                AvailabilityZone=inputs.get("availabilityZone"),
                AvailabilityZoneId=inputs.get("availabilityZoneId"),
            ),
            **ec2_tags("subnet", inputs),
        )
        return answer["Subnet"]["SubnetId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        wanted = inputs["mapPublicIpOnLaunch"]
        aws.ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": wanted})

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        subnet = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"subnet/{id}"),
            "vpcId": subnet["VpcId"],
            "cidrBlock": subnet["CidrBlock"],
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet.get("AvailabilityZoneId"),
            "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
            "ownerId": aws.account,
            **tagged(unpaired(subnet.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        _delete(aws, lambda: aws.ec2.delete_subnet(SubnetId=id), self.not_found, _SUBNET)


@kind("aws:ec2/internetGateway:InternetGateway")
class InternetGateway(Ec2Kind):
    computed = ("arn", "ownerId", "tagsAll")
    not_found = "InvalidInternetGatewayID.NotFound"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_internet_gateways(**given(InternetGatewayIds=ids, Filters=filters))["InternetGateways"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["InternetGatewayId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_internet_gateway(**ec2_tags("internet-gateway", inputs))
        return answer["InternetGateway"]["InternetGatewayId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        attached, wanted = self._attached(self.one(aws, id)), inputs.get("vpcId")
        if attached and attached != wanted:
            self._detach(aws, id, attached)
        if wanted and attached != wanted:
            aws.ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=wanted)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"internet-gateway/{id}"),
            "vpcId": self._attached(found),
            "ownerId": aws.account,
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            attached = self._attached(self.one(aws, id))
        except Gone:
            return
        if attached:
            self._detach(aws, id, attached)
        _delete(aws, lambda: aws.ec2.delete_internet_gateway(InternetGatewayId=id), self.not_found, _GATEWAY)

    def _attached(self, found: dict[str, Any]) -> str | None:
        attachments = found.get("Attachments") or []
        return attachments[0]["VpcId"] if attachments else None

    def _detach(self, aws: Aws, id: str, vpc: str) -> None:
        aws.again(
            lambda: aws.ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=vpc),
            "DependencyViolation",
            seconds=_GATEWAY,
        )


@kind("aws:ec2/eip:Eip")
class Eip(Ec2Kind):
    computed = ("allocationId", "arn", "associationId", "publicIp", "publicDns", "tagsAll")
    not_found = "InvalidAllocationID.NotFound"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_addresses(**given(AllocationIds=ids, Filters=filters))["Addresses"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["AllocationId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        domain = inputs.get("domain", "vpc")
        return aws.ec2.allocate_address(Domain=domain, **ec2_tags("elastic-ip", inputs))["AllocationId"]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"elastic-ip/{id}"),
            "allocationId": id,
            "associationId": found.get("AssociationId"),
            "domain": found["Domain"],
            "publicIp": found["PublicIp"],
            "publicDns": f"ec2-{found['PublicIp'].replace('.', '-')}.compute.amazonaws.com",
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        # Released before its NAT gateway is gone, it is still associated; the real provider tries again.
        try:
            aws.again(
                lambda: aws.ec2.release_address(AllocationId=id), "InvalidIPAddress.InUse", "AuthFailure", seconds=180
            )
        except Exception as error:
            if not gone_for(error, self.not_found):
                raise


@kind("aws:ec2/natGateway:NatGateway")
class NatGateway(Ec2Kind):
    computed = ("associationId", "networkInterfaceId", "privateIp", "publicIp", "tagsAll")
    not_found = "NatGatewayNotFound"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_nat_gateways(**given(NatGatewayIds=ids, Filters=filters))["NatGateways"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["NatGatewayId"]

    def one(self, aws: Aws, id: str) -> dict[str, Any]:
        found = super().one(aws, id)
        if found["State"] in ("deleted", "failed"):
            raise Gone
        return found

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_nat_gateway(
            SubnetId=inputs["subnetId"],
            ConnectivityType=inputs["connectivityType"],
            **given(AllocationId=inputs.get("allocationId")),
            **ec2_tags("natgateway", inputs),
        )
        return answer["NatGateway"]["NatGatewayId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        aws.wait(lambda: self.one(aws, id)["State"], until=("available",), through=("pending",), seconds=600)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        address = (found.get("NatGatewayAddresses") or [{}])[0]
        return {
            "allocationId": address.get("AllocationId"),
            "associationId": address.get("AssociationId"),
            "connectivityType": found["ConnectivityType"],
            "networkInterfaceId": address.get("NetworkInterfaceId"),
            "privateIp": address.get("PrivateIp"),
            "publicIp": address.get("PublicIp"),
            "subnetId": found["SubnetId"],
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        def state() -> str:
            try:
                return self.one(aws, id)["State"]
            except Gone:
                return "deleted"

        if state() == "deleted":
            return
        aws.ec2.delete_nat_gateway(NatGatewayId=id)
        aws.wait(state, until=("deleted",), through=("available", "deleting"), seconds=1800)


@kind("aws:ec2/routeTable:RouteTable")
class RouteTable(Ec2Kind):
    computed = ("arn", "ownerId", "tagsAll")
    not_found = "InvalidRouteTableID.NotFound"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_route_tables(**given(RouteTableIds=ids, Filters=filters))["RouteTables"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["RouteTableId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_route_table(VpcId=inputs["vpcId"], **ec2_tags("route-table", inputs))
        return answer["RouteTable"]["RouteTableId"]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"route-table/{id}"),
            "vpcId": found["VpcId"],
            "ownerId": aws.account,
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        # The real provider takes the associations away first (vpc_route_table.go).
        try:
            associations = self.one(aws, id).get("Associations", [])
        except Gone:
            return
        for each in associations:
            aws.ec2.disassociate_route_table(AssociationId=each["RouteTableAssociationId"])
        _delete(aws, lambda: aws.ec2.delete_route_table(RouteTableId=id), self.not_found, 300)


_TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
    "transitGatewayId": "TransitGatewayId",
}


@kind("aws:ec2/route:Route")
class Route(Kind):
    computed = ("origin", "state")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        yield from cidr_faults("destinationCidrBlock", inputs.get("destinationCidrBlock"), smallest=32, largest=0)
        if sum(name in inputs for name in _TARGETS) > 1:
            yield "routeTableId", f"a route has one target of {', '.join(_TARGETS)}"

    def _id(self, table: str, destination: str) -> str:
        # As the real provider makes it (internal/service/ec2/id.go): the destination's checksum after the table's id.
        return f"r-{table}{zlib.crc32(destination.encode())}"

    def _arguments(self, inputs: Values) -> dict[str, Any]:
        target = given(**{argument: inputs.get(name) for name, argument in _TARGETS.items()})
        return {
            "RouteTableId": inputs["routeTableId"],
            "DestinationCidrBlock": inputs["destinationCidrBlock"],
            **target,
        }

    def _find(self, aws: Aws, table: str, destination: str) -> dict[str, Any]:
        try:
            tables = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        except Exception as error:
            if gone_for(error, "InvalidRouteTableID.NotFound"):
                raise Gone from error
            raise
        routes = tables[0]["Routes"] if tables else []
        return the_only([each for each in routes if each.get("DestinationCidrBlock") == destination])

    def create(self, aws: Aws, inputs: Values) -> str:
        table, destination = inputs["routeTableId"], inputs["destinationCidrBlock"]
        # The real provider asks first: a second CreateRoute for a target that is there already would pass on AWS.
        try:
            self._find(aws, table, destination)
        except Gone:
            pass
        else:
            raise RuntimeError(
                f"RouteAlreadyExists: Route in Route Table ({table}) with destination ({destination}) already exists"
            )
        aws.again(
            lambda: aws.ec2.create_route(**self._arguments(inputs)),
            "InvalidParameterException",
            "InvalidTransitGatewayID.NotFound",
            seconds=300,
        )
        return self._id(table, destination)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        if not known and "_" in id:
            # The form for imports: TABLE_DESTINATION.
            table, _, destination = id.partition("_")
        else:
            table, destination = known["routeTableId"], known["destinationCidrBlock"]
        found = self._find(aws, table, destination)
        targets = {name: found.get(argument) for name, argument in _TARGETS.items()}
        return {
            "id": self._id(table, destination),
            "routeTableId": table,
            "destinationCidrBlock": destination,
            "origin": found.get("Origin"),
            "state": found.get("State"),
            **given(**targets),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        aws.ec2.replace_route(**self._arguments(inputs))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.ec2.delete_route(RouteTableId=known["routeTableId"], DestinationCidrBlock=known["destinationCidrBlock"])
        except Exception as error:
            if not gone_for(error, "InvalidRoute.NotFound", "InvalidRouteTableID.NotFound"):
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        table, destination = inputs["routeTableId"], inputs["destinationCidrBlock"]
        try:
            self._find(aws, table, destination)
        except Gone:
            return None
        return f"{table}_{destination}"


@kind("aws:ec2/routeTableAssociation:RouteTableAssociation")
class RouteTableAssociation(Kind):
    def _find(self, aws: Aws, name: str, value: str) -> dict[str, Any]:
        tables = aws.ec2.describe_route_tables(Filters=[{"Name": f"association.{name}", "Values": [value]}])
        key = {"route-table-association-id": "RouteTableAssociationId", "subnet-id": "SubnetId"}[name]
        return the_only(
            [each for table in tables["RouteTables"] for each in table["Associations"] if each.get(key) == value]
        )

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.associate_route_table(RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"])
        return answer["AssociationId"]

    def _present(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        # A replaced association has a new id, and the engine keeps the old one: its subnet has one at most.
        if "subnetId" in known:
            return self._find(aws, "subnet-id", known["subnetId"])
        return self._find(aws, "route-table-association-id", id)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._present(aws, id, known)
        return {"routeTableId": found["RouteTableId"], "subnetId": found["SubnetId"]}

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        found = self._present(aws, id, olds)
        if found["RouteTableId"] != inputs["routeTableId"]:
            aws.ec2.replace_route_table_association(
                AssociationId=found["RouteTableAssociationId"], RouteTableId=inputs["routeTableId"]
            )

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        with contextlib.suppress(Gone):
            found = self._present(aws, id, known)
            aws.ec2.disassociate_route_table(AssociationId=found["RouteTableAssociationId"])

    def find(self, aws: Aws, inputs: Values) -> str | None:
        try:
            return self._find(aws, "subnet-id", inputs["subnetId"])["RouteTableAssociationId"]
        except Gone:
            return None


def _delete(aws: Aws, call: Any, not_found: str, seconds: float) -> None:
    try:
        aws.again(call, "DependencyViolation", seconds=seconds)
    except Exception as error:
        if not gone_for(error, not_found):
            raise
