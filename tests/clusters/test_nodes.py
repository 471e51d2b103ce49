"""Node groups and add-ons as they are asked for, and their order."""

import json

import pytest

from tests import mocks
from tests.aws import all_before, aws_stack, made, tags

GROUPS = {
    "general": {"instanceTypes": ["m7g.large"], "min": 3, "max": 6},
    "spot": {
        "instanceTypes": ["m7i.large", "m6i.large"],
        "min": 1,
        "max": 9,
        "spot": True,
        "image": "Bottlerocket",
        "diskGib": 80,
        "labels": {"pool": "spot"},
    },
}


@pytest.fixture(scope="module")
def recording() -> mocks.Recording:
    return made(aws_stack(2, clusters__0__eks__compute={"nodeGroups": GROUPS}))[0]


def test_a_node_group_is_of_one_image_and_replaced_a_third_at_a_time(recording: mocks.Recording) -> None:
    assert recording.named("use1-compute-general").inputs == {
        "clusterName": "exam-test-use1",
        "nodeGroupNamePrefix": "general-",
        "nodeRoleArn": "arn:aws:test:::use1-eks-nodes-role",
        "subnetIds": [f"use1-network-private-us-east-1{letter}-id" for letter in "abc"],
        "version": "1.35",
        "amiType": "AL2023_ARM_64_STANDARD",
        "capacityType": "ON_DEMAND",
        "instanceTypes": ["m7g.large"],
        "launchTemplate": {"id": "use1-compute-general-template-id", "version": "3"},
        "scalingConfig": {"minSize": 3, "maxSize": 6, "desiredSize": 3},
        "updateConfig": {"maxUnavailablePercentage": 33},
        "tags": tags("use1-general"),
    }
    spot = recording.named("use1-compute-spot").inputs
    assert (spot["amiType"], spot["capacityType"]) == ("BOTTLEROCKET_x86_64", "SPOT")
    assert spot["labels"] == {"pool": "spot"}


def test_whoever_scales_a_group_is_not_set_back(recording: mocks.Recording) -> None:
    options = recording.named("use1-compute-general").options
    assert list(options.ignoreChanges) == ["scalingConfig.desiredSize"]


def test_nodes_keep_their_credentials_and_have_no_key_for_ssh(recording: mocks.Recording) -> None:
    assert recording.named("use1-compute-spot-template").inputs == {
        "name": "exam-test-use1-spot",
        "updateDefaultVersion": True,
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
            "instanceMetadataTags": "disabled",
        },
        "blockDeviceMappings": [
            {
                "deviceName": "/dev/xvdb",
                "ebs": {"volumeSize": 80, "volumeType": "gp3", "encrypted": "true", "deleteOnTermination": "true"},
            }
        ],
        "tagSpecifications": [
            {"resourceType": kind, "tags": tags("use1-spot")} for kind in ("instance", "volume", "network-interface")
        ],
        "tags": tags("use1-spot"),
    }


def addons(recording: mocks.Recording, cluster: str) -> dict[str, str]:
    return {
        found.inputs["addonName"]: found.inputs["addonVersion"]
        for found in recording.of_type("Addon")
        if found.name.startswith(f"{cluster}-")
    }


def test_add_ons_are_pinned_and_auto_mode_gets_only_what_it_lacks(recording: mocks.Recording) -> None:
    assert addons(recording, "use1") == {
        "vpc-cni": "v1.21.1-eksbuild.3",
        "kube-proxy": "v1.35.0-eksbuild.2",
        "eks-pod-identity-agent": "v1.3.10-eksbuild.3",
        "coredns": "v1.13.2-eksbuild.1",
        "aws-ebs-csi-driver": "v1.57.1-eksbuild.1",
        "metrics-server": "v0.8.0-eksbuild.5",
    }
    assert addons(recording, "usw2") == {"metrics-server": "v0.8.0-eksbuild.5"}


def test_a_stack_pins_a_version_of_its_own() -> None:
    pinned = {"metrics-server": "v0.9.0-eksbuild.1"}
    assert addons(made(aws_stack(1, clusters__0__eks__addons=pinned))[0], "use1") == pinned


def test_an_add_on_that_asks_aws_has_a_role_of_its_own(recording: mocks.Recording) -> None:
    assert recording.named("use1-compute-vpc-cni").inputs == {
        "clusterName": "exam-test-use1",
        "addonName": "vpc-cni",
        "addonVersion": "v1.21.1-eksbuild.3",
        "resolveConflictsOnCreate": "OVERWRITE",
        "resolveConflictsOnUpdate": "PRESERVE",
        "podIdentityAssociations": [{"roleArn": "arn:aws:test:::use1-compute-cni-role", "serviceAccount": "aws-node"}],
        "tags": tags("use1-vpc-cni"),
    }
    trust = json.loads(recording.named("use1-compute-disks-role").inputs["assumeRolePolicy"])
    assert trust["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
    ]
    assert recording.named("use1-compute-disks-AmazonEBSCSIDriverPolicy").inputs == {
        "role": "exam-test-use1-disks",
        "policyArn": "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy",
    }


def test_what_nodes_need_is_there_before_them_and_what_needs_nodes_after(recording: mocks.Recording) -> None:
    before = all_before(recording, "use1-compute-general")
    assert {f"use1-compute-{name}" for name in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")} <= before
    # Without a way out a node does not find its cluster's registry.
    assert "use1-network-private-us-east-1a-to-internet" in before
    for addon in ("coredns", "aws-ebs-csi-driver", "metrics-server"):
        assert {"use1-compute-general", "use1-compute-spot"} <= all_before(recording, f"use1-compute-{addon}")


def test_dns_and_metrics_do_not_hang_on_one_pod(recording: mocks.Recording) -> None:
    assert json.loads(recording.named("use1-compute-coredns").inputs["configurationValues"]) == {"replicaCount": 2}
    assert json.loads(recording.named("use1-compute-metrics-server").inputs["configurationValues"]) == {"replicas": 2}
