"""Clusters (EKS API reference, CreateCluster and its like; EKS user guide)."""

from __future__ import annotations

import base64
import itertools
import re
import secrets
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from typing import Any

from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.backends import backend
from lab.aws.cloud.backing import backing_of
from lab.aws.cloud.eks import state
from lab.aws.cloud.eks.access import bootstrap, entry_of_nodes
from lab.aws.cloud.eks.state import CLUSTERS, Cluster, active, cluster_of, in_use, invalid, operation, update, wrong_now
from lab.aws.cloud.eks.versions import NEWEST, VERSIONS, in_extended_support, minor, offered
from lab.aws.cloud.network_rules import hold, let_go
from lab.aws.cloud.quotas import LIMITS

NAME = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
NODE_POOLS = ("general-purpose", "system")
CLUSTER_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
_RESERVED = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8")


@operation("CreateCluster")
def create(region: str, given: dict[str, Any]) -> Any:
    name, version = given["name"], given.get("version", NEWEST)
    if not NAME.fullmatch(name):
        raise invalid(f"The cluster name '{name}' must match {NAME.pattern}")
    if (region, name) in CLUSTERS:
        raise in_use(f"Cluster already exists with name: {name}")
    if sum(place == region for place, _ in CLUSTERS) >= LIMITS["eks/clusters-per-region"]:
        raise state.Refused("ResourceLimitExceededException", "Cluster limit exceeded for account")
    support = (given.get("upgradePolicy") or {}).get("supportType", "EXTENDED")
    _check_version(version, support)
    _check_role(given["roleArn"], auto=bool((given.get("computeConfig") or {}).get("enabled")))
    network = _network(region, given["resourcesVpcConfig"])
    access = {"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True} | (
        given.get("accessConfig") or {}
    )
    _check_auto_mode(given, access["authenticationMode"], given.get("bootstrapSelfManagedAddons", True))
    _check_encryption(region, given.get("encryptionConfig") or [])
    said: dict[str, Any] = {
        "name": name,
        "arn": state.arn(region, f"cluster/{name}"),
        "createdAt": state.now(),
        "version": version,
        "roleArn": given["roleArn"],
        "resourcesVpcConfig": network,
        "kubernetesNetworkConfig": _service_network(
            given.get("kubernetesNetworkConfig") or {}, network["vpcId"], region
        ),
        "logging": _logging(given.get("logging")),
        "identity": {"oidc": {"issuer": f"https://oidc.eks.{region}.amazonaws.com/id/{secrets.token_hex(16).upper()}"}},
        "status": "CREATING",
        "platformVersion": "eks.1",
        "tags": given.get("tags") or {},
        "encryptionConfig": given.get("encryptionConfig") or [],
        "accessConfig": access,
        "upgradePolicy": {"supportType": support},
        "zonalShiftConfig": given.get("zonalShiftConfig") or {"enabled": False},
        "computeConfig": given.get("computeConfig"),
        "storageConfig": given.get("storageConfig"),
        "deletionProtection": given.get("deletionProtection", False),
        "health": {"issues": []},
    }
    cluster = CLUSTERS[region, name] = Cluster(region, {key: value for key, value in said.items() if value is not None})
    bootstrap(cluster)
    if cluster.auto_mode and (role := said["computeConfig"].get("nodeRoleArn")):
        entry_of_nodes(cluster, role, "EC2")
    group = cluster.ec2.create_security_group(
        f"eks-cluster-sg-{name}-{state.identity()}", "EKS created security group", vpc_id=cluster.vpc
    )
    network["clusterSecurityGroupId"] = group.id
    # Interfaces of the control plane, in two of the zones at least (user guide, network-reqs.html).
    cluster.held += [hold(cluster.ec2, subnet, f"Amazon EKS {name}", [group.id]) for subnet in _two_zones(cluster)]

    def ready() -> None:
        backing = backing_of(region)
        said_now = cluster.said
        said_now["endpoint"] = (
            backing.endpoint if backing else f"https://{secrets.token_hex(16).upper()}.gr7.{region}.eks.amazonaws.com"
        )
        text = backing.authority if backing else "-----BEGIN CERTIFICATE-----\nof nobody\n-----END CERTIFICATE-----\n"
        said_now["certificateAuthority"] = {"data": base64.b64encode(text.encode()).decode()}
        said_now["status"] = "ACTIVE"
        _log_group(cluster)

    CLOCK.later(state.CLUSTER_READY, ready)
    return {"cluster": cluster.said}


@operation("DescribeCluster")
def describe(region: str, given: dict[str, Any]) -> Any:
    return {"cluster": cluster_of(region, given["name"]).said}


@operation("ListClusters")
def list_all(region: str, given: dict[str, Any]) -> Any:
    del given
    return {"clusters": sorted(name for place, name in CLUSTERS if place == region)}


