"""What a deployer needs of IAM: made from the types of resources that the program uses.

`python -m components.clusters.permissions` writes docs/iam-policy.json. Actions are those that the provider calls to
make, read, change and delete a resource of the type (docs.aws.amazon.com/service-authorization).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "docs" / "iam-policy.json"

COMMAND = "make permissions"
"""What renews the file."""

LIMIT = 6144
"""Characters of a managed policy, without white space (IAM quotas)."""


def _ec2(*things: str, extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(f"ec2:{verb}{thing}" for thing in things for verb in ("Create", "Delete")) + tuple(
        f"ec2:{action}" for action in extra
    )


_TAGS = ("ec2:CreateTags", "ec2:DeleteTags")

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "aws:ec2/vpc:Vpc": (*_ec2("Vpc", extra=("ModifyVpcAttribute",)), *_TAGS),
    "aws:ec2/subnet:Subnet": _ec2("Subnet", extra=("ModifySubnetAttribute",)),
    "aws:ec2/internetGateway:InternetGateway": _ec2(
        "InternetGateway", extra=("AttachInternetGateway", "DetachInternetGateway")
    ),
    "aws:ec2/eip:Eip": ("ec2:AllocateAddress", "ec2:ReleaseAddress", "ec2:DisassociateAddress"),
    "aws:ec2/natGateway:NatGateway": _ec2("NatGateway"),
    "aws:ec2/routeTable:RouteTable": _ec2("RouteTable"),
    "aws:ec2/route:Route": _ec2("Route", extra=("ReplaceRoute",)),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        "ec2:AssociateRouteTable",
        "ec2:DisassociateRouteTable",
        "ec2:ReplaceRouteTableAssociation",
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteVpcEndpoints",
        "ec2:ModifyVpcEndpoint",
        # With a private name an endpoint is a zone of the VPC's own, of whoever makes it.
        "route53:AssociateVPCWithHostedZone",
        "route53:DisassociateVPCFromHostedZone",
    ),
    "aws:ec2/flowLog:FlowLog": ("ec2:CreateFlowLogs", "ec2:DeleteFlowLogs"),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": (
        "ec2:RevokeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupEgress",
    ),
    "aws:ec2/securityGroup:SecurityGroup": _ec2("SecurityGroup", extra=("RevokeSecurityGroupEgress",)),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:ModifySecurityGroupRules",
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        *_ec2("LaunchTemplate", extra=("CreateLaunchTemplateVersion", "ModifyLaunchTemplate")),
        # EKS starts nodes with the rights of whoever asks for the group.
        "ec2:RunInstances",
    ),
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": _ec2("VpcPeeringConnection"),
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": ("ec2:AcceptVpcPeeringConnection",),
    "aws:ec2transitgateway/transitGateway:TransitGateway": _ec2("TransitGateway", extra=("ModifyTransitGateway",)),
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": _ec2(
        "TransitGatewayVpcAttachment",
        extra=(
            "ModifyTransitGatewayVpcAttachment",
            "GetTransitGatewayRouteTableAssociations",
            "GetTransitGatewayRouteTablePropagations",
        ),
    ),
    "aws:ec2transitgateway/peeringAttachment:PeeringAttachment": _ec2("TransitGatewayPeeringAttachment"),
    "aws:ec2transitgateway/peeringAttachmentAccepter:PeeringAttachmentAccepter": (
        "ec2:AcceptTransitGatewayPeeringAttachment",
    ),
    "aws:ec2transitgateway/route:Route": (*_ec2("TransitGatewayRoute"), "ec2:SearchTransitGatewayRoutes"),
    "aws:cloudwatch/logGroup:LogGroup": (
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:PutRetentionPolicy",
        "logs:DeleteRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
        "logs:DescribeLogGroups",
        "logs:ListTagsForResource",
    ),
    "aws:iam/role:Role": (
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:GetRole",
        "iam:UpdateRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:PutRolePermissionsBoundary",
        # Taken out of the stack's file, it is taken off the roles that are there.
        "iam:DeleteRolePermissionsBoundary",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        # Auto Mode's profile may still hold the role of the nodes when their cluster is gone.
        "iam:RemoveRoleFromInstanceProfile",
        "iam:ListRolePolicies",
    ),
    "aws:iam/rolePolicy:RolePolicy": ("iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("iam:AttachRolePolicy", "iam:DetachRolePolicy"),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": (
        "iam:CreateOpenIDConnectProvider",
        "iam:DeleteOpenIDConnectProvider",
        "iam:GetOpenIDConnectProvider",
        "iam:TagOpenIDConnectProvider",
        "iam:UntagOpenIDConnectProvider",
        "iam:UpdateOpenIDConnectProviderThumbprint",
    ),
    "aws:kms/key:Key": (
        "kms:CreateKey",
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:EnableKeyRotation",
        "kms:ListResourceTags",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:UpdateKeyDescription",
        "kms:ScheduleKeyDeletion",
        # EKS uses the key by a grant of whoever makes the cluster.
        "kms:CreateGrant",
    ),
    "aws:kms/alias:Alias": ("kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias", "kms:ListAliases"),
    "aws:eks/cluster:Cluster": (
        "eks:CreateCluster",
        "eks:DeleteCluster",
        "eks:DescribeCluster",
        "eks:UpdateClusterConfig",
        "eks:UpdateClusterVersion",
        "eks:DescribeUpdate",
        "eks:TagResource",
        "eks:UntagResource",
        "eks:ListTagsForResource",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:eks/nodeGroup:NodeGroup": (
        "eks:CreateNodegroup",
        "eks:DeleteNodegroup",
        "eks:DescribeNodegroup",
        "eks:UpdateNodegroupConfig",
        "eks:UpdateNodegroupVersion",
    ),
    "aws:eks/addon:Addon": (
        "eks:CreateAddon",
        "eks:DeleteAddon",
        "eks:DescribeAddon",
        "eks:UpdateAddon",
    ),
    "aws:eks/accessEntry:AccessEntry": (
        "eks:CreateAccessEntry",
        "eks:DeleteAccessEntry",
        "eks:DescribeAccessEntry",
        "eks:UpdateAccessEntry",
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": (
        "eks:AssociateAccessPolicy",
        "eks:DisassociateAccessPolicy",
        "eks:ListAssociatedAccessPolicies",
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": (
        "eks:CreatePodIdentityAssociation",
        "eks:DeletePodIdentityAssociation",
        "eks:DescribePodIdentityAssociation",
        "eks:UpdatePodIdentityAssociation",
    ),
    "aws:route53/healthCheck:HealthCheck": (
        "route53:CreateHealthCheck",
        "route53:DeleteHealthCheck",
        "route53:GetHealthCheck",
        "route53:UpdateHealthCheck",
        "route53:ChangeTagsForResource",
        "route53:ListTagsForResource",
    ),
    "aws:route53/record:Record": (
        "route53:ChangeResourceRecordSets",
        "route53:ListResourceRecordSets",
        "route53:GetHostedZone",
        "route53:GetChange",
    ),
    "aws:acmpca/certificate:Certificate": (
        "acm-pca:IssueCertificate",
        "acm-pca:GetCertificate",
        "acm-pca:RevokeCertificate",
        "acm-pca:DescribeCertificateAuthority",
    ),
}
"""By type; what a first `pulumi up`, later ones and `pulumi destroy` call. Reading of EC2 is all `Describe` actions,
which take no resource and change nothing."""

READS = ("ec2:Describe*", "sts:GetCallerIdentity")

TAKERS = ("ec2.amazonaws.com", "eks.amazonaws.com", "pods.eks.amazonaws.com", "vpc-flow-logs.amazonaws.com")
"""The services that the stack's roles trust."""

