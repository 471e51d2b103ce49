"""The account that a stack makes its clusters in: names and tags of what is made, and one provider for each region."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from components import naming
from components.config.aws import AwsConfig

Tags = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """Where a cluster's resources are made: the account, its region, and the names that they have there."""

    cluster: str
    """Name of the cluster."""

    region: str
    """Its region."""

    prefix: str
    """What every name of it in the account begins with."""

    provider: aws.Provider
    """The way into the region."""

    boundary: str | None
    """ARN of the policy that bounds its roles."""

    common: Tags = field(repr=False)
    """Tags without a name."""

    def name(self, role: str | None = None) -> str:
        """A name in the account: `exam-prod-use1-nodes`."""
        return naming.child(self.prefix, role) if role else self.prefix

    def tags(self, role: str | None = None) -> dict[str, str]:
        """Tags of what has that role."""
        return {"Name": self.name(role), **self.common}

    def options(
        self, parent: pulumi.Resource, depends_on: Iterable[pulumi.Resource] = (), **more: Any
    ) -> pulumi.ResourceOptions:
        """Options of a child: its parent, and the provider, explicitly."""
        return pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=list(depends_on), **more)


def places(config: AwsConfig, *, mesh_id: str, clusters: Mapping[str, str]) -> dict[str, Place]:
    """The place of each cluster, by its name; `clusters` has their regions. Makes the providers."""
    stack = pulumi.get_stack()
    providers = {region: regional_provider(region, config.account) for region in dict.fromkeys(clusters.values())}
    return {
        cluster: Place(
            cluster=cluster,
            region=region,
            prefix=naming.aws_name(mesh_id, config.tags.environment, cluster),
            provider=providers[region],
            boundary=config.permissions_boundary,
            common=naming.aws_tags(
                owner=config.tags.owner,
                environment=config.tags.environment,
                cost_centre=config.tags.cost_centre,
                stack=stack,
                region=region,
            ),
        )
        for cluster, region in clusters.items()
    }


def regional_provider(
    region: str, account: str, *, name: str | None = None, parent: pulumi.Resource | None = None
) -> aws.Provider:
    """The way into a region of that account alone: with credentials of another one nothing is made."""
    return aws.Provider(
        name or f"aws-{region}",
        region=region,
        allowed_account_ids=[account],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def policy(*statements: Mapping[str, Any]) -> str:
    """An IAM policy of these statements, the same text for the same content."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def trusts(service: str, *actions: str) -> str:
    """The policy by which a service of AWS may take a role."""
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)})


EC2 = trusts("ec2.amazonaws.com", "sts:AssumeRole")
EKS = trusts("eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
PODS = trusts("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
"""Pod Identity: a pod's service account takes the role."""


@dataclass(frozen=True)
class Role:
    """A role with its policies; who takes it must wait for them."""

    role: aws.iam.Role
    policies: Sequence[pulumi.Resource]

    @property
    def arn(self) -> pulumi.Output[str]:
        return self.role.arn

    @property
    def ready(self) -> list[pulumi.Resource]:
        """The role and what it may do."""
        return [self.role, *self.policies]


def role(
    name: str,
    place: Place,
    kind: str,
    *,
    trust: str,
    managed: Sequence[str] = (),
    inline: pulumi.Input[str] | None = None,
    parent: pulumi.Resource,
) -> Role:
    """The role `kind` of a cluster, with AWS's own policies `managed` (paths below `policy/`) and one of its own."""
    made = aws.iam.Role(
        naming.child(name, f"{kind}-role"),
        name=place.name(kind),
        assume_role_policy=trust,
        permissions_boundary=place.boundary,
        tags=place.tags(kind),
        opts=place.options(parent),
    )
    policies: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(
            naming.child(name, f"{kind}-{path.rpartition('/')[2]}"),
            role=made.name,
            policy_arn=f"arn:aws:iam::aws:policy/{path}",
            opts=place.options(parent),
        )
        for path in managed
    ]
    if inline is not None:
        policies.append(
            aws.iam.RolePolicy(
                naming.child(name, f"{kind}-own"),
                name=place.name(kind),
                role=made.name,
                policy=inline,
                opts=place.options(parent),
            )
        )
    return Role(made, policies)
