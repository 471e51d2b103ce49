"""The lab's own stack with many more services: its file, and the objects that the program then makes besides."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml

from components.config import StackConfig
from components.config.loading import check
from components.resources.access import access_objects
from components.resources.egress import egress_objects
from components.resources.extensions import extension_objects
from components.resources.namespaces import scope_objects, stub_spec
from components.resources.routing import routing_objects
from components.resources.traffic import traffic_objects
from lab.errors import LabError
from lab.scale import stacks
from lab.stack import NAME, PROJECT

Manifest = dict[str, Any]

LABEL = "istio-mesh-scale"
"""On everything that the bench makes by kubectl, so that it finds it again."""


def committed(root: Path) -> dict[str, Any]:
    """What the lab's stack says, by the keys of its namespace."""
    content = yaml.safe_load((root / f"Pulumi.{NAME}.yaml").read_text())
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content["config"].items()}


def roomy(said: Mapping[str, Any]) -> dict[str, Any]:
    """The same with gateways of the default size: each knows every service, and the lab's own are small."""
    gateways: Mapping[str, Mapping[str, Any]] = said["gateways"]
    return {
        **said,
        "gateways": {
            name: {key: value for key, value in gateway.items() if key != "resources"}
            for name, gateway in gateways.items()
        },
    }


def enlarged(said: Mapping[str, Any], services: int) -> dict[str, Any]:
    """The same with so many services more, their public hosts and external services."""
    names = [cluster["name"] for cluster in said["clusters"]]
    more = stacks.platform(services, names)
    ingress = said["gateways"]["ingress"]
    server = {"hosts": [f"*.{stacks.DOMAIN}"], "tls": {"generated": {}}}
    return {
        **said,
        "services": {**said["services"], **more},
        "egress": {**said.get("egress", {}), **stacks.egress(sorted(more))},
        "gateways": {**said["gateways"], "ingress": {**ingress, "servers": [*ingress["servers"], server]}},
    }


def added(root: Path, services: int) -> dict[str, list[Manifest]]:
    """What `up` of the enlarged stack makes besides, by cluster: Istio's objects, and Services of elsewhere.

    Namespaces are not among it, nor the Secret of the public hosts' certificate, one in each cluster.
    """
    said = committed(root)
    before, after = (_checked(root, values) for values in (said, enlarged(said, services)))
    found: dict[str, list[Manifest]] = {}
    for cluster in after.clusters:
        there = {_key(item) for item in _made(before, cluster.name)}
        found[cluster.name] = [item for item in _made(after, cluster.name) if _key(item) not in there]
    return found


def running(root: Path, services: int) -> dict[str, list[Manifest]]:
    """The Services of the added services where they run, which their own deployments would make, by cluster."""
    said = committed(root)
    config = _checked(root, enlarged(said, services))
    return {
        cluster.name: [
            _service(found.namespace, found.name, stub_spec(found))
            for found in config.platform.running(cluster.name)
            if found.key not in said["services"]
        ]
        for cluster in config.clusters
    }


def namespaces(objects: list[Manifest]) -> list[Manifest]:
    """The namespaces that the added services bring with them."""
    names = sorted({item["metadata"]["namespace"] for item in objects})
    labels = {LABEL: "true", "istio-injection": "enabled"}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}} for name in names]


def _checked(root: Path, values: Mapping[str, Any]) -> StackConfig:
    # Paths of the stack file are relative to the program's folder.
    with chdir(root):
        config, faults = check(values)
    if config is None:
        raise LabError(f"The enlarged stack is refused: {faults[0]}")
    return config


def _made(config: StackConfig, cluster: str) -> list[Manifest]:
    platform, labels = config.configured, {LABEL: "true"}
    regions = {entry.name: entry.region for entry in config.clusters}
    objects = [
        *access_objects(
            platform, cluster, issuers=config.issuers, security=config.security, trust_domain=config.trust.trust_domain
        ),
        *scope_objects(platform, cluster, config.telemetry.hosts),
        *egress_objects(platform, cluster),
        *traffic_objects(platform, cluster, regions),
        *(found for found, _ in routing_objects(platform, cluster)),
        *extension_objects(config.extensions, platform.running(cluster)),
    ]
    stubs = [_service(found.namespace, found.name, stub_spec(found)) for found in config.platform.stubs(cluster)]
    return [*stubs, *(item.manifest(labels) for item in objects)]


def _service(namespace: str, name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: "true"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _key(item: Manifest) -> tuple[str, str, str]:
    return item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]
