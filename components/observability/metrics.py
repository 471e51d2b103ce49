"""The one catalogue of metrics: no dashboard and no alert asks for anything else.

Names were read in Istio 1.31 (pilot, security and pkg/istio-agent of its source), in Envoy's documentation and at the
ports of running proxies. Which of Envoy's a proxy keeps is said in components/mesh/values.py.
"""

import re
from dataclasses import dataclass
from typing import Literal

Source = Literal["istiod", "agent", "envoy", "standard", "application", "prometheus"]
"""Who tells a metric. `standard` are Istio's own of requests, which the lab's upstream Envoy lacks."""

Kind = Literal["counter", "gauge", "histogram"]

CLUSTER = "mesh_cluster"
"""Label of every series: the cluster that it was scraped in. `cluster` is taken: istiod names the peer by it."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    labels: those that queries may use, besides what scraping adds. line: of one that applications tell themselves, the
    line of code that makes it (Python, `prometheus_client`).
    """

    name: str
    kind: Kind
    source: Source
    says: str
    labels: tuple[str, ...] = ()
    line: str = ""

    @property
    def series(self) -> tuple[str, ...]:
        """The names that Prometheus has of it."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


SCRAPED = (CLUSTER, "job", "namespace", "pod", "app")
"""Labels that scraping adds: the pod with its namespace, and `app` of its labels."""

_REQUEST = (
    "reporter", "source_cluster", "source_workload", "source_workload_namespace", "destination_cluster",
    "destination_workload", "destination_service_name", "destination_service_namespace", "destination_version",
    "response_code", "response_flags", "connection_security_policy", "user_type", "exam_session", "request_protocol",
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    Metric("up", "gauge", "prometheus", "whether the last scrape was answered"),
    # Requests, told by the proxies of both sides (`reporter`).
    Metric("istio_requests_total", "counter", "standard", "requests that have ended", _REQUEST),
    Metric("istio_request_duration_milliseconds", "histogram", "standard", "how long they took", (*_REQUEST, "le")),
    Metric("istio_tcp_connections_opened_total", "counter", "standard", "connections that were opened", _REQUEST),
    # What proxies tell of themselves, and of each destination.
    Metric("envoy_server_memory_physical_size", "gauge", "envoy", "memory that a proxy holds, in bytes"),
    Metric("envoy_cluster_manager_active_clusters", "gauge", "envoy", "destinations that a proxy knows"),
    Metric("envoy_cluster_manager_cds_update_success", "counter", "envoy", "configurations of destinations taken"),
    Metric("envoy_cluster_manager_cds_update_rejected", "counter", "envoy", "configurations of destinations refused"),
    Metric("envoy_listener_manager_lds_update_rejected", "counter", "envoy", "configurations of listeners refused"),
    Metric("envoy_cluster_upstream_rq_completed", "counter", "envoy", "requests to a destination", ("cluster_name",)),
    Metric("envoy_cluster_upstream_rq_retry", "counter", "envoy", "requests sent again", ("cluster_name",)),
    Metric(
        "envoy_cluster_circuit_breakers_default_rq_open", "gauge", "envoy", "1 while a circuit breaker is open",
        ("cluster_name",),
    ),
    Metric(
        "envoy_cluster_outlier_detection_ejections_active", "gauge", "envoy", "endpoints that are left alone now",
        ("cluster_name",),
    ),
    Metric(
        "istio_agent_cert_expiry_seconds", "gauge", "agent", "until the workload's certificate ends",
        ("resource_name",),
    ),
    # istiod.
    Metric("process_cpu_seconds_total", "counter", "istiod", "processor time of istiod"),
    Metric("process_resident_memory_bytes", "gauge", "istiod", "memory of istiod"),
    Metric("pilot_info", "gauge", "istiod", "version of istiod", ("version",)),
    Metric("pilot_xds", "gauge", "istiod", "proxies that are connected", ("version",)),
    Metric("pilot_xds_pushes", "counter", "istiod", "configurations sent to proxies", ("type",)),
    Metric("pilot_push_triggers", "counter", "istiod", "what configurations were sent for", ("type",)),
    Metric("pilot_proxy_convergence_time", "histogram", "istiod", "from a change until proxies have it", ("le",)),
    Metric("pilot_proxy_queue_time", "histogram", "istiod", "how long a proxy waits for its turn", ("le",)),
    Metric("istiod_managed_clusters", "gauge", "istiod", "clusters that istiod reads", ("cluster_type",)),
    Metric(
        "istiod_remote_cluster_sync_status", "gauge", "istiod", "1 for the present state of a remote cluster; after a "
        "new token `closed` stays 1 though all is well, so that only `syncing` and `timeout` mean anything",
        ("cluster", "cluster_type", "status"),
    ),
    Metric(
        "citadel_server_cert_chain_expiry_timestamp", "gauge", "istiod", "when the cluster's intermediate ends",
    ),
    Metric("citadel_server_root_cert_expiry_timestamp", "gauge", "istiod", "when the root ends"),
    Metric("citadel_server_success_cert_issuance_count", "counter", "istiod", "certificates given to workloads"),
    # What only an application knows.
    Metric(
        "exam_takers_active", "gauge", "application", "people who are in an exam now", (),
        'Gauge("exam_takers_active", "People in an exam")  # .inc() where an exam begins, .dec() where it ends',
    ),
    Metric(
        "exam_completions_total", "counter", "application", "exams handed in", ("result",),
        'Counter("exam_completions", "Exams handed in", ["result"])  # .labels("passed").inc(), or "failed"',
    ),
    Metric(
        "user_session_duration_seconds", "histogram", "application", "how long people stayed", ("le",),
        'Histogram("user_session_duration_seconds", "Length of a session", buckets=[60, 300, 900, 1800, 3600, 7200])',
    ),
)  # fmt: skip

SERIES = {series: metric for metric in METRICS for series in metric.series}
"""Every name that a query may have."""

_FUNCTIONS = re.compile(r"\b[a-z_]+(?=\s*\()")
_GROUPING = re.compile(r"\b(by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")


def metrics_in(query: str) -> tuple[Metric, ...]:
    """The metrics that a query asks for. Raises ValueError where it names one that the catalogue lacks, or a label
    that its metrics have not."""
    bare = re.sub(r'"[^"]*"', '""', query)
    labels = {label for _, group in _GROUPING.findall(bare) for label in _WORD.findall(group)}
    labels |= {label for braces in re.findall(r"\{([^}]*)\}", bare) for label in re.findall(r"(\w+)\s*[=!]", braces)}
    without = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", _GROUPING.sub(" ", bare))
    words = set(_WORD.findall(_FUNCTIONS.sub(" ", without)))
    named = {word for word in words if word not in {"and", "or", "unless", "bool", "on", "by", "e", "offset", "d", "h"}}
    if unknown := sorted(named - SERIES.keys()):
        raise ValueError(f"no metric of the catalogue: {', '.join(unknown)} in {query}")
    found = tuple(dict.fromkeys(SERIES[name] for name in sorted(named)))
    known = {*SCRAPED, *(label for metric in found for label in metric.labels)}
    if unknown := sorted(labels - known):
        raise ValueError(f"no label of its metrics: {', '.join(unknown)} in {query}")
    return found