@operation("DeleteCluster")
def delete(region: str, given: dict[str, Any]) -> Any:
    cluster = cluster_of(region, given["name"])
    if cluster.said["deletionProtection"]:
        raise wrong_now(
            f"Cluster {cluster.name} has deletion protection enabled. Disable deletion protection before deleting it."
        )
    if cluster.nodes:
        raise in_use("Cluster has nodegroups attached")
    if cluster.said["status"] in ("CREATING", "UPDATING"):
        raise in_use(f"Cluster has an operation in progress: {cluster.said['status']}")
    if cluster.said["status"] != "DELETING":
        cluster.said["status"] = "DELETING"
        CLOCK.later(state.CLUSTER_GONE, lambda: _end(cluster))
    return {"cluster": cluster.said}


def _end(cluster: Cluster) -> None:
    let_go(cluster.ec2, *cluster.held)
    del CLUSTERS[cluster.region, cluster.name]
    group = cluster.said["resourcesVpcConfig"]["clusterSecurityGroupId"]
    # As on AWS, it stays behind where a load balancer's interface still carries it.
    if not any(group in [each.id for each in eni.group_set] for eni in cluster.ec2.enis.values()):
        cluster.ec2.delete_security_group(group_id=group)


@operation("UpdateClusterVersion")
def raise_version(region: str, given: dict[str, Any]) -> Any:
    cluster = _still(region, given["name"])
    present, wanted = cluster.said["version"], given["version"]
    if wanted == present:
        raise invalid(f"Cluster is already at version {present}")
    _check_version(wanted, cluster.said["upgradePolicy"]["supportType"])
    if minor(wanted) != minor(present) + 1:
        raise invalid(f"Unsupported Kubernetes minor version update from {present} to {wanted}")
    for name, group in cluster.nodes.items():
        # The kubelet may be three minors older (user guide, update-cluster.html).
        if minor(wanted) - minor(group["version"]) > 3:
            raise invalid(
                f"Kubelet version of Nodegroup {name} must be updated to match cluster version {present} before "
                "updating "
                f"cluster version; it is {group['version']}"
            )
    cluster.said["status"] = "UPDATING"

    def done() -> None:
        cluster.said["version"], cluster.said["status"] = wanted, "ACTIVE"

    return update(cluster, "VersionUpdate", [("Version", wanted)], state.VERSION_DONE, done)


@operation("UpdateClusterConfig")
def update_config(region: str, given: dict[str, Any]) -> Any:
    cluster = _still(region, given["name"])
    parts = {key: value for key, value in given.items() if key not in ("name", "clientRequestToken")}
    auto = {"computeConfig", "kubernetesNetworkConfig", "storageConfig"}
    if len(parts) > 1 and not set(parts) <= auto:
        raise invalid("Only one type of update can be allowed.")
    kind, changed = _changed(cluster, parts)
    if all(cluster.said.get(key) == value for key, value in changed.items()):
        raise invalid("No changes needed for the configuration provided")
    cluster.said["status"] = "UPDATING"

    def done() -> None:
        cluster.said.update(changed)
        cluster.said["status"] = "ACTIVE"
        _log_group(cluster)

    return update(cluster, kind, parts.items(), state.UPDATE_DONE, done)


@operation("AssociateEncryptionConfig")
def encrypt(region: str, given: dict[str, Any]) -> Any:
    cluster = _still(region, given["clusterName"])
    if cluster.said["encryptionConfig"]:
        raise invalid("Encryption is already enabled for the cluster and cannot be changed")
    _check_encryption(region, given["encryptionConfig"])

    def done() -> None:
        cluster.said["encryptionConfig"] = given["encryptionConfig"]

    return update(cluster, "AssociateEncryptionConfig", [], state.UPDATE_DONE, done)


@operation("TagResource")
def tag(region: str, given: dict[str, Any]) -> Any:
    _tags(region, given["resourceArn"]).update(given["tags"])
    return {}


@operation("UntagResource")
def untag(region: str, given: dict[str, Any]) -> Any:
    found = _tags(region, given["resourceArn"])
    for key in given["tagKeys"]:
        found.pop(key, None)
    return {}


@operation("ListTagsForResource")
def tags(region: str, given: dict[str, Any]) -> Any:
    return {"tags": _tags(region, given["resourceArn"])}


def _tags(region: str, arn: str) -> dict[str, str]:
    for cluster in CLUSTERS.values():
        if cluster.region != region:
            continue
        for said, key in itertools.chain(
            [(cluster.said, "arn")],
            ((each, "nodegroupArn") for each in cluster.nodes.values()),
            ((each, "addonArn") for each in cluster.addons.values()),
            ((each, "accessEntryArn") for each in cluster.entries.values()),
            ((each, "associationArn") for each in cluster.pods.values()),
        ):
            if said[key] == arn:
                return said["tags"]
    raise state.Refused("NotFoundException", f"Resource was not found: {arn}", 404)


