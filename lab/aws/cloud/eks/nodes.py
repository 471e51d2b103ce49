"""Managed node groups (EKS user guide, managed-node-groups.html; API_CreateNodegroup)."""

from __future__ import annotations

import re
from typing import Any

from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.eks import state
from lab.aws.cloud.eks.access import entry_of_nodes
from lab.aws.cloud.eks.state import Cluster, active, cluster_of, in_use, invalid, missing, operation
from lab.aws.cloud.eks.versions import minor
from lab.aws.cloud.network_rules import hold, let_go
from lab.aws.cloud.quotas import LIMITS

# A family with a `g` after its generation is Graviton: t4g, m7g, c8gd, im4gn.
_GRAVITON = re.compile(r"[a-z]+\d+g[a-z]*\.|a1\.")
_TYPE = re.compile(r"[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)")
AMIS = ("AL2023_x86_64_STANDARD", "AL2023_ARM_64_STANDARD", "BOTTLEROCKET_x86_64", "BOTTLEROCKET_ARM_64", "CUSTOM")
"""Those that a stack of this project may ask for; AL2 has ended with 1.32 (eks-ami-deprecation-faqs.html)."""


@operation("CreateNodegroup")
def create(region: str, given: dict[str, Any]) -> Any:
    cluster, name = active(region, given["clusterName"]), given["nodegroupName"]
    if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,62}", name):
        raise invalid(f"The node group name '{name}' must have at most 63 letters, digits, hyphens and underscores")
    if name in cluster.nodes:
        raise in_use(f"NodeGroup already exists with name {name} and cluster name {cluster.name}")
    if len(cluster.nodes) >= LIMITS["eks/node-groups-per-cluster"]:
        raise state.Refused("ResourceLimitExceededException", "Node group limit exceeded for cluster")
    role = state.role_of(given["nodeRole"])
    if role is None or not state.trusts(role, "ec2.amazonaws.com"):
        raise invalid(f"The role with name {given['nodeRole'].rpartition('/')[2]} cannot be found or assumed by EC2")
    for each in given["subnets"]:
        if cluster.ec2.get_subnet(each).vpc_id != cluster.vpc:
            raise invalid(f"Subnet {each} does not belong to the VPC of cluster {cluster.name}")
    ami, types = given.get("amiType", "AL2023_x86_64_STANDARD"), given.get("instanceTypes", ["t3.medium"])
    _check_types(ami, types)
    scaling = {"minSize": 1, "maxSize": 2, "desiredSize": 2} | given.get("scalingConfig", {})
    _check_scaling(scaling)
    version = given.get("version", cluster.said["version"])
    _check_version(cluster, version)
    said: dict[str, Any] = {
        "nodegroupName": name,
        "nodegroupArn": state.arn(region, f"nodegroup/{cluster.name}/{name}/{state.identity()}"),
        "clusterName": cluster.name,
        "version": version,
        "releaseVersion": given.get("releaseVersion", f"{version}.0-20261101"),
        "createdAt": state.now(),
        "modifiedAt": state.now(),
        "status": "CREATING",
        "capacityType": given.get("capacityType", "ON_DEMAND"),
        "scalingConfig": scaling,
        "instanceTypes": types,
        "subnets": given["subnets"],
        "amiType": ami,
        "nodeRole": given["nodeRole"],
        "labels": given.get("labels", {}),
        "taints": given.get("taints", []),
        "resources": {"autoScalingGroups": [{"name": f"eks-{name}-{state.identity()}"}]},
        "health": {"issues": []},
        "updateConfig": given.get("updateConfig", {"maxUnavailable": 1}),
        "tags": given.get("tags", {}),
    }
    if template := given.get("launchTemplate"):
        said["launchTemplate"] = _template(cluster, template, given)
    else:
        said["diskSize"] = given.get("diskSize", 20)
    if "nodeRepairConfig" in given:
        said["nodeRepairConfig"] = given["nodeRepairConfig"]
    cluster.nodes[name] = said
    entry_of_nodes(cluster, given["nodeRole"], "EC2_LINUX")
    _scale(cluster, said)
    CLOCK.later(state.NODES_READY, lambda: said.update(status="ACTIVE"))
    return {"nodegroup": said}


def _group(region: str, given: dict[str, Any]) -> tuple[Cluster, dict[str, Any]]:
    cluster = cluster_of(region, given["clusterName"])
    if given["nodegroupName"] not in cluster.nodes:
        raise missing(f"No node group found for name: {given['nodegroupName']}.")
    return cluster, cluster.nodes[given["nodegroupName"]]


def _still(region: str, given: dict[str, Any]) -> tuple[Cluster, dict[str, Any]]:
    cluster, found = _group(region, given)
    if found["status"] != "ACTIVE":
        raise in_use(f"Nodegroup cannot be updated as it is currently in status {found['status']}")
    return cluster, found


@operation("DescribeNodegroup")
def describe(region: str, given: dict[str, Any]) -> Any:
    return {"nodegroup": _group(region, given)[1]}


@operation("ListNodegroups")
def list_groups(region: str, given: dict[str, Any]) -> Any:
    return {"nodegroups": sorted(cluster_of(region, given["clusterName"]).nodes)}


