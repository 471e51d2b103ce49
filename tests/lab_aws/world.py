"""Resources that a test takes for granted, each made by its first use, through the provider."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from tests.lab_aws.provider import Engine, Made

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
ROLE = "aws:iam/role:Role"
CLUSTER = "aws:eks/cluster:Cluster"
POLICY = "arn:aws:iam::aws:policy/"


def trust(service: str, *actions: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions) or ["sts:AssumeRole"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class World:
    """Of us-east-1 where nothing else is said."""

    def __init__(self, east: Engine, west: Engine) -> None:
        self.east = east
        self.west = west

    @cached_property
    def vpc(self) -> Made:
        return self.east.make(VPC, "vpc", cidrBlock="10.0.0.0/16", enableDnsHostnames=True, tags={"Name": "vpc"})

    @cached_property
    def peer_vpc(self) -> Made:
        """In us-west-2."""
        return self.west.make(VPC, "vpc", cidrBlock="10.1.0.0/16", enableDnsHostnames=True, tags={"Name": "peer"})

    @cached_property
    def subnets(self) -> list[Made]:
        return [self.subnet(number, zone) for number, zone in enumerate("abc")]

    @property
    def subnet_ids(self) -> list[str]:
        return [each.id for each in self.subnets]

    def subnet(self, number: int, zone: str) -> Made:
        return self.east.make(
            SUBNET,
            f"subnet-{number}",
            vpcId=self.vpc.id,
            cidrBlock=f"10.0.{number}.0/24",
            availabilityZone=f"us-east-1{zone}",
            tags={"Name": f"subnet-{number}"},
        )

    @cached_property
    def gateway(self) -> Made:
        return self.east.make("aws:ec2/internetGateway:InternetGateway", "igw", vpcId=self.vpc.id, tags={"Name": "igw"})

    @cached_property
    def address(self) -> Made:
        return self.east.make("aws:ec2/eip:Eip", "eip", domain="vpc", tags={"Name": "eip"})

    @cached_property
    def table(self) -> Made:
        return self.east.make("aws:ec2/routeTable:RouteTable", "table", vpcId=self.vpc.id, tags={"Name": "table"})

    @cached_property
    def group(self) -> Made:
        return self.east.make(
            "aws:ec2/securityGroup:SecurityGroup", "group", name="group", vpcId=self.vpc.id, tags={"Name": "group"}
        )

    @cached_property
    def nat(self) -> Made:
        assert self.gateway
        return self.east.make(
            "aws:ec2/natGateway:NatGateway",
            "nat",
            allocationId=self.address.id,
            subnetId=self.subnets[0].id,
            tags={"Name": "nat"},
        )

    @cached_property
    def peering(self) -> Made:
        return self.east.make(
            "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
            "peering",
            vpcId=self.vpc.id,
            peerVpcId=self.peer_vpc.id,
            peerRegion="us-west-2",
            tags={"Name": "peering"},
        )

    @cached_property
    def accepted(self) -> Made:
        """The peering's other side, in us-west-2."""
        return self.west.make(
            "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter",
            "accepter",
            vpcPeeringConnectionId=self.peering.id,
            autoAccept=True,
        )

    def role(self, name: str, service: str, *actions: str) -> Made:
        return self.east.make(ROLE, name, name=name, assumeRolePolicy=trust(service, *actions), tags={"Name": name})

    @cached_property
    def cluster_role(self) -> Made:
        made = self.role("cluster", "eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
        attachment = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
        self.east.make(attachment, "policy", role="cluster", policyArn=f"{POLICY}AmazonEKSClusterPolicy")
        return made

    @cached_property
    def node_role(self) -> Made:
        return self.role("nodes", "ec2.amazonaws.com")

    @cached_property
    def pod_role(self) -> Made:
        return self.role("pods", "pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")

    @cached_property
    def key(self) -> Made:
        return self.east.make(
            "aws:kms/key:Key", "key", enableKeyRotation=True, deletionWindowInDays=7, tags={"Name": "key"}
        )

    def cluster_inputs(self, **others: Any) -> dict[str, Any]:
        network = {"subnetIds": self.subnet_ids, "endpointPrivateAccess": True, "endpointPublicAccess": False}
        return {
            "name": "one",
            "version": "1.34",
            "roleArn": self.cluster_role["arn"],
            "bootstrapSelfManagedAddons": False,
            "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
            "vpcConfig": network,
            "upgradePolicy": {"supportType": "STANDARD"},
            "tags": {"Name": "one"},
            **others,
        }

    def auto_mode(self) -> dict[str, Any]:
        """The inputs that Auto Mode takes."""
        return {
            "computeConfig": {
                "enabled": True,
                "nodePools": ["general-purpose", "system"],
                "nodeRoleArn": self.node_role["arn"],
            },
            "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
            "storageConfig": {"blockStorage": {"enabled": True}},
        }

    @cached_property
    def cluster(self) -> Made:
        return self.east.make(CLUSTER, "one", **self.cluster_inputs())

    def group_inputs(self, **others: Any) -> dict[str, Any]:
        return {
            "clusterName": self.cluster["name"],
            "nodeGroupName": "nodes",
            "nodeRoleArn": self.node_role["arn"],
            "subnetIds": self.subnet_ids,
            "amiType": "AL2023_ARM_64_STANDARD",
            "instanceTypes": ["m7g.large"],
            "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 3},
            "tags": {"Name": "nodes"},
            **others,
        }

    @cached_property
    def node_group(self) -> Made:
        return self.east.make("aws:eks/nodeGroup:NodeGroup", "nodes", **self.group_inputs())
