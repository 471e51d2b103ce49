"""What istiod and the proxies tell in numbers, as facts. Pure: looks at different moments go in, facts come out.

Two sources say what became of requests. Istio's own Envoy has the standard metrics (`istio_requests_total`,
`istio_request_duration_milliseconds`). Upstream Envoy lacks them, and has its own of each destination, where the
proxies' configuration keeps them (`_STATISTICS` in components/mesh/values.py).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from mesh.doctor.collect.exposition import Buckets, Sample, Samples, between, buckets, distribution, total
from mesh.doctor.facts import Distribution, IstiodMetrics, ProxyMetrics, Traffic

CONFIGURATION = ("Cluster", "Listener", "RouteConfiguration")
"""Kinds of configuration that make up nearly all of a push, by the ends of their types."""

_ISTIOD = (
    "pilot_info",
    "istiod_remote_cluster_sync_status",
    "citadel_server_cert_chain_expiry_timestamp",
    "citadel_server_root_cert_expiry_timestamp",
    "process_resident_memory_bytes",
    "pilot_xds_config_size_bytes_sum",
    "pilot_xds_config_size_bytes_count",
    "pilot_proxy_convergence_time_bucket",
    "pilot_proxy_queue_time_bucket",
)

_XDS = "xds-grpc"
"""Envoy's name for istiod."""

_PROXY = (
    "istio_agent_cert_expiry_seconds",
    "istio_agent_process_resident_memory_bytes",
    "envoy_server_memory_physical_size",
    "envoy_cluster_manager_active_clusters",
    "envoy_cluster_manager_cds_update_rejected",
    "envoy_listener_manager_lds_update_rejected",
    "envoy_cluster_upstream_rq_active",
    "envoy_cluster_upstream_rq_completed",
    "envoy_cluster_upstream_rq_time_bucket",
    "envoy_cluster_upstream_rq_retry",
    "envoy_cluster_upstream_rq_pending_overflow",
    "envoy_cluster_circuit_breakers_default_rq_open",
    "envoy_cluster_circuit_breakers_default_rq_pending_open",
    "envoy_cluster_outlier_detection_ejections_active",
    "envoy_cluster_membership_total",
)
_STANDARD = ("istio_requests_total", "istio_request_duration_milliseconds_bucket")
_REJECTED = ("envoy_cluster_manager_cds_update_rejected", "envoy_listener_manager_lds_update_rejected")
_OPEN = (
    "envoy_cluster_circuit_breakers_default_rq_open",
    "envoy_cluster_circuit_breakers_default_rq_pending_open",
)


def of_istiod(name: str) -> bool:
    """Whether a metric of istiod is looked at."""
    return name in _ISTIOD


def of_proxy(name: str) -> bool:
    """Whether a metric of a proxy is looked at."""
    return name in _PROXY or name in _STANDARD


def istiod(before: Samples, after: Samples) -> IstiodMetrics:
    """What two looks at istiod come to. Pushes are those in between: what was slow at its start is no fault now."""
    info = after.get("pilot_info", ())
    version = info[0].labels.get("version", "") if info else ""
    sizes = [
        (total(after, "pilot_xds_config_size_bytes_sum", type=kind) or 0.0, count)
        for kind in _types(after)
        if (count := total(after, "pilot_xds_config_size_bytes_count", type=kind))
    ]
    return IstiodMetrics(
        version=version.partition("-")[0],
        remotes={
            sample.labels["cluster"]: sample.labels.get("status", "")
            for sample in after.get("istiod_remote_cluster_sync_status", ())
            if sample.value == 1 and sample.labels.get("cluster_type", "remote") == "remote"
        },
        authority_until=_moment(total(after, "citadel_server_cert_chain_expiry_timestamp")),
        root_until=_moment(total(after, "citadel_server_root_cert_expiry_timestamp")),
        memory=total(after, "process_resident_memory_bytes") or 0.0,
        push=_pushed(before, after, "pilot_proxy_convergence_time"),
        queue=_pushed(before, after, "pilot_proxy_queue_time"),
        configuration=sum(size / count for size, count in sizes),
    )


