"""Add-ons (EKS user guide, eks-add-ons.html; API_CreateAddon)."""

from __future__ import annotations

import json
import re
from typing import Any

from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.eks import state
from lab.aws.cloud.eks.access import new_association
from lab.aws.cloud.eks.state import Cluster, active, cluster_of, in_use, invalid, missing, operation
from lab.aws.cloud.eks.versions import minor

NAMESPACES = {
    "vpc-cni": "kube-system",
    "coredns": "kube-system",
    "kube-proxy": "kube-system",
    "eks-pod-identity-agent": "kube-system",
    "aws-ebs-csi-driver": "kube-system",
    "metrics-server": "kube-system",
    "snapshot-controller": "kube-system",
    "eks-node-monitoring-agent": "kube-system",
    "aws-efs-csi-driver": "kube-system",
    "amazon-cloudwatch-observability": "amazon-cloudwatch",
}
"""Known add-ons (workloads-add-ons-available-eks.html, community-addons.html) and where their pods are."""

_DEPLOYMENTS = frozenset({"coredns", "aws-ebs-csi-driver", "metrics-server", "snapshot-controller"})
_VERSION = re.compile(r"v(\d+\.\d+)\.\d+-eksbuild\.\d+")


@operation("CreateAddon")
def create(region: str, given: dict[str, Any]) -> Any:
    cluster, name = active(region, given["clusterName"]), given["addonName"]
    if name not in NAMESPACES:
        raise invalid(f"Addon {name} specified is not supported")
    if name in cluster.addons:
        raise in_use("Addon already exists.")
    version = given.get("addonVersion") or _default(name, cluster)
    _check(cluster, name, version, given.get("configurationValues"))
    said: dict[str, Any] = {
        "addonName": name,
        "clusterName": cluster.name,
        "status": "CREATING",
        "addonVersion": version,
        "health": {"issues": []},
        "addonArn": state.arn(region, f"addon/{cluster.name}/{name}/{state.identity()}"),
        "createdAt": state.now(),
        "modifiedAt": state.now(),
        "tags": given.get("tags", {}),
    }
    for key in ("serviceAccountRoleArn", "configurationValues"):
        if key in given:
            said[key] = given[key]
    _associate(cluster, said, given.get("podIdentityAssociations", []))
    cluster.addons[name] = said
    CLOCK.later(state.ADDON_READY, lambda: _settle(cluster, said))
    return {"addon": said}


def _addon(region: str, given: dict[str, Any]) -> tuple[Cluster, dict[str, Any]]:
    cluster, name = cluster_of(region, given["clusterName"]), given["addonName"]
    if name not in cluster.addons:
        raise missing(f"No addon: {name} found in cluster: {cluster.name}")
    return cluster, cluster.addons[name]


@operation("DescribeAddon")
def describe(region: str, given: dict[str, Any]) -> Any:
    cluster, found = _addon(region, given)
    if found["status"] == "DEGRADED":
        # Its pods find a node as soon as there is one.
        _settle(cluster, found)
    return {"addon": found}


@operation("ListAddons")
def list_addons(region: str, given: dict[str, Any]) -> Any:
    return {"addons": sorted(cluster_of(region, given["clusterName"]).addons)}


@operation("UpdateAddon")
def update(region: str, given: dict[str, Any]) -> Any:
    cluster, found = _addon(region, given)
    if found["status"] not in ("ACTIVE", "DEGRADED"):
        raise in_use(f"Addon {found['addonName']} cannot be updated as it is currently in {found['status']} state")
    version = given.get("addonVersion", found["addonVersion"])
    _check(cluster, found["addonName"], version, given.get("configurationValues"))
    if "podIdentityAssociations" in given:
        _dissociate(cluster, found)
        _associate(cluster, found, given["podIdentityAssociations"])
    found["status"] = "UPDATING"

    def done() -> None:
        found["addonVersion"] = version
        for key in ("serviceAccountRoleArn", "configurationValues"):
            if key in given:
                found[key] = given[key]
        _settle(cluster, found)

    return state.update(cluster, "AddonUpdate", [("AddonVersion", version)], state.ADDON_READY, done)


@operation("DeleteAddon")
def delete(region: str, given: dict[str, Any]) -> Any:
    cluster, found = _addon(region, given)
    if found["status"] != "DELETING":
        found["status"] = "DELETING"

        def end() -> None:
            _dissociate(cluster, found)
            cluster.addons.pop(found["addonName"], None)

        CLOCK.later(state.ADDON_GONE, end)
    return {"addon": found}


def _settle(cluster: Cluster, said: dict[str, Any]) -> None:
    """Pods of a deployment need a node; those of a daemon set are content without one."""
    waits = said["addonName"] in _DEPLOYMENTS and not cluster.has_nodes
    said["status"] = "DEGRADED" if waits else "ACTIVE"
    issue = {
        "code": "InsufficientNumberOfReplicas",
        "message": "The add-on is unhealthy because it doesn't have the desired number of replicas.",
        "resourceIds": [],
    }
    said["health"] = {"issues": [issue] if waits else []}


def _check(cluster: Cluster, name: str, version: str, values: str | None) -> None:
    match = _VERSION.fullmatch(version)
    if not match:
        raise invalid(f"Addon version specified is not supported: {version}")
    if name == "kube-proxy":
        own, present = minor(match[1]), minor(cluster.said["version"])
        if own > present or present - own > 3:
            raise invalid(
                f"Addon version specified is not supported: kube-proxy {version} on Kubernetes "
                f"{cluster.said['version']}"
            )
    if values:
        try:
            json.loads(values)
        except ValueError:
            raise invalid(
                f"ConfigurationValue provided in request is not supported: it is not JSON: {values}"
            ) from None


def _default(name: str, cluster: Cluster) -> str:
    return f"v{cluster.said['version']}.0-eksbuild.1" if name == "kube-proxy" else "v1.0.0-eksbuild.1"


def _associate(cluster: Cluster, said: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    made: list[str] = []
    for each in wanted:
        found = new_association(
            cluster, NAMESPACES[said["addonName"]], each["serviceAccount"], each["roleArn"], {"tags": said["tags"]}
        )
        found["ownerArn"] = said["addonArn"]
        made.append(found["associationArn"])
    said["podIdentityAssociations"] = made


def _dissociate(cluster: Cluster, said: dict[str, Any]) -> None:
    for id in [id for id, each in cluster.pods.items() if each.get("ownerArn") == said["addonArn"]]:
        del cluster.pods[id]
