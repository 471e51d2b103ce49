"""What EKS refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.aws.cloud.eks import state
from tests.lab_aws.provider import Refused
from tests.lab_aws.world import CLUSTER, VPC, World, trust

GROUP = "aws:eks/nodeGroup:NodeGroup"
ADDON = "aws:eks/addon:Addon"
ENTRY = "aws:eks/accessEntry:AccessEntry"
PODS = "aws:eks/podIdentityAssociation:PodIdentityAssociation"


def cluster(**others: Any) -> Callable[[World], Any]:
    return lambda world: world.east.make(CLUSTER, "one", **world.cluster_inputs(**others))


def network(**others: Any) -> Callable[[World], Any]:
    """A cluster whose network differs."""

    def make(world: World) -> Any:
        inputs = world.cluster_inputs()
        inputs["vpcConfig"] = {**inputs["vpcConfig"], **{k: v(world) if callable(v) else v for k, v in others.items()}}
        return world.east.make(CLUSTER, "one", **inputs)

    return make


def group(**others: Any) -> Callable[[World], Any]:
    return lambda world: world.east.make(GROUP, "nodes", **world.group_inputs(**others))


def addon(**others: Any) -> Callable[[World], Any]:
    def make(world: World) -> Any:
        inputs = {"clusterName": world.cluster["name"], "addonName": "vpc-cni", "addonVersion": "v1.20.4-eksbuild.2"}
        return world.east.make(ADDON, "addon", **{**inputs, **others})

    return make


def addon_of_auto_mode(world: World) -> Any:
    """An add-on that needs nodes, in a cluster whose subnets have no way out."""
    auto = world.auto_mode()
    made = world.east.make(CLUSTER, "auto", **{**world.cluster_inputs(**auto), "name": "auto"})
    return addon(clusterName=made["name"], addonName="coredns")(world)


def entry(**others: Any) -> Callable[[World], Any]:
    def make(world: World) -> Any:
        inputs = {"clusterName": world.cluster["name"], "principalArn": world.pod_role["arn"]}
        return world.east.make(ENTRY, "entry", **{**inputs, **others})

    return make


def twice(act: Callable[[World], Any]) -> Callable[[World], Any]:
    return lambda world: (act(world), act(world))


def raised(version: str) -> Callable[[World], Any]:
    return lambda world: world.east.update(world.cluster, **world.cluster_inputs(version=version))


def policy(name: str = "AmazonEKSViewPolicy", **scope: Any) -> Callable[[World], Any]:
    def make(world: World) -> Any:
        found = entry()(world)
        return world.east.make(
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
            clusterName="one",
            principalArn=found["principalArn"],
            policyArn=f"arn:aws:eks::aws:cluster-access-policy/{name}",
            accessScope=scope or {"type": "cluster"},
        )

    return make


def pods(role: Callable[[World], str]) -> Callable[[World], Any]:
    return lambda world: world.east.make(
        PODS, clusterName=world.cluster["name"], namespace="a", serviceAccount="b", roleArn=role(world)
    )


def weak_role(world: World) -> str:
    return world.role("weak", "eks.amazonaws.com")["arn"]


def west_key(world: World) -> str:
    return world.west.make("aws:kms/key:Key", "far")["arn"]


def encrypted(world: World) -> Any:
    encryption = {"resources": ["secrets"], "provider": {"keyArn": west_key(world)}}
    return world.east.make(CLUSTER, "one", **world.cluster_inputs(encryptionConfig=encryption))


def deaf_vpc(world: World) -> list[str]:
    """Subnets of a VPC without host names."""
    vpc = world.east.make(VPC, "deaf", cidrBlock="10.6.0.0/16")
    make = world.east.make
    return [
        make(
            "aws:ec2/subnet:Subnet",
            zone,
            vpcId=vpc.id,
            cidrBlock=f"10.6.{at}.0/24",
            availabilityZone=f"us-east-1{zone}",
        ).id
        for at, zone in enumerate("ab")
    ]


REFUSED = [
    ("a version that is not offered", cluster(version="1.99"), "unsupported Kubernetes version 1.99; EKS offers "
                                                               "1.31, "),
    ("a version out of standard support", cluster(version="1.32"),
     "Kubernetes version 1.32 is in extended support since 2026-03-23, which the upgrade policy STANDARD does not "
     "take"),
    ("a role that does not exist", cluster(roleArn="arn:aws:iam::123456789012:role/nobody"),
     "Role with arn: arn:aws:iam::123456789012:role/nobody, could not be assumed because it does not exist or the "
     "trusted "
     "entity is not correct"),
    ("a role without the policy", lambda w: cluster(roleArn=weak_role(w))(w),
     "Please ensure the following policies [arn:aws:iam::aws:policy/AmazonEKSClusterPolicy] are attached"),
    ("a cluster twice", twice(cluster()), "Cluster already exists with name: one"),
    ("a name too long", cluster(name="a" * 101), "has to have at most 100 letters"),
    ("one zone", network(subnetIds=lambda w: w.subnet_ids[:1]), "Subnets specified must be in at least two "
                                                                "different AZs"),
    ("subnets that are not there", network(subnetIds=["subnet-0"]), "The subnet ID 'subnet-0' does not exist"),
    ("a VPC without host names", network(subnetIds=deaf_vpc),
     "Private endpoint access needs DNS support and DNS hostnames"),
    ("no endpoint", network(endpointPrivateAccess=False), "Private and public endpoint access cannot be false"),
    ("a private allow-list", network(endpointPublicAccess=True, publicAccessCidrs=["10.0.0.0/8"]),
     "The following CIDRs are invalid in publicAccessCidrs: [10.0.0.0/8]"),
    ("half of Auto Mode", lambda w: cluster(**{k: v for k, v in w.auto_mode().items() if k != "storageConfig"})(w),
     "storage_config.block_storage.enabled must all be set to either true or false"),
    ("Auto Mode with the old access", lambda w: cluster(**w.auto_mode(),
     accessConfig={"authenticationMode": "CONFIG_MAP"})(w),
     "For EKS Auto Mode, the authentication mode must be set to API or API_AND_CONFIG_MAP."),
    ("Auto Mode with its own add-ons", lambda w: cluster(**w.auto_mode(), bootstrapSelfManagedAddons=True)(w),
     "For EKS Auto Mode, bootstrapSelfManagedAddons must be set to false."),
    ("a key of another region", encrypted, "The keyArn in encryptionConfig provider is invalid"),
    ("a log that does not exist", cluster(enabledClusterLogTypes=["everything"]), "`everything` is none of api, audit"),
    ("a version that does not exist", lambda w: (state.VERSION_DONE, w.cluster, raised("1.37")(w)),
     "unsupported Kubernetes version 1.37"),
    ("a lower version", lambda w: (w.cluster, raised("1.33")(w)), "is in extended support since 2026-07-29"),
    ("a protected cluster", lambda w: w.east.delete(cluster(deletionProtection=True)(w)),
     "Cluster one has deletion protection enabled"),
    ("a cluster with nodes", lambda w: (w.node_group, w.east.delete(w.cluster)), "Cluster has nodegroups attached"),
    ("a role in use", lambda w: (w.node_group, w.east.delete(w.node_role)), "it is the role of the EKS cluster one"),
    ("a key in use",
     lambda w: (cluster(encryptionConfig={"resources": ["secrets"], "provider": {"keyArn": w.key["arn"]}})(w),
                w.east.delete(w.key)),
     "encrypts the secrets of the EKS cluster one"),
    ("nodes of another kind", group(instanceTypes=["m7i.large"]),
     "[m7i.large] is not a valid instance type for requested amiType AL2023_ARM_64_STANDARD"),
    ("nodes that do not exist", group(instanceTypes=["large"]), "The instance type large does not exist"),
    ("an image that is gone", group(amiType="AL2_x86_64"), "The amiType AL2_x86_64 is not offered"),
    ("newer nodes", group(version="1.35"), "Requested Nodegroup release version 1.35 is invalid"),
    ("more wanted than allowed", group(scalingConfig={"minSize": 1, "maxSize": 2, "desiredSize": 3}),
     "desired capacity 3 has to be between minimum 1 and maximum 2"),
    ("a name of nodes too long", group(nodeGroupName="n" * 64), "has to have 1 to 63 characters"),
    ("nodes twice", twice(group()), "NodeGroup already exists with name nodes and cluster name one"),
    ("a role that is not for nodes", lambda w: group(nodeRoleArn=w.cluster_role["arn"])(w), "cannot be found or "
                                                                                            "assumed by EC2"),
    ("no template", group(launchTemplate={"id": "lt-0", "version": "1"}), "You must specify an existing launch "
                                                                          "template"),
    ("an add-on that does not exist", addon(addonName="moon"), "Addon moon specified is not supported"),
    ("an add-on's version", addon(addonVersion="1.20"), "Addon version specified is not supported: 1.20"),
    ("a newer proxy", addon(addonName="kube-proxy", addonVersion="v1.35.0-eksbuild.2"),
     "kube-proxy v1.35.0-eksbuild.2 on Kubernetes 1.34"),
    ("an add-on twice", twice(addon()), "Addon already exists."),
    ("an add-on without nodes", addon(addonName="coredns"),
     "timeout while waiting for state to become 'ACTIVE' (last: 'DEGRADED')"),
    ("an add-on of Auto Mode whose nodes have no way out", addon_of_auto_mode,
     "timeout while waiting for state to become 'ACTIVE' (last: 'DEGRADED')"),
    ("configuration that is no JSON", addon(configurationValues="a: b"), "configurationValues is not JSON"),
    ("an entry twice", twice(entry()), "The specified access entry resource is already in use on this cluster."),
    ("an entry of nobody", entry(principalArn="arn:aws:iam::123456789012:role/nobody"),
     "The specified principalArn is invalid: invalid principal"),
    ("a group of the system", entry(kubernetesGroups=["system:masters"]),
     "The kubernetes group name system:masters is invalid, it cannot start with system:"),
    ("entries in the old mode",
     lambda w: (cluster(accessConfig={"authenticationMode": "CONFIG_MAP"})(w),
                w.east.make(ENTRY, clusterName="one", principalArn=w.pod_role["arn"])),
     "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]"),
    ("a policy that does not exist", policy("Everything"), "The policyArn parameter is not an access policy of EKS"),
    ("a scope without namespaces", policy(type="namespace"), "The namespaces of an access scope have to be given"),
    ("a role that pods cannot have", pods(lambda w: w.node_role["arn"]),
     "does not let pods.eks.amazonaws.com do sts:AssumeRole and sts:TagSession"),
    ("a role that is not there", pods(lambda _: "arn:aws:iam::123456789012:role/no"),
     "Role provided in the request does not exist"),
    ("two roles for a pod", twice(pods(lambda w: w.pod_role["arn"])), "Association already exists: a-"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "message"), [pytest.param(*each[1:], id=each[0]) for each in REFUSED])
def test_is_refused(world: World, act: Callable[[World], Any], message: str) -> None:
    with pytest.raises(Refused) as refused:
        act(world)
    assert message in str(refused.value)


def test_versions_are_raised_one_by_one(world: World) -> None:
    with pytest.raises(Refused, match=r"Unsupported Kubernetes minor version update from 1\.34 to 1\.36"):
        raised("1.36")(world)


def test_nodes_and_the_control_plane_hold_interfaces_until_they_are_gone(world: World) -> None:
    from lab.aws.plugin.clients import Aws

    def held() -> list[str]:
        found = Aws("us-east-1", "").ec2.describe_network_interfaces()["NetworkInterfaces"]
        return sorted({each["Description"].split()[0] for each in found})

    assert world.node_group
    assert held() == ["Amazon", "node"]
    world.east.delete(world.node_group)
    assert held() == ["Amazon"]
    world.east.delete(world.cluster)
    assert held() == []


def test_logs_without_a_group_make_one_that_nobody_takes_away(world: World) -> None:
    from lab.aws.cloud.inventory import inventory

    made = world.east.make(CLUSTER, "one", **world.cluster_inputs(enabledClusterLogTypes=["audit"]))
    world.east.delete(made)
    assert inventory()["logs/group/us-east-1"] == ["/aws/eks/one/cluster"]


def test_nodes_are_let_in_by_eks_itself(world: World) -> None:
    from lab.aws.plugin.clients import Aws

    assert world.node_group
    assert Aws("us-east-1", "").eks.list_access_entries(clusterName="one")["accessEntries"] == [world.node_role["arn"]]


def test_a_trust_policy_is_read(world: World) -> None:
    assert state.trusts(state.role_of(world.pod_role["arn"]), "pods.eks.amazonaws.com", "sts:TagSession")
    assert not state.trusts(state.role_of(world.node_role["arn"]), "pods.eks.amazonaws.com")
    assert "ec2.amazonaws.com" in trust("ec2.amazonaws.com")
