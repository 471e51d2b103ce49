"""Access entries and Pod Identity associations (EKS user guide, access-entries.html and pod-identities.html)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lab.aws.cloud.eks import state
from lab.aws.cloud.eks.state import Cluster, active, cluster_of, in_use, invalid, missing, operation, wrong_now
from lab.aws.cloud.quotas import LIMITS

POLICIES = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSViewPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSHybridPolicy",
)
"""Access policies (access-policy-permissions.html)."""

TYPES = ("STANDARD", "EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX")


@dataclass
class Principal:
    """Somebody who calls AWS."""

    arn: str


CALLER = Principal(f"arn:aws:iam::{state.ACCOUNT}:role/deployer")
"""Who the rehearsal is: the principal that makes the clusters and deploys into them."""

_PRINCIPAL = re.compile(r"arn:aws:iam::\d{12}:(user|role)/[\w+=,.@/-]+")


def _new_entry(
    cluster: Cluster, principal: str, kind: str, groups: list[str], username: str, tags: Any
) -> dict[str, Any]:
    found = {
        "clusterName": cluster.name,
        "principalArn": principal,
        "kubernetesGroups": groups,
        "accessEntryArn": state.arn(
            cluster.region,
            f"access-entry/{cluster.name}/role/{state.ACCOUNT}/{principal.rpartition('/')[2]}/{state.identity()}",
        ),
        "createdAt": state.now(),
        "modifiedAt": state.now(),
        "tags": tags or {},
        "username": username,
        "type": kind,
    }
    cluster.entries[principal] = found
    return found


def bootstrap(cluster: Cluster) -> None:
    """The caller becomes an administrator where the cluster is told so, as it is by default."""
    config = cluster.said["accessConfig"]
    if config["bootstrapClusterCreatorAdminPermissions"] and config["authenticationMode"] != "CONFIG_MAP":
        _new_entry(cluster, CALLER.arn, "STANDARD", [], CALLER.arn, {})
        _associate(cluster, CALLER.arn, _policy("AmazonEKSClusterAdminPolicy"), {"type": "cluster", "namespaces": []})


def administers(cluster: Cluster, principal: str) -> bool:
    """Whether a principal may do everything in a cluster."""
    found = cluster.policies.get((principal, _policy("AmazonEKSClusterAdminPolicy")))
    return found is not None and found["accessScope"]["type"] == "cluster"


def entry_of_nodes(cluster: Cluster, role: str, kind: str) -> None:
    """EKS itself lets the nodes of node groups and of Auto Mode's own pools in."""
    if cluster.said["accessConfig"]["authenticationMode"] != "CONFIG_MAP" and role not in cluster.entries:
        _new_entry(cluster, role, kind, ["system:nodes"], "system:node:{{EC2PrivateDNSName}}", {})


def _policy(name: str) -> str:
    return f"arn:aws:eks::aws:cluster-access-policy/{name}"


def _entries(region: str, name: str) -> Cluster:
    cluster = active(region, name)
    if cluster.said["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        raise wrong_now(
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this "
            "operation."
        )
    return cluster


def _entry(cluster: Cluster, principal: str) -> dict[str, Any]:
    if principal not in cluster.entries:
        raise missing(f"The specified principalArn could not be found: {principal}")
    return cluster.entries[principal]


def _check_groups(groups: list[str]) -> None:
    for each in groups:
        if re.match(r"(system|eks|aws|amazon|iam):", each):
            raise invalid(
                f"The kubernetes group name {each} is invalid, it cannot start with system:, eks:, aws:, amazon:, iam:"
            )


@operation("CreateAccessEntry")
def create(region: str, given: dict[str, Any]) -> Any:
    cluster, principal = _entries(region, given["clusterName"]), given["principalArn"]
    kind, groups = given.get("type", "STANDARD"), given.get("kubernetesGroups", [])
    if not _PRINCIPAL.fullmatch(principal):
        raise invalid(f"The principalArn parameter format is not valid: {principal}")
    if principal.split(":")[4] == state.ACCOUNT and ":role/" in principal and state.role_of(principal) is None:
        raise invalid(f"The specified principalArn is invalid: invalid principal ({principal})")
    if kind not in TYPES:
        raise invalid(f"The type {kind} is none of {', '.join(TYPES)}")
    if kind != "STANDARD" and groups:
        raise invalid(f"Kubernetes groups cannot be given for an access entry of type {kind}")
    if principal in cluster.entries:
        raise in_use("The specified access entry resource is already in use on this cluster.")
    _check_groups(groups)
    return {
        "accessEntry": _new_entry(cluster, principal, kind, groups, given.get("username", principal), given.get("tags"))
    }


@operation("DescribeAccessEntry")
def describe(region: str, given: dict[str, Any]) -> Any:
    return {"accessEntry": _entry(cluster_of(region, given["clusterName"]), given["principalArn"])}


@operation("ListAccessEntries")
def list_entries(region: str, given: dict[str, Any]) -> Any:
    return {"accessEntries": sorted(cluster_of(region, given["clusterName"]).entries)}


@operation("UpdateAccessEntry")
def update(region: str, given: dict[str, Any]) -> Any:
    found = _entry(_entries(region, given["clusterName"]), given["principalArn"])
    if "kubernetesGroups" in given:
        _check_groups(given["kubernetesGroups"])
        found["kubernetesGroups"] = given["kubernetesGroups"]
    found["username"] = given.get("username") or found["username"]
    return {"accessEntry": found}


