"""Tags by which people find who answers for a resource, and what it costs."""

from collections.abc import Iterator
from typing import Any, cast

from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject
from policies.unknowns import Node, unnoticed

TAGGED = (
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:ebs/volume:Volume",
    "aws:ec2/eip:Eip",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/instance:Instance",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
    "aws:ec2transitgateway/transitGateway:TransitGateway",
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment",
    "aws:eks/addon:Addon",
    "aws:eks/cluster:Cluster",
    "aws:eks/nodeGroup:NodeGroup",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "aws:iam/policy:Policy",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:route53/healthCheck:HealthCheck",
)
"""Resources that can have tags, of those that a mesh is made of."""


@resource_policy(
    "aws-tags",
    MANDATORY,
    on=TAGGED,
    description="Every AWS resource says whose it is.",
    reason="What nobody owns is neither patched nor paid for by anybody, and nobody dares to delete it.",
    source="docs.aws.amazon.com: Best practices for tagging AWS resources",
)
def tags(found: Subject, setting: Setting) -> Iterator[Finding]:
    own = found["tags"]
    # A provider's own settings are written as JSON.
    shared = Node(found.resource.provider_properties, "", unnoticed)["defaultTags"].parsed["tags"].whole
    given = {name for name, _ in own.items()} | set(cast(dict[str, Any], shared or {}))
    absent = [name for name in setting.parameters.tags if name not in given]
    if absent and own.known:
        yield Finding(
            f"{', '.join(f'`{name}`' for name in absent)} {'are' if len(absent) > 1 else 'is'} missing",
            "Nobody can tell who answers for it, or where its cost belongs",
            f"add {'them' if len(absent) > 1 else 'it'} to `tags`, or to `defaultTags` of the provider",
            "tags",
        )
