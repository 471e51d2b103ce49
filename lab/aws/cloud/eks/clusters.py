"""Clusters (EKS API reference, CreateCluster and its like; EKS user guide)."""

from __future__ import annotations

import base64
import itertools
import re
import secrets
from collections.abc import Sequence
from typing import Any

from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.backends import backend
from lab.aws.cloud.backing import backing_of
from lab.aws.cloud.eks import state
from lab.aws.cloud.eks.access import bootstrap, entry_of_nodes
from lab.aws.cloud.eks.cluster_checks import (
    check_auto_mode,
    check_encryption,
    check_role,
    check_version,
    logging_of,
    network_of,
    service_network,
)
from lab.aws.cloud.eks.state import CLUSTERS, Cluster, active, cluster_of, in_use, invalid, operation, update, wrong_now
from lab.aws.cloud.eks.versions import NEWEST, minor
from lab.aws.cloud.network_rules import hold, let_go
from lab.aws.cloud.quotas import LIMITS

NAME = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")


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
    check_version(version, support)
    check_role(given["roleArn"], auto=bool((given.get("computeConfig") or {}).get("enabled")))
    network = network_of(region, given["resourcesVpcConfig"])
    access = {"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True} | (
        given.get("accessConfig") or {}
    )
    check_auto_mode(given, access["authenticationMode"], given.get("bootstrapSelfManagedAddons", True))
    check_encryption(region, given.get("encryptionConfig") or [])
    said: dict[str, Any] = {
        "name": name,
        "arn": state.arn(region, f"cluster/{name}"),
        "createdAt": state.now(),
        "version": version,
        "roleArn": given["roleArn"],
        "resourcesVpcConfig": network,
        "kubernetesNetworkConfig": service_network(
            given.get("kubernetesNetworkConfig") or {}, network["vpcId"], region
        ),
        "logging": logging_of(given.get("logging")),
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
    subnets = _by_zone(cluster.ec2, network["subnetIds"]).values()
    cluster.held += [hold(cluster.ec2, subnet, f"Amazon EKS {name}", [group.id]) for subnet in subnets]

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
    check_version(wanted, cluster.said["upgradePolicy"]["supportType"])
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
    check_encryption(region, given["encryptionConfig"])

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
        wanted = network_of(cluster.region, old | given) | {"clusterSecurityGroupId": old["clusterSecurityGroupId"]}
        if wanted["vpcId"] != cluster.vpc:
            raise invalid("Subnets provided must belong to the VPC of the cluster")
        if _by_zone(cluster.ec2, wanted["subnetIds"]).keys() != _by_zone(cluster.ec2, old["subnetIds"]).keys():
            raise invalid("Subnets provided must be in the availability zones that the cluster was created with")
        if "subnetIds" in given or "securityGroupIds" in given:
            if given.keys() & {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"}:
                raise invalid("Only one type of update can be allowed.")
            return "VpcConfigUpdate", {"resourcesVpcConfig": wanted}
        return "EndpointAccessUpdate", {"resourcesVpcConfig": wanted}
    if "logging" in parts:
        return "LoggingUpdate", {"logging": logging_of(parts["logging"])}
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
    check_auto_mode(merged, said["accessConfig"]["authenticationMode"], False)
    return "AutoModeUpdate", {key: merged[key] for key in ("computeConfig", "kubernetesNetworkConfig", "storageConfig")}


def _log_group(cluster: Cluster) -> None:
    """Logs that find no group make one, without an end to how long they are kept (user guide,
    control-plane-logs.html)."""
    logs, name = backend("logs", cluster.region), f"/aws/eks/{cluster.name}/cluster"
    if any(each["enabled"] for each in cluster.said["logging"]["clusterLogging"]) and name not in logs.groups:
        logs.create_log_group(name, {})


def _by_zone(ec2: Any, subnets: Sequence[str]) -> dict[str, str]:
    """The first subnet in each zone."""
    found: dict[str, str] = {}
    for each in subnets:
        found.setdefault(ec2.get_subnet(each).availability_zone, each)
    return found
