"""Ways between VPCs: every pair once, routes both ways, and rules for what is meant to come in."""

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from tests import mocks
from tests.aws import aws_stack, groups, made, private_stack, tags


def of(recording: mocks.Recording, type_: str, prefix: str) -> dict[str, dict[str, Any]]:
    return {
        found.name.removeprefix(prefix): found.inputs
        for found in recording.of_type(type_)
        if found.name.startswith(prefix)
    }


@pytest.fixture(scope="module")
def two() -> mocks.Recording:
    return made(private_stack(2, aws__network__nat="shared"))[0]


def test_a_peering_is_asked_for_in_one_region_and_accepted_in_the_other(two: mocks.Recording) -> None:
    asked, accepted = two.named("between-regions-use1-usw2"), two.named("between-regions-use1-usw2-accepted")
    assert asked.inputs == {
        "vpcId": "use1-network-vpc-id",
        "peerVpcId": "usw2-network-vpc-id",
        "peerRegion": "us-west-2",
        "tags": tags("use1-peering"),
    }
    assert asked.provider == "aws-us-east-1"
    assert accepted.inputs == {
        "vpcPeeringConnectionId": "between-regions-use1-usw2-id",
        "autoAccept": True,
        "tags": tags("use1-peering"),
    }
    assert accepted.provider == "aws-us-west-2"


def test_nodes_and_control_planes_have_a_route_to_the_other_region(two: mocks.Recording) -> None:
    assert of(two, "Route", "between-regions-") == {
        f"{here}-{table}-to-{there}": {
            "routeTableId": f"{here}-network-{table}-routes-id",
            "destinationCidrBlock": cidr,
            "vpcPeeringConnectionId": "between-regions-use1-usw2-accepted-id",
        }
        for here, there, cidr, zone in (
            ("use1", "usw2", "10.65.0.0/16", "us-east-1a"),
            ("usw2", "use1", "10.64.0.0/16", "us-west-2a"),
        )
        for table in (f"private-{zone}", "intra")
    }


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_pair_is_peered_once_whatever_the_order(count: int) -> None:
    values = private_stack(count)
    peered = made(values)[0]
    turned = made({**values, "clusters": values["clusters"][::-1]})[0]
    pairs = set(of(peered, "VpcPeeringConnection", "between-regions-"))
    assert pairs == {f"{one}-{other}" for one, other in combinations(sorted(c["name"] for c in values["clusters"]), 2)}
    assert of(peered, "VpcPeeringConnection", "between-regions-") == of(
        turned, "VpcPeeringConnection", "between-regions-"
    )
    assert of(peered, "Subnet", "") == of(turned, "Subnet", ""), "a sorted file moves no VPC"


def test_a_single_region_has_no_peer() -> None:
    assert made(private_stack(1))[0].of_type("Peerings") == []


def test_the_place_that_is_deployed_from_reaches_api_servers_alone(two: mocks.Recording) -> None:
    assert two.named("usw2-management-peering").inputs == {
        "vpcId": "usw2-network-vpc-id",
        "peerVpcId": "vpc-0123456789abcdef0",
        "peerRegion": "us-east-1",
        "tags": tags("usw2-peering", "us-west-2"),
    }
    assert two.named("usw2-management-peering-accepted").provider == "aws-us-east-1"
    assert of(two, "Route", "usw2-management-") == {
        "back-us-west-2a": {
            "routeTableId": "usw2-network-private-us-west-2a-routes-id",
            "destinationCidrBlock": "10.0.0.0/16",
            "vpcPeeringConnectionId": "usw2-management-peering-accepted-id",
        },
        "from-rtb-0123456789abcdef0": {
            "routeTableId": "rtb-0123456789abcdef0",
            "destinationCidrBlock": "10.65.0.0/16",
            "vpcPeeringConnectionId": "usw2-management-peering-accepted-id",
        },
    }
    assert two.named("usw2-management-back-us-west-2a").provider == "aws-us-west-2"
    assert two.named("usw2-management-from-rtb-0123456789abcdef0").provider == "aws-us-east-1"


def test_with_node_groups_only_the_control_planes_own_subnets_lead_back() -> None:
    compute = {f"clusters__{index}__eks__compute": groups() for index in range(2)}
    recording = made(private_stack(2, **compute))[0]
    assert of(recording, "Route", "usw2-management-")["back"]["routeTableId"] == "usw2-network-intra-routes-id"
    subnets = recording.named("usw2-eks-cluster").inputs["vpcConfig"]["subnetIds"]
    assert subnets == [f"usw2-network-intra-us-west-2{letter}-id" for letter in "abc"]


def test_a_management_vpc_in_another_region_has_a_provider_of_its_own() -> None:
    recording = made(private_stack(2, aws__deployFrom__managementVpc__region="eu-west-1"))[0]
    assert recording.named("use1-management-peering-accepted").provider == "aws-eu-west-1"
    assert recording.named("aws-eu-west-1", "aws").inputs["allowedAccountIds"] == '["111122223333"]'


