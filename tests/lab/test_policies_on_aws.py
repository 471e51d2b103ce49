"""The packaged policy pack on another team's resources of AWS, on an account of the stand-in for AWS."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import tools
from lab.aws.rehearsal.account import running
from lab.aws.rehearsal.scene import SPEED
from lab.paths import Paths
from policies.package import package
from previews.report import Verdict
from previews.urns import name_of
from tests.lab.support.judged import AnotherTeam, mandatory_topics, of_aws

ACCOUNT = "111122223333"


def _trust(principal: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True)
class Bad:
    """A bad change of a resource.

    :ivar topic: of the pack: the module of the policy.
    :ivar policy: the policy that refuses it.
    :ivar type: the resource's.
    :ivar change: what is bad.
    :ivar sentence: what it is refused with.
    :ivar needed: what AWS asks for besides what all policies pass.
    """

    topic: str
    policy: str
    type: str
    change: Mapping[str, Any]
    sentence: str
    needed: Mapping[str, Any] = field(default_factory=dict[str, Any])


BAD = (
    Bad(
        "aws_clusters",
        "aws-eks-public-endpoint",
        "aws:eks/cluster:Cluster",
        {"vpcConfig.publicAccessCidrs": ["0.0.0.0/0"]},
        "vpcConfig.publicAccessCidrs[0]: the API is open to 0.0.0.0/0. Everybody may try what they have at it.",
        {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/eks", "vpcConfig.subnetIds": ["subnet-0a", "subnet-0b"]},
    ),
    Bad(
        "aws_data",
        "aws-key-rotation",
        "aws:kms/key:Key",
        {"enableKeyRotation": False},
        "enableKeyRotation: the key does not rotate. Disclosed once, it opens all that was ever encrypted with it.",
    ),
    Bad(
        "aws_access",
        "aws-iam-wildcard-principals",
        "aws:iam/role:Role",
        {"assumeRolePolicy": _trust("*")},
        "assumeRolePolicy.Statement[0].Principal: it allows every principal, without a condition. Every account of AWS "
        "may use it.",
        {"assumeRolePolicy": _trust({"Service": "eks.amazonaws.com"})},
    ),
    Bad(
        "aws_network",
        "aws-security-group-open",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "0.0.0.0/0"},
        "port 15443 is open to 0.0.0.0/0. Scanners find it within minutes.",
        {"securityGroupId": "sg-0a"},
    ),
    Bad(
        "aws_tags",
        "aws-tags",
        "aws:cloudwatch/logGroup:LogGroup",
        {"tags": {"owner": "platform"}},
        "tags: `environment`, `costCentre` are missing. Nobody can tell who answers for it, or where its cost belongs.",
    ),
)


def _unpacked(folder: Path) -> Path:
    """The pack as other teams get it: the archive, with an environment beside it."""
    with tarfile.open(package(folder)) as archive:
        archive.extractall(folder, filter="data")
    (pack,) = folder.glob("istio-mesh-policies-*/policies")
    (pack.parent / ".venv").symlink_to(sys.prefix)
    return pack


@pytest.mark.proof(
    "J2", "on an account of AWS's stand-in: one bad change of each topic is refused, and nothing is made"
)
def test_bad_resources_of_aws_are_refused(paths: Paths, tmp_path: Path, record: Callable[..., None]) -> None:
    assert sorted(bad.topic for bad in BAD) == sorted(mandatory_topics("aws"))
    tools.ensure(["pulumi", "kubectl", "istioctl", "pulumi-kubernetes"]).link(tmp_path / "tools", tmp_path / "home")
    env = {**os.environ, "PATH": f"{tmp_path / 'tools'}:{os.environ['PATH']}", "PULUMI_HOME": str(tmp_path / "home")}
    with running(tmp_path, account=ACCOUNT, pace=SPEED) as account:
        team = AnotherTeam(tmp_path / "team", env, _unpacked(tmp_path), paths.charts, account=account)
        passed = team.preview([of_aws(bad.topic, bad.type, bad.needed) for bad in BAD])
        assert passed.verdict is Verdict.PASSED, (passed.mandatory, passed.errors, passed.reason)
        refused = team.up([of_aws(bad.topic, bad.type, {**bad.needed, **bad.change}) for bad in BAD])
        assert refused.verdict is Verdict.REFUSED, (refused.errors, refused.reason)
        found = {(name_of(each.urn), each.policy, each.what) for each in refused.mandatory}
        assert found == {(bad.topic, bad.policy, bad.sentence) for bad in BAD}
        assert all(each.cure for each in refused.mandatory)
        assert account.changes() == 0
    record(refused={bad.topic: bad.policy for bad in BAD})
