"""Route tables, their routes, and the subnets that they are for."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from typing import Any

from lab.aws.plugin.clients import Aws, given, unpaired
from lab.aws.plugin.kind import Gone, Kind, Values, arn, ec2_tags, kind, retag_ec2, tagged
from lab.aws.plugin.kinds.network import Ec2Kind, cidr_faults, delete_unused, gone_for, the_only


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
        delete_unused(aws, lambda: aws.ec2.delete_route_table(RouteTableId=id), self.not_found, 300)


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
