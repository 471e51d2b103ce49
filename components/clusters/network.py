"""The VPC of one cluster: its subnets by zone, the ways out, and what is written down of its traffic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.clusters.account import Place, policy, role, trusts
from components.config.aws_network import ENDPOINTS, Addresses, AwsNetworkConfig
from components.naming import child, type_token

ANYWHERE = "0.0.0.0/0"

_FLOW_LOGS_INTERVAL = 60
"""Seconds that a flow is summed up over: the shorter of AWS's two, so that an incident can be followed."""


@dataclass(frozen=True)
class Tables:
    """The route tables of a VPC."""

    private: Mapping[str, aws.ec2.RouteTable]
    """Of nodes and pods, by zone; one for all where the NAT gateway is shared."""

    intra: aws.ec2.RouteTable
    """Of the control plane's network interfaces."""

    @property
    def all(self) -> Mapping[str, aws.ec2.RouteTable]:
        """Those from which other networks of the stack are reached, by a name."""
        return {**{f"private-{zone}": table for zone, table in self.private.items()}, "intra": self.intra}


class Network(pulumi.ComponentResource):
    """A VPC over the zones of one cluster.

    Each zone has three subnets: private for nodes and pods, public for load balancers and NAT, and intra, without any
    way out, for the control plane's network interfaces. Load balancers find theirs by the role tags.
    """

    vpc_id: pulumi.Output[str]

    private: Sequence[pulumi.Output[str]]
    """Ids of the private subnets, by zone in order."""

    public: Sequence[pulumi.Output[str]]
    """Ids of the public subnets."""

    intra: Sequence[pulumi.Output[str]]
    """Ids of the intra subnets."""

    tables: Tables

    egress: Sequence[pulumi.Output[str]]
    """Addresses that pods have on the internet: those of the NAT gateways."""

    def __init__(
        self,
        name: str,
        config: AwsNetworkConfig,
        *,
        place: Place,
        ranges: Addresses,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("clusters", "Network"), name, None, opts)
        self._name, self._place = name, place
        vpc = aws.ec2.Vpc(
            child(name, "vpc"),
            cidr_block=ranges.vpc,
            # The private names of the API server and of the endpoints are resolved by the VPC's own DNS.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=place.tags(),
            opts=place.options(self),
        )
        self.vpc_id = vpc.id
        # No rules at all: whoever forgets to name a group gets one that takes nothing.
        aws.ec2.DefaultSecurityGroup(
            child(name, "default-group"), vpc_id=vpc.id, tags=place.tags("default"), opts=place.options(self)
        )
        private = self._subnets("private", ranges.private, {"kubernetes.io/role/internal-elb": "1"})
        public = self._subnets("public", ranges.public, {"kubernetes.io/role/elb": "1"})
        intra = self._subnets("intra", ranges.intra, {})
        self.private, self.public, self.intra = (
            [subnet.id for subnet in found.values()] for found in (private, public, intra)
        )
        internet = self._internet(public)
        self.egress = []
        self.tables = Tables(
            self._way_out(config, private, public, internet), self._table("intra", intra, role="intra")
        )
        if config.s3_endpoint:
            aws.ec2.VpcEndpoint(
                child(name, "endpoint-s3"),
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{place.region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in self.tables.private.values()],
                tags=place.tags("s3"),
                opts=place.options(self),
            )
        if config.endpoints:
            self._interfaces([service for choice in config.endpoints for service in ENDPOINTS[choice]], ranges.vpc)
        if config.flow_logs.enabled:
            self._flow_logs(config)
        self.register_outputs({"vpcId": self.vpc_id})

    def _subnets(self, kind: str, ranges: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, aws.ec2.Subnet]:
        return {
            zone: aws.ec2.Subnet(
                child(self._name, f"{kind}-{zone}"),
                vpc_id=self.vpc_id,
                cidr_block=cidr,
                availability_zone=zone,
                # Load balancers and NAT gateways bring addresses of their own; nothing else stands here.
                map_public_ip_on_launch=False,
                tags={**self._place.tags(f"{kind}-{zone}"), **tags},
                opts=self._place.options(self),
            )
            for zone, cidr in ranges.items()
        }

    def _table(self, kind: str, subnets: Mapping[str, aws.ec2.Subnet], *, role: str) -> aws.ec2.RouteTable:
        """A route table `role` for subnets of one kind."""
        table = aws.ec2.RouteTable(
            child(self._name, f"{role}-routes"),
            vpc_id=self.vpc_id,
            tags=self._place.tags(role),
            opts=self._place.options(self),
        )
        for zone, subnet in subnets.items():
            aws.ec2.RouteTableAssociation(
                # Named by the subnet, which has one table at a time: another one takes its place.
                child(self._name, f"{kind}-{zone}-association"),
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=self._place.options(self),
            )
        return table

    def _internet(self, public: Mapping[str, aws.ec2.Subnet]) -> aws.ec2.Route:
        gateway = aws.ec2.InternetGateway(
            child(self._name, "internet"),
            vpc_id=self.vpc_id,
            tags=self._place.tags(),
            opts=self._place.options(self),
        )
        return aws.ec2.Route(
            child(self._name, "public-to-internet"),
            route_table_id=self._table("public", public, role="public").id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=self._place.options(self),
        )

    def _way_out(
        self,
        config: AwsNetworkConfig,
        private: Mapping[str, aws.ec2.Subnet],
        public: Mapping[str, aws.ec2.Subnet],
        internet: aws.ec2.Route,
    ) -> dict[str, aws.ec2.RouteTable]:
        """NAT gateways, with a route table for the zones of each."""
        zones = list(private)
        served = {zones[0]: zones} if config.nat == "shared" else {zone: [zone] for zone in zones}
        tables: dict[str, aws.ec2.RouteTable] = {}
        for zone, sharing in served.items():
            address = aws.ec2.Eip(
                child(self._name, f"nat-address-{zone}"),
                domain="vpc",
                tags=self._place.tags(f"nat-{zone}"),
                # It is released only when the gateway that has it is gone, and mapped only with a way to the internet.
                opts=self._place.options(self, [internet]),
            )
            gateway = aws.ec2.NatGateway(
                child(self._name, f"nat-{zone}"),
                allocation_id=address.id,
                subnet_id=public[zone].id,
                tags=self._place.tags(f"nat-{zone}"),
                opts=self._place.options(self, [internet]),
            )
            table = tables[zone] = self._table(
                "private", {zone: private[zone] for zone in sharing}, role=f"private-{zone}"
            )
            aws.ec2.Route(
                child(self._name, f"private-{zone}-to-internet"),
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=gateway.id,
                opts=self._place.options(self),
            )
            self.egress = [*self.egress, address.public_ip]
        return tables

    def _interfaces(self, services: Sequence[str], vpc_range: str) -> None:
        place = self._place
        group = aws.ec2.SecurityGroup(
            child(self._name, "endpoints"),
            name=place.name("endpoints"),
            description="Services of AWS, for this VPC alone",
            vpc_id=self.vpc_id,
            tags=place.tags("endpoints"),
            opts=place.options(self),
        )
        aws.vpc.SecurityGroupIngressRule(
            child(self._name, "endpoints-from-vpc"),
            security_group_id=group.id,
            description="HTTPS from this VPC",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_ipv4=vpc_range,
            tags=place.tags("endpoints"),
            opts=place.options(self),
        )
        for service in services:
            aws.ec2.VpcEndpoint(
                child(self._name, f"endpoint-{service}"),
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{place.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=list(self.private),
                security_group_ids=[group.id],
                private_dns_enabled=True,
                tags=place.tags(service),
                opts=place.options(self),
            )

    def _flow_logs(self, config: AwsNetworkConfig) -> None:
        place = self._place
        group = aws.cloudwatch.LogGroup(
            child(self._name, "flow-log-group"),
            name=f"/aws/vpc/{place.name()}/flow-logs",
            retention_in_days=config.flow_logs.retention_days,
            tags=place.tags("flow-logs"),
            opts=place.options(self),
        )
        writer = role(
            self._name,
            place,
            "flow-logs",
            trust=trusts("vpc-flow-logs.amazonaws.com", "sts:AssumeRole"),
            inline=group.arn.apply(flow_log_policy),
            parent=self,
        )
        aws.ec2.FlowLog(
            child(self._name, "flow-log"),
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=writer.arn,
            max_aggregation_interval=_FLOW_LOGS_INTERVAL,
            tags=place.tags("flow-logs"),
            opts=place.options(self, writer.policies),
        )


def flow_log_policy(group_arn: str) -> str:
    """What VPC flow logs need to write to one log group."""
    actions = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    return policy({"Effect": "Allow", "Action": list(actions), "Resource": [group_arn, f"{group_arn}:*"]})
