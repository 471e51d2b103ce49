"""An EKS cluster as it is asked for: its roles, key, logs, who reaches it and who may come in."""

import json
from typing import Any

import pytest

from tests import mocks
from tests.aws import NODES, RUNNER, aws_stack, made, private_stack, tags

ACCESS = {
    "operators": {"principal": "arn:aws:iam::111122223333:role/operators", "rights": "clusterAdmin"},
    "team": {"principal": "arn:aws:iam::111122223333:role/team", "rights": "edit", "namespaces": ["exam", "store"]},
}


@pytest.fixture(scope="module")
def recording() -> mocks.Recording:
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    return made(private_stack(2, aws__access=ACCESS, aws__permissionsBoundary=boundary))[0]


@pytest.fixture(scope="module")
def grouped() -> mocks.Recording:
    compute = {"nodeGroups": {"general": NODES}}
    return made(aws_stack(2, clusters__0__eks__compute=compute, aws__deletionProtection=False))[0]


def cluster(recording: mocks.Recording) -> dict[str, Any]:
    return recording.named("use1-eks-cluster").inputs


def test_a_cluster_of_auto_mode_is_private_protected_and_encrypted(recording: mocks.Recording) -> None:
    assert cluster(recording) == {
        "name": "exam-test-use1",
        "version": "1.35",
        "roleArn": "arn:aws:test:::use1-eks-cluster-role",
        "bootstrapSelfManagedAddons": False,
        "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
        "vpcConfig": {
            "subnetIds": [f"use1-network-private-us-east-1{letter}-id" for letter in "abc"],
            "securityGroupIds": ["use1-eks-api-id"],
            "endpointPrivateAccess": True,
            "endpointPublicAccess": False,
        },
        "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": "arn:aws:test:::use1-eks-key"}},
        "enabledClusterLogTypes": ["api", "audit", "authenticator", "controllerManager", "scheduler"],
        "upgradePolicy": {"supportType": "STANDARD"},
        "zonalShiftConfig": {"enabled": True},
        "deletionProtection": True,
        "computeConfig": {
            "enabled": True,
            "nodePools": ["general-purpose", "system"],
            "nodeRoleArn": "arn:aws:test:::use1-eks-nodes-role",
        },
        "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
        "storageConfig": {"blockStorage": {"enabled": True}},
        "tags": tags("use1"),
    }


def test_with_node_groups_all_of_auto_mode_is_off(grouped: mocks.Recording) -> None:
    """EKS refuses a cluster in which one of the three is on and another is not."""
    found = cluster(grouped)
    assert found["computeConfig"] == {"enabled": False}
    assert found["kubernetesNetworkConfig"] == {"elasticLoadBalancing": {"enabled": False}}
    assert found["storageConfig"] == {"blockStorage": {"enabled": False}}
    assert found["deletionProtection"] is False


def test_a_public_endpoint_takes_the_runner_and_the_peers_gateways(grouped: mocks.Recording) -> None:
    network = cluster(grouped)["vpcConfig"]
    addresses = [f"{mocks.public_ip(f'usw2-network-nat-address-us-west-2{letter}')}/32" for letter in "abc"]
    assert network["endpointPublicAccess"] is True
    assert network["publicAccessCidrs"] == [RUNNER, *addresses]


def test_logs_have_an_end_and_are_there_before_the_cluster_writes_them(recording: mocks.Recording) -> None:
    assert recording.named("use1-eks-logs").inputs == {
        "name": "/aws/eks/exam-test-use1/cluster",
        "retentionInDays": 90,
        "skipDestroy": False,
        "tags": tags("use1-logs"),
    }
    assert "use1-eks-logs" in recording.named("use1-eks-cluster").dependencies


def test_the_key_rotates(recording: mocks.Recording) -> None:
    assert recording.named("use1-eks-key").inputs == {
        "description": "Secrets of exam-test-use1",
        "enableKeyRotation": True,
        "rotationPeriodInDays": 365,
        "deletionWindowInDays": 30,
        "tags": tags("use1-secrets"),
    }
    assert recording.named("use1-eks-key-alias").inputs == {
        "name": "alias/exam-test-use1-secrets",
        "targetKeyId": "use1-eks-key-key",
    }


