"""Rules of transit gateways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.responses import EC2Response

from lab.aws.cloud.around import CLOCK, around
from lab.aws.cloud.backends import backend
from lab.aws.cloud.network_rules import hold, let_go
from lab.aws.cloud.path_rules import own_side, refuse, turn
from lab.aws.cloud.quotas import LIMITS

TRANSIT_READY, TRANSIT_GONE = 60.0, 60.0


@around(EC2Backend, "create_transit_gateway")
def create_transit_gateway(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    if len(self.transit_gateways) >= LIMITS["ec2/transit-gateways-per-region"]:
        raise refuse("TransitGatewayLimitExceeded", "The maximum number of transit gateways has been reached.")
    found = original(*arguments, **named)
    found.state = "pending"
    CLOCK.later(TRANSIT_READY, lambda: turn(found, "pending", "available"))
    return found


@around(EC2Backend, "delete_transit_gateway")
def delete_transit_gateway(original: Callable[..., Any], self: Any, transit_gateway_id: str) -> Any:
    used = [
        each.id
        for each in self.transit_gateway_attachments.values()
        if transit_gateway_id in (each.transit_gateway_id, each.resource_id)
        and each.state not in ("deleted", "rejected")
    ]
    if used:
        raise refuse(
            "IncorrectState", f"{transit_gateway_id} has non-deleted Transit Gateway Attachments: {', '.join(used)}."
        )
    found = self.transit_gateways[transit_gateway_id]
    found.state = "deleting"
    CLOCK.later(TRANSIT_GONE, lambda: original(transit_gateway_id) and None)
    return found


@around(EC2Backend, "create_transit_gateway_vpc_attachment")
def attach_vpc(
    original: Callable[..., Any],
    self: Any,
    transit_gateway_id: str,
    vpc_id: str,
    subnet_ids: list[str],
    *rest: Any,
    **named: Any,
) -> Any:
    _available(self, transit_gateway_id)
    zones = [self.get_subnet(each).availability_zone for each in subnet_ids]
    if len(set(zones)) != len(zones):
        raise refuse("DuplicateSubnetsInSameZone", "Duplicate Subnets for same AZ")
    for each in subnet_ids:
        if self.get_subnet(each).vpc_id != vpc_id:
            raise refuse("InvalidSubnetID.NotFound", f"The subnet {each} is not in VPC {vpc_id}")
    found = original(transit_gateway_id, vpc_id, subnet_ids, *rest, **named)
    found.held = [
        hold(self, each, f"Network Interface for Transit Gateway Attachment {found.id}") for each in subnet_ids
    ]
    found.state = "pending"
    CLOCK.later(TRANSIT_READY, lambda: turn(found, "pending", "available"))
    return found


@around(EC2Response, "create_transit_gateway_vpc_attachment")
def attach_vpc_with_tags(original: Callable[..., Any], self: Any) -> Any:
    before = set(self.ec2_backend.transit_gateway_attachments)
    answer = original()
    # moto looks for its tags under the name of another type.
    tags = self._parse_tag_specification().get("transit-gateway-attachment", {})
    for id in set(self.ec2_backend.transit_gateway_attachments) - before:
        self.ec2_backend.transit_gateway_attachments[id].add_tags(tags)
    return answer


@around(EC2Backend, "delete_transit_gateway_vpc_attachment")
def detach_vpc(original: Callable[..., Any], self: Any, transit_gateway_attachment_id: str) -> Any:
    found = self.transit_gateway_attachments.get(transit_gateway_attachment_id)
    if found is None:
        raise refuse("InvalidTransitGatewayAttachmentID.NotFound", f"{transit_gateway_attachment_id} does not exist")
    found.state = "deleting"

    def end() -> None:
        let_go(self, *getattr(found, "held", ()))
        original(transit_gateway_attachment_id)

    CLOCK.later(TRANSIT_GONE, end)
    return found


@around(EC2Backend, "create_transit_gateway_peering_attachment")
def peer_gateways(
    original: Callable[..., Any],
    self: Any,
    transit_gateway_id: str,
    peer_transit_gateway_id: str,
    peer_region: str,
    *rest: Any,
    **named: Any,
) -> Any:
    _available(self, transit_gateway_id)
    if peer_region == self.region_name or peer_transit_gateway_id not in backend("ec2", peer_region).transit_gateways:
        raise refuse(
            "InvalidTransitGatewayID.NotFound",
            f"Transit Gateway {peer_transit_gateway_id} does not exist in {peer_region}",
        )
    return original(transit_gateway_id, peer_transit_gateway_id, peer_region, *rest, **named)


@around(EC2Backend, "create_transit_gateway_route")
def transit_route(
    original: Callable[..., Any],
    self: Any,
    transit_gateway_route_table_id: str,
    destination_cidr_block: str,
    *rest: Any,
    **named: Any,
) -> Any:
    attachment = named.get("transit_gateway_attachment_id") or (rest[0] if rest else None)
    found = self.transit_gateway_attachments.get(attachment) if attachment else None
    if attachment and (found is None or found.state != "available"):
        state = "does not exist" if found is None else f"is in state {found.state}"
        raise refuse("IncorrectState", f"{attachment} {state}: a route can lead to an available attachment alone")
    return original(transit_gateway_route_table_id, destination_cidr_block, *rest, **named)


@around(EC2Backend, "describe_transit_gateway_peering_attachments")
def describe_peers(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    return [own_side(self, each) for each in original(*arguments, **named)]


@around(EC2Backend, "search_transit_gateway_routes")
def search_routes(original: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
    def told(route: dict[str, Any]) -> dict[str, Any]:
        # moto has one where AWS has a list of them.
        attachment = route.get("transitGatewayAttachments")
        return {**route, "transitGatewayAttachments": [attachment] if attachment else []}

    return [told(route) for route in original(*arguments, **named)]


def _available(ec2: Any, gateway: str) -> None:
    found = ec2.transit_gateways.get(gateway)
    if found is None:
        raise refuse("InvalidTransitGatewayID.NotFound", f"Transit Gateway {gateway} was deleted or does not exist.")
    if found.state != "available":
        raise refuse("IncorrectState", f"{gateway} is in invalid state")