def _types(samples: Samples) -> list[str]:
    kinds = {sample.labels.get("type", "") for sample in samples.get("pilot_xds_config_size_bytes_sum", ())}
    return sorted(kind for kind in kinds if kind.rpartition(".")[2] in CONFIGURATION)


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _pushed(before: Samples, after: Samples, name: str) -> Distribution | None:
    return distribution(between(buckets(before, name), buckets(after, name)))


def proxy(looks: Sequence[Samples], seconds: float) -> ProxyMetrics:
    """What looks at a proxy come to; `seconds` between the first and the last."""
    before, after = looks[0], looks[-1]
    rejected = sum(max(0.0, (total(after, n) or 0.0) - (total(before, n) or 0.0)) for n in _REJECTED)
    agent = total(after, "istio_agent_process_resident_memory_bytes") or 0.0
    return ProxyMetrics(
        # Its one stream is always under way. At one look it may just be made anew.
        connected=any((total(look, "envoy_cluster_upstream_rq_active", cluster_name=_XDS) or 0) > 0 for look in looks),
        rejected=rejected,
        certificate_left=total(after, "istio_agent_cert_expiry_seconds", resource_name="default"),
        memory=(total(after, "envoy_server_memory_physical_size") or 0.0) + agent,
        clusters=int(total(after, "envoy_cluster_manager_active_clusters") or 0),
        series=sum(len(after.get(name, ())) for name in _STANDARD),
        traffic=(*_of_envoy(looks, seconds), *_standard(before, after)),
    )


@dataclass(frozen=True)
class _Destination:
    direction: Literal["outbound", "inbound"]
    host: str
    port: int


_CLUSTER = re.compile(r"(?P<direction>outbound|inbound)\|(?P<port>\d+)\|[^|]*\|(?P<host>[^|;]*);?")


def _destination(sample: Sample) -> _Destination | None:
    match = _CLUSTER.fullmatch(sample.labels.get("cluster_name", ""))
    if match is None:
        return None
    outbound = match["direction"] == "outbound"
    return _Destination("outbound" if outbound else "inbound", match["host"], int(match["port"]))


def _by_destination(samples: Samples, name: str) -> dict[_Destination, float]:
    """The sums of all subsets of each destination."""
    found: dict[_Destination, float] = {}
    for sample in samples.get(name, ()):
        where = _destination(sample)
        if where is not None:
            found[where] = found.get(where, 0.0) + sample.value
    return found


def _buckets_by(samples: Iterable[Sample], keys: Mapping[int, _Destination | None]) -> dict[_Destination, Buckets]:
    found: dict[_Destination, dict[float, float]] = {}
    for index, sample in enumerate(samples):
        where = keys[index]
        if where is not None:
            counts = found.setdefault(where, {})
            end = float(sample.labels.get("le", "inf"))
            counts[end] = counts.get(end, 0.0) + sample.value
    return dict(found)


