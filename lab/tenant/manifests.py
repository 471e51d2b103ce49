"""The Kubernetes resources of the sample tenant: services of the exam platform, and what lies outside the mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.images import tenant_image
from lab.regions import Region

Manifest = dict[str, Any]

NAMESPACE = "exam"
"""Namespace of the services; its pods get a sidecar."""

OUTSIDE = "outside"
"""Namespace without the mesh: a client for plain text, the token issuer (istiod, which is not in the mesh either,
fetches its keys) and the sink of traces and access logs."""

CONTAINER = "tenant"
"""Name of the container in every pod."""

ISSUER = "https://login.exam-platform.com"
"""The `iss` claim of the issuer's tokens, the same in every region."""

HTTP = 8080
GRPC = 9090
TCP = 9000
CONTROL = 8081

GRACE_PERIOD = 10
"""Seconds for a pod to end: it serves on for 3, then finishes its requests within 5 (echo.go, serve.go)."""

# Every port has a name: Istio takes an unnamed one for plain TCP, and HTTP policies would not hold on it.
_ECHO = {"http": HTTP, "grpc": GRPC, "tcp": TCP, "http-control": CONTROL}
_LEGACY = {"http": HTTP, "http-control": CONTROL}
_SINK = {"http": HTTP, "http-zipkin": 9411, "http-otlp": 4318, "grpc-otlp": 4317}

_IN_MESH = {"istio-injection": "enabled"}
_LABELS: Mapping[str, Mapping[str, str]] = {OUTSIDE: {}}

# A load generator of 1000 requests a second keeps 300 000 outcomes until its summary.
_RESOURCES = {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "192Mi"}}


@dataclass(frozen=True)
class Workload:
    """A Deployment of one pod.

    service: its Service, label `app` and service account. command: subcommand of the tenant's program, with arguments.
    ports: by name. readiness: port at which /healthz is asked. regions: names of those it runs in; default all.
    """

    service: str
    namespace: str = NAMESPACE
    version: str = "v1"
    name: str = ""
    command: tuple[str, ...] = ("echo",)
    ports: Mapping[str, int] | None = None
    readiness: str = "http-control"
    regions: tuple[str, ...] | None = None

    @property
    def deployment(self) -> str:
        """Name of the Deployment: the service's, unless several versions share it."""
        return self.name or self.service


WORKLOADS = (
    Workload("exam-service", version="v1", name="exam-service-v1"),
    Workload("exam-service", version="v2", name="exam-service-v2"),
    Workload("api-service", version="stable", name="api-service-stable"),
    Workload("api-service", version="canary", name="api-service-canary"),
    Workload("admin-service"),
    Workload("results-service", version="blue", name="results-service-blue"),
    Workload("results-service", version="green", name="results-service-green"),
    # One region has it, callers are in all.
    Workload("archive-service", regions=("usw2",)),
    Workload("web-frontend"),
    # Its port 8081 is the one that the stack leaves PERMISSIVE.
    Workload("legacy-metrics", ports=_LEGACY),
    Workload("client", OUTSIDE),
    Workload("issuer", OUTSIDE, command=("issuer", "--issuer", ISSUER), ports={"http": HTTP}, readiness="http"),
    Workload("sink", OUTSIDE, command=("sink",), ports=_SINK, readiness="http"),
)
"""All workloads of the tenant."""


def manifests(region: Region, workloads: Sequence[Workload] = WORKLOADS) -> list[Manifest]:
    """The resources of one region, in the order in which they can be made.

    Who reaches them, and how, is the stack's to say (`istio-mesh:services`).
    """
    here = [workload for workload in workloads if workload.regions is None or region.name in workload.regions]
    found = [_namespace(name, _LABELS.get(name, _IN_MESH)) for name in sorted({work.namespace for work in here})]
    services = {(workload.namespace, workload.service): workload for workload in here}
    for workload in services.values():
        found += [_service_account(workload), _service(workload)]
    image = tenant_image()
    return [*found, *(_deployment(workload, region, image) for workload in here)]


def _namespace(name: str, labels: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def _service_account(workload: Workload) -> Manifest:
    # One for each service: a workload's identity in the mesh is its service account.
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": workload.service, "namespace": workload.namespace, "labels": {"app": workload.service}},
        "automountServiceAccountToken": False,
    }


def _ports(workload: Workload) -> Mapping[str, int]:
    return _ECHO if workload.ports is None else workload.ports


def _service(workload: Workload) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": workload.service, "namespace": workload.namespace, "labels": {"app": workload.service}},
        "spec": {
            "selector": {"app": workload.service},
            "ports": [
                {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}
                for name, port in _ports(workload).items()
            ],
        },
    }


def _deployment(workload: Workload, region: Region, image: str) -> Manifest:
    labels = {"app": workload.service, "version": workload.version}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": workload.deployment, "namespace": workload.namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": workload.service,
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": GRACE_PERIOD,
                    "securityContext": {"runAsNonRoot": True},
                    "containers": [_container(workload, region, image)],
                },
            },
        },
    }


def _container(workload: Workload, region: Region, image: str) -> Manifest:
    identity = {
        "SERVICE": workload.service,
        "VERSION": workload.version,
        "REGION": region.region,
        "ZONE": region.zone,
    }
    pod = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "Never",
        "args": list(workload.command),
        "env": [*({"name": name, "value": value} for name, value in identity.items()), pod],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in _ports(workload).items()],
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": workload.readiness},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
        },
        "resources": _RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
