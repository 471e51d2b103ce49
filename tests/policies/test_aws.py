"""What policies find in AWS: one change to what all of them pass, and every message."""

import json

import pytest

from policies.resources import Resource
from tests.builders import ABSENT
from tests.policies.cases import Case, check
from tests.policies.compliant import aws
from tests.policies.support import resource, setting


def zones(nats: int) -> list[Resource]:
    """A VPC with a subnet in each of two zones, the first of which have a NAT gateway."""
    vpc = resource("aws:ec2/vpc:Vpc", "vpc", {})
    subnets = [
        resource(
            "aws:ec2/subnet:Subnet",
            f"subnet-{zone}",
            {"availabilityZone": zone},
            property_dependencies={"vpcId": (vpc.urn,)},
        )
        for zone in ("a", "b")
    ]
    gateways = [
        resource(
            "aws:ec2/natGateway:NatGateway",
            f"nat-{index}",
            {},
            property_dependencies={"subnetId": (subnets[index].urn,)},
        )
        for index in range(nats)
    ]
    return [vpc, *subnets, *gateways]


CASES: list[Case] = [
    Case(
        "aws-eks-public-endpoint",
        "open to the world",
        lambda: [aws("aws:eks/cluster:Cluster", {"vpcConfig.publicAccessCidrs": ["0.0.0.0/0"]})],
        [
            (
                "vpcConfig.publicAccessCidrs[0]: the API is open to 0.0.0.0/0. Everybody may try what they have at "
                "it.\n"
                "Mend it: set `endpointPublicAccess: false`, or list your own addresses in `publicAccessCidrs`."
            ),
        ],
    ),
    Case(
        "aws-eks-public-endpoint",
        "half of the world",
        lambda: [aws("aws:eks/cluster:Cluster", {"vpcConfig.publicAccessCidrs": ["128.0.0.0/1"]})],
        [
            (
                "vpcConfig.publicAccessCidrs[0]: the API is open to 128.0.0.0/1. Everybody may try what they have "
                "at it.\n"
                "Mend it: set `endpointPublicAccess: false`, or list your own addresses in `publicAccessCidrs`."
            ),
        ],
    ),
    Case(
        "aws-eks-public-endpoint",
        "no list",
        lambda: [aws("aws:eks/cluster:Cluster", {"vpcConfig.publicAccessCidrs": ABSENT})],
        [
            (
                "vpcConfig: the API is public, and no addresses are listed. EKS takes that for 0.0.0.0/0.\n"
                "Mend it: set `endpointPublicAccess: false`, or list your own addresses in `publicAccessCidrs`."
            ),
        ],
    ),
    Case(
        "aws-eks-public-endpoint",
        "nothing said",
        lambda: [aws("aws:eks/cluster:Cluster", {"vpcConfig": {}})],
        [
            (
                "vpcConfig: the API is public, and no addresses are listed. EKS takes that for 0.0.0.0/0.\n"
                "Mend it: set `endpointPublicAccess: false`, or list your own addresses in `publicAccessCidrs`."
            ),
        ],
    ),
    Case(
        "aws-eks-secrets-encryption",
        "none",
        lambda: [aws("aws:eks/cluster:Cluster", {"encryptionConfig": ABSENT})],
        [
            (
                "encryptionConfig: Secrets are not encrypted with a key of your own. Who gets at the API's store, "
                "or at a copy of it, reads every token and private key.\n"
                "Mend it: set `encryptionConfig` with `resources: [secrets]` and the key's ARN."
            ),
        ],
    ),
    Case(
        "aws-eks-secrets-encryption",
        "of something else",
        lambda: [aws("aws:eks/cluster:Cluster", {"encryptionConfig.resources": ["configmaps"]})],
        [
            (
                "encryptionConfig.resources: `secrets` is not among what is encrypted. Nothing else can be, so "
                "nothing is.\n"
                "Mend it: write `resources: [secrets]`."
            ),
        ],
    ),
    Case(
        "aws-eks-logs",
        "no audit",
        lambda: [aws("aws:eks/cluster:Cluster", {"enabledClusterLogTypes": ["api"]})],
        [
            (
                "enabledClusterLogTypes: audit, authenticator are not logged. After an incident nobody could tell "
                "who did what.\n"
                "Mend it: add `audit`, `authenticator`."
            ),
        ],
    ),
    Case(
        "aws-eks-access-entries",
        "the map too",
        lambda: [aws("aws:eks/cluster:Cluster", {"accessConfig.authenticationMode": "API_AND_CONFIG_MAP"})],
        [
            (
                "accessConfig: `authenticationMode` is `API_AND_CONFIG_MAP`. The aws-auth map gives access too, "
                "and one slip in it locks everybody out.\n"
                "Mend it: write `API`, and make an access entry for each of those in the map."
            ),
        ],
    ),
    Case(
        "aws-eks-version-ended",
        "ended",
        lambda: [aws("aws:eks/cluster:Cluster", {"version": "1.33"})],
        [
            (
                "version: EKS's standard support of Kubernetes 1.33 ended on 2026-07-29. The cluster costs six "
                "times as much from then on, and is upgraded without being asked.\n"
                "Mend it: upgrade to 1.36, one minor at a time."
            ),
        ],
    ),
    Case(
        "aws-eks-version-ended",
        "not known",
        lambda: [aws("aws:eks/cluster:Cluster", {"version": "1.29"})],
        [
            (
                "version: Kubernetes 1.29 is not among the versions that are known here. Whether and until when "
                "EKS supports it cannot be told.\n"
                "Mend it: take one of 1.33, 1.34, 1.35, 1.36, or update the pack's table."
            ),
        ],
    ),
    Case(
        "aws-eks-version-ending",
        "ending",
        lambda: [aws("aws:eks/cluster:Cluster", {"version": "1.34"})],
        [
            (
                "version: EKS's standard support of Kubernetes 1.34 ends on 2026-12-02. An upgrade of cluster, "
                "nodes and mesh takes weeks to plan.\n"
                "Mend it: plan the upgrade to 1.36 now."
            ),
        ],
    ),
    Case(
        "aws-deletion-protection",
        "a cluster",
        lambda: [aws("aws:eks/cluster:Cluster", {"deletionProtection": ABSENT})],
        [
            (
                "deletionProtection: it is not set. One `destroy` in the wrong terminal would take it away, with "
                "all that it serves.\n"
                "Mend it: set `deletionProtection: true`, or the resource option `protect`."
            ),
        ],
        setting(production=True),
    ),
    Case(
        "aws-deletion-protection",
        "a load balancer",
        lambda: [aws("aws:lb/loadBalancer:LoadBalancer", {"enableDeletionProtection": False})],
        [
            (
                "enableDeletionProtection: it is not set. One `destroy` in the wrong terminal would take it away, "
                "with all that it serves.\n"
                "Mend it: set `enableDeletionProtection: true`, or the resource option `protect`."
            ),
        ],
        setting(production=True),
    ),
    Case(
        "aws-node-ssh",
        "from anywhere",
        lambda: [aws("aws:eks/nodeGroup:NodeGroup", {"remoteAccess.sourceSecurityGroupIds": ABSENT})],
        [
            (
                "remoteAccess: there is an SSH key, and no source security groups. EKS opens port 22 of every node "
                "to the world.\n"
                "Mend it: take `remoteAccess` out and use SSM Session Manager, or name `sourceSecurityGroupIds`."
            ),
        ],
    ),
    Case(
        "aws-volume-encryption",
        "a volume",
        lambda: [aws("aws:ebs/volume:Volume", {"encrypted": False})],
        [
            (
                "the volume is not encrypted. Whoever gets a snapshot of it reads what pods have written.\n"
                "Mend it: set `encrypted: true`."
            ),
        ],
    ),
    Case(
        "aws-volume-encryption",
        "of a launch template",
        lambda: [aws("aws:ec2/launchTemplate:LaunchTemplate", {"blockDeviceMappings.0.ebs.encrypted": "false"})],
        [
            (
                "blockDeviceMappings[0].ebs: the volume is not encrypted. Whoever gets a snapshot of it reads what "
                "pods have written.\n"
                "Mend it: set `encrypted: true`."
            ),
        ],
    ),
    Case(
        "aws-volume-encryption",
        "of an instance",
        lambda: [aws("aws:ec2/instance:Instance", {"rootBlockDevice": ABSENT})],
        [
            (
                "rootBlockDevice: the volume is not encrypted. Whoever gets a snapshot of it reads what pods have "
                "written.\n"
                "Mend it: set `encrypted: true`."
            ),
        ],
    ),
    Case(
        "aws-imdsv2",
        "optional tokens",
        lambda: [aws("aws:ec2/launchTemplate:LaunchTemplate", {"metadataOptions.httpTokens": "optional"})],
        [
            (
                "metadataOptions: `httpTokens` is not `required`. A server that can be talked into a request gives "
                "the node's role away.\n"
                "Mend it: set `httpTokens: required`."
            ),
        ],
    ),
    Case(
        "aws-imdsv2",
        "nothing said",
        lambda: [aws("aws:ec2/launchTemplate:LaunchTemplate", {"metadataOptions": ABSENT})],
        [
            (
                "metadataOptions: `httpTokens` is not `required`. A server that can be talked into a request gives "
                "the node's role away.\n"
                "Mend it: set `httpTokens: required`."
            ),
        ],
    ),
    Case(
        "aws-imds-hops",
        "two hops",
        lambda: [aws("aws:ec2/launchTemplate:LaunchTemplate", {"metadataOptions.httpPutResponseHopLimit": 2})],
        [
            (
                "metadataOptions.httpPutResponseHopLimit: the hop limit is 2. Pods get the credentials of their "
                "node.\n"
                "Mend it: set `httpPutResponseHopLimit: 1`, and give roles to pods by Pod Identity."
            ),
        ],
    ),
    Case(
        "aws-log-encryption",
        "no key",
        lambda: [aws("aws:cloudwatch/logGroup:LogGroup", {"kmsKeyId": ABSENT})],
        [
            (
                "kmsKeyId: there is no key. Who may read the log group reads the audit log, and no key could be "
                "withdrawn.\n"
                "Mend it: set `kmsKeyId`, and let CloudWatch use that key."
            ),
        ],
    ),
    Case(
        "aws-log-retention",
        "for ever",
        lambda: [aws("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 0})],
        [
            (
                "retentionInDays: everything is kept for ever. Its cost grows without a bound.\n"
                "Mend it: set `retentionInDays`, as in 90."
            ),
        ],
    ),
    Case(
        "aws-key-rotation",
        "off",
        lambda: [aws("aws:kms/key:Key", {"enableKeyRotation": False})],
        [
            (
                "enableKeyRotation: the key does not rotate. Disclosed once, it opens all that was ever encrypted "
                "with it.\n"
                "Mend it: set `enableKeyRotation: true`."
            ),
        ],
    ),
    Case(
        "aws-iam-wildcard-actions",
        "everything",
        lambda: [
            aws(
                "aws:iam/rolePolicy:RolePolicy",
                {"policy": json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})},
            )
        ],
        [
            (
                "policy.Statement.Action: `*` allows everything. Whoever gets hold of the role may do it.\n"
                "Mend it: name the actions that are needed."
            ),
        ],
    ),
    Case(
        "aws-iam-wildcard-actions",
        "all of a service",
        lambda: [aws("aws:iam/rolePolicy:RolePolicy", {"policy.Statement.0.Action": ["ec2:Describe*", "ec2:*"]})],
        [
            (
                "policy.Statement[0].Action[1]: `ec2:*` allows all that the service can do. Whoever gets hold of "
                "the role may do it.\n"
                "Mend it: name the actions that are needed."
            ),
        ],
    ),
    Case(
        "aws-iam-wildcard-actions",
        "all but some",
        lambda: [aws("aws:iam/rolePolicy:RolePolicy", {"policy.Statement.0.NotAction": "iam:*"})],
        [
            (
                "policy.Statement[0].NotAction: `NotAction` allows everything but what it names. What AWS adds "
                "next is allowed as well.\n"
                "Mend it: name the actions that are needed, as `Action`."
            ),
        ],
    ),
    Case(
        "aws-iam-wildcard-principals",
        "everybody",
        lambda: [aws("aws:iam/role:Role", {"assumeRolePolicy.Statement.Principal": "*"})],
        [
            (
                "assumeRolePolicy.Statement.Principal: it allows every principal, without a condition. Every "
                "account of AWS may use it.\n"
                "Mend it: name the accounts, roles or services in `Principal`."
            ),
        ],
    ),
    Case(
        "aws-iam-wildcard-principals",
        "every account",
        lambda: [aws("aws:iam/role:Role", {"assumeRolePolicy.Statement.Principal": {"AWS": ["*"]}})],
        [
            (
                "assumeRolePolicy.Statement.Principal: it allows every principal, without a condition. Every "
                "account of AWS may use it.\n"
                "Mend it: name the accounts, roles or services in `Principal`."
            ),
        ],
    ),
    Case(
        "aws-security-group-open",
        "inline",
        lambda: [aws("aws:ec2/securityGroup:SecurityGroup", {"ingress.1.cidrBlocks": ["0.0.0.0/0"]})],
        [
            (
                "ingress[1]: port 15443 is open to 0.0.0.0/0. Scanners find it within minutes.\n"
                "Mend it: name the peers' ranges; only 80, 443 may be open to the world."
            ),
        ],
    ),
    Case(
        "aws-security-group-open",
        "a range of ports",
        lambda: [
            aws(
                "aws:ec2/securityGroupRule:SecurityGroupRule",
                {"fromPort": 80, "toPort": 443, "ipv6CidrBlocks": ["::/0"]},
            )
        ],
        [
            (
                "ports 80 to 443 are open to ::/0. Scanners find it within minutes.\n"
                "Mend it: name the peers' ranges; only 80, 443 may be open to the world."
            ),
        ],
    ),
    Case(
        "aws-security-group-open",
        "every port",
        lambda: [
            aws(
                "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
                {"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"},
            )
        ],
        [
            (
                "every port is open to 0.0.0.0/0. Scanners find it within minutes.\n"
                "Mend it: name the peers' ranges; only 80, 443 may be open to the world."
            ),
        ],
    ),
    Case(
        "aws-vpc-flow-logs",
        "none",
        lambda: [resource("aws:ec2/vpc:Vpc", "vpc", {})],
        [
            (
                "the VPC has no flow logs. Nobody could tell what an intruder reached, or where packets are lost.\n"
                "Mend it: add a FlowLog with its `vpcId`."
            ),
        ],
    ),
    Case(
        "aws-nat-single",
        "one of two zones",
        lambda: zones(nats=1),
        [
            (
                "1 of 2 zones has a NAT gateway. A zone that fails takes the way out of the others with it.\n"
                "Mend it: make one in a public subnet of each zone."
            ),
        ],
        setting(production=True),
    ),
    Case(
        "aws-tags",
        "two missing",
        lambda: [aws("aws:eks/cluster:Cluster", {"tags": {"owner": "platform"}})],
        [
            (
                "tags: `environment`, `costCentre` are missing. Nobody can tell who answers for it, or where its "
                "cost belongs.\n"
                "Mend it: add them to `tags`, or to `defaultTags` of the provider."
            ),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_policy_finds(case: Case) -> None:
    check(case)
