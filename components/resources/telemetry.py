"""What the proxies tell of requests, in the whole mesh: one Telemetry in Istio's root namespace."""

from collections.abc import Sequence

import pulumi

from components.clusters.cluster import Cluster
from components.config.mesh import MeshConfig
from components.config.telemetry import AccessLogsConfig, MetricsConfig, TelemetryConfig, TracingConfig
from components.mesh.control_plane import NAMESPACE
from components.mesh.values import ACCESS_LOG_PROVIDER, METRICS_PROVIDER, TRACING_PROVIDER
from components.naming import common_labels, type_token
from components.resources.objects import IstioObject, Spec, create


class MeshTelemetry(pulumi.ComponentResource):
    """The Telemetry of one cluster. Where its spans and lines go is said in istiod's mesh configuration."""

    def __init__(
        self,
        name: str,
        config: TelemetryConfig,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "MeshTelemetry"), name, None, opts)
        for warning in config.warnings:
            pulumi.log.warn(warning, self)
        create(
            self,
            name,
            [mesh_telemetry(config)],
            labels=common_labels("telemetry", mesh_id=mesh.id),
            cluster=cluster,
            depends_on=depends_on,
            namespaces={},
        )
        self.register_outputs({})


def mesh_telemetry(config: TelemetryConfig) -> IstioObject:
    """The one object: of two for the whole mesh Istio takes the older one."""
    spec: Spec = {"metrics": [_metrics(config.metrics)], "accessLogging": [_access_logs(config.access_logs)]}
    if config.tracing is not None:
        spec["tracing"] = [_tracing(config.tracing)]
    return IstioObject("Telemetry", NAMESPACE, "mesh", spec)


def _metrics(config: MetricsConfig) -> Spec:
    # Overrides hold for the providers of their own entry.
    entry: Spec = {"providers": [{"name": METRICS_PROVIDER}]}
    if config.tags:
        overrides = {
            name: {"operation": "UPSERT", "value": tag.expression} for name, tag in sorted(config.tags.items())
        }
        entry["overrides"] = [{"match": {"metric": "ALL_METRICS"}, "tagOverrides": overrides}]
    return entry


def _tracing(config: TracingConfig) -> Spec:
    entry: Spec = {
        "providers": [{"name": TRACING_PROVIDER}],
        "randomSamplingPercentage": config.sampling,
    }
    if config.tags:
        entry["customTags"] = {
            name: {
                "header": {
                    "name": tag.header,
                    **({} if tag.default is None else {"defaultValue": tag.default}),
                }
            }
            for name, tag in sorted(config.tags.items())
        }
    return entry


def _access_logs(config: AccessLogsConfig) -> Spec:
    provider = {"providers": [{"name": ACCESS_LOG_PROVIDER}]}
    if not config.enabled:
        return {**provider, "disabled": True}
    return {**provider, "filter": {"expression": config.expression}}
