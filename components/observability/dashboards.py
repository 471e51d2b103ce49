"""The dashboards as data: what each panel shows, in which unit, by which queries. `grafana.py` makes Grafana's of them.

Four are the platform's (performance of exams, experience of users, infrastructure, business), one is the mesh's.
"""

from dataclasses import dataclass
from typing import Literal

from components.observability.metrics import CLUSTER

Unit = Literal["reqps", "ms", "s", "percentunit", "bytes", "short", "ops", "cores"]

INTERVAL = "$__rate_interval"
"""Grafana puts four scrapes or the width of a point there, whichever is longer."""

VARIABLES = {"cluster": f"label_values(up, {CLUSTER})"}
"""What a person chooses at the top of each dashboard, `All` at first: name to the query of its values."""

_HERE = f'{CLUSTER}=~"$cluster"'
# Each request is told twice, by the proxies of its caller and of its callee. The callee's is counted; what never
# arrived is known to the caller alone.
_IN = f'reporter="destination",{_HERE}'
_OUT = f'reporter="source",{_HERE}'
_PUBLIC = f'{_OUT},source_workload="istio-ingress"'
_SERVICE = "destination_service_namespace, destination_service_name"
_PAYMENTS = f'{_OUT},destination_service_name=~"payments?([.-].*)?"'
_FAILED = 'response_code=~"5..|0"'


@dataclass(frozen=True)
class Query:
    """One line, or many. name: of each line, labels in `{{ }}`."""

    expression: str
    name: str


