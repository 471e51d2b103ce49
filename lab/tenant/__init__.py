"""The sample tenant of the lab: one small program (Go, in this folder), and the resources that run it in a region."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from lab.kube_api import FIELD_MANAGER
from lab.regions import Region
from lab.tenant.manifests import CONTAINER, ISSUER, NAMESPACE, OUTSIDE, WORKLOADS, Manifest, Workload, manifests

__all__ = ["CONTAINER", "ISSUER", "NAMESPACE", "OUTSIDE", "WORKLOADS", "Kubectl", "Workload", "deploy", "manifests"]

ROLLOUT = 120
"""Seconds for all pods of a namespace to become ready; on two cores with two regions they take about 20."""


class Kubectl(Protocol):
    """kubectl as a region's administrator; gives what the command says and raises LabError when it fails."""

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one command."""
        ...


def deploy(region: Region, kubectl: Kubectl, workloads: Sequence[Workload] = WORKLOADS) -> None:
    """Put the tenant into a region and wait until all of it serves; a tenant that is there already stays as it is.

    The mesh has to be there first: its webhook gives the pods their sidecars.

    Raises:
        LabError: The API server refused a resource, or a Deployment was not ready within `ROLLOUT` seconds.
    """
    # A proxy asks a few seconds for a module and then refuses all requests until its configuration changes: what it
    # asks has to be there first.
    first = [workload for workload in workloads if workload.modules]
    for part in (first, [workload for workload in workloads if workload not in first]):
        if part:
            _deploy(manifests(region, part), kubectl)


def _deploy(items: Sequence[Manifest], kubectl: Kubectl) -> None:
    kubectl(
        *("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "--filename=-"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}),
    )
    made = [item["metadata"] for item in items if item["kind"] == "Deployment"]
    for namespace in sorted({metadata["namespace"] for metadata in made}):
        names = [f"deployment/{metadata['name']}" for metadata in made if metadata["namespace"] == namespace]
        kubectl("rollout", "status", f"--namespace={namespace}", f"--timeout={ROLLOUT}s", *names)
