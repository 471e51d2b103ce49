"""Istio's charts as Helm releases: where they come from and how they are installed."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.config.mesh import ChartsConfig, MeshConfig

TIMEOUT_SECONDS = 300
"""How long a release may take until all of its pods are ready."""

LOAD_BALANCER_TIMEOUT_SECONDS = 600
"""The same for a gateway, which waits for its address: a cloud's load balancer takes minutes to be made."""

KEPT_REVISIONS = 3
"""Former revisions of a release that Helm keeps in the cluster: enough to look at what changed."""


def chart_arguments(charts: ChartsConfig, chart: str, version: str) -> dict[str, Any]:
    """`chart`, and `version` or `repository_opts` where they apply, of a Helm release.

    A chart in a folder has the version that is there: charts in Istio's source all say 1.0.0.
    """
    if charts.folder is not None:
        # A path without a dot or slash in front would be taken for a repository's chart.
        folder = charts.folder if charts.folder.startswith(("/", ".", "~")) else f"./{charts.folder}"
        return {"chart": f"{folder.rstrip('/')}/{chart}"}
    if charts.oci is not None:
        return {"chart": f"{charts.oci}/{chart}", "version": version}
    return {
        "chart": chart,
        "version": version,
        "repository_opts": kubernetes.helm.v3.RepositoryOptsArgs(repo=charts.repository),
    }


def release(
    logical_name: str,
    mesh: MeshConfig,
    chart: str,
    *,
    name: str,
    namespace: pulumi.Input[str],
    values: dict[str, Any],
    parent: pulumi.Resource,
    provider: pulumi.ProviderResource,
    depends_on: Sequence[pulumi.Resource] = (),
    timeout: int = TIMEOUT_SECONDS,
    post_render: str | None = None,
) -> kubernetes.helm.v3.Release:
    """One of Istio's charts, installed as `name`, done when its pods are ready and its Services have addresses.

    A release that fails is left as it is: its pods say why, a repaired `up` upgrades it, and `destroy` removes it.
    """
    return kubernetes.helm.v3.Release(
        logical_name,
        **chart_arguments(mesh.charts, chart, mesh.version),
        name=name,
        namespace=namespace,
        values=values,
        # A chart in a folder keeps its version when the mesh's rises: the description makes the release follow.
        description=f"Istio {mesh.version}",
        skip_await=False,
        timeout=timeout,
        max_history=KEPT_REVISIONS,
        postrender=post_render,
        opts=pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=list(depends_on)),
    )
