"""What may be wrong with clusters that the stack makes in AWS, with `istio-mesh:aws`, and with what goes with them.

Each case is a valid stack, a change of it, and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.aws import MANAGEMENT, NODES, aws_faults_of, aws_stack, private_stack
from tests.builders import ABSENT, Yaml

_NAME = {"zone": "exam-platform.com", "zoneId": "Z0123456789ABCDEFGHIJ"}
_CERT_MANAGER = {"version": "v1.19.1-eksbuild.1", "email": "platform@exam-platform.com"}
_AUTHORITY = "arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/11111111-2222-3333-4444-555555555555"
_KUBECONFIG = "KUBECONFIG"
"""In a case the file that is made for it."""


def _existing(name: str, region: str) -> Yaml:
    return {"name": name, "region": region, "existing": {"kubeconfig": _KUBECONFIG, "context": name}}


def _groups(**changes: Any) -> Yaml:
    return {"nodeGroups": {"general": {**NODES, **changes}}}


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
        aws_stack(2, clusters__0=_existing("use1", "us-east-1"), clusters__1=_existing("usw2", "us-west-2")),
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
                "existing": {"kubeconfig": _KUBECONFIG, "context": "usw2"},
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
        {"clusters.0.existing": {"kubeconfig": _KUBECONFIG, "context": "use1"}},
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
                "istio-mesh:clusters[0].eks.zones[1]: `us-west-2b` is not a zone of us-east-1 that takes a "
                "control plane. EKS would refuse the subnets. Take some of us-east-1a, us-east-1b, us-east-1c, "
                "us-east-1d, us-east-1f."
            ),
        ],
    ),
    (
        "zone without control planes",
        aws_stack(),
        {"clusters.0.eks.zones": ["us-east-1a", "us-east-1e"]},
        [
            (
                "istio-mesh:clusters[0].eks.zones[1]: `us-east-1e` is not a zone of us-east-1 that takes a "
                "control plane. EKS would refuse the subnets. Take some of us-east-1a, us-east-1b, us-east-1c, "
                "us-east-1d, us-east-1f."
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
        {"aws.network.peers": ["10.0.0.0/8"], "aws.network.supernet": "172.16.0.0/13"},
        [
            (
                "istio-mesh:aws.deployFrom.managementVpc.cidr: `10.0.0.0/16` overlaps the peer `10.0.0.0/8`. Of "
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
    (
        "version of EKS that is not known",
        aws_stack(),
        {"clusters.0.eks.version": "1.29"},
        [
            (
                "istio-mesh:clusters[0].eks.version: `1.29` is not a version of EKS that is known here. EKS would"
                " refuse the cluster, or its end of support would come unannounced. Take one of 1.33, 1.34, 1.35,"
                " 1.36, in quotes."
            ),
        ],
    ),
    (
        "version as a number",
        aws_stack(),
        {"clusters.0.eks.version": 1.35},
        [
            (
                "istio-mesh:clusters[0].eks.version: it is the number 1.35, not a text. Nothing can be made of "
                'it. Put it in quotes, as in `"1.35"`.'
            ),
        ],
    ),
    (
        "Istio that does not take the version",
        aws_stack(),
        {
            "clusters.0.eks.version": "1.36",
            "clusters.0.eks.addons": {"metrics-server": "v0.8.0-eksbuild.5"},
            "mesh.version": "1.29.1",
        },
        [
            (
                "istio-mesh:clusters[0].eks.version: Istio 1.29.1 takes Kubernetes 1.31 to 1.35, and this is "
                "1.36. They were never tested together, and istiod may not start. Take a version of that range, "
                "or another `mesh.version`."
            ),
        ],
    ),
    (
        "add-on versions that are not known",
        aws_stack(),
        {"clusters.0.eks.version": "1.36"},
        [
            (
                "istio-mesh:clusters[0].eks.addons: the versions of metrics-server for Kubernetes 1.36 are not "
                "known here. What runs would be whatever EKS takes for the newest that day. Write them, as `aws "
                "eks describe-addon-versions` shows them, or take another `version`."
            ),
        ],
    ),
    (
        "add-on that is not known",
        aws_stack(),
        {"clusters.0.eks.addons": {"kube-state-metrics": "v1.0.0-eksbuild.1"}},
        [
            (
                "istio-mesh:clusters[0].eks.addons.kube-state-metrics: there is no add-on `kube-state-metrics` "
                "here. Its version would mean nothing. Known here: `vpc-cni`, `kube-proxy`, "
                "`eks-pod-identity-agent`, `coredns`, `aws-ebs-csi-driver`, `metrics-server`."
            ),
        ],
    ),
    (
        "add-on that Auto Mode brings",
        aws_stack(),
        {"clusters.0.eks.addons": {"coredns": "v1.13.2-eksbuild.1"}},
        [
            (
                "istio-mesh:clusters[0].eks.addons.coredns: Auto Mode brings `coredns` itself. A second one would"
                " fight with it over the nodes. Take it out, or write node groups in place of `autoMode`."
            ),
        ],
    ),
    (
        "add-on's version of its upstream",
        aws_stack(),
        {"clusters.0.eks.addons": {"metrics-server": "0.8.0"}},
        [
            (
                "istio-mesh:clusters[0].eks.addons.metrics-server: `0.8.0` is not an add-on's version. EKS would "
                "refuse it. Write it as `aws eks describe-addon-versions` does, as in `v1.13.2-eksbuild.1`."
            ),
        ],
    ),
    (
        "Auto Mode and node groups",
        aws_stack(),
        {"clusters.0.eks.compute": {"autoMode": {}, **_groups()}},
        [
            (
                "istio-mesh:clusters[0].eks.compute: exactly one of `autoMode`, `nodeGroups` is needed, and both "
                "are given. Pods would have no node, or two owners of their nodes. Write `autoMode: {}`, or the "
                "node groups."
            ),
        ],
    ),
    (
        "Auto Mode without a pool for the mesh",
        aws_stack(),
        {"clusters.0.eks.compute": {"autoMode": {"nodePools": ["system"]}}},
        [
            (
                "istio-mesh:clusters[0].eks.compute.autoMode.nodePools: `general-purpose` is not among the node "
                "pools. The other one takes only pods that tolerate its taint, and the mesh's would wait for "
                "ever. Add it."
            ),
        ],
    ),
    (
        "no node group",
        aws_stack(),
        {"clusters.0.eks.compute": {"nodeGroups": {}}},
        [
            ("istio-mesh:clusters[0].eks.compute.nodeGroups: it is empty. There has to be at least one. Add one."),
        ],
    ),
    (
        "instance type that is none",
        aws_stack(),
        {"clusters.0.eks.compute": _groups(instanceTypes=["large"])},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.instanceTypes[0]: `large` is not an "
                "instance type. No node would start. Write family and size, as in `m7g.large`."
            ),
        ],
    ),
    (
        "two architectures in one group",
        aws_stack(),
        {"clusters.0.eks.compute": _groups(instanceTypes=["m7g.large", "m7i.large"])},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.instanceTypes: there are Graviton and x86 "
                "types in one group. One image is started on all of them, and half of the nodes would not come "
                "up. Make a group for each architecture."
            ),
        ],
    ),
    (
        "spot nodes of one type",
        aws_stack(),
        {"clusters.0.eks.compute": _groups(spot=True)},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.instanceTypes: there is no other type than"
                " m7g.large for spot nodes. When AWS takes that type back, all of them go at once and none can be"
                " had. Name several types of one size, as in `[m7g.large, m6g.large, m7gd.large]`."
            ),
        ],
    ),
    (
        "fewer nodes at most than at least",
        aws_stack(),
        {"clusters.0.eks.compute": _groups(min=7)},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.min: min (7) is above max (6). EKS refuses"
                " such a node group. Lower `min` or raise `max`."
            ),
        ],
    ),
    (
        "operating system that is not known",
        aws_stack(),
        {"clusters.0.eks.compute": _groups(image="AL2")},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.image: it is `AL2`. Only these are known: "
                "`AL2023`, `Bottlerocket`. Take one."
            ),
        ],
    ),
    (
        "account without its zeros",
        aws_stack(),
        {"aws.account": 11122223333},
        [
            (
                "istio-mesh:aws.account: it is the number 11122223333, not a text. Nothing can be made of it. Put"
                ' it in quotes, as in `"11122223333"`.'
            ),
        ],
    ),
    (
        "account of eleven digits",
        aws_stack(),
        {"aws.account": "11122223333"},
        [
            (
                "istio-mesh:aws.account: `11122223333` is not an account's number. The provider could not refuse "
                "another account, and the stack might come into the wrong one. Write its twelve digits in quotes,"
                ' as in `"111122223333"`.'
            ),
        ],
    ),
    (
        "deployer of another account",
        aws_stack(),
        {"aws.deployFrom.principal": "arn:aws:iam::999988887777:role/deployer"},
        [
            (
                "istio-mesh:aws.deployFrom.principal: arn:aws:iam::999988887777:role/deployer is not of the "
                "account 111122223333. EKS knows principals of the cluster's own account alone. Write a role of "
                "this account, which the other one's may assume."
            ),
        ],
    ),
    (
        "deployer as a session",
        aws_stack(),
        {"aws.deployFrom.principal": "arn:aws:sts::111122223333:assumed-role/deployer/me"},
        [
            (
                "istio-mesh:aws.deployFrom.principal: `arn:aws:sts::111122223333:assumed-role/deployer/me` is a "
                "session. EKS knows roles and users, and would refuse everybody of that role. Write the role that"
                " the session is of, as in `arn:aws:iam::111122223333:role/deployer`."
            ),
        ],
    ),
    (
        "access twice",
        aws_stack(),
        {"aws.access": {"runner": {"principal": "arn:aws:iam::111122223333:role/deployer", "rights": "view"}}},
        [
            (
                "istio-mesh:aws.access.runner.principal: arn:aws:iam::111122223333:role/deployer has rights by "
                "deployFrom.principal already. EKS takes one access entry for each principal. Keep one of the "
                "two."
            ),
        ],
    ),
    (
        "rights that are not known",
        aws_stack(),
        {"aws.access": {"all": {"principal": "arn:aws:iam::111122223333:role/all", "rights": "root"}}},
        [
            (
                "istio-mesh:aws.access.all.rights: it is `root`. Only these are known: `clusterAdmin`, `admin`, "
                "`edit`, `view`. Take one."
            ),
        ],
    ),
    (
        "cluster-admin of a namespace",
        aws_stack(),
        {
            "aws.access": {
                "team": {
                    "principal": "arn:aws:iam::111122223333:role/team",
                    "rights": "clusterAdmin",
                    "namespaces": ["exam"],
                }
            },
        },
        [
            (
                "istio-mesh:aws.access.team.namespaces: clusterAdmin is given for single namespaces. It gives "
                "rights over things that are in none, and a reader would think that it does not. Write `admin`, "
                "or leave `namespaces` out."
            ),
        ],
    ),
    (
        "boundary of another account",
        aws_stack(),
        {"aws.permissionsBoundary": "arn:aws:iam::999988887777:policy/boundary"},
        [
            (
                "istio-mesh:aws.permissionsBoundary: the boundary is not of the account 111122223333. IAM takes a"
                " boundary of the role's own account alone. Write the policy of this account."
            ),
        ],
    ),
    (
        "boundary that is no policy",
        aws_stack(),
        {"aws.permissionsBoundary": "boundary"},
        [
            (
                "istio-mesh:aws.permissionsBoundary: `boundary` is not the ARN of a policy. IAM would refuse "
                "every role. Write it as in `arn:aws:iam::111122223333:policy/boundary`."
            ),
        ],
    ),
    (
        "tag missing",
        aws_stack(),
        {"aws.tags.owner": ABSENT},
        [
            (
                "istio-mesh:aws.tags.owner: it is missing. It has no default. Whom to ask. Add it, as in `owner: "
                "platform-team`."
            ),
        ],
    ),
    (
        "tag empty",
        aws_stack(),
        {"aws.tags.costCentre": " "},
        [
            (
                "istio-mesh:aws.tags.costCentre: it is empty. AWS refuses the tag, or nobody can be asked what "
                "the resource is for. Write whom to ask, as in `platform-team`."
            ),
        ],
    ),
    (
        "environment too long",
        aws_stack(),
        {"aws.tags.environment": "production-eu"},
        [
            (
                "istio-mesh:aws.tags.environment: `production-eu` has more than 12 characters. It is part of "
                "every name in the account, and IAM takes 64 characters for all of one. Write a short one, as in "
                "`prod`."
            ),
        ],
    ),
    (
        "names too long together",
        aws_stack(),
        {"mesh.id": "exam-platform-of-the-board", "clusters.0.name": "us-east-1"},
        [
            (
                "istio-mesh:clusters[0].name: "
                "`exam-platform-of-the-board-test-us-east-1-load-balancer-controller` has 66 characters. IAM "
                "takes 64 for a role's name, which is made of mesh, environment and cluster. Shorten the "
                "cluster's name, `mesh.id` or `aws.tags.environment`."
            ),
        ],
    ),
    (
        "logs kept for a number of days that CloudWatch does not take",
        aws_stack(),
        {"aws.logs": {"retentionDays": 100}},
        [
            (
                "istio-mesh:aws.logs.retentionDays: it is the number 100. Only these are known: 1, 3, 5, 7, 14, "
                "30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653. Take one."
            ),
        ],
    ),
    (
        "key gone too soon",
        aws_stack(),
        {"aws.keys": {"deletionWindowDays": 1}},
        [
            (
                "istio-mesh:aws.keys.deletionWindowDays: 1 is below 7. It is out of the range that makes sense. "
                "Write a number that is not below 7."
            ),
        ],
    ),
    (
        "name of clusters that exist",
        aws_stack(),
        {
            "clusters": [_existing("use1", "us-east-1"), _existing("usw2", "us-west-2")],
            "aws": ABSENT,
            "gateways.ingress.name": {**_NAME, "latency": {}},
        },
        [
            (
                "istio-mesh:gateways.ingress.name: not all clusters are made by this stack in AWS. The hosted "
                "zone of a load balancer elsewhere is not known, and no record could lead to it. Take it out, and"
                " point the hosts to the addresses among the stack's outputs."
            ),
        ],
    ),
    (
        "name without a policy",
        aws_stack(),
        {"gateways.ingress.name": _NAME},
        [
            (
                "istio-mesh:gateways.ingress.name: exactly one of `latency`, `failover` is needed, and none of "
                "them is given. Route 53 could not choose among the regions. Write `latency: {}`, or `failover` "
                "with its `primary`."
            ),
        ],
    ),
    (
        "host outside of the zone",
        aws_stack(),
        {"gateways.ingress.name": {**_NAME, "zone": "other.com", "latency": {}}},
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: `exam-platform.com` is not in the zone "
                "other.com. It would have no record, and nobody would find it. Take it out, or serve it from a "
                "stack with that zone."
            ),
        ],
    ),
    (
        "zone without a host",
        aws_stack(),
        {"gateways.ingress.name": {**_NAME, "latency": {}}, "gateways.ingress.servers": []},
        [
            (
                "istio-mesh:gateways.ingress.name: there is a zone and no host. No record would be made in it. "
                "Add `servers`, or take `name` out."
            ),
        ],
    ),
    (
        "failover of three regions",
        aws_stack(3),
        {"gateways.ingress.name": {**_NAME, "failover": {"primary": "use1"}}},
        [
            (
                "istio-mesh:gateways.ingress.name.failover: failover is between two regions, and there are 3. The"
                " others would get no request at all. Write `latency: {}`."
            ),
        ],
    ),
    (
        "failover to a cluster that is not there",
        aws_stack(),
        {"gateways.ingress.name": {**_NAME, "failover": {"primary": "euw1"}}},
        [
            (
                "istio-mesh:gateways.ingress.name.failover.primary: there is no cluster `euw1`. No region would "
                "be the first one. Name one of `use1`, `usw2`."
            ),
        ],
    ),
    (
        "cert-manager that nobody installs",
        aws_stack(),
        {"gateways.ingress.servers.0.tls": {"certManager": {"issuer": "letsencrypt"}}},
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certManager: a cluster that has just been made has no"
                " cert-manager. The first `pulumi up` would stop at its kinds. Add `aws.certManager`, or give a "
                "certificate."
            ),
        ],
    ),
    (
        "issuer that nobody makes",
        aws_stack(),
        {
            "gateways.ingress.name": {**_NAME, "latency": {}},
            "aws.certManager": _CERT_MANAGER,
            "gateways.ingress.servers.0.tls": {"certManager": {"issuer": "internal"}},
        },
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certManager: there is no ClusterIssuer `internal` in "
                "a cluster that has just been made. No certificate would be issued. Write `certManager: {issuer: "
                "letsencrypt}`."
            ),
        ],
    ),
    (
        "cert-manager without a zone",
        aws_stack(),
        {"aws.certManager": _CERT_MANAGER},
        [
            (
                "istio-mesh:aws.certManager: there is no zone in which it could prove whose the hosts are. No "
                "certificate would be issued. Add `gateways.ingress.name`."
            ),
        ],
    ),
    (
        "private authority that is none",
        aws_stack(),
        {"trust.root": {"privateCa": {"arn": "arn:aws:acm-pca:us-east-1:111122223333:authority/1"}}},
        [
            (
                "istio-mesh:trust.root.privateCa.arn: `arn:aws:acm-pca:us-east-1:111122223333:authority/1` is not"
                " the ARN of a private certificate authority. Nothing could sign the intermediates. Write it as "
                "in "
                "`arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/11111111-2222-3333-4444-555555555555`."
            ),
        ],
    ),
    (
        "intermediates of AWS for hours",
        aws_stack(),
        {"trust.root": {"privateCa": {"arn": _AUTHORITY}}, "trust.intermediates": {"lifetime": "730d12h"}},
        [
            (
                "istio-mesh:trust.intermediates.lifetime: the intermediates' lifetime (730d12h) is not one of "
                "whole days. AWS Private CA is asked for days. Write days, as in `730d`."
            ),
        ],
    ),
    (
        "workloads as long as intermediates of AWS",
        aws_stack(),
        {
            "trust.root": {"privateCa": {"arn": _AUTHORITY}},
            "trust.intermediates": {"lifetime": "2d", "warnBefore": "1d"},
            "trust.workloadCertificates": {"maxLifetime": "2d"},
        },
        [
            (
                "istio-mesh:trust.workloadCertificates.maxLifetime: workload certificates may live for 2d, the "
                "intermediates for 2d. A workload's certificate would outlive its signer, and be refused while it"
                " looks valid. Lower `workloadCertificates.maxLifetime` or lengthen `intermediates.lifetime`."
            ),
        ],
    ),
    (
        "several at once, one in every cluster",
        aws_stack(),
        {"clusters.0.eks.version": 1.35, "clusters.1.eks.zones": ["us-west-2a"], "aws.account": "1"},
        [
            (
                "istio-mesh:clusters[0].eks.version: it is the number 1.35, not a text. Nothing can be made of "
                'it. Put it in quotes, as in `"1.35"`.'
            ),
            (
                "istio-mesh:clusters[1].eks.zones: us-west-2a is the only zone. EKS refuses a control plane in "
                "one zone alone, and all nodes would fail with it. Name at least 2, better three, or leave it "
                "out."
            ),
            (
                "istio-mesh:aws.account: `1` is not an account's number. The provider could not refuse another "
                "account, and the stack might come into the wrong one. Write its twelve digits in quotes, as in "
                '`"111122223333"`.'
            ),
        ],
    ),
]


@pytest.mark.parametrize(("stack", "changes", "faults"), [pytest.param(s, c, f, id=i) for i, s, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, stack: Yaml, changes: dict[str, Any], faults: list[str]
) -> None:
    kubeconfig = builders.write_kubeconfig(tmp_path)
    assert aws_faults_of(_with(stack, kubeconfig), _with(changes, kubeconfig)) == faults


def _with(values: Any, kubeconfig: Path) -> Any:
    """A copy with the file in the place of its mark."""
    if isinstance(values, dict):
        return {key: _with(item, kubeconfig) for key, item in values.items()}
    if isinstance(values, list):
        return [_with(item, kubeconfig) for item in values]
    return str(kubeconfig) if values == _KUBECONFIG else values


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aws.network.supernet": "10.64.0.0/16", "clusters": ABSENT},
        {"clusters.0.eks.zones": ["us-east-1a", "us-east-1b"]},
        {"clusters.0.eks.compute": _groups(instanceTypes=["m7g.large", "c7gn.large", "t4g.medium"], spot=True)},
        {"clusters.0.eks.compute": _groups(instanceTypes=["m7i.large", "g5.xlarge"])},
        {"aws.betweenRegions": {"publicLoadBalancers": {}}},
        {"aws.betweenRegions": {"transitGateway": {}}},
        {"clusters.1.primary": "use1"},
        {"gateways.ingress.name": {**_NAME, "failover": {"primary": "usw2"}}},
    ],
    ids=str,
)
def test_what_is_right_is_taken(changes: dict[str, Any]) -> None:
    if changes.get("clusters") is ABSENT:
        changes = {**changes, "clusters": aws_stack(1)["clusters"]}
    assert aws_faults_of(aws_stack(), changes) == []


def test_five_regions_are_peered_and_more_are_not() -> None:
    assert aws_faults_of(private_stack(5), {}) == []
    assert len(aws_faults_of(private_stack(6), {})) == 1
    assert aws_faults_of(private_stack(6), {"aws.betweenRegions": {"transitGateway": {}}}) == []