@dataclass(frozen=True)
class Panel:
    """One drawing. instant: a table of now in place of a course."""

    title: str
    says: str
    unit: Unit
    queries: tuple[Query, ...]
    instant: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One page. name: of its file and its address in Grafana."""

    name: str
    title: str
    says: str
    panels: tuple[Panel, ...]


def _rate(series: str, where: str) -> str:
    return f"rate({series}{{{where}}}[{INTERVAL}])"


def _requests(where: str) -> str:
    return _rate("istio_requests_total", where)


def _quantile(quantile: float, where: str, by: str) -> str:
    inner = _rate("istio_request_duration_milliseconds_bucket", where)
    return f"histogram_quantile({quantile:g}, sum by (le, {by}) ({inner}))" if by else (
        f"histogram_quantile({quantile:g}, sum by (le) ({inner}))"
    )  # fmt: skip


def share(part: str, whole: str, by: str) -> str:
    """Of a whole, by its labels: 0 where there is no part of it."""
    total = f"sum by ({by}) ({whole})"
    return f"(sum by ({by}) ({part}) or {total} * 0) / {total}"


def _failed(where: str, by: str) -> str:
    return share(_requests(f"{where},{_FAILED}"), _requests(where), by)


def elsewhere(interval: str = INTERVAL, where: str = _OUT) -> str:
    """Of each cluster's requests, the share that another cluster answered. PromQL compares no label with another: pairs
    of one name are found by joining each cluster with itself."""
    pairs = f"sum by (source_cluster, destination_cluster) (rate(istio_requests_total{{{where}}}[{interval}]))"
    own = f'label_replace(sum by (source_cluster) ({pairs}), "destination_cluster", "$1", "source_cluster", "(.+)")'
    away = f"sum by (source_cluster) ({pairs} unless on (source_cluster, destination_cluster) {own})"
    total = f"sum by (source_cluster) ({pairs})"
    return f"({away} or {total} * 0) / {total}"


EXAMS = Dashboard(
    "exam-performance",
    "Exam performance",
    "How fast and how well the services answer, as their own proxies see it.",
    (
        Panel(
            "Requests a second", "By service and version (seed: istio_request_total, istio_requests_per_second).",
            "reqps",
            (Query(f"sum by ({_SERVICE}, destination_version) ({_requests(_IN)})",
                   "{{destination_service_name}} {{destination_version}}"),),
        ),
        Panel(
            "Response time", "Median and 99th percentile (seed: istio_request_duration_milliseconds).", "ms",
            (Query(_quantile(0.5, _IN, _SERVICE), "{{destination_service_name}} p50"),
             Query(_quantile(0.99, _IN, _SERVICE), "{{destination_service_name}} p99")),
        ),
        Panel(
            "Failed requests", "Share of answers 5xx, and of requests without an answer.", "percentunit",
            (Query(_failed(_OUT, _SERVICE), "{{destination_service_name}}"),),
        ),
        Panel(
            "Requests by kind of user", "By the tag `user_type`.", "reqps",
            (Query(f"sum by (user_type) ({_requests(_IN)})", "{{user_type}}"),),
        ),
        Panel(
            "Requests within exams", "By the tag `exam_session`: those of an exam, and others.", "reqps",
            (Query(f"sum by (exam_session) ({_requests(_IN)})", "session {{exam_session}}"),),
        ),
        Panel(
            "Requests sent again", "Retries by destination, as the callers' proxies count them.", "reqps",
            (Query(f"sum by (cluster_name) ({_rate('envoy_cluster_upstream_rq_retry', _HERE)})", "{{cluster_name}}"),),
        ),
        Panel(
            "Requests to each destination", "As the callers' proxies count them, each try.", "reqps",
            (Query(f"topk(10, sum by (cluster_name) ({_rate('envoy_cluster_upstream_rq_completed', _HERE)}))",
                   "{{cluster_name}}"),),
        ),
        Panel(
            "Open circuit breakers", "Proxies that refuse requests to a destination at once.", "short",
            (Query(f"sum by (cluster_name) (envoy_cluster_circuit_breakers_default_rq_open{{{_HERE}}})",
                   "{{cluster_name}}"),),
        ),
        Panel(
            "Endpoints left alone", "Ejected because they failed.", "short",
            (Query(f"max by (cluster_name) (envoy_cluster_outlier_detection_ejections_active{{{_HERE}}})",
                   "{{cluster_name}}"),),
        ),
    ),
)  # fmt: skip

USERS = Dashboard(
    "user-experience",
    "User experience",
    "What people see who come through the ingress.",
    (
        Panel(
            "Response time at the ingress", "95th and 99th percentile (seed: response_time_p99).", "ms",
            (Query(_quantile(0.95, _PUBLIC, CLUSTER), "{{mesh_cluster}} p95"),
             Query(_quantile(0.99, _PUBLIC, CLUSTER), "{{mesh_cluster}} p99")),
        ),
        Panel(
            "Errors at the ingress", "Share of answers 5xx, and of requests without one (seed: error_rate_percentage).",
            "percentunit",
            (Query(_failed(_PUBLIC, CLUSTER), "{{mesh_cluster}}"),),
        ),
        Panel(
            "Exam requests under way", "How many are being worked on at once, on average: the seconds that all of them "
            "took in each second, by the tag `exam_session` (seed: concurrent_exam_takers, as far as requests tell).",
            "short",
            (Query('sum by (mesh_cluster) (' + _rate("istio_request_duration_milliseconds_sum",
                   f'{_IN},exam_session!="absent"') + ") / 1000", "{{mesh_cluster}}"),),
        ),
        Panel(
            "People in an exam", "What the application itself counts (seed: concurrent_exam_takers).", "short",
            (Query(f"sum by (mesh_cluster) (exam_takers_active{{{_HERE}}})", "{{mesh_cluster}}"),),
        ),
        Panel(
            "Response time by kind of user", "95th percentile, by the tag `user_type`.", "ms",
            (Query(_quantile(0.95, _PUBLIC, "user_type"), "{{user_type}}"),),
        ),
        Panel(
            "Refused requests", "Without a right (401, 403), too large (413) or too many (429), by service.", "reqps",
            (Query("sum by (response_code, destination_service_name) ("
                   + _requests(f'{_OUT},response_code=~"401|403|413|429"') + ")",
                   "{{response_code}} {{destination_service_name}}"),),
        ),
    ),
)  # fmt: skip

INFRASTRUCTURE = Dashboard(
    "infrastructure",
    "Infrastructure",
    "Proxies and control planes.",
    (
        Panel(
            "Memory of proxies", "The ten largest (seed: envoy_memory_usage).", "bytes",
            (Query(f"topk(10, envoy_server_memory_physical_size{{{_HERE}}})", "{{mesh_cluster}} {{pod}}"),),
        ),
        Panel(
            "Processor time of istiod", "Cores (seed: control_plane_cpu_usage).", "cores",
            (Query("sum by (mesh_cluster, pod) (" + _rate("process_cpu_seconds_total", f'job="istiod",{_HERE}') + ")",
                   "{{mesh_cluster}} {{pod}}"),),
        ),
        Panel(
            "Memory of istiod", "Bytes.", "bytes",
            (Query(f'process_resident_memory_bytes{{job="istiod",{_HERE}}}', "{{mesh_cluster}} {{pod}}"),),
        ),
        Panel(
            "Configurations sent", "By kind (seed: mesh_configuration_updates).", "ops",
            (Query(f"sum by (mesh_cluster, type) ({_rate('pilot_xds_pushes', _HERE)})", "{{mesh_cluster}} {{type}}"),),
        ),
        Panel(
            "What they are sent for", "By cause.", "ops",
            (Query(f"sum by (type) ({_rate('pilot_push_triggers', _HERE)})", "{{type}}"),),
        ),
        Panel(
            "From a change to the proxies", "99th percentile, and of that the waiting for their turn.", "s",
            tuple(
                Query(f"histogram_quantile(0.99, sum by (le, mesh_cluster) ({_rate(f'{metric}_bucket', _HERE)}))",
                      f"{{{{mesh_cluster}}}} {word}")
                for metric, word in (("pilot_proxy_convergence_time", "all"), ("pilot_proxy_queue_time", "waiting"))
            ),
        ),
        Panel(
            "Connected proxies", "By their version.", "short",
            (Query(f"sum by (mesh_cluster, version) (pilot_xds{{{_HERE}}})", "{{mesh_cluster}} {{version}}"),),
        ),
        Panel(
            "Configurations taken and refused", "By proxies. A refused one leaves the old one in place.", "ops",
            (Query(f"sum by (mesh_cluster) ({_rate('envoy_cluster_manager_cds_update_success', _HERE)})",
                   "{{mesh_cluster}} taken"),
             Query(f"sum by (mesh_cluster) ({_rate('envoy_cluster_manager_cds_update_rejected', _HERE)} + "
                   f"{_rate('envoy_listener_manager_lds_update_rejected', _HERE)})", "{{mesh_cluster}} refused")),
        ),
        Panel(
            "Destinations that a proxy knows", "The ten with the most; a Sidecar scope keeps them few.", "short",
            (Query(f"topk(10, envoy_cluster_manager_active_clusters{{{_HERE}}})", "{{mesh_cluster}} {{pod}}"),),
        ),
        Panel(
            "Scrapes that fail", "By cluster and job.", "short",
            (Query(f"count by (mesh_cluster, job) (up{{{_HERE}}}) - sum by (mesh_cluster, job) (up{{{_HERE}}})",
                   "{{mesh_cluster}} {{job}}"),),
        ),
    ),
)  # fmt: skip

BUSINESS = Dashboard(
    "business",
    "Business",
    "What the platform is there for. What only the application knows, the application has to tell.",
    (
        Panel(
            "Exams handed in",
            "An hour, by result, as the application counts them (seed: successful_exam_completions).",
            "short",
            (Query(f"sum by (result) (increase(exam_completions_total{{{_HERE}}}[1h]))", "{{result}}"),),
        ),
        Panel(
            "Payments that succeed",
            "Share of the requests to the payment provider that were answered, and not by 4xx or "
            "5xx (seed: payment_transaction_success_rate).",
            "percentunit",
            (Query("1 - " + share(_requests(f'{_PAYMENTS},response_code!~"[23].."'), _requests(_PAYMENTS), CLUSTER),
                   "{{mesh_cluster}}"),),
        ),
        Panel(
            "Length of sessions", "Median and mean, as the application measures them (seed: user_session_duration).",
            "s",
            (Query("histogram_quantile(0.5, sum by (le) ("
                   + _rate("user_session_duration_seconds_bucket", _HERE) + "))", "median"),
             Query(f"sum({_rate('user_session_duration_seconds_sum', _HERE)}) / "
                   f"sum({_rate('user_session_duration_seconds_count', _HERE)})", "mean")),
        ),
        Panel(
            "Premium users", "Share of the requests at the ingress, by the tag `user_type`.", "percentunit",
            (Query(share(_requests(f'{_PUBLIC},user_type="premium"'), _requests(_PUBLIC), CLUSTER),
                   "{{mesh_cluster}}"),),
        ),
        Panel(
            "Requests of each team", "By the callers' namespaces.", "reqps",
            (Query(f"sum by (source_workload_namespace) ({_requests(_IN)})", "{{source_workload_namespace}}"),),
        ),
    ),
)  # fmt: skip

MESH = Dashboard(
    "mesh",
    "Mesh across regions",
    "Who calls whom, what the other region answers, who is who and until when.",
    (
        Panel(
            "Who calls whom", "Requests a second, now.", "reqps",
            (Query("sort_desc(sum by (source_cluster, source_workload_namespace, source_workload, destination_cluster, "
                   f"{_SERVICE}) ({_requests(_OUT)}) > 0)", ""),),
            instant=True,
        ),
        Panel(
            "Requests between clusters", "From each to each.", "reqps",
            (Query(f"sum by (source_cluster, destination_cluster) ({_requests(_OUT)})",
                   "{{source_cluster}} to {{destination_cluster}}"),),
        ),
        Panel(
            "Answered by another cluster", "Share of each cluster's requests.", "percentunit",
            (Query(elsewhere(), "{{source_cluster}}"),),
        ),
        Panel(
            "Mutual TLS", "Share of the requests that came by it, by the callee's namespace.", "percentunit",
            (Query(share(_requests(f'{_IN},connection_security_policy="mutual_tls"'), _requests(_IN),
                         "destination_service_namespace"), "{{destination_service_namespace}}"),),
        ),
        Panel(
            "Connections at gateways between networks", "Opened a second.", "ops",
            (Query("sum by (mesh_cluster) (" + _rate("istio_tcp_connections_opened_total",
                   f'{_HERE},source_workload="istio-eastwestgateway"') + ")", "{{mesh_cluster}}"),),
        ),
        Panel(
            "Until a workload's certificate ends", "The shortest of each namespace; proxies renew at half its life.",
            "s",
            (Query("min by (mesh_cluster, namespace) ("
                   f'istio_agent_cert_expiry_seconds{{resource_name="default",{_HERE}}})',
                   "{{mesh_cluster}} {{namespace}}"),),
        ),
        Panel(
            "Until the authorities end", "Intermediates and root.", "s",
            (Query(f"min by (mesh_cluster) (citadel_server_cert_chain_expiry_timestamp{{{_HERE}}} - time())",
                   "{{mesh_cluster}} intermediate"),
             Query(f"min by (mesh_cluster) (citadel_server_root_cert_expiry_timestamp{{{_HERE}}} - time())",
                   "{{mesh_cluster}} root")),
        ),
        Panel(
            "Certificates given out", "A second.", "ops",
            (Query(f"sum by (mesh_cluster) ({_rate('citadel_server_success_cert_issuance_count', _HERE)})",
                   "{{mesh_cluster}}"),),
        ),
        Panel(
            "Clusters that each istiod reads", "Its own and remote ones.", "short",
            (Query(f"max by (mesh_cluster, cluster_type) (istiod_managed_clusters{{{_HERE}}})",
                   "{{mesh_cluster}} {{cluster_type}}"),),
        ),
        Panel(
            "Versions of istiod", "Now.", "short",
            (Query(f"count by (mesh_cluster, version) (pilot_info{{{_HERE}}})", ""),),
            instant=True,
        ),
    ),
)  # fmt: skip

DASHBOARDS = (EXAMS, USERS, INFRASTRUCTURE, BUSINESS, MESH)
