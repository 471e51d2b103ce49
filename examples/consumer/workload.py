"""A service of the team's own in one cluster: account, Service and pods."""

import pulumi
import pulumi_kubernetes as kubernetes
from istio_mesh_contract.components import MeshNamespace
from istio_mesh_contract.model import TelemetryOutputs

PORT = 8080
CONTROL = 8081
"""Of the sample program: readiness is asked there."""

STAY = 3
"""Seconds for which a pod that is told to go serves on, until its callers know of it."""


class Workload(pulumi.ComponentResource):
    """The pods of one service, and what they are called by."""

    def __init__(
        self,
        name: str,
        service: str,
        *,
        namespace: MeshNamespace,
        cluster: str,
        region: pulumi.Input[str],
        image: str,
        replicas: int,
        traces: pulumi.Input[TelemetryOutputs],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`region` is shown by the sample program; `traces`: where the service sends its own spans."""
        super().__init__("shop:index:Workload", name, None, opts)
        labels = {"app": service, "version": "v1"}
        metadata = kubernetes.meta.v1.ObjectMetaArgs(
            name=service, namespace=namespace.by_cluster[cluster].metadata["name"], labels=labels
        )
        # Nobody is let in before the first pod is there.
        children = pulumi.ResourceOptions(
            parent=self, provider=namespace.providers[cluster], depends_on=list(namespace.ready[cluster])
        )
        account = kubernetes.core.v1.ServiceAccount(
            f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=children
        )
        kubernetes.core.v1.Service(
            f"{name}-service",
            metadata=metadata,
            spec={
                "selector": {"app": service},
                "ports": [{"name": "http", "port": PORT, "target_port": "http", "protocol": "TCP"}],
            },
            opts=children,
        )
        kubernetes.apps.v1.Deployment(
            f"{name}-pods",
            metadata=metadata,
            spec={
                "replicas": replicas,
                "selector": {"match_labels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "service_account_name": account.metadata["name"],
                        "automount_service_account_token": False,
                        "security_context": {"run_as_non_root": True},
                        "termination_grace_period_seconds": STAY + 10,
                        "containers": [
                            {
                                "name": service,
                                "image": image,
                                "image_pull_policy": "IfNotPresent",
                                "args": ["echo"],
                                "env": [
                                    {"name": "SERVICE", "value": service},
                                    {"name": "VERSION", "value": labels["version"]},
                                    {"name": "REGION", "value": region},
                                    {
                                        "name": "OTEL_EXPORTER_OTLP_ENDPOINT",
                                        "value": pulumi.Output.from_input(traces).apply(collector),
                                    },
                                ],
                                "ports": [
                                    {"name": "http", "container_port": PORT},
                                    {"name": "http-control", "container_port": CONTROL},
                                ],
                                "readiness_probe": {
                                    "http_get": {"path": "/healthz", "port": "http-control"},
                                    "period_seconds": 2,
                                    "timeout_seconds": 2,
                                },
                                "lifecycle": {"pre_stop": {"sleep": {"seconds": STAY}}},
                                "resources": {
                                    "requests": {"cpu": "5m", "memory": "16Mi"},
                                    "limits": {"cpu": "1", "memory": "192Mi"},
                                },
                                "security_context": {
                                    "allow_privilege_escalation": False,
                                    "read_only_root_filesystem": True,
                                    "capabilities": {"drop": ["ALL"]},
                                    "seccomp_profile": {"type": "RuntimeDefault"},
                                },
                            }
                        ],
                    },
                },
            },
            opts=children,
        )
        self.register_outputs({})


def collector(telemetry: TelemetryOutputs) -> str:
    """Where spans go, as OpenTelemetry's libraries are told; empty where the platform collects none."""
    traces = telemetry.traces
    return f"http://{traces.host}:{traces.port}" if traces is not None and traces.protocol == "otlp" else ""
