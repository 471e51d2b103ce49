"""Two regions with a cluster each, one of Auto Mode and one of node groups, and a peering connection between them."""

import json

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
version = config.get("version") or "1.34"
allowed = config.get_object("allowed") or ["203.0.113.7/32"]
instance_type = config.get("instanceType") or "m7g.large"
REGIONS = {"use1": "us-east-1", "usw2": "us-west-2"}


def trust(service: str, *actions: str) -> str:
    """Who may assume a role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def tags(name: str) -> dict[str, str]:
    """Tags of a resource: no two have the same."""
    return {"Name": name, "stack": pulumi.get_stack()}


providers: dict[str, aws.Provider] = {}
vpcs: dict[str, aws.ec2.Vpc] = {}
tables: dict[str, aws.ec2.RouteTable] = {}
for number, (name, region) in enumerate(REGIONS.items()):
    provider = providers[name] = aws.Provider(name, region=region)
    opts = pulumi.ResourceOptions(provider=provider)
    vpc = vpcs[name] = aws.ec2.Vpc(
        f"{name}-vpc", cidr_block=f"10.{number}.0.0/16", enable_dns_hostnames=True, tags=tags(f"{name}-vpc"), opts=opts
    )
    gateway = aws.ec2.InternetGateway(f"{name}-igw", vpc_id=vpc.id, tags=tags(f"{name}-igw"), opts=opts)
    table = tables[name] = aws.ec2.RouteTable(f"{name}-routes", vpc_id=vpc.id, tags=tags(f"{name}-routes"), opts=opts)
    subnets: list[aws.ec2.Subnet] = []
    for index, zone in enumerate("ab"):
        subnet = aws.ec2.Subnet(
            f"{name}-{zone}",
            vpc_id=vpc.id,
            cidr_block=f"10.{number}.{index}.0/24",
            availability_zone=region + zone,
            tags={**tags(f"{name}-{zone}"), "kubernetes.io/role/internal-elb": "1"},
            opts=opts,
        )
        subnets.append(subnet)
        aws.ec2.RouteTableAssociation(f"{name}-{zone}", route_table_id=table.id, subnet_id=subnet.id, opts=opts)
    address = aws.ec2.Eip(f"{name}-address", domain="vpc", tags=tags(f"{name}-nat"), opts=opts)
    aws.ec2.NatGateway(
        f"{name}-nat",
        allocation_id=address.id,
        subnet_id=subnets[0].id,
        tags=tags(f"{name}-nat"),
        opts=pulumi.ResourceOptions(provider=provider, depends_on=[gateway]),
    )
    role = aws.iam.Role(
        f"{name}-cluster",
        name=f"small-{name}-cluster",
        assume_role_policy=trust("eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"),
        tags=tags(f"{name}-cluster"),
        opts=opts,
    )
    attached = aws.iam.RolePolicyAttachment(
        f"{name}-cluster", role=role.name, policy_arn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", opts=opts
    )
    nodes = aws.iam.Role(
        f"{name}-nodes",
        name=f"small-{name}-nodes",
        assume_role_policy=trust("ec2.amazonaws.com", "sts:AssumeRole"),
        tags=tags(f"{name}-nodes"),
        opts=opts,
    )
    key = aws.kms.Key(
        f"{name}-key", enable_key_rotation=True, deletion_window_in_days=7, tags=tags(f"{name}-key"), opts=opts
    )
    aws.kms.Alias(f"{name}-key", name=f"alias/small-{name}", target_key_id=key.key_id, opts=opts)
    logs = aws.cloudwatch.LogGroup(
        f"{name}-logs",
        name=f"/aws/eks/small-{name}/cluster",
        retention_in_days=30,
        tags=tags(f"{name}-logs"),
        opts=opts,
    )
    automatic = number == 0
    cluster = aws.eks.Cluster(
        f"{name}-cluster",
        name=f"small-{name}",
        version=version,
        role_arn=role.arn,
        bootstrap_self_managed_addons=False,
        access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False},
        vpc_config={
            "subnet_ids": [subnet.id for subnet in subnets],
            "endpoint_private_access": True,
            "endpoint_public_access": True,
            "public_access_cidrs": allowed,
        },
        encryption_config={"resources": ["secrets"], "provider": {"key_arn": key.arn}},
        enabled_cluster_log_types=["audit"],
        upgrade_policy={"support_type": "STANDARD"},
        compute_config={"enabled": True, "node_pools": ["system"], "node_role_arn": nodes.arn} if automatic else None,
        kubernetes_network_config={"elastic_load_balancing": {"enabled": True}} if automatic else None,
        storage_config={"block_storage": {"enabled": True}} if automatic else None,
        tags=tags(f"{name}-cluster"),
        opts=pulumi.ResourceOptions(provider=provider, depends_on=[logs, attached]),
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-gateway",
        security_group_id=cluster.vpc_config.cluster_security_group_id,
        cidr_ipv4=f"10.{1 - number}.0.0/16",
        ip_protocol="tcp",
        from_port=15443,
        to_port=15443,
        tags=tags(f"{name}-gateway"),
        opts=opts,
    )
    if not automatic:
        group = aws.eks.NodeGroup(
            f"{name}-nodes",
            cluster_name=cluster.name,
            node_group_name="nodes",
            node_role_arn=nodes.arn,
            subnet_ids=[subnet.id for subnet in subnets],
            instance_types=[instance_type],
            ami_type="AL2023_ARM_64_STANDARD",
            scaling_config={"min_size": 1, "max_size": 3, "desired_size": 2},
            version=version,
            tags=tags(f"{name}-nodes"),
            opts=opts,
        )
        aws.eks.Addon(
            f"{name}-dns",
            cluster_name=cluster.name,
            addon_name="coredns",
            addon_version="v1.12.4-eksbuild.1",
            tags=tags(f"{name}-dns"),
            opts=pulumi.ResourceOptions(provider=provider, depends_on=[group]),
        )
    entry = aws.eks.AccessEntry(
        f"{name}-deployer",
        cluster_name=cluster.name,
        principal_arn=f"arn:aws:iam::{aws_account}:role/deployer"
        if (aws_account := config.get("account"))
        else role.arn,
        tags=tags(f"{name}-deployer"),
        opts=opts,
    )
    aws.eks.AccessPolicyAssociation(
        f"{name}-deployer",
        cluster_name=cluster.name,
        principal_arn=entry.principal_arn,
        policy_arn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        access_scope={"type": "cluster"},
        opts=opts,
    )
    pulumi.export(name, cluster.endpoint)

peering = aws.ec2.VpcPeeringConnection(
    "peering",
    vpc_id=vpcs["use1"].id,
    peer_vpc_id=vpcs["usw2"].id,
    peer_region=REGIONS["usw2"],
    tags=tags("peering"),
    opts=pulumi.ResourceOptions(provider=providers["use1"]),
)
accepted = aws.ec2.VpcPeeringConnectionAccepter(
    "peering",
    vpc_peering_connection_id=peering.id,
    auto_accept=True,
    tags=tags("peering"),
    opts=pulumi.ResourceOptions(provider=providers["usw2"]),
)
for number, name in enumerate(REGIONS):
    aws.ec2.Route(
        f"{name}-peer",
        route_table_id=tables[name].id,
        destination_cidr_block=f"10.{1 - number}.0.0/16",
        vpc_peering_connection_id=accepted.id,
        opts=pulumi.ResourceOptions(provider=providers[name]),
    )
