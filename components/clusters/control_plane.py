"""The control plane of one EKS cluster: its roles, key, logs, API server, and who may come in."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.clusters.account import EC2, EKS, Place, policy, role
from components.clusters.network import Network
from components.config.aws import AwsConfig
from components.config.eks import EksClusterConfig
from components.naming import child, type_token

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
"""All that a control plane writes."""

RIGHTS: Mapping[str, str] = {
    "clusterAdmin": "AmazonEKSClusterAdminPolicy",
    "admin": "AmazonEKSAdminPolicy",
    "edit": "AmazonEKSEditPolicy",
    "view": "AmazonEKSViewPolicy",
}
"""EKS's own access policies, by what the stack calls them."""

_AUTO_MODE_POLICIES = (
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)

_NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore")
"""SSM is the way onto a node: there is no key for SSH. Addresses of pods are the business of the CNI's own role."""

_AUTO_NODE_POLICIES = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
"""Nobody gets onto a node of Auto Mode."""

_ROTATION_DAYS = 365


class EksControlPlane(pulumi.ComponentResource):
    """An EKS cluster without nodes of its own; with Auto Mode it starts them itself.

    Whoever makes it has no rights in it by that: all rights are access entries.
    """

    name: pulumi.Output[str]
    """Its name in EKS."""

    endpoint: pulumi.Output[str]
    """URL of its API server."""

    authority: pulumi.Output[str]
    """With what the API server is verified: PEM in base64."""

    issuer: pulumi.Output[str]
    """OIDC issuer of its service accounts' tokens."""

    security_group: pulumi.Output[str]
    """The group that EKS makes for control plane and nodes. In it they reach each other on every port, so that the API
    server reaches istiod's webhook at 15017, and at 15012 what asks there."""

    api_group: pulumi.Output[str]
    """A group of the control plane's network interfaces alone: who else reaches the API server at 443."""

    node_role: pulumi.Output[str]
    """ARN of the role of its nodes."""

    node_role_ready: Sequence[pulumi.Resource]

    access: Sequence[pulumi.Resource]
    """The access entries with their rights."""

    def __init__(
        self,
        name: str,
        config: EksClusterConfig,
        *,
        shared: AwsConfig,
        place: Place,
        network: Network,
        public_from: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`public_from`: who reaches the API server over the internet, as ranges; nobody where it is empty."""
        super().__init__(type_token("clusters", "EksControlPlane"), name, None, opts)
        self._name, self._place = name, place
        automatic = config.compute.auto_mode
        key = self._key(shared)
        logs = aws.cloudwatch.LogGroup(
            child(name, "logs"),
            # EKS writes to this name, and would make it itself, without an end.
            name=f"/aws/eks/{place.name()}/cluster",
            retention_in_days=shared.logs.retention_days,
            skip_destroy=shared.logs.keep,
            tags=place.tags("logs"),
            opts=place.options(self),
        )
        own = role(
            name,
            place,
            "cluster",
            trust=EKS,
            managed=("AmazonEKSClusterPolicy", *(_AUTO_MODE_POLICIES if automatic else ())),
            inline=key.arn.apply(lambda arn: cluster_policy(arn, automatic=automatic is not None)),
            parent=self,
        )
        nodes = role(
            name,
            place,
            "nodes",
            trust=EC2,
            managed=_AUTO_NODE_POLICIES if automatic else _NODE_POLICIES,
            parent=self,
        )
        self.node_role, self.node_role_ready = nodes.arn, nodes.ready
        group = aws.ec2.SecurityGroup(
            child(name, "api"),
            name=place.name("api"),
            description="Who reaches the API server from outside of the cluster",
            vpc_id=network.vpc_id,
            tags=place.tags("api"),
            opts=place.options(self),
        )
        self.api_group = group.id
        on = automatic is not None
        cluster = aws.eks.Cluster(
            child(name, "cluster"),
            name=place.name(),
            version=config.version,
            role_arn=own.arn,
            # The add-ons are resources of their own, with their versions.
            bootstrap_self_managed_addons=False,
            access_config={
                "authentication_mode": "API",
                "bootstrap_cluster_creator_admin_permissions": False,
            },
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                # Auto Mode starts its nodes where the control plane's interfaces are: they need a way out.
                subnet_ids=list(network.private if automatic else network.intra),
                security_group_ids=[group.id],
                endpoint_private_access=True,
                endpoint_public_access=bool(public_from),
                # Left out where it is private: EKS fills in everybody, and lets nobody in by it.
                public_access_cidrs=list(public_from) or None,
            ),
            encryption_config={"resources": ["secrets"], "provider": {"key_arn": key.arn}},
            enabled_cluster_log_types=list(LOG_TYPES),
            # At the end of standard support EKS raises the version; the other way costs six times as much an hour.
            upgrade_policy={"support_type": "STANDARD"},
            zonal_shift_config={"enabled": shared.zonal_shift},
            deletion_protection=shared.deletion_protection,
            compute_config=aws.eks.ClusterComputeConfigArgs(
                enabled=on,
                node_pools=list(automatic.node_pools) if automatic else None,
                node_role_arn=nodes.arn if automatic else None,
            ),
            kubernetes_network_config={"elastic_load_balancing": {"enabled": on}},
            storage_config={"block_storage": {"enabled": on}},
            tags=place.tags(),
            # Nodes and interfaces need their ways out for as long as they are there. EKS refuses to delete it only when
            # a `destroy` has taken half of the stack away: the engine refuses in its preview, before it begins.
            opts=place.options(
                self,
                [network, logs, *own.ready, *nodes.ready],
                protect=shared.deletion_protection or None,
                # It keeps the zones that it began with: EKS takes subnets of no others.
                ignore_changes=["vpcConfig.subnetIds"],
            ),
        )
        self.name, self.endpoint = cluster.name, cluster.endpoint
        self.authority = cluster.certificate_authority.apply(lambda found: found.data or "")
        self.issuer = cluster.identities.apply(lambda found: (found[0].oidcs or [])[0].issuer or "")
        self.security_group = cluster.vpc_config.apply(lambda found: found.cluster_security_group_id or "")
        aws.iam.OpenIdConnectProvider(
            child(name, "issuer"),
            url=self.issuer,
            client_id_lists=["sts.amazonaws.com"],
            tags=place.tags("issuer"),
            opts=place.options(self),
        )
        self.access = [
            made
            for entry, principal, rights, namespaces in [
                ("deployer", shared.deploy_from.principal, "clusterAdmin", ()),
                *((entry, found.principal, found.rights, found.namespaces) for entry, found in shared.access.items()),
            ]
            for made in self._access(entry, principal, rights, namespaces)
        ]
        self.register_outputs({"name": self.name, "endpoint": self.endpoint})

    def _key(self, shared: AwsConfig) -> aws.kms.Key:
        place = self._place
        key = aws.kms.Key(
            child(self._name, "key"),
            description=f"Secrets of {place.name()}",
            enable_key_rotation=True,
            rotation_period_in_days=_ROTATION_DAYS,
            deletion_window_in_days=shared.keys.deletion_window_days,
            tags=place.tags("secrets"),
            opts=place.options(self),
        )
        aws.kms.Alias(
            child(self._name, "key-alias"),
            name=f"alias/{place.name('secrets')}",
            target_key_id=key.key_id,
            opts=place.options(self),
        )
        return key

    def _access(
        self, entry: str, principal: str, rights: str, namespaces: Sequence[str]
    ) -> tuple[pulumi.Resource, pulumi.Resource]:
        made = aws.eks.AccessEntry(
            child(self._name, f"access-{entry}"),
            cluster_name=self.name,
            principal_arn=principal,
            type="STANDARD",
            tags=self._place.tags(entry),
            opts=self._place.options(self),
        )
        granted = aws.eks.AccessPolicyAssociation(
            child(self._name, f"access-{entry}-rights"),
            cluster_name=self.name,
            principal_arn=made.principal_arn,
            policy_arn=f"arn:aws:eks::aws:cluster-access-policy/{RIGHTS[rights]}",
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(
                type="namespace" if namespaces else "cluster", namespaces=list(namespaces) or None
            ),
            # Of two with one principal and policy there is one in EKS: the former's deletion would take the new one.
            opts=self._place.options(self, delete_before_replace=True),
        )
        return made, granted


def cluster_policy(key_arn: str, *, automatic: bool) -> str:
    """What a control plane's role needs besides AWS's own policies: its key, and with Auto Mode tags of the stack's own
    on load balancers (docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html)."""
    use_key = {
        "Effect": "Allow",
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"],
        "Resource": key_arn,
    }
    tag_balancers = {
        "Effect": "Allow",
        "Action": [
            "elasticloadbalancing:CreateLoadBalancer",
            "elasticloadbalancing:CreateTargetGroup",
            "elasticloadbalancing:CreateListener",
            "elasticloadbalancing:CreateRule",
            "ec2:CreateSecurityGroup",
        ],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}
        },
    }
    return policy(use_key, *([tag_balancers] if automatic else []))
