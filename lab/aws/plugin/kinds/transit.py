"""Transit gateways, what is attached to them, and their routes."""

from __future__ import annotations

from typing import Any

from lab.aws.plugin.clients import Aws, code, given, unpaired
from lab.aws.plugin.kind import Gone, Kind, Values, arn, ec2_tags, kind, retag_ec2, tagged
from lab.aws.plugin.kinds.network import Ec2Kind, the_only

_ATTACHMENT = "InvalidTransitGatewayAttachmentID.NotFound"
_OPTIONS = {
    "amazonSideAsn": "AmazonSideAsn",
    "autoAcceptSharedAttachments": "AutoAcceptSharedAttachments",
    "defaultRouteTableAssociation": "DefaultRouteTableAssociation",
    "defaultRouteTablePropagation": "DefaultRouteTablePropagation",
    "dnsSupport": "DnsSupport",
    "vpnEcmpSupport": "VpnEcmpSupport",
    "multicastSupport": "MulticastSupport",
    "securityGroupReferencingSupport": "SecurityGroupReferencingSupport",
}
_FIXED = ("amazonSideAsn", "multicastSupport")


class _Transit(Ec2Kind):
    """Attributes: states that mean that it is not there; how long changes take."""

    dead = ("deleted", "deleting", "failed", "rejected")

    def one(self, aws: Aws, id: str) -> dict[str, Any]:
        found = super().one(aws, id)
        if found["State"] in self.dead:
            raise Gone
        return found

    def present(self, found: dict[str, Any]) -> bool:
        return found["State"] not in self.dead

    def state(self, aws: Aws, id: str) -> str:
        """Its state; `deleted` where it is not."""
        try:
            return super().one(aws, id)["State"]
        except Gone:
            return "deleted"

    def retag(self, aws: Aws, id: str, inputs: Values) -> None:
        """Bring the tags to what is wanted."""
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))


