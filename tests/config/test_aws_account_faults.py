"""What may be wrong with the account of a stack of AWS: who may what, tags, names, how long things are kept.

Each case is a valid stack, a change of it, and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.aws import (
    aws_faults_of,
    aws_stack,
)
from tests.builders import ABSENT, Yaml

CASES: list[tuple[str, Yaml, dict[str, Any], list[str]]] = [
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
        "tag of two",
        aws_stack(),
        {"aws.tags.owner": "platform,security"},
        [
            (
                "istio-mesh:aws.tags.owner: `platform,security` has other characters than letters, digits, spaces and "
                "`.:/+@_-`. AWS refuses the tag, or the list of a load balancer's tags breaks at it. Write it without "
                "them."
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
    assert aws_faults_of(stack, changes, tmp_path) == faults