def _of_envoy(looks: Sequence[Samples], seconds: float) -> list[Traffic]:
    before, after = looks[0], looks[-1]

    def grown(name: str) -> dict[_Destination, float]:
        former = _by_destination(before, name)
        return {where: max(0.0, n - former.get(where, 0.0)) for where, n in _by_destination(after, name).items()}

    completed, retried = grown("envoy_cluster_upstream_rq_completed"), grown("envoy_cluster_upstream_rq_retry")
    overflows = grown("envoy_cluster_upstream_rq_pending_overflow")
    active = [_by_destination(look, "envoy_cluster_upstream_rq_active") for look in looks]
    opened = [_by_destination(look, name) for look in looks for name in _OPEN]
    ejected = _by_destination(after, "envoy_cluster_outlier_detection_ejections_active")
    members = _largest(after, "envoy_cluster_membership_total")
    slow = _slowest(before, after)
    destinations = sorted({*completed, *overflows, *ejected, *(d for look in opened for d in look)}, key=repr)
    found: list[Traffic] = []
    for where in destinations:
        requests = completed.get(where, 0.0)
        # Little's law: what is under way is the rate times how long each takes. Envoy takes its histograms over every
        # five seconds only, and these two numbers at once.
        waiting = sum(look.get(where, 0.0) for look in active) / len(active)
        found.append(
            Traffic(
                direction=where.direction,
                host=where.host,
                port=where.port,
                requests=requests,
                p99=slow.get(where),
                mean=waiting * seconds / requests if requests and any(active) else None,
                retries=retried.get(where, 0.0),
                overflows=overflows.get(where, 0.0),
                breaker_open=any(look.get(where, 0.0) > 0 for look in opened),
                ejected=int(ejected.get(where, 0.0)),
                endpoints=int(members.get(where, 0.0)),
            )
        )
    return [traffic for traffic in found if traffic != Traffic(traffic.direction, traffic.host, traffic.port)]


def _largest(samples: Samples, name: str) -> dict[_Destination, float]:
    """Of the subsets of each destination the largest: the whole has all endpoints of its parts."""
    found: dict[_Destination, float] = {}
    for sample in samples.get(name, ()):
        where = _destination(sample)
        if where is not None:
            found[where] = max(found.get(where, 0.0), sample.value)
    return found


def _slowest(before: Samples, after: Samples) -> dict[_Destination, float]:
    """The 99th percentile of each destination, in seconds, where anything was measured in between."""
    name = "envoy_cluster_upstream_rq_time_bucket"

    def by_destination(samples: Samples) -> dict[_Destination, Buckets]:
        listed = samples.get(name, ())
        return _buckets_by(listed, {index: _destination(sample) for index, sample in enumerate(listed)})

    former = by_destination(before)
    found: dict[_Destination, float] = {}
    for where, counts in by_destination(after).items():
        measured = distribution(between(former.get(where, {}), counts))
        if measured is not None:
            found[where] = measured.p99 / 1000
    return found


def _standard(before: Samples, after: Samples) -> list[Traffic]:
    """The same from Istio's own metrics: what it sent itself as `source`, what came to it as `destination`."""

    def where(sample: Sample) -> _Destination | None:
        outbound = sample.labels.get("reporter") == "source"
        host = sample.labels.get("destination_service", "")
        return _Destination("outbound" if outbound else "inbound", host if outbound else "", 0) if host else None

    def counted(samples: Samples, *flags: str) -> dict[_Destination, float]:
        found: dict[_Destination, float] = {}
        for sample in samples.get("istio_requests_total", ()):
            to = where(sample)
            said = sample.labels.get("response_flags", "-").split(",")
            if to is not None and (not flags or set(flags) & set(said)):
                found[to] = found.get(to, 0.0) + sample.value
        return found

    def timed(samples: Samples) -> dict[_Destination, Buckets]:
        listed = samples.get("istio_request_duration_milliseconds_bucket", ())
        return _buckets_by(listed, {index: where(sample) for index, sample in enumerate(listed)})

    requests, former = counted(after), counted(before)
    # UO: upstream overflow, by Envoy's words for a full pool or an open circuit breaker.
    refused, refused_before = counted(after, "UO"), counted(before, "UO")
    times, times_before = timed(after), timed(before)
    found: list[Traffic] = []
    for to, count in requests.items():
        measured = distribution(between(times_before.get(to, {}), times.get(to, {})))
        more = max(0.0, count - former.get(to, 0.0))
        overflows = max(0.0, refused.get(to, 0.0) - refused_before.get(to, 0.0))
        if more or overflows:
            p99 = measured.p99 / 1000 if measured else None
            found.append(Traffic(to.direction, to.host, to.port, requests=more, p99=p99, overflows=overflows))
    return found
