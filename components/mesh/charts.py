"""Istio's charts as Helm releases: where they come from and how they are installed."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.charts import chart_arguments
from components.config.mesh import MeshConfig

TIMEOUT_SECONDS = 300
"""How long a release may take until all of its pods are ready."""

LOAD_BALANCER_TIMEOUT_SECONDS = 600
"""The same for a gateway, which waits for its address: a cloud's load balancer takes minutes to be made."""

KEPT_REVISIONS = 3
"""Former revisions of a release that Helm keeps in the cluster: enough to look at what changed."""


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
