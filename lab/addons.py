"""What a region's cluster holds from the start: the name server's Service, and MetalLB's pool of addresses."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from lab.control_plane import METALLB_NAMESPACE
from lab.kube_api import KubeApi, Object
from lab.regions import Region
from lab.waiting import wait_for

READ = ["get", "list", "watch"]


def _role(user: str, rules: list[Object]) -> list[Object]:
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": user},
            "rules": rules,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        },
    ]


def name_server(region: Region) -> list[Object]:
    """The Service kube-dns, leading to the CoreDNS that runs on the node as a process."""
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    return [
        *_role(
            "system:coredns",
            [
                {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": READ},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
            ],
        ),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {"clusterIP": str(region.dns_address), "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kube-dns",
                "namespace": "kube-system",
                "labels": {
                    "kubernetes.io/service-name": "kube-dns",
                    "endpointslice.kubernetes.io/managed-by": "istio-mesh-lab",
                },
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [str(region.node_address)], "conditions": {"ready": True}}],
            "ports": ports,
        },
    ]


def load_balancer_access() -> list[Object]:
    """What MetalLB's controller needs before it starts: its namespace and its rights (as in its own Helm chart)."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": METALLB_NAMESPACE}},
        *_role(
            "system:metallb-controller",
            [
                {"apiGroups": [""], "resources": ["services", "namespaces", "nodes", "secrets"], "verbs": READ},
                {"apiGroups": [""], "resources": ["services/status"], "verbs": ["update", "patch"]},
                {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
                {"apiGroups": ["metallb.io"], "resources": ["*"], "verbs": [*READ, "update", "patch"]},
            ],
        ),
    ]


def pool(region: Region) -> Object:
    """The addresses that the region's Services of type LoadBalancer get.

    The first and last address of the range are left out: some programs take them for the network and its broadcast.
    """
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "lab", "namespace": METALLB_NAMESPACE},
        "spec": {"addresses": [str(region.load_balancer_cidr)], "avoidBuggyIPs": True},
    }


def definitions(directory: Path) -> Iterable[Object]:
    """MetalLB's custom resource definitions, from the module that its controller is built of."""
    for path in sorted(directory.glob("*.yaml")):
        yield yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def apply(api: KubeApi, region: Region, metallb_definitions: Path) -> None:
    """Apply all of it; done again it changes nothing."""
    for manifest in (*name_server(region), *load_balancer_access(), *definitions(metallb_definitions)):
        api.apply(manifest)
    wait_for(
        lambda: api.apply(pool(region)) or True,
        deadline=20,
        what=f"{region.name} to serve MetalLB's address pools",
        interval=0.1,
    )