@kind("aws:ec2transitgateway/transitGateway:TransitGateway")
class TransitGateway(_Transit):
    computed = ("arn", "associationDefaultRouteTableId", "propagationDefaultRouteTableId", "ownerId", "tagsAll")
    not_found = "InvalidTransitGatewayID.NotFound"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_transit_gateways(**given(TransitGatewayIds=ids, Filters=filters))["TransitGateways"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["TransitGatewayId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        options = {argument: inputs[name] for name, argument in _OPTIONS.items() if name in inputs}
        answer = aws.ec2.create_transit_gateway(
            Options=options, **given(Description=inputs.get("description")), **ec2_tags("transit-gateway", inputs)
        )
        return answer["TransitGateway"]["TransitGatewayId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        aws.wait(lambda: self.state(aws, id), until=("available",), through=("pending", "modifying"), seconds=600)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        options = found["Options"]
        told = {name: options.get(argument) for name, argument in _OPTIONS.items()}
        told["amazonSideAsn"] = int(told["amazonSideAsn"]) if told["amazonSideAsn"] else None
        return {
            **told,
            "arn": arn(aws, "ec2", f"transit-gateway/{id}"),
            "description": found.get("Description") or None,
            "associationDefaultRouteTableId": options.get("AssociationDefaultRouteTableId"),
            "propagationDefaultRouteTableId": options.get("PropagationDefaultRouteTableId"),
            "ownerId": aws.account,
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        present = self.read(aws, id, {})
        options = {
            argument: inputs[name]
            for name, argument in _OPTIONS.items()
            if name not in _FIXED and name in inputs and inputs[name] != present.get(name)
        }
        changed = given(Options=options or None, Description=inputs.get("description"))
        if options or inputs.get("description") != present["description"]:
            aws.ec2.modify_transit_gateway(TransitGatewayId=id, **changed)
            self.settle(aws, id, inputs)
        self.retag(aws, id, inputs)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        if self.state(aws, id) == "deleted":
            return
        aws.again(lambda: aws.ec2.delete_transit_gateway(TransitGatewayId=id), "IncorrectState", seconds=120)
        aws.wait(lambda: self.state(aws, id), until=("deleted",), through=("available", "deleting"), seconds=600)


@kind("aws:ec2transitgateway/vpcAttachment:VpcAttachment")
class VpcAttachment(_Transit):
    computed = ("arn", "vpcOwnerId", "tagsAll")
    not_found = _ATTACHMENT

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        how = given(TransitGatewayAttachmentIds=ids, Filters=filters)
        return aws.ec2.describe_transit_gateway_vpc_attachments(**how)["TransitGatewayVpcAttachments"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["TransitGatewayAttachmentId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_transit_gateway_vpc_attachment(
            TransitGatewayId=inputs["transitGatewayId"],
            VpcId=inputs["vpcId"],
            SubnetIds=inputs["subnetIds"],
            Options={"DnsSupport": inputs["dnsSupport"]},
            **ec2_tags("transit-gateway-attachment", inputs),
        )
        return answer["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        aws.wait(lambda: self.state(aws, id), until=("available",), through=("pending", "modifying"), seconds=600)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"transit-gateway-attachment/{id}"),
            "transitGatewayId": found["TransitGatewayId"],
            "vpcId": found["VpcId"],
            "subnetIds": found["SubnetIds"],
            "dnsSupport": found["Options"]["DnsSupport"],
            "vpcOwnerId": aws.account,
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        old, new = self.read(aws, id, {})["subnetIds"], inputs["subnetIds"]
        aws.ec2.modify_transit_gateway_vpc_attachment(
            TransitGatewayAttachmentId=id,
            AddSubnetIds=[each for each in new if each not in old],
            RemoveSubnetIds=[each for each in old if each not in new],
            Options={"DnsSupport": inputs["dnsSupport"]},
        )
        self.settle(aws, id, inputs)
        self.retag(aws, id, inputs)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        if self.state(aws, id) == "deleted":
            return
        aws.ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=id)
        aws.wait(lambda: self.state(aws, id), until=("deleted",), through=("available", "deleting"), seconds=600)


class _Peer(_Transit):
    not_found = _ATTACHMENT

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        how = given(TransitGatewayAttachmentIds=ids, Filters=filters)
        return aws.ec2.describe_transit_gateway_peering_attachments(**how)["TransitGatewayPeeringAttachments"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["TransitGatewayAttachmentId"]

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.retag(aws, id, inputs)


@kind("aws:ec2transitgateway/peeringAttachment:PeeringAttachment")
class PeeringAttachment(_Peer):
    computed = ("arn", "state", "peerAccountId", "tagsAll")

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_transit_gateway_peering_attachment(
            TransitGatewayId=inputs["transitGatewayId"],
            PeerTransitGatewayId=inputs["peerTransitGatewayId"],
            PeerRegion=inputs["peerRegion"],
            PeerAccountId=inputs.get("peerAccountId", aws.account),
            **ec2_tags("transit-gateway-attachment", inputs),
        )
        return answer["TransitGatewayPeeringAttachment"]["TransitGatewayAttachmentId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        through = ("initiatingRequest", "pending")
        aws.wait(lambda: self.state(aws, id), until=("pendingAcceptance", "available"), through=through, seconds=600)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        theirs = found["AccepterTgwInfo"]
        return {
            "arn": arn(aws, "ec2", f"transit-gateway-attachment/{id}"),
            "state": found["State"],
            "transitGatewayId": found["RequesterTgwInfo"]["TransitGatewayId"],
            "peerTransitGatewayId": theirs["TransitGatewayId"],
            "peerRegion": theirs["Region"],
            "peerAccountId": theirs["OwnerId"],
            **tagged(unpaired(found.get("Tags"))),
        }

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        if self.state(aws, id) == "deleted":
            return
        aws.ec2.delete_transit_gateway_peering_attachment(TransitGatewayAttachmentId=id)
        through = ("available", "deleting", "pendingAcceptance")
        aws.wait(lambda: self.state(aws, id), until=("deleted",), through=through, seconds=600)


@kind("aws:ec2transitgateway/peeringAttachmentAccepter:PeeringAttachmentAccepter")
class PeeringAttachmentAccepter(_Peer):
    computed = ("peerAccountId", "peerRegion", "peerTransitGatewayId", "transitGatewayId", "tagsAll")

    def create(self, aws: Aws, inputs: Values) -> str:
        id = inputs["transitGatewayAttachmentId"]
        # The other region learns of it a little later.
        aws.again(lambda: self._accept(aws, id), _ATTACHMENT, "IncorrectState", seconds=120)
        return id

    def _accept(self, aws: Aws, id: str) -> None:
        if self.state(aws, id) != "available":
            aws.ec2.accept_transit_gateway_peering_attachment(TransitGatewayAttachmentId=id)

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        aws.wait(
            lambda: self.state(aws, id), until=("available",), through=("pending", "pendingAcceptance"), seconds=600
        )
        self.retag(aws, id, inputs)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        theirs = found["RequesterTgwInfo"]
        return {
            "transitGatewayAttachmentId": id,
            "transitGatewayId": found["AccepterTgwInfo"]["TransitGatewayId"],
            "peerTransitGatewayId": theirs["TransitGatewayId"],
            "peerRegion": theirs["Region"],
            "peerAccountId": theirs["OwnerId"],
            **tagged(unpaired(found.get("Tags"))),
        }

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        # Either side may delete it, and this one does (transitgateway_peering_attachment_accepter.go).
        if self.state(aws, id) in ("deleted", "deleting"):
            return
        aws.ec2.delete_transit_gateway_peering_attachment(TransitGatewayAttachmentId=id)
        aws.wait(lambda: self.state(aws, id), until=("deleted",), through=("available", "deleting"), seconds=600)

    def find(self, aws: Aws, inputs: Values) -> str | None:
        id = inputs["transitGatewayAttachmentId"]
        return id if self.state(aws, id) == "available" else None


@kind("aws:ec2transitgateway/route:Route")
class TransitRoute(Kind):
    def _find(self, aws: Aws, table: str, destination: str) -> dict[str, Any]:
        try:
            routes = aws.ec2.search_transit_gateway_routes(
                TransitGatewayRouteTableId=table, Filters=[{"Name": "type", "Values": ["static"]}]
            )["Routes"]
        except Exception as error:
            if code(error) == "InvalidRouteTableID.NotFound":
                raise Gone from error
            raise
        return the_only([each for each in routes if each["DestinationCidrBlock"] == destination])

    def create(self, aws: Aws, inputs: Values) -> str:
        table, destination = inputs["transitGatewayRouteTableId"], inputs["destinationCidrBlock"]
        aws.ec2.create_transit_gateway_route(
            TransitGatewayRouteTableId=table,
            DestinationCidrBlock=destination,
            Blackhole=inputs["blackhole"],
            **given(TransitGatewayAttachmentId=inputs.get("transitGatewayAttachmentId")),
        )
        return f"{table}_{destination}"

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        table, _, destination = id.partition("_")
        found = self._find(aws, table, destination)
        attachments = found.get("TransitGatewayAttachments") or [{}]
        return {
            "transitGatewayRouteTableId": table,
            "destinationCidrBlock": destination,
            "transitGatewayAttachmentId": attachments[0].get("TransitGatewayAttachmentId"),
            "blackhole": found["State"] == "blackhole",
        }

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        table, _, destination = id.partition("_")
        try:
            self._find(aws, table, destination)
        except Gone:
            return
        aws.ec2.delete_transit_gateway_route(TransitGatewayRouteTableId=table, DestinationCidrBlock=destination)

    def find(self, aws: Aws, inputs: Values) -> str | None:
        table, destination = inputs["transitGatewayRouteTableId"], inputs["destinationCidrBlock"]
        try:
            self._find(aws, table, destination)
        except Gone:
            return None
        return f"{table}_{destination}"
