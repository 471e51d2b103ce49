"""When somebody is called, and what they do then."""

from dataclasses import dataclass
from typing import Any, Literal

from components.observability.dashboards import share
from components.observability.metrics import CLUSTER

_SERVICE = f"{CLUSTER}, destination_service_namespace, destination_service_name"
_SENT = 'istio_requests_total{reporter="source"}[5m]'
_DAY = 86400
_GATEWAYS = ("istio-eastwestgateway", "istio-ingress")
"""Labels `app` of the pods of both gateways, which each cluster has."""


def _wherever_anything_is(app: str) -> str:
    """One series for each cluster that anything is heard of, with this label."""
    return f'label_replace(count by ({CLUSTER}) (up), "app", "{app}", "", "")'


@dataclass(frozen=True)
class Alert:
    """One alert. lasting: how long the expression has to hold. says: in one line, with `{{ }}` of Prometheus. do: the
    line for whoever is called."""

    name: str
    expression: str
    lasting: str
    severity: Literal["page", "ticket"]
    says: str
    do: str


ALERTS: tuple[Alert, ...] = (
    Alert(
        "RequestsFail",
        share('rate(istio_requests_total{reporter="source",response_code=~"5..|0"}[5m])', f"rate({_SENT})", _SERVICE)
        + f" > 0.05 and sum by ({_SERVICE}) (rate({_SENT})) > 1",
        "5m", "page",
        "{{ $value | humanizePercentage }} of the requests to {{ $labels.destination_service_namespace }}/"
        "{{ $labels.destination_service_name }} fail in {{ $labels.mesh_cluster }}",
        "`python -m mesh doctor` names the cause if the mesh is it. One version alone: lower its canary's `percent`. "
        "One region alone: its pods' logs; `failover` sends requests to the other one meanwhile.",
    ),
    Alert(
        "RequestsSlow",
        f"histogram_quantile(0.99, sum by (le, {_SERVICE}) "
        '(rate(istio_request_duration_milliseconds_bucket{reporter="source"}[5m]))) > 1000 '
        f"and sum by ({_SERVICE}) (rate({_SENT})) > 1",
        "10m", "ticket",
        "99 % of the requests to {{ $labels.destination_service_namespace }}/{{ $labels.destination_service_name }} "
        "in {{ $labels.mesh_cluster }} take up to {{ $value | humanize }} ms",
        "Compare the callee's own time (reporter `destination`) with the caller's: equal, the service is slow; else "
        "the way is: open circuit breakers, retries and the other region's share are on the dashboards.",
    ),
    Alert(
        "WorkloadCertificateNearEnd",
        'min by (mesh_cluster, namespace, pod) (istio_agent_cert_expiry_seconds{resource_name="default"}) < 6 * 3600',
        "15m", "page",
        "The certificate of {{ $labels.namespace }}/{{ $labels.pod }} in {{ $labels.mesh_cluster }} ends in "
        "{{ $value | humanizeDuration }}; it should have been renewed at half its life",
        "Is the proxy connected (`istioctl proxy-status`)? If so, read its log for `SDS`, and istiod's for the pod's "
        "name; then delete the pod. Where lifetimes below 12 h are set, lower the limit of this alert.",
    ),
    Alert(
        "IntermediateNearEnd",
        f"min by (mesh_cluster) (citadel_server_cert_chain_expiry_timestamp - time()) < 30 * {_DAY}",
        "1h", "ticket",
        "The intermediate of {{ $labels.mesh_cluster }} ends in {{ $value | humanizeDuration }}",
        "Raise `trust.intermediates.generation` by one and run `pulumi up`: no request fails.",
    ),
    Alert(
        "RootNearEnd",
        f"min by (mesh_cluster) (citadel_server_root_cert_expiry_timestamp - time()) < 90 * {_DAY}",
        "1h", "ticket",
        "The root that {{ $labels.mesh_cluster }} trusts ends in {{ $value | humanizeDuration }}",
        "Rotate it in its phases: docs/rotate-the-root.md.",
    ),
    Alert(
        "RemoteClusterNotSynced",
        'max by (mesh_cluster, cluster) (istiod_remote_cluster_sync_status{cluster_type="remote",'
        'status=~"syncing|timeout"}) == 1',
        "10m", "page",
        "istiod of {{ $labels.mesh_cluster }} cannot read {{ $labels.cluster }}",
        "`istioctl remote-clusters`; is the API server of the other cluster reached from here, and its token good? "
        "`trust.remoteTokens.generation` raised by one makes new tokens.",
    ),
    Alert(
        "RemoteClusterForgotten",
        'max by (mesh_cluster) (istiod_managed_clusters{cluster_type="remote"}) < '
        'max by (mesh_cluster) (max_over_time(istiod_managed_clusters{cluster_type="remote"}[1d]))',
        "10m", "page",
        "istiod of {{ $labels.mesh_cluster }} reads {{ $value }} remote clusters, fewer than it did today",
        "A remote secret is gone or broken: `pulumi preview --refresh` shows which; `pulumi up` makes it again. A "
        "cluster that was taken out of the stack ends this alert after a day.",
    ),
    Alert(
        "GatewayWithoutPods",
        f"({' or '.join(map(_wherever_anything_is, _GATEWAYS))}) unless "
        f'count by (mesh_cluster, app) (up{{job="proxies",app=~"{"|".join(_GATEWAYS)}"}} == 1)',
        "5m", "page",
        "No pod of {{ $labels.app }} answers in {{ $labels.mesh_cluster }}",
        "`kubectl get pods,endpointslices -A -l app=<the gateway>`: pending pods name what they lack; running ones "
        "that are not ready have lost istiod. Without istio-eastwestgateway other regions do not reach this one, "
        "without istio-ingress nobody from outside does.",
    ),
    Alert(
        "GatewayWithoutEndpoints",
        'sum by (mesh_cluster, destination_service_name) (rate(istio_requests_total{reporter="source",'
        'source_workload=~"istio-ingress|istio-eastwestgateway",response_flags=~"(.*,)?(UH|NC)(,.*)?"}[5m])) > 0',
        "5m", "page",
        "The gateway of {{ $labels.mesh_cluster }} knows no healthy endpoint of {{ $labels.destination_service_name }}",
        "Has the service ready pods in any region? If so, is the other region's gateway known: "
        "`istioctl proxy-config endpoints deploy/istio-ingress -n istio-ingress`. Else scale the service up.",
    ),
    Alert(
        "ConfigurationRefused",
        "sum by (mesh_cluster, namespace, pod) (increase(envoy_cluster_manager_cds_update_rejected[10m]) + "
        "increase(envoy_listener_manager_lds_update_rejected[10m])) > 0",
        "5m", "ticket",
        "{{ $labels.namespace }}/{{ $labels.pod }} in {{ $labels.mesh_cluster }} refuses a configuration",
        "istiod's log names the reason: search it for `ACK ERROR`. An EnvoyFilter or Wasm filter of the last change is "
        "the usual cause: take it back.",
    ),
    Alert(
        "RegionSilent",
        'count by (mesh_cluster) (count_over_time(up{job="istiod"}[1d])) unless '
        'count by (mesh_cluster) (up{job="istiod"} == 1)',
        "5m", "page",
        "Nothing is heard of istiod of {{ $labels.mesh_cluster }}",
        "Is the region lost, or its Prometheus alone? `python -m mesh doctor` asks the region itself. Requests go to "
        "the other region where `failover` is said; nothing has to be deployed for it.",
    ),
)  # fmt: skip


def rules() -> dict[str, Any]:
    """The alerts as a file of rules that Prometheus loads."""
    return {
        "groups": [
            {
                "name": "istio-mesh",
                "rules": [
                    {
                        "alert": alert.name,
                        "expr": alert.expression,
                        "for": alert.lasting,
                        "labels": {"severity": alert.severity},
                        "annotations": {"summary": alert.says, "do": alert.do},
                    }
                    for alert in ALERTS
                ],
            }
        ]
    }
