"""Workloads that the proofs bring along, made from the tenant's own."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from lab.tenant import NAMESPACE
from tests.lab.support.kubectl import Kubectl
from tests.lab.support.site import SERVICE, host_of, url_of

PROOF = "proof"  # the namespace of the proofs' own workloads
ROTATING = "deploy/rotating"
ROTATING_URL = url_of("rotating", PROOF)
ROTATING_LIFETIME = datetime.timedelta(minutes=2)
# A certificate is renewed when this share of its life is left (pilot-agent's default is half): after 30 s of 2 min.
ROTATING_GRACE = 0.75
# Connections between proxies outlive a rotation: few requests on each make new ones, with new handshakes, all along.
REQUESTS_PER_CONNECTION = 5


def namespace(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def remove_namespace(regions: Sequence[Kubectl], *names: str) -> None:
    """Removes namespaces from every region, in all of them at once, and returns when they are gone."""
    for kubectl in regions:
        kubectl.run("delete", "namespace", *names, "--ignore-not-found", "--wait=false")
    for kubectl in regions:
        there = [f"namespace/{name}" for name in names]
        kubectl.run("wait", "--for=delete", *there, "--timeout=90s", timeout=100)


def like_frontend(
    kubectl: Kubectl, name: str, namespace: str, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A Deployment of the tenant's program, with the container of its web-frontend."""
    pod = copy.deepcopy(kubectl.json("get", "deploy", "web-frontend", "-n", NAMESPACE)["spec"]["template"]["spec"])
    for key in ("serviceAccountName", "serviceAccount"):
        pod.pop(key, None)
    for variable in pod["containers"][0].get("env", []):
        if variable["name"] == "SERVICE":
            variable["value"] = name
    labels = {"app": name, "version": "v1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels, "annotations": dict(annotations or {})}, "spec": pod},
        },
    }


def rotating(kubectl: Kubectl) -> list[dict[str, Any]]:
    """A workload whose certificate lives for two minutes, its Service, and short-lived connections to and from it."""
    proxy = (
        "proxyMetadata:\n"
        f"  SECRET_TTL: {ROTATING_LIFETIME.total_seconds():.0f}s\n"
        f'  SECRET_GRACE_PERIOD_RATIO: "{ROTATING_GRACE}"\n'
    )
    return [
        namespace(PROOF, {"istio-injection": "enabled"}),
        like_frontend(kubectl, "rotating", PROOF, {"proxy.istio.io/config": proxy}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "rotating", "namespace": PROOF},
            "spec": {"selector": {"app": "rotating"}, "ports": [{"name": "http", "port": 8080}]},
        },
        _short_connections("outgoing", PROOF, SERVICE),
        _short_connections("incoming", PROOF, host_of("rotating", PROOF)),
    ]


def _short_connections(name: str, namespace: str, host: str) -> dict[str, Any]:
    policy = {"connectionPool": {"http": {"maxRequestsPerConnection": REQUESTS_PER_CONNECTION}}}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"host": host, "trafficPolicy": policy},
    }