PASS = {
    "Sid": "Pass",
    "Effect": "Allow",
    "Action": ["iam:PassRole"],
    "Resource": "*",
    "Condition": {"StringEquals": {"iam:PassedToService": list(TAKERS)}},
}
"""The deployer gives roles to these services alone. Which roles, the account has to say (docs/first-deployment.md)."""

BUCKET, ALIAS = "exam-mesh-state", "alias/exam-mesh-stacks"
"""Where docs/first-deployment.md puts state, and the key of its secrets."""

STATE = (
    {"Sid": "StateBucket", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": f"arn:aws:s3:::{BUCKET}"},
    {
        "Sid": "State",
        "Effect": "Allow",
        "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    },
    {
        "Sid": "StateSecrets",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:Encrypt"],
        "Resource": "*",
        "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ALIAS}},
    },
)
"""What the engine itself needs: its state, and the key that seals the secrets in it."""


def statements() -> dict[str, Any]:
    """The policy: every action once, by service."""
    by_service: dict[str, set[str]] = {}
    for action in (*READS, *(action for actions in ACTIONS.values() for action in actions)):
        by_service.setdefault(action.partition(":")[0], set()).add(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            *(
                {
                    "Sid": service.title().replace("-", ""),
                    "Effect": "Allow",
                    "Action": sorted(by_service[service]),
                    "Resource": "*",
                }
                for service in sorted(by_service)
            ),
            PASS,
            *STATE,
        ],
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(statements(), indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(rendered())
