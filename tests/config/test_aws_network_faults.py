"""What may be wrong with regions, zones, addresses and ways of clusters that the stack makes in AWS.

Each case is a valid stack, a change of it, and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.aws import (
    KUBECONFIG,
    MANAGEMENT,
    ZONE,
    aws_faults_of,
    aws_stack,
    existing,
    groups,
    private_stack,
)
from tests.builders import ABSENT, Yaml

CASES: list[tuple[str, Yaml, dict[str, Any], list[str]]] = [
    (
        "aws missing",
        aws_stack(),
        {"aws": ABSENT},
        [
            (
                "istio-mesh:aws: it is missing, and clusters have `eks`. Neither their account nor their "
                "addresses are known. Add it to the stack's file; Pulumi.staging.yaml shows how."
            ),
        ],
    ),
    (
        "aws and no cluster of it",
        aws_stack(2, clusters__0=existing("use1", "us-east-1"), clusters__1=existing("usw2", "us-west-2")),
        {},
        [
            (
                "istio-mesh:aws: no cluster has `eks`. Nothing would be made in AWS, and a reader would think "
                "that it is. Take it out, or write `eks` in place of `existing`."
            ),
        ],
    ),
    (
        "a cluster that exists among those that are made",
        aws_stack(),
        {
            "clusters.1": {
                "name": "usw2",
                "region": "us-west-2",
                "existing": {"kubeconfig": KUBECONFIG, "context": "usw2"},
            },
        },
        [
            (
                "istio-mesh:clusters[1].existing: `usw2` exists already, and other clusters are made here. No "
                "path leads from the VPCs that are made to a cluster elsewhere, and its peers would see no "
                "endpoint of it. Make all clusters of the stack by `eks`, or none."
            ),
        ],
    ),
    (
        "both existing and made",
        aws_stack(),
        {"clusters.0.existing": {"kubeconfig": KUBECONFIG, "context": "use1"}},
        [
            (
                "istio-mesh:clusters[0]: exactly one of `existing`, `eks` is needed, and both are given. There "
                "would be no cluster, or two of one name. Write `existing: {context: ...}` for a cluster that is "
                "there, or `eks: {slot: 0}` for one that is made here."
            ),
        ],
    ),
    (
        "unknown region",
        aws_stack(),
        {"clusters.0.region": "us-east-3"},
        [
            (
                "istio-mesh:clusters[0].region: `us-east-3` is not a region that is known here. Its zones and "
                "load balancers are not known. Did you mean `us-east-2`?"
            ),
        ],
    ),
    (
        "region that is nothing like one",
        aws_stack(),
        {"clusters.0.region": "frankfurt"},
        [
            (
                "istio-mesh:clusters[0].region: `frankfurt` is not a region that is known here. Its zones and "
                "load balancers are not known. Take one of us-east-1, us-east-2, us-west-1, us-west-2, "
                "ca-central-1, sa-east-1, eu-central-1, eu-central-2, eu-west-1, eu-west-2, eu-west-3, "
                "eu-north-1, eu-south-1, ap-northeast-1, ap-northeast-2, ap-south-1, ap-southeast-1, "
                "ap-southeast-2, af-south-1."
            ),
        ],
    ),
    (
        "two clusters of one region",
        aws_stack(),
        {"clusters.1.region": "us-east-1"},
        [
            (
                "istio-mesh:clusters[1].region: us-east-1 is the region of clusters[0] already. Both would be "
                "lost with it, and names by latency could not tell them apart. Give each cluster a region of its "
                "own."
            ),
        ],
    ),
    (
        "one zone",
        aws_stack(),
        {"clusters.0.eks.zones": ["us-east-1a"]},
        [
            (
                "istio-mesh:clusters[0].eks.zones: us-east-1a is the only zone. EKS refuses a control plane in "
                "one zone alone, and all nodes would fail with it. Name at least 2, better three, or leave it "
                "out."
            ),
        ],
    ),
    (
        "seven zones",
        aws_stack(),
        {"clusters.0.eks.zones": [f"us-east-1{letter}" for letter in "abcdfgh"]},
        [
            (
                "istio-mesh:clusters[0].eks.zones: there are 7 zones. A VPC's addresses are divided for 6. Take "
                "some out."
            ),
        ],
    ),
    (
        "zone of another region",
        aws_stack(),
        {"clusters.0.eks.zones": ["us-east-1a", "us-west-2b"]},
        [
            (
                "istio-mesh:clusters[0].eks.zones[1]: `us-west-2b` is not a zone of us-east-1. EKS would refuse "
                "the subnets. Take some of us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e, us-east-1f."
            ),
        ],
    ),
    (
        "zone that is not there",
        aws_stack(),
        {"clusters.0.eks.zones": ["us-east-1a", "us-east-1g"]},
        [
            (
                "istio-mesh:clusters[0].eks.zones[1]: `us-east-1g` is not a zone of us-east-1. EKS would refuse "
                "the subnets. Take some of us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e, us-east-1f."
            ),
        ],
    ),
    (
        "zone twice",
        aws_stack(),
        {"clusters.0.eks.zones": ["us-east-1a", "us-east-1a"]},
        [
            (
                "istio-mesh:clusters[0].eks.zones[1]: `us-east-1a` is there twice. Two zones would be one, and "
                "fail together. Name another zone."
            ),
        ],
    ),
    (
        "slot missing",
        aws_stack(),
        {"clusters.0.eks.slot": ABSENT},
        [
            (
                "istio-mesh:clusters[0].eks.slot: it is missing. It has no default. Which part of "
                "`aws.network.supernet` is its VPC's, from 0. Add it, as in `slot: 0`."
            ),
        ],
    ),
    (
        "slot twice",
        aws_stack(),
        {"clusters.1.eks.slot": 0},
        [
            (
                "istio-mesh:clusters[1].eks.slot: slot 0 is that of clusters[0] already. Two VPCs would have the "
                "same addresses, and no route could lead from one to the other. Take a free one, as in `1`."
            ),
        ],
    ),
    (
        "slot outside of the supernet",
        aws_stack(),
        {"clusters.1.eks.slot": 8},
        [
            (
                "istio-mesh:clusters[1].eks.slot: slot 8 is outside of `10.64.0.0/13`, which has 8 of /16. Its "
                "VPC would have addresses that are somebody else's. Take a slot below 8, or widen "
                "`aws.network.supernet`."
            ),
        ],
    ),
    (
        "supernet with bits behind the mask",
        aws_stack(),
        {"aws.network.supernet": "10.64.1.0/13"},
        [
            (
                "istio-mesh:aws.network.supernet: `10.64.1.0/13` is not a range of IPv4 addresses. No route and "
                "no rule could be made of it. Write it as in `10.64.0.0/16`, without bits behind the mask."
            ),
        ],
    ),
    (
        "supernet of IPv6",
        aws_stack(),
        {"aws.network.supernet": "fd00::/48"},
        [
            (
                "istio-mesh:aws.network.supernet: `fd00::/48` is not a range of IPv4 addresses. No route and no "
                "rule could be made of it. Write it as in `10.64.0.0/16`, without bits behind the mask."
            ),
        ],
    ),
    (
        "supernet smaller than a VPC",
        aws_stack(),
        {"aws.network.supernet": "10.64.0.0/17"},
        [
            (
                "istio-mesh:aws.network.supernet: `10.64.0.0/17` is smaller than one VPC of /16. Not even one "
                "region would fit. Write a range of /16 or wider, or raise `vpcPrefix`."
            ),
        ],
    ),
    (
        "supernet of the internet",
        aws_stack(),
        {"aws.network.supernet": "8.8.0.0/13"},
        [
            (
                "istio-mesh:aws.network.supernet: `8.8.0.0/13` is not a private range. Hosts on the internet that"
                " have these addresses could not be reached from any pod. Take one of 10.0.0.0/8, 172.16.0.0/12 "
                "or 192.168.0.0/16 (RFC 1918)."
            ),
        ],
    ),
    (
        "peer in the supernet",
        aws_stack(),
        {"aws.network.peers": ["192.168.0.0/16", "10.70.0.0/16"]},
        [
            (
                "istio-mesh:aws.network.peers[1]: `10.70.0.0/16` overlaps the supernet `10.64.0.0/13`. Of two "
                "routes to one address one is never taken, and a peering is refused. Move the supernet to "
                "addresses that no peer has."
            ),
        ],
    ),
    (
        "peer in the range of Services",
        aws_stack(),
        {"aws.network.peers": ["10.100.0.0/16", "172.16.0.0/12"]},
        [
            (
                "istio-mesh:aws.network.peers[1]: `172.16.0.0/12` overlaps `172.20.0.0/16`, which EKS takes for "
                "Services. No pod would reach a host there that has the address of a Service of its cluster. Write"
                " the parts of it beside that; where pods call hosts within it, they need addresses elsewhere."
            ),
        ],
    ),
    (
        "peer in the range of Services of a supernet elsewhere",
        aws_stack(),
        {"aws.network.peers": ["10.100.7.0/24", "172.24.0.0/16"], "aws.network.supernet": "172.16.0.0/13"},
        [
            (
                "istio-mesh:aws.network.peers[0]: `10.100.7.0/24` overlaps `10.100.0.0/16`, which EKS takes for "
                "Services. No pod would reach a host there that has the address of a Service of its cluster. Write"
                " the parts of it beside that; where pods call hosts within it, they need addresses elsewhere."
            ),
        ],
    ),
    (
        "management VPC in the supernet",
        private_stack(),
        {"aws.deployFrom.managementVpc.cidr": "10.71.0.0/16"},
        [
            (
                "istio-mesh:aws.deployFrom.managementVpc.cidr: `10.71.0.0/16` overlaps the supernet "
                "`10.64.0.0/13`. AWS refuses to peer VPCs that have addresses in common. Move the supernet to "
                "addresses that the management VPC does not have."
            ),
        ],
    ),
    (
        "management VPC among the peers",
        private_stack(),
        {"aws.network.peers": ["10.0.0.0/14"], "aws.network.supernet": "172.16.0.0/13"},
        [
            (
                "istio-mesh:aws.deployFrom.managementVpc.cidr: `10.0.0.0/16` overlaps the peer `10.0.0.0/14`. Of "
                "two routes to one address one is never taken. Take the management VPC's own range out of "
                "`network.peers`."
            ),
        ],
    ),
    (
        "VPC wider than AWS takes",
        aws_stack(),
        {"aws.network.vpcPrefix": 15},
        [
            (
                "istio-mesh:aws.network.vpcPrefix: 15 is below 16. It is out of the range that makes sense. Write"
                " a number that is not below 16."
            ),
        ],
    ),
    (
        "public endpoint for everybody",
        aws_stack(),
        {"clusters.0.eks.endpoint.publicFrom": ["0.0.0.0/0"]},
        [
            (
                "istio-mesh:clusters[0].eks.endpoint.publicFrom[0]: `0.0.0.0/0` is everybody. The API server "
                "would be open to the internet, and one stolen token enough. Name the addresses that callers have"
                " when they leave their network, as in `203.0.113.0/24`."
            ),
        ],
    ),
    (
        "public endpoint for a private range",
        aws_stack(),
        {"clusters.0.eks.endpoint.publicFrom": ["10.0.0.0/8", "203.0.113.10/32"]},
        [
            (
                "istio-mesh:clusters[0].eks.endpoint.publicFrom[0]: `10.0.0.0/8` is a private range. Nobody comes"
                " to a public endpoint from there, and the caller that was meant is refused. Write the address "
                "that the caller has on the internet, as in `203.0.113.10/32`."
            ),
        ],
    ),
    (
        "public endpoint without the runner",
        aws_stack(),
        {"clusters.0.eks.endpoint.publicFrom": ["198.51.100.0/24"]},
        [
            (
                "istio-mesh:clusters[0].eks.endpoint.publicFrom: `203.0.113.10/32` of aws.deployFrom.egress is "
                "not in it. The first `pulumi up` would make the cluster and then not reach it: the API server of"
                " use1 is open to others alone. Add it, or deploy from a management VPC "
                "(`aws.deployFrom.managementVpc`)."
            ),
        ],
    ),
    (
        "private endpoint without a way to it",
        aws_stack(),
        {"clusters.0.eks.endpoint": {}},
        [
            (
                "istio-mesh:clusters[0].eks.endpoint.publicFrom: `203.0.113.10/32` of aws.deployFrom.egress is "
                "not in it. The first `pulumi up` would make the cluster and then not reach it: the API server of"
                " use1 is private. Add it, or deploy from a management VPC (`aws.deployFrom.managementVpc`)."
            ),
        ],
    ),
    (
        "nowhere to deploy from",
        aws_stack(),
        {"aws.deployFrom.egress": ABSENT},
        [
            (
                "istio-mesh:aws.deployFrom: exactly one of `egress`, `managementVpc` is needed, and none of them "
                "is given. A private API server cannot be reached from anywhere else, and the first `pulumi up` "
                "would stop at it. Name the runner's addresses on the internet, or the VPC that it is in."
            ),
        ],
    ),
    (
        "two places to deploy from",
        aws_stack(),
        {"aws.deployFrom.managementVpc": MANAGEMENT},
        [
            (
                "istio-mesh:aws.deployFrom: exactly one of `egress`, `managementVpc` is needed, and both are "
                "given. A private API server cannot be reached from anywhere else, and the first `pulumi up` "
                "would stop at it. Name the runner's addresses on the internet, or the VPC that it is in."
            ),
        ],
    ),
    (
        "public endpoint and a management VPC",
        private_stack(),
        {"clusters.0.eks.endpoint.publicFrom": ["203.0.113.10/32"]},
        [
            (
                "istio-mesh:clusters[0].eks.endpoint.publicFrom: the API server is public too, and the stack is "
                "deployed from a management VPC. Its name then leads to its public addresses: the runner would "
                "leave by its own NAT, and be refused. Leave it out, or name the runner's addresses on the "
                "internet (`aws.deployFrom.egress`)."
            ),
        ],
    ),
    (
        "allow-list too long",
        aws_stack(),
        {"clusters.0.eks.endpoint.publicFrom": [f"203.0.113.{n}/32" for n in range(10, 50)]},
        [
            (
                "istio-mesh:clusters[0].eks.endpoint.publicFrom: 40 ranges and the 3 NAT gateways of the peers "
                "are more than the 40 that EKS takes. The peers could not read this cluster's endpoints, or "
                "somebody who was allowed could not come in. Take wider ranges, leave it out for a private "
                "endpoint, or share NAT gateways."
            ),
        ],
    ),
    (
        "management VPC without route tables",
        private_stack(),
        {"aws.deployFrom.managementVpc.routeTables": []},
        [
            (
                "istio-mesh:aws.deployFrom.managementVpc.routeTables: it is empty. There has to be at least one. "
                "Add one."
            ),
        ],
    ),
    (
        "peering of six regions",
        private_stack(6),
        {},
        [
            (
                "istio-mesh:aws.betweenRegions.peering: 6 regions make 15 peerings. Each is a route in every "
                "table of two VPCs, and a region more or less touches all others. Write `transitGateway: {}`; "
                "peering is for up to 5 regions."
            ),
        ],
    ),
    (
        "public load balancers and a private endpoint",
        private_stack(),
        {"aws.betweenRegions": {"publicLoadBalancers": {}}},
        [
            (
                "istio-mesh:clusters[0].eks.endpoint.publicFrom: the API server of `use1` is private, and no "
                "private path leads to it. Its peers could not read its endpoints, and no request would come "
                "across. Name who reaches it over the internet, or take `aws.betweenRegions.peering`."
            ),
            (
                "istio-mesh:clusters[1].eks.endpoint.publicFrom: the API server of `usw2` is private, and no "
                "private path leads to it. Its peers could not read its endpoints, and no request would come "
                "across. Name who reaches it over the internet, or take `aws.betweenRegions.peering`."
            ),
        ],
    ),
    (
        "two ways between regions",
        aws_stack(),
        {"aws.betweenRegions": {"peering": {}, "transitGateway": {}}},
        [
            (
                "istio-mesh:aws.betweenRegions: exactly one of `peering`, `transitGateway`, `publicLoadBalancers`"
                " is needed, and `peering`, `transitGateway` are given. The clusters would not reach each other, "
                "or by two ways. Keep one; `peering: {}` for up to five regions."
            ),
        ],
    ),
    (
        "no way between regions",
        aws_stack(),
        {"aws.betweenRegions": {}},
        [
            (
                "istio-mesh:aws.betweenRegions: exactly one of `peering`, `transitGateway`, `publicLoadBalancers`"
                " is needed, and none of them is given. The clusters would not reach each other, or by two ways. "
                "Keep one; `peering: {}` for up to five regions."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("stack", "changes", "faults"), [pytest.param(s, c, f, id=i) for i, s, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, stack: Yaml, changes: dict[str, Any], faults: list[str]
) -> None:
    assert aws_faults_of(stack, changes, tmp_path) == faults


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aws.network.supernet": "10.64.0.0/15"},
        {"clusters.0.eks.zones": ["us-east-1a", "us-east-1b"]},
        {"clusters.0.eks.compute": groups(instanceTypes=["m7g.large", "c7gn.large", "t4g.medium"], spot=True)},
        {"clusters.0.eks.compute": groups(instanceTypes=["m7i.large", "g5.xlarge"])},
        {"aws.betweenRegions": {"publicLoadBalancers": {}}},
        {"aws.betweenRegions": {"transitGateway": {}}},
        {"clusters.1.primary": "use1"},
        {"gateways.ingress.name": {**ZONE, "failover": {"primary": "usw2"}}},
    ],
    ids=lambda changes: ", ".join(changes) or "nothing changed",
)
def test_what_is_right_is_taken(changes: dict[str, Any]) -> None:
    assert aws_faults_of(aws_stack(), changes) == []


def test_five_regions_are_peered_and_more_are_not() -> None:
    assert aws_faults_of(private_stack(5), {}) == []
    assert len(aws_faults_of(private_stack(6), {})) == 1
    assert aws_faults_of(private_stack(6), {"aws.betweenRegions": {"transitGateway": {}}}) == []
