"""Peering between VPCs."""

from __future__ import annotations

from typing import Any

from lab.aws.plugin.clients import Aws, given, unpaired
from lab.aws.plugin.kind import Gone, Values, ec2_tags, kind, retag_ec2, tagged
from lab.aws.plugin.kinds.network import Ec2Kind

_DEAD = ("deleted", "deleting", "rejected", "failed", "expired")
_DNS = {"allowRemoteVpcDnsResolution": "AllowDnsResolutionFromRemoteVpc"}


class _Peerings(Ec2Kind):
    not_found = "InvalidVpcPeeringConnectionID.NotFound"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        how = given(VpcPeeringConnectionIds=ids, Filters=filters)
        return aws.ec2.describe_vpc_peering_connections(**how)["VpcPeeringConnections"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["VpcPeeringConnectionId"]

    def present(self, found: dict[str, Any]) -> bool:
        return found["Status"]["Code"] not in _DEAD

    def one(self, aws: Aws, id: str) -> dict[str, Any]:
        found = super().one(aws, id)
        if not self.present(found):
            raise Gone
        return found

    def state(self, aws: Aws, id: str) -> str:
        """Its status; `gone` where it is not."""
        try:
            return super().one(aws, id)["Status"]["Code"]
        except Gone:
            return "gone"

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))


@kind("aws:ec2/vpcPeeringConnection:VpcPeeringConnection")
class VpcPeeringConnection(_Peerings):
    computed = ("acceptStatus", "accepter", "requester", "peerOwnerId", "peerRegion", "tagsAll")

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_vpc_peering_connection(
            VpcId=inputs["vpcId"],
            PeerVpcId=inputs["peerVpcId"],
            **given(PeerRegion=inputs.get("peerRegion"), PeerOwnerId=inputs.get("peerOwnerId")),
            **ec2_tags("vpc-peering-connection", inputs),
        )
        return answer["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        through = ("initiating-request", "provisioning")
        aws.wait(lambda: self.state(aws, id), until=("active", "pending-acceptance"), through=through, seconds=60)
        if inputs.get("autoAccept"):
            aws.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
            aws.wait(lambda: self.state(aws, id), until=("active",), through=("provisioning",), seconds=60)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        theirs = found["AccepterVpcInfo"]
        return {
            "acceptStatus": found["Status"]["Code"],
            "vpcId": found["RequesterVpcInfo"]["VpcId"],
            "peerVpcId": theirs["VpcId"],
            "peerRegion": theirs.get("Region"),
            "peerOwnerId": theirs["OwnerId"],
            **tagged(unpaired(found.get("Tags"))),
        }

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        if self.state(aws, id) in (*_DEAD, "gone"):
            return
        aws.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=id)
        aws.wait(lambda: self.state(aws, id), until=("deleted", "gone"), through=("active", "deleting"), seconds=60)


@kind("aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter")
class VpcPeeringConnectionAccepter(_Peerings):
    """The other side's yes. It goes with the connection itself: its own deletion does nothing."""

    computed = ("acceptStatus", "peerOwnerId", "peerRegion", "peerVpcId", "vpcId", "accepter", "requester", "tagsAll")

    def create(self, aws: Aws, inputs: Values) -> str:
        id = inputs["vpcPeeringConnectionId"]
        self.one(aws, id)
        return id

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        if inputs.get("autoAccept") and self.state(aws, id) == "pending-acceptance":
            aws.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
        if inputs.get("autoAccept"):
            aws.wait(lambda: self.state(aws, id), until=("active",), through=("provisioning",), seconds=60)
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        mine, theirs = found["AccepterVpcInfo"], found["RequesterVpcInfo"]
        return {
            "acceptStatus": found["Status"]["Code"],
            "vpcPeeringConnectionId": id,
            "autoAccept": known.get("autoAccept"),
            "vpcId": mine["VpcId"],
            "peerVpcId": theirs["VpcId"],
            "peerRegion": theirs.get("Region"),
            "peerOwnerId": theirs["OwnerId"],
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        return

    def find(self, aws: Aws, inputs: Values) -> str | None:
        return inputs["vpcPeeringConnectionId"]


@kind("aws:ec2/peeringConnectionOptions:PeeringConnectionOptions")
class PeeringConnectionOptions(_Peerings):
    def create(self, aws: Aws, inputs: Values) -> str:
        id = inputs["vpcPeeringConnectionId"]
        self.one(aws, id)
        return id

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        sides = {
            f"{side.capitalize()}PeeringConnectionOptions": {_DNS[name]: value for name, value in inputs[side].items()}
            for side in ("accepter", "requester")
            if side in inputs
        }
        if sides:
            aws.ec2.modify_vpc_peering_connection_options(VpcPeeringConnectionId=id, **sides)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        told: dict[str, Any] = {"vpcPeeringConnectionId": id}
        for side, part in (("accepter", "AccepterVpcInfo"), ("requester", "RequesterVpcInfo")):
            options = found[part].get("PeeringOptions", {})
            if side in known:
                told[side] = {name: options.get(argument, False) for name, argument in _DNS.items()}
        return told

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        # The real provider leaves them as they are, too.
        return

    def find(self, aws: Aws, inputs: Values) -> str | None:
        return inputs["vpcPeeringConnectionId"]
