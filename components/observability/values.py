"""Helm values of the tools' charts: pure functions of the configuration.

Read against the charts prometheus 29.27.0, grafana 10.5.14, jaeger 4.11.1 and kiali-server of 2026-07 in their makers'
repositories.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from components.config.tools import (
    GRAFANA,
    GRAFANA_PORT,
    JAEGER,
    KIALI,
    PROMETHEUS,
    PROMETHEUS_PORT,
    TRACES_PORT,
    VIEW,
    GrafanaConfig,
    JaegerConfig,
    KialiConfig,
    PrometheusConfig,
    ToolsConfig,
)
from components.mesh.values import resource_values
from components.observability.alerts import ALERTS, rules
from components.observability.grafana import DATA_SOURCE
from components.observability.scraping import INTERVAL, ISTIOD_PORT, PROXY_PORT, remote_write, scrape_configs

Values = dict[str, Any]

VIEW_ALERTS = frozenset({"RegionSilent"})
"""Those that only the view can tell: a region that is lost sends none. All others are told where they happen."""

DASHBOARDS = "dashboards"
"""ConfigMap of the dashboards, and their folder in Grafana."""

_API_SERVER_PORT = 443
_PAST_THE_PROXY = "traffic.sidecar.istio.io/excludeOutboundPorts"
# Series that arrive late, after a link was down: Prometheus refuses what is older than its head else.
_OUT_OF_ORDER = "2h"
# Jobs of the chart's own, which would scrape all that is annotated, and every pod twice.
_CHART_JOBS = (
    "prometheus", "kubernetes-api-servers", "kubernetes-nodes", "kubernetes-nodes-cadvisor",
    "kubernetes-service-endpoints", "kubernetes-service-endpoints-slow", "prometheus-pushgateway",
    "kubernetes-services", "kubernetes-pods", "kubernetes-pods-slow",
)  # fmt: skip
_PARTS = ("alertmanager", "kube-state-metrics", "prometheus-node-exporter", "prometheus-pushgateway")


def prometheus_values(tools: ToolsConfig, config: PrometheusConfig, *, cluster: str) -> Values:
    """Chart `prometheus` of one cluster: it scrapes its own cluster, raises its alerts, and writes to the view."""
    url = f"{tools.metrics}/api/v1/write"
    server = _server(
        config, PROMETHEUS, retention=config.retention.go, size=str(config.storage), alertmanager=tools.alertmanager
    )
    server |= {
        # What it reads past its sidecar: the API server, by which it finds pods, and ports that are no part of the
        # mesh.
        "podAnnotations": {_PAST_THE_PROXY: f"{_API_SERVER_PORT},{ISTIOD_PORT},{PROXY_PORT}"},
        "remoteWrite": [{"name": VIEW, **remote_write(url)}],
    }
    jobs = {job["job_name"]: {key: value for key, value in job.items() if key != "job_name"} for job in
            scrape_configs(cluster)}  # fmt: skip
    return _prometheus(PROMETHEUS, server, jobs, [alert.name for alert in ALERTS if alert.name not in VIEW_ALERTS])


def view_values(tools: ToolsConfig, config: PrometheusConfig) -> Values:
    """The same chart for the view: it scrapes nothing, and takes what all clusters write."""
    server = _server(
        config, VIEW, retention=config.view_retention.go, size=str(config.view_storage), alertmanager=tools.alertmanager
    )
    server |= {
        "extraFlags": ["web.enable-lifecycle", "web.enable-remote-write-receiver"],
        "tsdb": {"out_of_order_time_window": _OUT_OF_ORDER},
    }
    return _prometheus(VIEW, server, {}, sorted(VIEW_ALERTS))


def _server(config: PrometheusConfig, name: str, *, retention: str, size: str, alertmanager: str | None) -> Values:
    return {
        "fullnameOverride": name,
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "podLabels": {"app": name},
        "retention": retention,
        "persistentVolume": {
            "enabled": True,
            "size": size,
            **({"storageClass": config.storage_class} if config.storage_class else {}),
        },
        "resources": resource_values(config.resources),
        "service": {"servicePort": PROMETHEUS_PORT},
        "containerSecurityContext": _locked(),
        **({"alertmanagers": [_alertmanager(alertmanager)]} if alertmanager else {}),
    }


def _alertmanager(address: str) -> Values:
    url = urlsplit(address)
    return {
        "scheme": url.scheme,
        **({"path_prefix": url.path} if url.path else {}),
        "static_configs": [{"targets": [url.netloc]}],
    }


def _prometheus(name: str, server: Values, jobs: Mapping[str, Any], alerts: list[str]) -> Values:
    told = rules()
    told["groups"][0]["rules"] = [rule for rule in told["groups"][0]["rules"] if rule["alert"] in alerts]
    return {
        "server": server,
        "serviceAccounts": {"server": {"name": name}},
        # The view finds no pods, and gets no right to.
        "rbac": {"create": bool(jobs)},
        "scrapeConfigs": {**{job: {"enabled": False} for job in _CHART_JOBS}, **jobs},
        "serverFiles": {"alerting_rules.yml": told},
        **{part: {"enabled": False} for part in _PARTS},
    }


def grafana_values(tools: ToolsConfig, config: GrafanaConfig) -> Values:
    """Chart `grafana`, with the dashboards of a ConfigMap, for people who log in."""
    admin = {"admin": {"existingSecret": config.admin_secret}} if config.admin_secret else {}
    sources: list[Values] = [_source(DATA_SOURCE, "Mesh", "prometheus", tools.metrics, default=True)]
    if tools.traces:
        sources.append(_source("mesh-jaeger", "Traces", "jaeger", tools.traces))
    provider = {
        "name": DASHBOARDS,
        "type": "file",
        "folder": "Mesh",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": f"/var/lib/grafana/dashboards/{DASHBOARDS}"},
    }
    server = {"server": {"root_url": f"https://{config.host}"}} if config.host else {}
    return {
        "fullnameOverride": GRAFANA,
        "serviceAccount": {"name": GRAFANA, "automountServiceAccountToken": False},
        # It asks the API server for nothing.
        "rbac": {"create": False},
        "automountServiceAccountToken": False,
        "testFramework": {"enabled": False},
        "podLabels": {"app": GRAFANA},
        "service": {"port": GRAFANA_PORT, "targetPort": GRAFANA_PORT, "portName": "http"},
        "persistence": {"enabled": True, "size": str(config.storage)},
        # It would run as root, to give a volume to Grafana's user, which fsGroup does.
        "initChownData": {"enabled": False},
        "deploymentStrategy": {"type": "Recreate"},
        "resources": resource_values(config.resources),
        "grafana.ini": {
            "auth.anonymous": {"enabled": False},
            "users": {"allow_sign_up": False, "viewers_can_edit": False},
            "security": {"cookie_secure": config.host is not None, "disable_gravatar": True},
            "analytics": {"reporting_enabled": False, "check_for_updates": False, "check_for_plugin_updates": False},
            "snapshots": {"external_enabled": False},
            **server,
        },
        "datasources": {"datasources.yaml": {"apiVersion": 1, "datasources": sources}},
        "dashboardProviders": {"dashboardproviders.yaml": {"apiVersion": 1, "providers": [provider]}},
        "dashboardsConfigMaps": {DASHBOARDS: DASHBOARDS},
        **admin,
    }


def _source(uid: str, name: str, kind: str, url: str, *, default: bool = False) -> Values:
    return {
        "uid": uid,
        "name": name,
        "type": kind,
        "url": url,
        "access": "proxy",
        "isDefault": default,
        "editable": False,
    }


def jaeger_values(config: JaegerConfig) -> Values:
    """Chart `jaeger`: one pod that takes spans by OTLP, keeps them in memory and is asked for them."""
    any_address = "0.0.0.0"  # within its pod, where the sidecar alone calls it
    return {
        "fullnameOverride": JAEGER,
        "jaeger": {
            "podLabels": {"app": JAEGER},
            "serviceAccount": {"automountServiceAccountToken": False},
            "resources": resource_values(config.resources),
            "securityContext": _locked(),
        },
        "userconfig": {
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
                "pipelines": {
                    "traces": {
                        "receivers": ["otlp"],
                        "processors": ["batch"],
                        "exporters": ["jaeger_storage_exporter"],
                    }
                },
            },
            "extensions": {
                "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{any_address}:13133"}},
                "jaeger_query": {"storage": {"traces": "memory"}},
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": config.traces}}}},
            },
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{any_address}:{TRACES_PORT}"}}}},
            "processors": {"batch": {}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        },
    }


def kiali_values(tools: ToolsConfig, config: KialiConfig, *, cluster: str) -> Values:
    """Chart `kiali-server`: for looking, by the token of an account that may."""
    external: Values = {
        "prometheus": {"url": tools.metrics},
        "tracing": {
            "enabled": bool(tools.traces),
            "provider": "jaeger",
            "internal_url": tools.traces,
            "use_grpc": False,
        },
        "grafana": {
            "enabled": bool(tools.dashboards),
            "internal_url": tools.dashboards,
            "external_url": tools.public.get(GRAFANA, ""),
        },
        "istio": {"root_namespace": "istio-system"},
    }
    return {
        "auth": {"strategy": "token"},
        "deployment": {
            "instance_name": KIALI,
            "view_only_mode": True,
            "image_pull_policy": "IfNotPresent",
            "pod_labels": {"app": KIALI},
            # The API server, and istiod's port for questions.
            "pod_annotations": {_PAST_THE_PROXY: f"{_API_SERVER_PORT},{ISTIOD_PORT}"},
            "resources": resource_values(config.resources),
            "ingress": {"enabled": False},
        },
        "external_services": external,
        "istio_namespace": "istio-system",
        "kubernetes_config": {"cluster_name": cluster},
        "server": {"web_root": "/", **({"web_fqdn": config.host, "web_schema": "https"} if config.host else {})},
    }


def _locked() -> Values:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