def policies(recording: mocks.Recording, role: str) -> set[str]:
    return {
        found.inputs["policyArn"].removeprefix("arn:aws:iam::aws:policy/")
        for found in recording.of_type("RolePolicyAttachment")
        if found.inputs["role"] == f"exam-test-{role}"
    }


def test_roles_have_what_they_need_and_a_boundary(recording: mocks.Recording, grouped: mocks.Recording) -> None:
    assert recording.named("use1-eks-nodes-role").inputs == {
        "name": "exam-test-use1-nodes",
        "assumeRolePolicy": json.dumps(
            {
                "Statement": [
                    {
                        "Action": ["sts:AssumeRole"],
                        "Effect": "Allow",
                        "Principal": {"Service": "ec2.amazonaws.com"},
                    }
                ],
                "Version": "2012-10-17",
            },
            sort_keys=True,
        ),
        "permissionsBoundary": "arn:aws:iam::111122223333:policy/boundary",
        "tags": tags("use1-nodes"),
    }
    bounded = {found.inputs.get("permissionsBoundary") for found in recording.of_type("Role")}
    assert bounded == {"arn:aws:iam::111122223333:policy/boundary"}
    assert policies(recording, "use1-nodes") == {
        "AmazonEKSWorkerNodeMinimalPolicy",
        "AmazonEC2ContainerRegistryPullOnly",
    }
    assert policies(recording, "use1-cluster") == {
        "AmazonEKSClusterPolicy",
        "AmazonEKSComputePolicy",
        "AmazonEKSBlockStoragePolicy",
        "AmazonEKSLoadBalancingPolicy",
        "AmazonEKSNetworkingPolicy",
    }
    assert policies(grouped, "use1-cluster") == {"AmazonEKSClusterPolicy"}
    assert policies(grouped, "use1-nodes") == {
        "AmazonEKSWorkerNodePolicy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonSSMManagedInstanceCore",
    }


def test_a_cluster_uses_its_own_key_and_no_other(recording: mocks.Recording, grouped: mocks.Recording) -> None:
    def statements(found: mocks.Recording) -> list[dict[str, Any]]:
        return json.loads(found.named("use1-eks-cluster-own").inputs["policy"])["Statement"]

    use_key = {
        "Effect": "Allow",
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"],
        "Resource": "arn:aws:test:::use1-eks-key",
    }
    assert statements(grouped) == [use_key]
    key, balancers = statements(recording)
    assert key == use_key
    assert balancers["Condition"]["StringEquals"] == {
        "aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"
    }


def test_rights_are_access_entries_and_the_deployer_has_one(recording: mocks.Recording) -> None:
    entries = {found.name: found.inputs for found in recording.of_type("AccessEntry") if "use1" in found.name}
    assert entries == {
        f"use1-eks-access-{name}": {
            "clusterName": "exam-test-use1",
            "principalArn": f"arn:aws:iam::111122223333:role/{role}",
            "type": "STANDARD",
            "tags": tags(f"use1-{name}"),
        }
        for name, role in {"deployer": "deployer", "operators": "operators", "team": "team"}.items()
    }
    assert recording.named("use1-eks-access-deployer-rights").inputs == {
        "clusterName": "exam-test-use1",
        "principalArn": "arn:aws:iam::111122223333:role/deployer",
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        "accessScope": {"type": "cluster"},
    }
    assert recording.named("use1-eks-access-team-rights").inputs == {
        "clusterName": "exam-test-use1",
        "principalArn": "arn:aws:iam::111122223333:role/team",
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy",
        "accessScope": {"type": "namespace", "namespaces": ["exam", "store"]},
    }


def test_rights_with_another_scope_take_the_place_of_the_former(recording: mocks.Recording) -> None:
    assert recording.named("use1-eks-access-team-rights").options.deleteBeforeReplace is True


def test_others_may_trust_its_service_accounts(recording: mocks.Recording) -> None:
    assert recording.named("use1-eks-issuer").inputs == {
        "url": "https://oidc.eks.amazonaws.com/id/USE1-EKS-CLUSTER",
        "clientIdLists": ["sts.amazonaws.com"],
        "tags": tags("use1-issuer"),
    }


def test_log_groups_stay_where_the_stack_says_so() -> None:
    kept = made(aws_stack(1, aws__logs={"keep": True, "retentionDays": 365}))[0]
    assert kept.named("use1-eks-logs").inputs["skipDestroy"] is True
    assert kept.named("use1-eks-logs").inputs["retentionInDays"] == 365
