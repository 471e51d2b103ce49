"""How Prometheus finds istiod and the proxies of its cluster, and what it keeps of them.

Their ports of metrics are no part of the mesh: a sidecar redirects neither 15020 nor 15014, so that no certificate is
asked for, and what is told there is read by whoever reaches the pod.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.naming import PROXY_CONTAINER
from components.observability.metrics import CLUSTER, METRICS

INTERVAL = "15s"
ISTIOD_PORT = 15014
PROXY_PORT = 15020
"""The agent's: its own metrics, Envoy's, and those of an application that says where it has them."""

_POD = "__meta_kubernetes_pod"


def kept() -> str:
    """The names of all series that dashboards and alerts ask for, as one expression."""
    return "|".join(sorted(series for metric in METRICS for series in metric.series))


def scrape_configs(cluster: str) -> list[dict[str, Any]]:
    """Jobs `istiod` and `proxies`, which find the pods of their own cluster, whose name every series gets."""
    return [
        _job(
            "istiod",
            cluster,
            [{"role": "pod", "namespaces": {"names": ["istio-system"]}}],
            port=ISTIOD_PORT,
            path="/metrics",
            keep=({"source_labels": [f"{_POD}_label_app"], "regex": "istiod"},),
            container="discovery",
        ),
        _job(
            "proxies",
            cluster,
            [{"role": "pod"}],
            port=PROXY_PORT,
            path="/stats/prometheus",
            keep=(),
            container=PROXY_CONTAINER,
        ),
    ]


def _job(
    name: str,
    cluster: str,
    found: Sequence[Mapping[str, Any]],
    *,
    port: int,
    path: str,
    keep: Sequence[Mapping[str, Any]],
    container: str,
) -> dict[str, Any]:
    return {
        "job_name": name,
        "metrics_path": path,
        "scrape_interval": INTERVAL,
        "kubernetes_sd_configs": [dict(each) for each in found],
        "relabel_configs": [
            *({"action": "keep", **rule} for rule in keep),
            # Native sidecars are init containers: both kinds are found by their name.
            {"action": "keep", "source_labels": [f"{_POD}_container_name"], "regex": container},
            {"action": "keep", "source_labels": [f"{_POD}_phase"], "regex": "Running"},
            # A container with several ports is found once for each, all with one address here: one is kept.
            {
                "action": "replace",
                "source_labels": [f"{_POD}_ip"],
                "target_label": "__address__",
                "replacement": f"$1:{port}",
            },
            *target_labels(cluster),
        ],
        # Of the thousands of series of a proxy.
        "metric_relabel_configs": [{"action": "keep", "source_labels": ["__name__"], "regex": kept()}],
    }


def target_labels(cluster: str) -> list[dict[str, Any]]:
    """What every series gets besides its own labels."""
    return [
        {"action": "replace", "target_label": CLUSTER, "replacement": cluster},
        {"action": "replace", "source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"action": "replace", "source_labels": [f"{_POD}_name"], "target_label": "pod"},
        {"action": "replace", "source_labels": [f"{_POD}_label_app"], "target_label": "app"},
    ]


def remote_write(url: str) -> dict[str, Any]:
    """Sending what is scraped to the one view, and nothing that no dashboard asks for."""
    return {
        "url": url,
        "write_relabel_configs": [{"action": "keep", "source_labels": ["__name__"], "regex": kept()}],
    }