def test_a_peer_comes_to_the_gateway_and_the_api_server_by_its_range(two: mocks.Recording) -> None:
    def rule(group: str, port: int, caller: str, purpose: str, cidr: str, role: str) -> dict[str, Any]:
        return {
            "securityGroupId": group,
            "description": f"{purpose} from {caller}",
            "ipProtocol": "tcp",
            "fromPort": port,
            "toPort": port,
            "cidrIpv4": cidr,
            "tags": tags(f"use1-{role}-{caller}"),
        }

    assert of(two, "SecurityGroupIngressRule", "use1-rules-") == {
        "api-443-management": rule("use1-eks-api-id", 443, "management", "API server", "10.0.0.0/16", "api"),
        "api-443-usw2": rule("use1-eks-api-id", 443, "usw2", "API server", "10.65.0.0/16", "api"),
        "mesh-15443-usw2": rule("use1-eks-cluster-group", 15443, "usw2", "East-west gateway", "10.65.0.0/16", "mesh"),
    }


def test_a_remote_cluster_comes_to_istiod_and_reads_nobody() -> None:
    recording = made(private_stack(3, clusters__2__primary="use1"))[0]
    rules = Counter(name.rpartition("-")[0] for name in of(recording, "SecurityGroupIngressRule", "") if "euw1" in name)
    primary = set(of(recording, "SecurityGroupIngressRule", "use1-rules-"))
    assert {"istiod-15012-euw1", "istiod-15017-euw1", "mesh-15443-euw1"} <= primary
    assert "api-443-euw1" not in primary, "it has no istiod that would read"
    other = set(of(recording, "SecurityGroupIngressRule", "usw2-rules-"))
    assert not [name for name in other if name.startswith("istiod")]
    assert {"api-443-use1", "api-443-usw2"} <= set(of(recording, "SecurityGroupIngressRule", "euw1-rules-")), rules


def test_a_public_api_server_is_guarded_by_its_list_and_has_no_rule_for_peers() -> None:
    recording = made(aws_stack(2))[0]
    assert set(of(recording, "SecurityGroupIngressRule", "use1-rules-")) == {"mesh-15443-usw2"}


def test_by_the_internet_a_peer_is_known_by_its_nat_gateways() -> None:
    recording, (use1, _) = made(
        aws_stack(2, aws__betweenRegions={"publicLoadBalancers": {"alsoFrom": ["192.0.2.0/24"]}})
    )
    assert recording.of_type("VpcPeeringConnection") == []
    gateways = [f"{mocks.public_ip(f'usw2-network-nat-address-us-west-2{letter}')}/32" for letter in "abc"]
    rules = of(recording, "SecurityGroupIngressRule", "use1-rules-")
    assert [rule["cidrIpv4"] for _, rule in sorted(rules.items())] == gateways
    balancer = use1.balancers.east_west
    assert balancer.annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internet-facing"
    assert len(balancer.source_ranges) == 4
    assert balancer.source_ranges[-1] == "192.0.2.0/24"


@pytest.fixture(scope="module")
def transit() -> mocks.Recording:
    return made(private_stack(6, aws__network__nat="shared", aws__betweenRegions={"transitGateway": {}}))[0]


def test_each_region_has_a_gateway_with_a_number_of_its_own(transit: mocks.Recording) -> None:
    assert transit.named("between-regions-usw2").inputs == {
        "description": "Other regions of exam-test-usw2",
        "amazonSideAsn": 64513,
        "defaultRouteTableAssociation": "enable",
        "defaultRouteTablePropagation": "enable",
        "tags": tags("usw2-transit", "us-west-2"),
    }
    assert transit.named("between-regions-usw2-vpc").inputs == {
        "transitGatewayId": "between-regions-usw2-id",
        "vpcId": "usw2-network-vpc-id",
        "subnetIds": [f"usw2-network-intra-us-west-2{letter}-id" for letter in "abc"],
        "tags": tags("usw2-transit", "us-west-2"),
    }
    asns = {found.inputs["amazonSideAsn"] for found in transit.of_type("TransitGateway")}
    assert asns == set(range(64512, 64518))


def test_a_vpc_has_one_route_to_all_other_regions(transit: mocks.Recording) -> None:
    mine = {
        name: route for name, route in of(transit, "Route", "between-regions-use1-").items() if "routeTableId" in route
    }
    assert mine == {
        f"{table}-to-others": {
            "routeTableId": f"use1-network-{table}-routes-id",
            "destinationCidrBlock": "10.64.0.0/13",
            "transitGatewayId": "between-regions-use1-id",
        }
        for table in ("private-us-east-1a", "intra")
    }


def test_each_gateway_knows_each_other_region(transit: mocks.Recording) -> None:
    assert len(transit.of_type("PeeringAttachment")) == len(transit.of_type("PeeringAttachmentAccepter")) == 15
    asked = transit.named("between-regions-use1-usw2")
    assert asked.inputs == {
        "transitGatewayId": "between-regions-use1-id",
        "peerTransitGatewayId": "between-regions-usw2-id",
        "peerRegion": "us-west-2",
        "tags": tags("use1-transit"),
    }
    accepted = transit.named("between-regions-use1-usw2-accepted")
    assert accepted.inputs == {
        "transitGatewayAttachmentId": "between-regions-use1-usw2-id",
        "tags": tags("usw2-transit", "us-west-2"),
    }
    assert (asked.provider, accepted.provider) == ("aws-us-east-1", "aws-us-west-2")
    routes = [found for found in transit.resources if found.type == "aws:ec2transitgateway/route:Route"]
    assert len(routes) == 30
    assert transit.named("between-regions-usw2-to-use1").inputs == {
        "destinationCidrBlock": "10.64.0.0/16",
        "transitGatewayAttachmentId": "between-regions-use1-usw2-accepted-id",
        "transitGatewayRouteTableId": "between-regions-usw2-routes",
    }
    assert transit.named("between-regions-usw2-to-use1").provider == "aws-us-west-2"
