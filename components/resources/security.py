"""Who must speak mutual TLS: everybody, but for named ports of named workloads."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.defaults import MUTUAL_TLS
from components.config.mesh import MeshConfig
from components.config.security import PermissiveConfig, SecurityConfig
from components.mesh.control_plane import IstioSystem
from components.naming import DNS_LABEL_LIMIT, child, common_labels, type_token

_DIGEST = 6
_PREFIX = "permissive-"


class MeshSecurity(pulumi.ComponentResource):
    """STRICT mutual TLS in the whole of one cluster's mesh, and the exceptions from it.

    A namespace that an exception names is made, with injection, so that the exception is there before the workload
    is. It stays when the exception or the stack goes: what runs in it is other people's. One in which a service is
    declared is MeshNamespaces'. A remote cluster has the namespaces alone: its policies are in its primary.
    """

    namespaces: Mapping[str, kubernetes.core.v1.Namespace]
    """The namespaces made for exceptions, by name."""

    def __init__(
        self,
        name: str,
        config: SecurityConfig,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        control_plane: IstioSystem,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`namespaces`: those that are made for services."""
        super().__init__(type_token("resources", "MeshSecurity"), name, None, opts)
        labels = common_labels("security", mesh_id=mesh.id)
        # After istiod: Istio's resources are refused and pods not injected before.
        children = pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=list(control_plane.ready))
        if cluster.primary is None:
            strict = {"mtls": {"mode": MUTUAL_TLS}}
            self._policy(child(name, "strict"), "default", control_plane.namespace, labels, strict, children)
        others = namespaces or {}
        # Where a service was declared in it, it was MeshNamespaces': to make it anew would take away all that is in it.
        former = pulumi.create_urn(child(cluster.name, "namespaces"), type_token("resources", "MeshNamespaces"))
        self.namespaces = {
            namespace: kubernetes.core.v1.Namespace(
                child(name, f"namespace-{namespace}"),
                metadata={"name": namespace, "labels": mesh.injection(namespace)},
                # It may be there already, and a provider that upserts would delete it with everything in it. The one
                # label is all that stays behind, and a stack of another mesh id finds none that is somebody else's.
                opts=pulumi.ResourceOptions.merge(
                    children,
                    pulumi.ResourceOptions(
                        retain_on_delete=True,
                        aliases=[pulumi.Alias(name=child(cluster.name, f"namespaces-{namespace}"), parent=former)],
                    ),
                ),
            )
            for namespace in sorted({entry.namespace for entry in config.permissive} - set(others))
        }
        for entry in config.permissive if cluster.primary is None else ():
            physical = policy_name(entry)
            self._policy(
                child(name, f"{entry.namespace}-{physical}"),
                physical,
                {**others, **self.namespaces}[entry.namespace].metadata["name"],
                labels,
                permissive_spec(entry),
                children,
            )
        self.register_outputs({})

    @staticmethod
    def _policy(
        logical_name: str,
        name: str,
        namespace: pulumi.Input[str],
        labels: Mapping[str, str],
        spec: Mapping[str, Any],
        opts: pulumi.ResourceOptions,
    ) -> None:
        kubernetes.apiextensions.CustomResource(
            logical_name,
            api_version="security.istio.io/v1",
            kind="PeerAuthentication",
            metadata={"name": name, "namespace": namespace, "labels": labels},
            spec=spec,
            opts=opts,
        )


def policy_name(entry: PermissiveConfig) -> str:
    """Name of an exception's policy, from the labels of its workload: readable, and different for different labels."""
    digest = hashlib.sha256(json.dumps(entry.workload, sort_keys=True).encode()).hexdigest()[:_DIGEST]
    words = "-".join(value for _, value in sorted(entry.workload.items()))
    readable = re.sub(r"[^a-z0-9]+", "-", words.lower())[: DNS_LABEL_LIMIT - len(_PREFIX) - _DIGEST - 1].strip("-")
    return f"{_PREFIX}{readable}-{digest}" if readable else f"{_PREFIX}{digest}"


def permissive_spec(entry: PermissiveConfig) -> dict[str, Any]:
    """STRICT for the workload, PERMISSIVE for its named ports alone."""
    return {
        "selector": {"matchLabels": dict(sorted(entry.workload.items()))},
        "mtls": {"mode": MUTUAL_TLS},
        "portLevelMtls": {str(port): {"mode": "PERMISSIVE"} for port in sorted(entry.ports)},
    }
