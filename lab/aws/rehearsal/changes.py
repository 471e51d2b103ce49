"""What changes on day two in the stacks of the program, and what has to come of it."""

from __future__ import annotations

import copy
from typing import Any

from lab.aws.rehearsal.acts import DayTwo, edited
from lab.aws.rehearsal.missing import NAMESPACE
from lab.aws.rehearsal.stacks import Stack

CLUSTERS, TRUST = f"{NAMESPACE}:clusters", f"{NAMESPACE}:trust"
CLUSTER, NODES, ADDON = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup", "aws:eks/addon:Addon"
ASKED = "pulumi-python:dynamic/istio-mesh:Reachability"
"""It knows the version that its cluster is to have."""

SECRET = "kubernetes:core/v1:Secret"

NEXT = "1.36"
ADDONS = {
    "vpc-cni": "v1.21.1-eksbuild.3",
    "kube-proxy": "v1.36.0-eksbuild.2",
    "eks-pod-identity-agent": "v1.3.10-eksbuild.3",
    "coredns": "v1.13.2-eksbuild.1",
    "aws-ebs-csi-driver": "v1.57.1-eksbuild.1",
    "metrics-server": "v0.8.0-eksbuild.5",
}
"""Add-ons for the next version, written as its stack file has to: the program knows none for it. Of those of the
present one, kube-proxy alone is another.
"""


def day_two(stack: Stack) -> list[DayTwo]:
    """The changes that a stack can have, each alone."""
    automatic = all("compute" not in each["eks"] for each in stack.part("clusters"))
    count = len(stack.regions())
    found = [_version(automatic), _token(count)]
    if not automatic:
        found.append(_node_type(count))
    if all("endpoint" in each["eks"] for each in stack.part("clusters")):
        found.append(_allow_list(count))
    if "latency" in stack.part("gateways")["ingress"].get("name", {}):
        found.append(_region(count))
    return found


def _version(automatic: bool) -> DayTwo:
    """In one region, as the stack files say."""

    def edit(config: dict[str, Any]) -> None:
        eks = config[CLUSTERS][0]["eks"]
        brought = {"metrics-server"} if automatic else set(ADDONS)
        eks["version"] = NEXT
        eks["addons"] = {name: version for name, version in ADDONS.items() if name in brought}

    nodes = {} if automatic else {f"update {NODES}": 1, f"update {ADDON}": 1}
    return DayTwo(
        f"Kubernetes {NEXT} in one region", edited(edit), {f"update {CLUSTER}": 1, f"update {ASKED}": 1, **nodes}
    )


def _token(count: int) -> DayTwo:
    """A new token takes the former one's place in the peers' remote secrets."""

    def edit(config: dict[str, Any]) -> None:
        config[TRUST]["remoteTokens"]["generation"] += 1

    return DayTwo("remote tokens rotated", edited(edit), {f"replace {SECRET}": count, f"update {SECRET}": count})


def _node_type(count: int) -> DayTwo:
    def edit(config: dict[str, Any]) -> None:
        for each in config[CLUSTERS]:
            for group in each["eks"]["compute"]["nodeGroups"].values():
                group["instanceTypes"] = ["m8g.large", "m7g.large"]

    return DayTwo("other types of nodes", edited(edit), {f"replace {NODES}": count})


def _allow_list(count: int) -> DayTwo:
    def edit(config: dict[str, Any]) -> None:
        for each in config[CLUSTERS]:
            each["eks"]["endpoint"]["publicFrom"].append("203.0.113.20/32")

    return DayTwo("another range in the allow-list", edited(edit), {f"update {CLUSTER}": count})


def _region(count: int) -> DayTwo:
    """Beside what it has itself, a peering with each region and the runner's, and the peers' gateways let it in."""

    def edit(config: dict[str, Any]) -> None:
        new = copy.deepcopy(config[CLUSTERS][-1])
        new["name"], new["region"] = "euw1", "eu-west-1"
        new["eks"]["slot"] = count
        config[CLUSTERS].append(new)

    return DayTwo(
        "one more region",
        edited(edit),
        {
            "update kubernetes:helm.sh/v3:Release": count,
            f"create {CLUSTER}": 1,
            "create aws:ec2/vpc:Vpc": 1,
            "create aws:ec2/vpcPeeringConnection:VpcPeeringConnection": count + 1,
        },
    )
