"""Series by which each alert fires, and almost the same by which it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.observability.alerts import ALERTS

DAY = 86400
AT = 90  # minutes: longer than any alert waits


@dataclass(frozen=True)
class Case:
    """Series (in promtool's notation, one value a minute) and what comes of them after :data:`AT` minutes.

    labels: of the alert that fires; none fires where they are None.
    """

    alert: str
    series: Mapping[str, str]
    labels: Mapping[str, str] | None = None
    value: str = ""
    at: int = AT
    says: str = field(default="", compare=False)

    @property
    def fires(self) -> bool:
        return self.labels is not None

    @property
    def name(self) -> str:
        return f"{self.alert}, {'fires' if self.fires else 'silent'}: {self.says}"

    def document(self) -> dict[str, Any]:
        """A file for `promtool test rules`: texts are compared as well, with labels and numbers in them."""
        (alert,) = [alert for alert in ALERTS if alert.name == self.alert]
        expected: list[dict[str, Any]] = []
        if self.labels is not None:
            summary = alert.says.replace("{{ $value | humanizePercentage }}", self.value)
            summary = summary.replace("{{ $value | humanizeDuration }}", self.value)
            summary = summary.replace("{{ $value | humanize }}", self.value).replace("{{ $value }}", self.value)
            for name, value in self.labels.items():
                summary = summary.replace(f"{{{{ $labels.{name} }}}}", value)
            assert "{{" not in summary, summary
            expected.append(
                {
                    "exp_labels": {"severity": alert.severity, **self.labels},
                    "exp_annotations": {"summary": summary, "do": alert.do},
                }
            )
        return {
            "rule_files": ["alerts.yaml"],
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
                    "alert_rule_test": [{"eval_time": f"{self.at}m", "alertname": self.alert, "exp_alerts": expected}],
                }
            ],
        }


def _sent(code: str = "200", flags: str = "-", workload: str = "web-frontend") -> str:
    return (
        f'istio_requests_total{{reporter="source",mesh_cluster="use1",destination_service_namespace="exam",'
        f'destination_service_name="api",response_code="{code}",response_flags="{flags}",source_workload="{workload}"}}'
    )


def _took(end: str) -> str:
    return (
        'istio_request_duration_milliseconds_bucket{reporter="source",mesh_cluster="use1",'
        f'destination_service_namespace="exam",destination_service_name="api",le="{end}"}}'
    )


def _grows(by: float) -> str:
    return f"0+{by:g}x{AT + 10}"


def _stays(at: float) -> str:
    return f"{at:g}+0x{AT + 10}"


_SERVICE = {"mesh_cluster": "use1", "destination_service_namespace": "exam", "destination_service_name": "api"}
_POD = 'mesh_cluster="use1",namespace="exam",pod="api-1"'
_POD_LABELS = {"mesh_cluster": "use1", "namespace": "exam", "pod": "api-1"}
_CERTIFICATE = f'istio_agent_cert_expiry_seconds{{resource_name="default",{_POD}}}'
_INTERMEDIATE = 'citadel_server_cert_chain_expiry_timestamp{mesh_cluster="use1"}'
_ROOT = 'citadel_server_root_cert_expiry_timestamp{mesh_cluster="use1"}'


def _remote(status: str) -> str:
    return (
        'istiod_remote_cluster_sync_status{mesh_cluster="use1",cluster="usw2",cluster_type="remote",'
        f'status="{status}"}}'
    )


_MANAGED = 'istiod_managed_clusters{mesh_cluster="use1",cluster_type="remote"}'
_ISTIOD = 'up{job="istiod",mesh_cluster="use1",pod="istiod-1"}'
_OTHER_ISTIOD = 'up{job="istiod",mesh_cluster="usw2",pod="istiod-2"}'
_GATEWAY = 'up{job="proxies",mesh_cluster="use1",app="istio-eastwestgateway",pod="gw-1"}'
_INGRESS = 'up{job="proxies",mesh_cluster="use1",app="istio-ingress",pod="in-1"}'
_NO_GATEWAY = {"mesh_cluster": "use1", "app": "istio-eastwestgateway"}
_REJECTED = f"envoy_cluster_manager_cds_update_rejected{{{_POD}}}"
_REJECTED_LISTENERS = f"envoy_listener_manager_lds_update_rejected{{{_POD}}}"

CASES = (
    Case("RequestsFail", {_sent(): _grows(900), _sent("503"): _grows(100)}, _SERVICE, "10%", says="one in ten"),
    Case("RequestsFail", {_sent(): _grows(900), _sent("0"): _grows(100)}, _SERVICE, "10%", says="no answer at all"),
    Case("RequestsFail", {_sent(): _grows(960), _sent("503"): _grows(40)}, says="one in 25"),
    Case("RequestsFail", {_sent("404"): _grows(1000)}, says="the callers' own faults"),
    Case("RequestsFail", {_sent(): _grows(5), _sent("503"): _grows(5)}, says="ten requests a minute are too few"),
    Case(
        "RequestsSlow",
        {_sent(): _grows(600), _took("1000"): _grows(500), _took("2000"): _grows(600), _took("+Inf"): _grows(600)},
        _SERVICE, "1.94k", says="one in six above a second",
    ),
    Case(
        "RequestsSlow",
        {_sent(): _grows(600), _took("1000"): _grows(600), _took("2000"): _grows(600), _took("+Inf"): _grows(600)},
        says="none above a second",
    ),
    Case("WorkloadCertificateNearEnd", {_CERTIFICATE: _stays(3600)}, _POD_LABELS, "1h 0m 0s", says="an hour left"),
    Case("WorkloadCertificateNearEnd", {_CERTIFICATE: _stays(12 * 3600)}, says="half of a day left"),
    Case(
        "IntermediateNearEnd", {_INTERMEDIATE: _stays(10 * DAY + AT * 60)}, {"mesh_cluster": "use1"},
        "10d 0h 0m 0s", says="ten days left",
    ),
    Case("IntermediateNearEnd", {_INTERMEDIATE: _stays(31 * DAY + AT * 60)}, says="31 days left"),
    Case(
        "RootNearEnd", {_ROOT: _stays(60 * DAY + AT * 60)}, {"mesh_cluster": "use1"}, "60d 0h 0m 0s",
        says="60 days left",
    ),
    Case("RootNearEnd", {_ROOT: _stays(91 * DAY + AT * 60)}, says="91 days left"),
    Case(
        "RemoteClusterNotSynced", {_remote("timeout"): _stays(1), _remote("synced"): _stays(0)},
        {"mesh_cluster": "use1", "cluster": "usw2"}, says="timed out",
    ),
    Case("RemoteClusterNotSynced", {_remote("closed"): _stays(1), _remote("timeout"): _stays(0)},
         says="`closed` after a new token"),
    Case("RemoteClusterForgotten", {_MANAGED: f"2+0x30 1+0x{AT}"}, {"mesh_cluster": "use1"}, "1", says="one of two"),
    Case("RemoteClusterForgotten", {_MANAGED: _stays(2)}, says="both"),
    Case("RemoteClusterForgotten", {_MANAGED: f"1+0x30 2+0x{AT}"}, says="one more"),
    Case("GatewayWithoutPods", {_ISTIOD: _stays(1), _INGRESS: _stays(1), _GATEWAY: _stays(0)}, _NO_GATEWAY,
         says="no answer"),
    Case("GatewayWithoutPods", {_ISTIOD: _stays(1), _INGRESS: _stays(1)}, _NO_GATEWAY, says="no pod"),
    Case("GatewayWithoutPods", {_ISTIOD: _stays(1), _GATEWAY: _stays(1)},
         {"mesh_cluster": "use1", "app": "istio-ingress"}, says="no pod of the ingress"),
    Case("GatewayWithoutPods", {_ISTIOD: _stays(1), _GATEWAY: _stays(1), _INGRESS: _stays(1)}, says="both answer"),
    Case(
        "GatewayWithoutEndpoints", {_sent("503", "UH", "istio-ingress"): _grows(60)},
        {"mesh_cluster": "use1", "destination_service_name": "api"}, says="no healthy upstream",
    ),
    Case("GatewayWithoutEndpoints", {_sent("503", "UF", "istio-ingress"): _grows(60)}, says="another failure"),
    Case("ConfigurationRefused", {_REJECTED: _grows(1), _REJECTED_LISTENERS: _stays(0)}, _POD_LABELS,
         says="again and again"),
    Case("ConfigurationRefused", {_REJECTED: _stays(3), _REJECTED_LISTENERS: _stays(1)}, says="long ago"),
    Case(
        "RegionSilent", {_ISTIOD: _stays(1), _OTHER_ISTIOD: "1+0x30"}, {"mesh_cluster": "usw2"}, says="one of two",
    ),
    Case("RegionSilent", {_ISTIOD: _stays(1), _OTHER_ISTIOD: f"1+0x20 0+0x{AT}"}, {"mesh_cluster": "usw2"},
         says="its scrapes fail"),
    Case("RegionSilent", {_ISTIOD: _stays(1), _OTHER_ISTIOD: _stays(1)}, says="both are heard"),
)  # fmt: skip
