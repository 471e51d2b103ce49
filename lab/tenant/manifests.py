"""The Kubernetes resources of the sample tenant: services of the exam platform, and what lies outside the mesh."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.images import PROXY, tenant_image
from lab.regions import Region
from lab.wasm import compiled

Manifest = dict[str, Any]

NAMESPACE = "exam"
"""Namespace of the services; its pods get a sidecar."""

OUTSIDE = "outside"
"""Namespace without the mesh: a client for plain text, the token issuer (istiod, which is not in the mesh either,
fetches its keys), the sink of traces and access logs, and what proxies fetch their Wasm modules from."""

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

_FILES = "/files"
_WASM = "exam-integrity"

# A load generator of 1000 requests a second keeps 300 000 outcomes until its summary.
_RESOURCES = {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "192Mi"}}


@dataclass(frozen=True)
class Workload:
    """A Deployment of one pod.

    service: its Service, label `app` and service account. command: subcommand of the tenant's program, with arguments.
    ports: by name. readiness: port at which /healthz is asked. regions: names of those it runs in; default all.
    modules: filters of lab.wasm that it serves as files over HTTP, `<name>.wasm`, in place of the tenant's program.
    linger: seconds that an ending pod serves on before its program is told. A program that is told closes its idle
    connections at once, and requests that its proxy is just sending on them are lost.
    """

    service: str
    namespace: str = NAMESPACE
    version: str = "v1"
    name: str = ""
    command: tuple[str, ...] = ("echo",)
    ports: Mapping[str, int] | None = None
    readiness: str = "http-control"
    regions: tuple[str, ...] | None = None
    modules: tuple[str, ...] = ()
    linger: int = 3

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
    # Proxies fetch past the mesh, as they would from a registry.
    Workload("modules", OUTSIDE, ports={"http": HTTP}, readiness="http", modules=(_WASM,)),
)
"""All workloads of the tenant."""


def manifests(region: Region, workloads: Sequence[Workload] = WORKLOADS) -> list[Manifest]:
    """The resources of one region, in the order in which they can be made.

    Who reaches them, and how, is the stack's to say (`istio-mesh:services`).
    """
    here = [workload for workload in workloads if workload.regions is None or region.name in workload.regions]
    namespaces = sorted({workload.namespace for workload in here})
    found = [_namespace(name, {} if name == OUTSIDE else _IN_MESH) for name in namespaces]
    services = {(workload.namespace, workload.service): workload for workload in here}
    for workload in services.values():
        found += [_service_account(workload), _service(workload)]
    found += [_files(workload) for workload in here if workload.modules]
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


def _files(workload: Workload) -> Manifest:
    """The modules of a workload, which are far below the 1 MiB of a ConfigMap."""
    files = {f"{name}.wasm": base64.b64encode(compiled(name)).decode() for name in workload.modules}
    # A name for each content: pods that hold another one are replaced.
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:8]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{workload.deployment}-{digest}",
            "namespace": workload.namespace,
            "labels": {"app": workload.service},
        },
        "immutable": True,
        "binaryData": files,
    }


def _deployment(workload: Workload, region: Region, image: str) -> Manifest:
    pod: Manifest = {
        "serviceAccountName": workload.service,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": GRACE_PERIOD + workload.linger,
        "securityContext": {"runAsNonRoot": True},
        "containers": [_container(workload, region, image)],
    }
    if workload.modules:
        pod["volumes"] = [{"name": "files", "configMap": {"name": _files(workload)["metadata"]["name"]}}]
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
                "spec": pod,
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
    container: Manifest = {
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
        **({"lifecycle": {"preStop": {"sleep": {"seconds": workload.linger}}}} if workload.linger else {}),
        "resources": _RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if workload.modules:
        # Any web server would do: the one of this image's shell is on every node.
        container["image"] = PROXY
        container["command"] = ["/bin/busybox", "httpd", "-f", "-p", str(_ports(workload)["http"]), "-h", _FILES]
        container["args"] = []
        container["readinessProbe"]["httpGet"]["path"] = f"/{workload.modules[0]}.wasm"
        container["volumeMounts"] = [{"name": "files", "mountPath": _FILES, "readOnly": True}]
    return container
