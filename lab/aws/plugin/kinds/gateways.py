"""Internet gateways, addresses, NAT gateways."""

from __future__ import annotations

from typing import Any

from lab.aws.plugin.clients import Aws, given, unpaired
from lab.aws.plugin.kind import Gone, Values, arn, ec2_tags, kind, retag_ec2, tagged
from lab.aws.plugin.kinds.network import Ec2Kind, delete_unused, gone_for

_GATEWAY = 1200.0


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
        delete_unused(aws, lambda: aws.ec2.delete_internet_gateway(InternetGatewayId=id), self.not_found, _GATEWAY)

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
