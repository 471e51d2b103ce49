"""The VPC of a cluster as it is asked for."""

import json
from collections import Counter
from typing import Any

import pytest

from tests import mocks
from tests.aws import aws_stack, made, tags

PLACE = "use1-network"


@pytest.fixture(scope="module")
def recording() -> mocks.Recording:
    return made(aws_stack(1, aws__network__endpoints=["ecr", "sts", "eksAuth"]))[0]


@pytest.fixture(scope="module")
def shared() -> mocks.Recording:
    return made(aws_stack(1, aws__network__nat="shared", aws__network__s3Endpoint=False))[0]


def test_a_vpc_has_its_range_and_resolves_names(recording: mocks.Recording) -> None:
    assert recording.named("use1-network-vpc").inputs == {
        "cidrBlock": "10.64.0.0/16",
        "enableDnsHostnames": True,
        "enableDnsSupport": True,
        "tags": tags("use1"),
    }
    assert recording.named("use1-network-vpc").provider == "aws-us-east-1"


def test_the_default_group_is_emptied(recording: mocks.Recording) -> None:
    assert recording.named("use1-network-default-group").inputs == {
        "vpcId": "use1-network-vpc-id",
        "tags": tags("use1-default"),
    }


@pytest.mark.parametrize(
    ("kind", "cidr", "role"),
    [
        ("private", "10.64.32.0/19", {"kubernetes.io/role/internal-elb": "1"}),
        ("public", "10.64.196.0/22", {"kubernetes.io/role/elb": "1"}),
        ("intra", "10.64.224.64/26", {}),
    ],
)
def test_a_subnet_says_what_load_balancers_may_stand_in_it(
    recording: mocks.Recording, kind: str, cidr: str, role: dict[str, str]
) -> None:
    assert recording.named(f"use1-network-{kind}-us-east-1b").inputs == {
        "vpcId": "use1-network-vpc-id",
        "cidrBlock": cidr,
        "availabilityZone": "us-east-1b",
        "mapPublicIpOnLaunch": False,
        "tags": {**tags(f"use1-{kind}-us-east-1b"), **role},
    }


def routes(recording: mocks.Recording) -> dict[str, dict[str, Any]]:
    return {found.name.removeprefix("use1-network-"): found.inputs for found in recording.of_type("Route")}


def test_each_zone_leaves_by_its_own_gateway(recording: mocks.Recording) -> None:
    assert routes(recording) == {
        "public-to-internet": {
            "routeTableId": "use1-network-public-routes-id",
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": "use1-network-internet-id",
        },
        **{
            f"private-us-east-1{letter}-to-internet": {
                "routeTableId": f"use1-network-private-us-east-1{letter}-routes-id",
                "destinationCidrBlock": "0.0.0.0/0",
                "natGatewayId": f"use1-network-nat-us-east-1{letter}-id",
            }
            for letter in "abc"
        },
    }
    assert recording.named("use1-network-nat-us-east-1b").inputs == {
        "allocationId": "use1-network-nat-address-us-east-1b-id",
        "subnetId": "use1-network-public-us-east-1b-id",
        "tags": tags("use1-nat-us-east-1b"),
    }


def test_a_shared_gateway_is_one_with_one_table(shared: mocks.Recording) -> None:
    assert len(shared.of_type("NatGateway")) == len(shared.of_type("Eip")) == 1
    assert set(routes(shared)) == {"public-to-internet", "private-us-east-1a-to-internet"}
    private = [found for found in shared.of_type("RouteTableAssociation") if "-private-" in found.name]
    assert {found.inputs["routeTableId"] for found in private} == {"use1-network-private-us-east-1a-routes-id"}
    assert {found.inputs["subnetId"] for found in private} == {
        f"use1-network-private-us-east-1{letter}-id" for letter in "abc"
    }


def test_a_change_of_gateways_takes_associations_over_and_makes_none_beside_them(
    recording: mocks.Recording, shared: mocks.Recording
) -> None:
    """A subnet has one table: a second association is refused while the first is there."""
    assert {found.name for found in recording.of_type("RouteTableAssociation")} == {
        found.name for found in shared.of_type("RouteTableAssociation")
    }


