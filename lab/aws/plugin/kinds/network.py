"""VPCs and subnets, and what all types of EC2 have in common."""

from __future__ import annotations

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
        found = [
            each
            for each in self.describe(aws, filters=filters)
            # moto's filters are not all of AWS's.
            if self.present(each) and unpaired(each.get("Tags")).items() >= tags.items()
        ]
        return self.identity(found[0]) if len(found) == 1 else None

    def present(self, found: dict[str, Any]) -> bool:
        """Whether a description is of one that is not being deleted."""
        return (
            not str(found.get("State", found.get("Status", "")))
            .lower()
            .startswith(("delet", "reject", "expir", "fail"))
        )


def delete_unused(aws: Aws, call: Any, not_found: str, seconds: float) -> None:
    """Delete what may still be used for a moment; what is gone is no error."""
    try:
        aws.again(call, "DependencyViolation", seconds=seconds)
    except Exception as error:
        if not gone_for(error, not_found):
            raise


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
        delete_unused(aws, lambda: aws.ec2.delete_vpc(VpcId=id), self.not_found, _VPC)


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
        delete_unused(aws, lambda: aws.ec2.delete_subnet(SubnetId=id), self.not_found, _SUBNET)
