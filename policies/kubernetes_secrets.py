"""Secrets in plain text, and rights that are as good as one."""

import re
from collections.abc import Iterator

from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.kubernetes_pods import WORKLOADS, called, containers
from policies.resources import Subject
from policies.unknowns import Node

CONFIG_MAP = "core/ConfigMap"
ROLES = ("rbac.authorization.k8s.io/ClusterRole", "rbac.authorization.k8s.io/Role")
BINDINGS = ("rbac.authorization.k8s.io/ClusterRoleBinding", "rbac.authorization.k8s.io/RoleBinding")

# A name that says what it holds; `TOKEN_TTL` and `PASSWORD_FILE` say something about it.
_NAME = re.compile(
    r"(^|[_.-])(password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)$", re.IGNORECASE
)
_VALUE = re.compile(r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}")


def _plain_secret(name: str, value: Node) -> bool:
    """Whether it is a secret as it stands."""
    if value.secret:
        return not value.missing
    text = value.text
    return bool(text) and (bool(_NAME.search(name)) or bool(_VALUE.search(text or "")))


@resource_policy(
    "kubernetes-plain-secret",
    MANDATORY,
    on=[CONFIG_MAP, *WORKLOADS],
    description="Secrets are in Secrets: neither in ConfigMaps nor in the environment as plain text.",
    reason="Everybody who may look at the namespace reads them, and they stay in logs, diffs and crash reports.",
    source="CIS Amazon EKS Benchmark 4.4.1; kubernetes.io: good practices for Secrets",
)
def plain_secret(found: Subject, _: Setting) -> Iterator[Finding]:
    if found.resource.key == CONFIG_MAP:
        for place in ("data", "binaryData"):
            for name, value in found[place].items():
                if _plain_secret(name, value):
                    yield Finding(
                        f"`{name}` holds a secret in plain text",
                        "Everybody who may read ConfigMaps of the namespace has it",
                        "put it into a Secret, and take it for disclosed if it was deployed",
                        value.path,
                    )
        return
    for container in containers(found):
        for variable in container["env"]:
            name = variable["name"].text or ""
            if _plain_secret(name, variable["value"]):
                yield Finding(
                    f"variable `{name}` of {called(container)} holds a secret in plain text",
                    "Everybody who may look at the pod has it",
                    "take it from a Secret, by `valueFrom.secretKeyRef`, and take it for disclosed if it was deployed",
                    variable["value"].path,
                )


@resource_policy(
    "kubernetes-rbac-wildcard",
    MANDATORY,
    on=ROLES,
    description="Roles name the verbs and resources that they are about.",
    reason="`*` is every verb on every resource, Secrets and roles themselves among them, and what is added next.",
    source="CIS Amazon EKS Benchmark 4.1.3; kubernetes.io: RBAC good practices",
)
def rbac_wildcard(role: Subject, _: Setting) -> Iterator[Finding]:
    for rule in role["rules"]:
        if any(item.is_("*") for item in rule["verbs"]) and any(item.is_("*") for item in rule["resources"]):
            yield Finding(
                "the rule allows every verb on every resource",
                "Who has the role reads all Secrets, and gives himself any other role",
                "name the verbs and resources that are needed",
                rule.path,
            )


@resource_policy(
    "kubernetes-cluster-admin",
    MANDATORY,
    on=BINDINGS,
    description="Nobody is an administrator by default.",
    reason="Default accounts are those of every pod that names none, and the groups are everybody.",
    source="CIS Amazon EKS Benchmark 4.1.1 and 4.1.5",
)
def cluster_admin(binding: Subject, _: Setting) -> Iterator[Finding]:
    if not binding.properties.at("roleRef", "name").is_("cluster-admin"):
        return
    for subject in binding["subjects"]:
        group = subject["kind"].is_("Group") and subject["name"].is_(
            "system:authenticated", "system:unauthenticated", "system:serviceaccounts"
        )
        default = subject["kind"].is_("ServiceAccount") and subject["name"].is_("default")
        if group or default:
            yield Finding(
                f"{subject['name'].shown} is made an administrator",
                "Every pod of the cluster may do everything" if group else "So is every pod that names no account",
                "bind the role to an account of its own, or take a narrower role",
                subject.path,
            )