def test_the_control_planes_subnets_have_no_way_out(recording: mocks.Recording) -> None:
    assert not [name for name, route in routes(recording).items() if "intra" in route["routeTableId"]]
    associated = {
        found.inputs["subnetId"]: found.inputs["routeTableId"] for found in recording.of_type("RouteTableAssociation")
    }
    assert associated["use1-network-intra-us-east-1a-id"] == "use1-network-intra-routes-id"
    assert len(associated) == 9, "every subnet has a table that is said"


def test_services_of_aws_are_reached_without_nat_where_asked(
    recording: mocks.Recording, shared: mocks.Recording
) -> None:
    assert recording.named("use1-network-endpoint-s3").inputs == {
        "vpcId": "use1-network-vpc-id",
        "serviceName": "com.amazonaws.us-east-1.s3",
        "vpcEndpointType": "Gateway",
        "routeTableIds": [f"use1-network-private-us-east-1{letter}-routes-id" for letter in "abc"],
        "tags": tags("use1-s3"),
    }
    assert recording.named("use1-network-endpoint-ecr.dkr").inputs == {
        "vpcId": "use1-network-vpc-id",
        "serviceName": "com.amazonaws.us-east-1.ecr.dkr",
        "vpcEndpointType": "Interface",
        "subnetIds": [f"use1-network-private-us-east-1{letter}-id" for letter in "abc"],
        "securityGroupIds": ["use1-network-endpoints-id"],
        "privateDnsEnabled": True,
        "tags": tags("use1-ecr.dkr"),
    }
    assert recording.named("use1-network-endpoints-from-vpc").inputs == {
        "securityGroupId": "use1-network-endpoints-id",
        "description": "HTTPS from this VPC",
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrIpv4": "10.64.0.0/16",
        "tags": tags("use1-endpoints"),
    }
    assert {
        found.inputs["serviceName"].removeprefix("com.amazonaws.us-east-1.")
        for found in recording.of_type("VpcEndpoint")
    } == {"s3", "ecr.api", "ecr.dkr", "sts", "eks-auth"}
    assert shared.of_type("VpcEndpoint") == []


def test_flows_are_written_down_for_as_long_as_said(recording: mocks.Recording) -> None:
    assert recording.named("use1-network-flow-log-group").inputs == {
        "name": "/aws/vpc/exam-test-use1/flow-logs",
        "retentionInDays": 30,
        "tags": tags("use1-flow-logs"),
    }
    assert recording.named("use1-network-flow-log").inputs == {
        "vpcId": "use1-network-vpc-id",
        "trafficType": "ALL",
        "logDestinationType": "cloud-watch-logs",
        "logDestination": "arn:aws:test:::use1-network-flow-log-group",
        "iamRoleArn": "arn:aws:test:::use1-network-flow-logs-role",
        "maxAggregationInterval": 60,
        "tags": tags("use1-flow-logs"),
    }
    off = made(aws_stack(1, aws__network__flowLogs={"enabled": False}))[0]
    assert off.of_type("FlowLog") == []


def test_flow_logs_may_write_to_their_group_and_nothing_else(recording: mocks.Recording) -> None:
    role = dict(recording.named("use1-network-flow-logs-role").inputs)
    assert json.loads(role.pop("assumeRolePolicy")) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                "Action": ["sts:AssumeRole"],
            }
        ],
    }
    assert role == {"name": "exam-test-use1-flow-logs", "tags": tags("use1-flow-logs")}
    own = dict(recording.named("use1-network-flow-logs-own").inputs)
    group = "arn:aws:test:::use1-network-flow-log-group"
    assert json.loads(own.pop("policy")) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                "Resource": [group, f"{group}:*"],
            }
        ],
    }
    assert own == {"name": "exam-test-use1-flow-logs", "role": "exam-test-use1-flow-logs"}


def test_more_zones_are_more_of_each() -> None:
    zones = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"]
    counts = Counter(found.type for found in made(aws_stack(1, clusters__0__eks__zones=zones))[0].resources)
    assert counts["aws:ec2/subnet:Subnet"] == 12
    assert counts["aws:ec2/natGateway:NatGateway"] == 4