@operation("UpdateNodegroupConfig")
def update_config(region: str, given: dict[str, Any]) -> Any:
    cluster, found = _still(region, given)
    labels, taints = given.get("labels", {}), given.get("taints", {})
    if "scalingConfig" in given:
        scaling = found["scalingConfig"] | given["scalingConfig"]
        _check_scaling(scaling)
        found["scalingConfig"] = scaling
    found["labels"] = {
        key: value
        for key, value in (found["labels"] | labels.get("addOrUpdateLabels", {})).items()
        if key not in labels.get("removeLabels", [])
    }
    away = taints.get("removeTaints", []) + taints.get("addOrUpdateTaints", [])
    kept = [
        each for each in found["taints"] if (each["key"], each["effect"]) not in [(t["key"], t["effect"]) for t in away]
    ]
    found["taints"] = kept + taints.get("addOrUpdateTaints", [])
    for name in ("updateConfig", "nodeRepairConfig"):
        if name in given:
            found[name] = given[name]
    found["status"] = "UPDATING"

    def done() -> None:
        found["status"] = "ACTIVE"
        _scale(cluster, found)

    return state.update(cluster, "ConfigUpdate", [], state.UPDATE_DONE, done)


@operation("UpdateNodegroupVersion")
def update_version(region: str, given: dict[str, Any]) -> Any:
    cluster, found = _still(region, given)
    version = given.get("version", found["version"])
    _check_version(cluster, version)
    if minor(version) < minor(found["version"]):
        raise invalid(f"Nodegroup version cannot be lowered from {found['version']} to {version}")
    template = given.get("launchTemplate")
    if template:
        old = found.get("launchTemplate")
        if not old:
            raise invalid("A node group that was made without a launch template cannot get one")
        template = _template(cluster, old | template, {})
    found["status"] = "UPDATING"

    def done() -> None:
        found.update(version=version, status="ACTIVE")
        if version in given.get("version", ""):
            found["releaseVersion"] = given.get("releaseVersion", f"{version}.0-20261101")
        if template:
            found["launchTemplate"] = template

    return state.update(cluster, "VersionUpdate", [("Version", version)], state.UPDATE_DONE, done)


@operation("DeleteNodegroup")
def delete(region: str, given: dict[str, Any]) -> Any:
    cluster, found = _group(region, given)
    if found["status"] in ("CREATING", "UPDATING"):
        raise in_use(f"Nodegroup cannot be deleted as it is currently in status {found['status']}")
    if found["status"] != "DELETING":
        found["status"] = "DELETING"

        def end() -> None:
            let_go(cluster.ec2, *cluster.node_held.pop(found["nodegroupName"], []))
            del cluster.nodes[found["nodegroupName"]]
            role = found["nodeRole"]
            if not any(each["nodeRole"] == role for each in cluster.nodes.values()):
                # EKS takes the role out that it has let in itself (user guide, delete-managed-node-group.html).
                cluster.entries.pop(role, None)

        CLOCK.later(state.NODES_GONE, end)
    return {"nodegroup": found}


def _check_types(ami: str, types: list[str]) -> None:
    if ami not in AMIS:
        raise invalid(f"The amiType {ami} is not offered; choose one of {', '.join(AMIS)}")
    for each in types:
        if not _TYPE.fullmatch(each):
            raise invalid(f"The instance type {each} does not exist")
        if ("x86_64" in ami and _GRAVITON.match(each)) or ("ARM_64" in ami and not _GRAVITON.match(each)):
            raise invalid(f"[{each}] is not a valid instance type for requested amiType {ami}")


def _check_scaling(scaling: dict[str, int]) -> None:
    if scaling["minSize"] > scaling["maxSize"]:
        raise invalid(f"Minimum capacity {scaling['minSize']} can't be greater than maximum size {scaling['maxSize']}")
    if not scaling["minSize"] <= scaling["desiredSize"] <= scaling["maxSize"]:
        raise invalid(
            f"desired capacity {scaling['desiredSize']} has to be between minimum {scaling['minSize']} and maximum "
            f"{scaling['maxSize']}"
        )


def _check_version(cluster: Cluster, version: str) -> None:
    present = cluster.said["version"]
    if minor(version) > minor(present) or minor(present) - minor(version) > 3:
        raise invalid(
            f"Requested Nodegroup release version {version} is invalid: it may be that of the cluster, {present}, "
            "or up to "
            "three minors older"
        )


def _template(cluster: Cluster, given: dict[str, Any], group: dict[str, Any]) -> dict[str, Any]:
    found = next(
        (
            each
            for each in cluster.ec2.launch_templates.values()
            if each.id == given.get("id") or each.name == given.get("name")
        ),
        None,
    )
    if found is None:
        raise invalid(f"You must specify an existing launch template: {given.get('id') or given.get('name')}")
    if "diskSize" in group:
        raise invalid("Disk size must be specified within the launch template.")
    version = str(given.get("version", found.default_version_number))
    if version not in [str(each.number) for each in found.versions]:
        raise invalid(f"Could not find the specified version {version} for the launch template with ID {found.id}.")
    return {"name": found.name, "id": found.id, "version": version}


def _scale(cluster: Cluster, group: dict[str, Any]) -> None:
    """One interface a node, over the subnets in turn."""
    held = cluster.node_held.setdefault(group["nodegroupName"], [])
    wanted = group["scalingConfig"]["desiredSize"]
    while len(held) > wanted:
        let_go(cluster.ec2, held.pop())
    while len(held) < wanted:
        subnet = group["subnets"][len(held) % len(group["subnets"])]
        security = cluster.said["resourcesVpcConfig"]["clusterSecurityGroupId"]
        held.append(hold(cluster.ec2, subnet, f"node of {cluster.name}/{group['nodegroupName']}", [security]))
