"""Addresses of VPCs and subnets: apart from each other, and in their places whatever comes later."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config.aws_network import ZONES_LIMIT, AwsNetworkConfig, addresses
from components.config.eks import is_graviton
from components.config.regions import REGIONS
from components.naming import AWS_ROLE_NAME_LIMIT, aws_name, aws_tags

ZONES = [f"us-east-1{letter}" for letter in "abcdef"]


def network(supernet: str = "10.64.0.0/13", prefix: int = 16) -> AwsNetworkConfig:
    return AwsNetworkConfig.model_validate({"supernet": supernet, "vpcPrefix": prefix})


def test_a_vpc_and_its_subnets_follow_from_slot_and_zone() -> None:
    found = addresses(network(), 1, ZONES[:3])
    assert found.vpc == "10.65.0.0/16"
    assert found.private == {
        "us-east-1a": "10.65.0.0/19",
        "us-east-1b": "10.65.32.0/19",
        "us-east-1c": "10.65.64.0/19",
    }
    assert found.public == {
        "us-east-1a": "10.65.192.0/22",
        "us-east-1b": "10.65.196.0/22",
        "us-east-1c": "10.65.200.0/22",
    }
    assert found.intra == {
        "us-east-1a": "10.65.224.0/26",
        "us-east-1b": "10.65.224.64/26",
        "us-east-1c": "10.65.224.128/26",
    }


@given(prefix=st.integers(16, 18), slot=st.integers(0, 7), zones=st.integers(2, ZONES_LIMIT))
def test_nothing_overlaps_and_all_is_in_the_vpc(prefix: int, slot: int, zones: int) -> None:
    found = addresses(network(prefix=prefix), slot, ZONES[:zones])
    subnets = [IPv4Network(cidr) for kind in (found.private, found.public, found.intra) for cidr in kind.values()]
    assert len(subnets) == 3 * zones
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))
    assert all(subnet.subnet_of(IPv4Network(found.vpc)) for subnet in subnets)
    assert all(subnet.prefixlen <= 28 for subnet in subnets), "EKS and load balancers need /28 at least"
    assert IPv4Network(found.vpc).subnet_of(IPv4Network("10.64.0.0/13"))


@given(prefix=st.integers(16, 18))
def test_slots_are_apart_and_fill_the_supernet(prefix: int) -> None:
    config = network(prefix=prefix)
    vpcs = [IPv4Network(addresses(config, slot, ZONES[:3]).vpc) for slot in range(config.slots)]
    assert sum(vpc.num_addresses for vpc in vpcs) == IPv4Network("10.64.0.0/13").num_addresses
    assert len(set(vpcs)) == config.slots


def test_a_zone_more_moves_no_subnet() -> None:
    three, four = addresses(network(), 0, ZONES[:3]), addresses(network(), 0, ZONES[:4])
    for before, after in ((three.private, four.private), (three.public, four.public), (three.intra, four.intra)):
        assert before.items() <= after.items()


def test_every_region_has_zones_and_a_zone_for_names() -> None:
    assert all(2 <= len(region.zones) <= ZONES_LIMIT for region in REGIONS.values())
    zones = [region.balancer_zone for region in REGIONS.values()]
    assert len(set(zones)) == len(zones), "each region's load balancers have a hosted zone of their own"


@pytest.mark.parametrize(
    ("instance_type", "graviton"),
    [
        ("m7g.large", True), ("c7gn.xlarge", True), ("t4g.medium", True), ("r8gd.2xlarge", True), ("a1.large", True),
        ("g5g.xlarge", True), ("m7i.large", False), ("m7i-flex.large", False), ("g5.xlarge", False),
        ("t3.medium", False), ("m7a.metal-48xl", False),
    ],
)  # fmt: skip
def test_the_processor_is_read_from_the_type(instance_type: str, graviton: bool) -> None:
    assert is_graviton(instance_type) is graviton


def test_names_and_tags_come_from_one_place() -> None:
    assert aws_name("exam", "prod", "use1") == "exam-prod-use1"
    assert aws_name("exam", "prod", "use1", "nodes") == "exam-prod-use1-nodes"
    assert AWS_ROLE_NAME_LIMIT == 64
    assert aws_tags(owner="a", environment="b", cost_centre="c", stack="d", region="e") == {
        "owner": "a", "environment": "b", "costCentre": "c", "stack": "d", "region": "e", "managed-by": "istio-mesh",
    }  # fmt: skip