@operation("DeleteAccessEntry")
def delete(region: str, given: dict[str, Any]) -> Any:
    cluster = _entries(region, given["clusterName"])
    _entry(cluster, given["principalArn"])
    del cluster.entries[given["principalArn"]]
    for key in [key for key in cluster.policies if key[0] == given["principalArn"]]:
        del cluster.policies[key]
    return {}


def _associate(cluster: Cluster, principal: str, policy: str, scope: dict[str, Any]) -> dict[str, Any]:
    found = {"policyArn": policy, "accessScope": scope, "associatedAt": state.now(), "modifiedAt": state.now()}
    cluster.policies[principal, policy] = found
    return found


@operation("AssociateAccessPolicy")
def associate(region: str, given: dict[str, Any]) -> Any:
    cluster, principal, policy = _entries(region, given["clusterName"]), given["principalArn"], given["policyArn"]
    entry, scope = _entry(cluster, principal), given["accessScope"]
    if policy not in map(_policy, POLICIES):
        raise invalid(f"The policyArn parameter is not an access policy of EKS: {policy}")
    if entry["type"] not in ("STANDARD", "EC2", "HYPERPOD_LINUX"):
        raise invalid(f"Access policies cannot be associated with an access entry of type {entry['type']}")
    namespaces = scope.get("namespaces") or []
    if (scope["type"] == "namespace") != bool(namespaces):
        raise invalid("The namespaces of an access scope have to be given for the type namespace, and only for it")
    found = _associate(cluster, principal, policy, {"type": scope["type"], "namespaces": namespaces})
    return {"clusterName": cluster.name, "principalArn": principal, "associatedAccessPolicy": found}


@operation("ListAssociatedAccessPolicies")
def policies(region: str, given: dict[str, Any]) -> Any:
    cluster, principal = cluster_of(region, given["clusterName"]), given["principalArn"]
    _entry(cluster, principal)
    found = [each for (owner, _), each in cluster.policies.items() if owner == principal]
    return {"clusterName": cluster.name, "principalArn": principal, "associatedAccessPolicies": found}


@operation("DisassociateAccessPolicy")
def disassociate(region: str, given: dict[str, Any]) -> Any:
    cluster, key = _entries(region, given["clusterName"]), (given["principalArn"], given["policyArn"])
    if key not in cluster.policies:
        raise missing(f"The specified access policy association could not be found: {key[1]}")
    del cluster.policies[key]
    return {}


@operation("CreatePodIdentityAssociation")
def create_pod(region: str, given: dict[str, Any]) -> Any:
    cluster = active(region, given["clusterName"])
    return {
        "association": new_association(cluster, given["namespace"], given["serviceAccount"], given["roleArn"], given)
    }


def new_association(
    cluster: Cluster, namespace: str, account: str, role_arn: str, given: dict[str, Any]
) -> dict[str, Any]:
    """Make an association; of an add-on's too."""
    check_pod_role(role_arn)
    if len(cluster.pods) >= LIMITS["eks/pod-identity-associations-per-cluster"]:
        raise state.Refused(
            "ResourceLimitExceededException", "Limit of Pod Identity associations exceeded for the cluster"
        )
    for id, each in cluster.pods.items():
        if (each["namespace"], each["serviceAccount"]) == (namespace, account):
            raise in_use(f"Association already exists: {id}")
    id = f"a-{state.identity()}"
    found = {
        "clusterName": cluster.name,
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": role_arn,
        "associationArn": state.arn(cluster.region, f"podidentityassociation/{cluster.name}/{id}"),
        "associationId": id,
        "tags": given.get("tags") or {},
        "createdAt": state.now(),
        "modifiedAt": state.now(),
    }
    cluster.pods[id] = found
    return found


def check_pod_role(arn: str) -> None:
    """Whether EKS takes a role for pods.

    Raises:
        Refused: It does not.
    """
    role = state.role_of(arn)
    if role is None:
        raise invalid(f"Role provided in the request does not exist: {arn}")
    if not state.trusts(role, "pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"):
        raise invalid(
            f"Trust policy of the role {arn} does not let pods.eks.amazonaws.com do sts:AssumeRole and sts:TagSession"
        )


def _association(region: str, given: dict[str, Any]) -> tuple[Cluster, dict[str, Any]]:
    cluster, id = cluster_of(region, given["clusterName"]), given["associationId"]
    if id not in cluster.pods:
        raise missing(f"Association ID not found: {id}")
    return cluster, cluster.pods[id]


@operation("DescribePodIdentityAssociation")
def describe_pod(region: str, given: dict[str, Any]) -> Any:
    return {"association": _association(region, given)[1]}


@operation("ListPodIdentityAssociations")
def list_pods(region: str, given: dict[str, Any]) -> Any:
    found = [
        each
        for each in cluster_of(region, given["clusterName"]).pods.values()
        if all(each[name] == given[name] for name in ("namespace", "serviceAccount") if name in given)
    ]
    return {"associations": found}


@operation("UpdatePodIdentityAssociation")
def update_pod(region: str, given: dict[str, Any]) -> Any:
    _, found = _association(region, given)
    if "roleArn" in given:
        check_pod_role(given["roleArn"])
        found["roleArn"] = given["roleArn"]
    return {"association": found}


@operation("DeletePodIdentityAssociation")
def delete_pod(region: str, given: dict[str, Any]) -> Any:
    cluster, found = _association(region, given)
    if found.get("ownerArn"):
        raise invalid(f"The association {found['associationId']} belongs to the add-on {found['ownerArn']}")
    return {"association": cluster.pods.pop(found["associationId"])}