def _still(region: str, name: str) -> Cluster:
    cluster = active(region, name)
    if cluster.said["status"] == "UPDATING":
        raise in_use(f"Cannot update: cluster {name} currently has an update in progress")
    return cluster


def _changed(cluster: Cluster, parts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    said = cluster.said
    if "resourcesVpcConfig" in parts:
        given = parts["resourcesVpcConfig"]
        old = said["resourcesVpcConfig"]
        wanted = _network(cluster.region, old | given) | {"clusterSecurityGroupId": old["clusterSecurityGroupId"]}
        if wanted["vpcId"] != cluster.vpc:
            raise invalid("Subnets provided must belong to the VPC of the cluster")
        if "subnetIds" in given or "securityGroupIds" in given:
            if given.keys() & {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"}:
                raise invalid("Only one type of update can be allowed.")
            return "VpcConfigUpdate", {"resourcesVpcConfig": wanted}
        return "EndpointAccessUpdate", {"resourcesVpcConfig": wanted}
    if "logging" in parts:
        return "LoggingUpdate", {"logging": _logging(parts["logging"])}
    if "accessConfig" in parts:
        order = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
        old, new = said["accessConfig"]["authenticationMode"], parts["accessConfig"]["authenticationMode"]
        if order.index(new) < order.index(old):
            raise invalid(f"Unsupported authentication mode update from {old} to {new}")
        return "AccessConfigUpdate", {"accessConfig": said["accessConfig"] | {"authenticationMode": new}}
    if "upgradePolicy" in parts:
        return "UpgradePolicyUpdate", {"upgradePolicy": parts["upgradePolicy"]}
    if "zonalShiftConfig" in parts:
        return "ZonalShiftConfigUpdate", {"zonalShiftConfig": parts["zonalShiftConfig"]}
    if "deletionProtection" in parts:
        return "DeletionProtectionUpdate", {"deletionProtection": parts["deletionProtection"]}
    network = said["kubernetesNetworkConfig"] | (parts.get("kubernetesNetworkConfig") or {})
    merged = {**said, **parts, "kubernetesNetworkConfig": network}
    _check_auto_mode(merged, said["accessConfig"]["authenticationMode"], False)
    return "AutoModeUpdate", {key: merged[key] for key in ("computeConfig", "kubernetesNetworkConfig", "storageConfig")}


def _check_version(version: str, support: str) -> None:
    if version not in VERSIONS or not offered(version, state.today()):
        raise invalid(f"unsupported Kubernetes version {version}; EKS offers {', '.join(VERSIONS)}")
    if support == "STANDARD" and in_extended_support(version, state.today()):
        raise invalid(
            f"Kubernetes version {version} is in extended support since {VERSIONS[version][0]}, which the upgrade "
            "policy "
            "STANDARD does not take"
        )


def _check_role(arn: str, *, auto: bool) -> None:
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


def _network(region: str, given: dict[str, Any]) -> dict[str, Any]:
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


def _check_auto_mode(given: dict[str, Any], mode: str, self_managed: bool) -> None:
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


def _check_encryption(region: str, given: list[dict[str, Any]]) -> None:
    for each in given:
        arn = each["provider"]["keyArn"]
        key = next((key for key in backend("kms", region).keys.values() if key.arn == arn), None)
        if key is None:
            raise invalid(f"The keyArn in encryptionConfig provider is invalid: {arn} does not exist in {region}")
        if key.key_state != "Enabled" or key.key_spec != "SYMMETRIC_DEFAULT":
            raise invalid(f"The key {arn} is not an enabled symmetric key: it is {key.key_state}, {key.key_spec}")
        if each.get("resources") != ["secrets"]:
            raise invalid(f"The resources of encryptionConfig have to be [secrets], and are {each.get('resources')}")


def _service_network(given: dict[str, Any], vpc: str, region: str) -> dict[str, Any]:
    mine = ip_network(backend("ec2", region).get_vpc(vpc).cidr_block)
    # 10.100/16, or 172.20/16 where the VPC itself is in the former (API_KubernetesNetworkConfigRequest).
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


def _logging(given: dict[str, Any] | None) -> dict[str, Any]:
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


def _log_group(cluster: Cluster) -> None:
    """Logs that find no group make one, without an end to how long they are kept (user guide,
    control-plane-logs.html)."""
    logs, name = backend("logs", cluster.region), f"/aws/eks/{cluster.name}/cluster"
    if any(each["enabled"] for each in cluster.said["logging"]["clusterLogging"]) and name not in logs.groups:
        logs.create_log_group(name, {})


def _two_zones(cluster: Cluster) -> Iterator[str]:
    zones: set[str] = set()
    for each in cluster.said["resourcesVpcConfig"]["subnetIds"]:
        zone = cluster.ec2.get_subnet(each).availability_zone
        if zone not in zones:
            zones.add(zone)
            yield each
