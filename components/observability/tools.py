"""The tools of one cluster, as Helm releases in a namespace of the mesh."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.charts import chart_arguments
from components.clusters.cluster import Cluster
from components.config.mesh import ChartsConfig, MeshConfig
from components.config.tools import (
    GRAFANA,
    JAEGER,
    KIALI,
    NAMESPACE,
    PROMETHEUS,
    TRACES_PORT,
    VIEW,
    ToolConfig,
    ToolsConfig,
    made,
)
from components.mesh.charts import KEPT_REVISIONS, TIMEOUT_SECONDS
from components.naming import child, common_labels, type_token
from components.observability import values
from components.observability.dashboards import DASHBOARDS
from components.observability.grafana import made as dashboard
from components.resources.objects import IstioObject, create

CHARTS: Mapping[str, tuple[str, str, str]] = {
    PROMETHEUS: ("prometheus", "29.27.0", "https://prometheus-community.github.io/helm-charts"),
    GRAFANA: ("grafana", "10.5.14", "https://grafana.github.io/helm-charts"),
    JAEGER: ("jaeger", "4.11.1", "https://jaegertracing.github.io/helm-charts"),
    KIALI: ("kiali-server", "2.27.0", "https://kiali.org/helm-charts"),
}
"""Name, version and repository of each tool's chart. Kiali's minor version goes with Istio's: 2.27 is that of 1.31."""


class Tools(pulumi.ComponentResource):
    """What the stack makes of the tools in one cluster: its Prometheus, and in the view's cluster all others."""

    def __init__(
        self,
        name: str,
        config: ToolsConfig,
        *,
        mesh: MeshConfig,
        trust_domain: str,
        cluster: Cluster,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`depends_on`: istiod, which injects the pods, and the objects by which they reach each other."""
        super().__init__(type_token("observability", "Tools"), name, None, opts)
        self._cluster, self._depends_on = cluster, depends_on
        here = [tool for tool in releases(config, cluster=cluster.name) if NAMESPACE in namespaces]
        if any(tool == GRAFANA for tool, _, _ in here):
            kubernetes.core.v1.ConfigMap(
                child(name, values.DASHBOARDS),
                metadata={
                    "name": values.DASHBOARDS,
                    "namespace": namespaces[NAMESPACE].metadata["name"],
                    "labels": common_labels("observability", mesh_id=mesh.id),
                },
                data=dashboard_files(),
                opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider),
            )
        if any(tool == JAEGER for tool, _, _ in here):
            create(
                self,
                name,
                [spans_from_everybody(trust_domain)],
                labels=common_labels("observability", mesh_id=mesh.id),
                cluster=cluster,
                depends_on=depends_on,
                namespaces=namespaces,
            )
        for tool, said, chart_values in here:
            self._release(child(name, tool), tool, said, chart_values, namespaces[NAMESPACE])
        self.register_outputs({})

    def _release(
        self,
        logical_name: str,
        tool: str,
        config: ToolConfig,
        chart_values: dict[str, Any],
        namespace: kubernetes.core.v1.Namespace,
    ) -> None:
        chart, version, repository = CHARTS[PROMETHEUS if tool == VIEW else tool]
        source = config.charts or ChartsConfig(repository=repository)
        kubernetes.helm.v3.Release(
            logical_name,
            **chart_arguments(source, chart, config.version or version),
            name=tool,
            namespace=namespace.metadata["name"],
            values=chart_values,
            skip_await=False,
            timeout=TIMEOUT_SECONDS,
            max_history=KEPT_REVISIONS,
            opts=pulumi.ResourceOptions(
                parent=self, provider=self._cluster.provider, depends_on=list(self._depends_on)
            ),
        )


def releases(config: ToolsConfig, *, cluster: str) -> list[tuple[str, ToolConfig, dict[str, Any]]]:
    """What is made in the cluster of that name: name of the release, what the stack says of it, its Helm values."""
    found: list[tuple[str, ToolConfig, dict[str, Any]]] = []
    prometheus, grafana, jaeger, kiali = config.prometheus, config.grafana, config.jaeger, config.kiali
    if prometheus is not None and made(prometheus):
        found.append((PROMETHEUS, prometheus, values.prometheus_values(config, prometheus, cluster=cluster)))
    if cluster != config.view:
        return found
    if prometheus is not None and made(prometheus):
        found.append((VIEW, prometheus, values.view_values(config, prometheus)))
    if grafana is not None and made(grafana):
        found.append((GRAFANA, grafana, values.grafana_values(config, grafana)))
    if jaeger is not None and made(jaeger):
        found.append((JAEGER, jaeger, values.jaeger_values(jaeger)))
    if kiali is not None and made(kiali):
        found.append((KIALI, kiali, values.kiali_values(config, kiali, cluster=cluster)))
    return found


def spans_from_everybody(trust_domain: str) -> IstioObject:
    """Every proxy sends its spans itself, by its workload's identity, gateways too: no list of callers has them all."""
    rule = {
        "from": [{"source": {"principals": [f"{trust_domain}/*"]}}],
        "to": [{"operation": {"ports": [str(TRACES_PORT)]}}],
    }
    spec = {"selector": {"matchLabels": {"app": JAEGER}}, "action": "ALLOW", "rules": [rule]}
    return IstioObject("AuthorizationPolicy", NAMESPACE, "jaeger.spans", spec)


def dashboard_files() -> dict[str, str]:
    """Every dashboard as a file of Grafana's provisioning."""
    return {f"{each.name}.json": json.dumps(dashboard(each), sort_keys=True) for each in DASHBOARDS}
