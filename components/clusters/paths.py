"""Private ways between VPCs: of the clusters to each other, and of the place that the stack is deployed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import pulumi
import pulumi_aws as aws

from components.clusters.account import Place
from components.clusters.network import Tables
from components.config.aws import ManagementVpcConfig, TransitGatewayConfig
from components.naming import child, type_token


@dataclass(frozen=True)
class End:
    """A VPC as the others see it."""

    place: Place
    vpc_id: pulumi.Input[str]
    cidr: str
    """Its range of addresses."""
    tables: Tables
    intra: Sequence[pulumi.Input[str]]
    """Ids of its intra subnets, by zone."""
    slot: int
    automatic: bool = False
    """Whether the control plane's interfaces are in the private subnets, where Auto Mode starts its nodes."""


class Peerings(pulumi.ComponentResource):
    """A peering of each two VPCs, made once for the pair, with routes both ways in every table of nodes and control
    plane.

    A security group cannot be referenced across regions: who may use the way is said by ranges (rules.py).
    """

    def __init__(self, name: str, ends: Mapping[str, End], *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("clusters", "Peerings"), name, None, opts)
        # By name, so that the order of the file's clusters makes no difference.
        for one, other in combinations(sorted(ends), 2):
            asking, asked = ends[one], ends[other]
            accepted = _peering(
                child(name, f"{one}-{other}"),
                asking.place,
                asking.vpc_id,
                peer_vpc=asked.vpc_id,
                peer_region=asked.place.region,
                peer_options=asked.place.options(self),
                parent=self,
            )
            for end, cluster, peer in ((asking, one, other), (asked, other, one)):
                for table, found in end.tables.all.items():
                    aws.ec2.Route(
                        child(name, f"{cluster}-{table}-to-{peer}"),
                        route_table_id=found.id,
                        destination_cidr_block=ends[peer].cidr,
                        vpc_peering_connection_id=accepted.id,
                        opts=end.place.options(self),
                    )
        self.register_outputs({})


class ManagementPeering(pulumi.ComponentResource):
    """The way of the place that the stack is deployed from to one cluster's API server."""

    def __init__(
        self,
        name: str,
        config: ManagementVpcConfig,
        *,
        end: End,
        management: aws.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`management`: the way into the management VPC's region."""
        super().__init__(type_token("clusters", "ManagementPeering"), name, None, opts)
        there = pulumi.ResourceOptions(parent=self, provider=management)
        accepted = _peering(
            child(name, "peering"),
            end.place,
            end.vpc_id,
            peer_vpc=config.id,
            peer_region=config.region,
            peer_options=there,
            parent=self,
        )
        # For answers of the control plane's interfaces; who else stands there takes nothing from that VPC (rules.py).
        tables = end.tables.private if end.automatic else {"": end.tables.intra}
        for zone, table in tables.items():
            aws.ec2.Route(
                child(name, f"back-{zone}" if zone else "back"),
                route_table_id=table.id,
                destination_cidr_block=config.cidr,
                vpc_peering_connection_id=accepted.id,
                opts=end.place.options(self),
            )
        for table in config.route_tables:
            aws.ec2.Route(
                child(name, f"from-{table}"),
                route_table_id=table,
                destination_cidr_block=end.cidr,
                vpc_peering_connection_id=accepted.id,
                opts=there,
            )
        self.register_outputs({})


def _peering(
    name: str,
    place: Place,
    vpc_id: pulumi.Input[str],
    *,
    peer_vpc: pulumi.Input[str],
    peer_region: str,
    peer_options: pulumi.ResourceOptions,
    parent: pulumi.Resource,
) -> aws.ec2.VpcPeeringConnectionAccepter:
    """A peering that the other side has accepted: before that no route may lead into it."""
    asked = aws.ec2.VpcPeeringConnection(
        name,
        vpc_id=vpc_id,
        peer_vpc_id=peer_vpc,
        peer_region=peer_region,
        tags=place.tags("peering"),
        opts=place.options(parent),
    )
    return aws.ec2.VpcPeeringConnectionAccepter(
        child(name, "accepted"),
        vpc_peering_connection_id=asked.id,
        auto_accept=True,
        tags=place.tags("peering"),
        opts=peer_options,
    )


class TransitGateways(pulumi.ComponentResource):
    """A transit gateway in each region, each two of them peered.

    A VPC has one route for all others, the stack's whole range of addresses; its own part of it is nearer. A gateway
    knows the other regions by one route each.
    """

    def __init__(
        self,
        name: str,
        config: TransitGatewayConfig,
        ends: Mapping[str, End],
        *,
        supernet: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("clusters", "TransitGateways"), name, None, opts)
        gateways = {cluster: self._gateway(name, config, cluster, end, supernet) for cluster, end in ends.items()}
        peered: dict[frozenset[str], pulumi.Output[str]] = {}
        for one, other in combinations(sorted(ends), 2):
            asked = aws.ec2transitgateway.PeeringAttachment(
                child(name, f"{one}-{other}"),
                transit_gateway_id=gateways[one].id,
                peer_transit_gateway_id=gateways[other].id,
                peer_region=ends[other].place.region,
                tags=ends[one].place.tags("transit"),
                opts=ends[one].place.options(self),
            )
            accepted = aws.ec2transitgateway.PeeringAttachmentAccepter(
                child(name, f"{one}-{other}-accepted"),
                transit_gateway_attachment_id=asked.id,
                tags=ends[other].place.tags("transit"),
                opts=ends[other].place.options(self),
            )
            peered[frozenset((one, other))] = accepted.id
        for here, there in permutations(sorted(ends), 2):
            aws.ec2transitgateway.Route(
                child(name, f"{here}-to-{there}"),
                destination_cidr_block=ends[there].cidr,
                transit_gateway_attachment_id=peered[frozenset((here, there))],
                transit_gateway_route_table_id=gateways[here].association_default_route_table_id,
                opts=ends[here].place.options(self),
            )
        self.register_outputs({})

    def _gateway(
        self, name: str, config: TransitGatewayConfig, cluster: str, end: End, supernet: str
    ) -> aws.ec2transitgateway.TransitGateway:
        gateway = aws.ec2transitgateway.TransitGateway(
            child(name, cluster),
            description=f"Other regions of {end.place.name()}",
            amazon_side_asn=config.first_asn + end.slot,
            default_route_table_association="enable",
            default_route_table_propagation="enable",
            tags=end.place.tags("transit"),
            opts=end.place.options(self),
        )
        attachment = aws.ec2transitgateway.VpcAttachment(
            child(name, f"{cluster}-vpc"),
            transit_gateway_id=gateway.id,
            vpc_id=end.vpc_id,
            subnet_ids=list(end.intra),
            tags=end.place.tags("transit"),
            opts=end.place.options(self),
        )
        for table, found in end.tables.all.items():
            aws.ec2.Route(
                child(name, f"{cluster}-{table}-to-others"),
                route_table_id=found.id,
                destination_cidr_block=supernet,
                transit_gateway_id=gateway.id,
                # Until the VPC is attached, no route may lead there.
                opts=end.place.options(self, [attachment]),
            )
        return gateway
