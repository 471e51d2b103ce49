"""What EKS asks of a cluster before it makes or changes one (EKS API reference and user guide)."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from typing import Any

from lab.aws.cloud.backends import backend
from lab.aws.cloud.eks import state
from lab.aws.cloud.eks.state import invalid
from lab.aws.cloud.eks.versions import VERSIONS, in_extended_support, offered

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
NODE_POOLS = ("general-purpose", "system")
CLUSTER_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
_RESERVED = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8")


def check_version(version: str, support: str) -> None:
    """Whether a version can be had."""
    if version not in VERSIONS or not offered(version, state.today()):
        raise invalid(f"unsupported Kubernetes version {version}; EKS offers {', '.join(VERSIONS)}")
    if support == "STANDARD" and in_extended_support(version, state.today()):
        raise invalid(
            f"Kubernetes version {version} is in extended support since {VERSIONS[version][0]}, which the upgrade "
            "policy "
            "STANDARD does not take"
        )


def check_role(arn: str, *, auto: bool) -> None:
    """Whether EKS can assume a role and do its work."""
    role = state.role_of(arn)
    actions = ("sts:AssumeRole", "sts:TagSession") if auto else ("sts:AssumeRole",)
    if role is None or not state.trusts(role, "eks.amazonaws.com", *actions):
        raise invalid(
            f"Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not correct"
        )
    if CLUSTER_POLICY not in role.managed_policies:
        raise invalid(
            "The provided role doesn't have the Amazon EKS Managed Policies associated with it. Please ensure the "
            "following "
            f"policies [{CLUSTER_POLICY}] are attached"
        )


def network_of(region: str, given: dict[str, Any]) -> dict[str, Any]:
    """The part of a cluster that is its network, with what is left out."""
    ec2 = backend("ec2", region)
    subnets = [each for each in ec2.describe_subnets() if each.id in given.get("subnetIds", [])]
    for wanted in given.get("subnetIds", []):
        if wanted not in [each.id for each in subnets]:
            raise invalid(f"The subnet ID '{wanted}' does not exist (Service: Ec2, Status Code: 400)")
    if len({each.availability_zone for each in subnets}) < 2:
        raise invalid("Subnets specified must be in at least two different AZs")
    if len({each.vpc_id for each in subnets}) > 1:
        raise invalid("Subnets provided must belong to the same VPC")
    vpc = ec2.get_vpc(subnets[0].vpc_id)
    for wanted in given.get("securityGroupIds", []):
        group = ec2.get_security_group_from_id(wanted)
        if group is None or group.vpc_id != vpc.id:
            raise invalid(f"The security group '{wanted}' does not exist in VPC {vpc.id}")
    public, private = given.get("endpointPublicAccess", True), given.get("endpointPrivateAccess", False)
    if not public and not private:
        raise invalid("Private and public endpoint access cannot be false")
    if private and not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        raise invalid(f"Private endpoint access needs DNS support and DNS hostnames, which VPC {vpc.id} does not have")
    allowed = given.get("publicAccessCidrs") or (["0.0.0.0/0"] if public else [])
    for each in allowed:
        network = ip_network(each)
        if isinstance(network, IPv4Network) and any(network.subnet_of(IPv4Network(reserved)) for reserved in _RESERVED):
            raise invalid(f"The following CIDRs are invalid in publicAccessCidrs: [{each}]")
    return {
        "subnetIds": list(given["subnetIds"]),
        "securityGroupIds": list(given.get("securityGroupIds", [])),
        "vpcId": vpc.id,
        "endpointPublicAccess": public,
        "endpointPrivateAccess": private,
        "publicAccessCidrs": allowed,
    }


def check_auto_mode(given: dict[str, Any], mode: str, self_managed: bool) -> None:
    """Whether what Auto Mode needs is there together."""
    compute = given.get("computeConfig") or {}
    balancing = (given.get("kubernetesNetworkConfig") or {}).get("elasticLoadBalancing") or {}
    storage = (given.get("storageConfig") or {}).get("blockStorage") or {}
    if len({bool(each.get("enabled")) for each in (compute, balancing, storage)}) > 1:
        raise invalid(
            "For EKS Auto Mode, please ensure that all required configs, including computeConfig, "
            "kubernetesNetworkConfig, "
            "and blockStorage are all either fully enabled or fully disabled."
        )
    if not compute.get("enabled"):
        return
    if self_managed:
        raise invalid("For EKS Auto Mode, bootstrapSelfManagedAddons must be set to false.")
    if mode == "CONFIG_MAP":
        raise invalid("For EKS Auto Mode, the authentication mode must be set to API or API_AND_CONFIG_MAP.")
    pools, role = compute.get("nodePools") or [], compute.get("nodeRoleArn")
    for each in pools:
        if each not in NODE_POOLS:
            raise invalid(f"The node pool '{each}' is none of {', '.join(NODE_POOLS)}")
    if bool(pools) != bool(role):
        raise invalid(
            "When Compute Config nodeRoleArn is null or empty, nodePool value(s) cannot be provided, and vice versa"
        )
    found = state.role_of(role) if role else None
    if role and (found is None or not state.trusts(found, "ec2.amazonaws.com")):
        raise invalid(f"The node role {role} does not exist or cannot be assumed by ec2.amazonaws.com")


def check_encryption(region: str, given: list[dict[str, Any]]) -> None:
    """Whether secrets can be encrypted so."""
    for each in given:
        arn = each["provider"]["keyArn"]
        key = next((key for key in backend("kms", region).keys.values() if key.arn == arn), None)
        if key is None:
            raise invalid(f"The keyArn in encryptionConfig provider is invalid: {arn} does not exist in {region}")
        if key.key_state != "Enabled" or key.key_spec != "SYMMETRIC_DEFAULT":
            raise invalid(f"The key {arn} is not an enabled symmetric key: it is {key.key_state}, {key.key_spec}")
        if each.get("resources") != ["secrets"]:
            raise invalid(f"The resources of encryptionConfig have to be [secrets], and are {each.get('resources')}")


def service_network(given: dict[str, Any], vpc: str, region: str) -> dict[str, Any]:
    """Addresses of the cluster's Services."""
    mine = ip_network(backend("ec2", region).get_vpc(vpc).cidr_block)
    # One of the two (API_KubernetesNetworkConfigRequest), by the VPC (awslabs/amazon-eks-ami, bootstrap.sh).
    chosen = given.get("serviceIpv4Cidr") or (
        "172.20.0.0/16" if mine.overlaps(ip_network("10.0.0.0/8")) else "10.100.0.0/16"
    )
    service = ip_network(chosen)
    if service.overlaps(mine):
        raise invalid(f"The service CIDR {service} overlaps with VPC CIDR {mine}")
    if not 12 <= service.prefixlen <= 24:
        raise invalid(f"The service CIDR {service} must be between /12 and /24")
    result: dict[str, Any] = {"serviceIpv4Cidr": str(service), "ipFamily": given.get("ipFamily", "ipv4")}
    if "elasticLoadBalancing" in given:
        result["elasticLoadBalancing"] = given["elasticLoadBalancing"]
    return result


def logging_of(given: dict[str, Any] | None) -> dict[str, Any]:
    """Which logs are on, and which are off."""
    enabled = {
        kind
        for part in (given or {}).get("clusterLogging", [])
        if part.get("enabled")
        for kind in part.get("types", [])
    }
    for kind in sorted(enabled - set(LOGS)):
        raise invalid(f"The log type '{kind}' is none of {', '.join(LOGS)}")
    parts = [(sorted(enabled), True), (sorted(set(LOGS) - enabled), False)]
    return {"clusterLogging": [{"types": types, "enabled": on} for types, on in parts if types]}
