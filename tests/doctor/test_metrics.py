"""What istiod and proxies tell in numbers, read as facts: lines as istiod 1.31.0 and Envoy 1.40.0 print them."""

from datetime import UTC, datetime

from mesh.doctor.collect import metrics
from mesh.doctor.collect.exposition import Samples, between, buckets, distribution, parse, total
from mesh.doctor.facts import Distribution, Traffic

API = "outbound|8080||api.exam.svc.cluster.local"
HOST = "api.exam.svc.cluster.local"


def read(*lines: str) -> Samples:
    return parse("\n".join(lines), lambda _: True)


def test_samples_are_read_with_their_labels_and_whatever_is_none_is_left_out() -> None:
    text = "\n".join(
        (
            "# HELP requests_total How many.",
            "# TYPE requests_total counter",
            'requests_total{code="200",path="/a,b{c}"} 3',
            'requests_total{code="503",path="say \\"no\\""} 1.5e+01 1700000000',
            "plain 7",
            "unwanted 8",
            "broken",
            "worse{ 1",
        )
    )
    found = parse(text, lambda name: name != "unwanted")
    assert [(sample.labels, sample.value) for sample in found["requests_total"]] == [
        ({"code": "200", "path": "/a,b{c}"}, 3.0),
        ({"code": "503", "path": 'say \\"no\\"'}, 15.0),
    ]
    assert total(found, "requests_total") == 18
    assert total(found, "requests_total", code="503") == 15
    assert total(found, "requests_total", code="404") is None
    assert total(found, "plain") == 7
    assert "unwanted" not in found


def test_the_99th_percentile_is_the_end_of_its_bucket() -> None:
    samples = read('d_bucket{le="0.1"} 98', 'd_bucket{le="0.5"} 99', 'd_bucket{le="1"} 99', 'd_bucket{le="+Inf"} 100')
    assert distribution(buckets(samples, "d")) == Distribution(100, 0.5)
    assert distribution({}) is None
    above = read('d_bucket{le="0.1"} 1', 'd_bucket{le="+Inf"} 100')
    assert distribution(buckets(above, "d")) == Distribution(100, 0.1), "above the last bucket nothing more is known"


def test_a_counter_that_began_anew_counts_whole() -> None:
    assert between({1.0: 5.0}, {1.0: 7.0}) == {1.0: 2.0}
    assert between({1.0: 5.0}, {1.0: 3.0}) == {1.0: 3.0}


ISTIOD = (
    'pilot_info{version="1.31.0-unknown-unknown"} 1',
    'istiod_remote_cluster_sync_status{cluster="usw2",cluster_type="remote",status="closed"} 0',
    'istiod_remote_cluster_sync_status{cluster="usw2",cluster_type="remote",status="synced"} 1',
    'istiod_remote_cluster_sync_status{cluster="euw1",cluster_type="remote",status="timeout"} 1',
    "citadel_server_cert_chain_expiry_timestamp 1.858596154e+09",
    "citadel_server_root_cert_expiry_timestamp 2.110884154e+09",
    "process_resident_memory_bytes 1.47636224e+08",
    'pilot_xds_config_size_bytes_sum{type="type.googleapis.com/envoy.config.cluster.v3.Cluster"} 1000',
    'pilot_xds_config_size_bytes_count{type="type.googleapis.com/envoy.config.cluster.v3.Cluster"} 10',
    'pilot_xds_config_size_bytes_sum{type="type.googleapis.com/envoy.config.listener.v3.Listener"} 4000',
    'pilot_xds_config_size_bytes_count{type="type.googleapis.com/envoy.config.listener.v3.Listener"} 10',
    'pilot_xds_config_size_bytes_sum{type="istio.io/debug/syncz"} 5618',
    'pilot_xds_config_size_bytes_count{type="istio.io/debug/syncz"} 1',
    'pilot_proxy_convergence_time_bucket{le="0.1"} 90',
    'pilot_proxy_convergence_time_bucket{le="3"} 90',
    'pilot_proxy_convergence_time_bucket{le="5"} 100',
    'pilot_proxy_convergence_time_bucket{le="+Inf"} 100',
)


def test_what_istiod_tells() -> None:
    found = metrics.istiod(read(*ISTIOD), read(*ISTIOD))
    assert found.version == "1.31.0"
    assert found.remotes == {"usw2": "synced", "euw1": "timeout"}
    assert found.authority_until == datetime(2028, 11, 23, 12, 42, 34, tzinfo=UTC)
    assert found.memory == 147_636_224
    assert found.configuration == 500, "a mean push of clusters and one of listeners; what people ask for is none"
    assert found.push is None, "nothing was pushed in between"
    assert found.queue is None


def test_pushes_are_those_between_the_looks() -> None:
    later = [line.replace("} 90", "} 94").replace("} 100", "} 104") for line in ISTIOD]
    assert metrics.istiod(read(*ISTIOD), read(*later)).push == Distribution(4, 0.1)


def proxy(active: float, completed: float, **numbers: float) -> Samples:
    names = {
        "rejected": "envoy_listener_manager_lds_update_rejected{}",
        "retries": f'envoy_cluster_upstream_rq_retry{{cluster_name="{API}"}}',
        "overflows": f'envoy_cluster_upstream_rq_pending_overflow{{cluster_name="{API}"}}',
        "ejected": f'envoy_cluster_outlier_detection_ejections_active{{cluster_name="{API}"}}',
        "open": f'envoy_cluster_circuit_breakers_default_rq_open{{cluster_name="{API}"}}',
    }
    return read(
        'istio_agent_cert_expiry_seconds{resource_name="default"} 86256.41',
        "istio_agent_process_resident_memory_bytes 3.0e+07",
        "envoy_server_memory_physical_size{} 20000000",
        "envoy_cluster_manager_active_clusters{} 58",
        'envoy_cluster_upstream_rq_active{cluster_name="xds-grpc"} 1',
        f'envoy_cluster_upstream_rq_active{{cluster_name="{API}"}} {active}',
        f'envoy_cluster_upstream_rq_completed{{cluster_name="{API}"}} {completed}',
        'envoy_cluster_upstream_rq_completed{cluster_name="inbound|8080||"} 5',
        f'envoy_cluster_membership_total{{cluster_name="{API}"}} 2',
        f'envoy_cluster_membership_total{{cluster_name="{API.replace("||", "|v1|")}"}} 1',
        *(f"{names[key]} {value}" for key, value in numbers.items()),
    )


def test_what_a_proxy_tells_of_itself() -> None:
    found = metrics.proxy([proxy(0, 10), proxy(0, 10)], 2.0)
    assert found.connected
    assert (found.certificate_left, found.memory, found.clusters, found.series) == (86_256.41, 5e7, 58, 0)
    # Nothing was asked of anybody meanwhile.
    assert all(traffic.requests == 0 for traffic in found.traffic)


def test_the_mean_is_what_is_under_way_by_the_rate() -> None:
    """30 requests a second of which 45 wait at any time take 1.5 s each (Little's law)."""
    found = metrics.proxy([proxy(40, 100), proxy(45, 130), proxy(50, 160)], 2.0)
    (traffic,) = [each for each in found.traffic if each.direction == "outbound"]
    assert traffic == Traffic("outbound", HOST, 8080, requests=60, mean=1.5, endpoints=2)


def test_what_proxies_count_of_failures() -> None:
    before = proxy(0, 100, rejected=1, retries=5, overflows=2, ejected=0, open=1)
    after = proxy(0, 200, rejected=3, retries=35, overflows=14, ejected=1, open=0)
    found = metrics.proxy([before, after], 2.0)
    (traffic,) = [each for each in found.traffic if each.direction == "outbound"]
    assert found.rejected == 2
    assert (traffic.retries, traffic.overflows, traffic.ejected, traffic.breaker_open) == (30, 12, 1, True)


def test_a_histogram_says_the_99th_percentile_where_it_was_taken_in_between() -> None:
    def timed(slow: int) -> Samples:
        name = f'envoy_cluster_upstream_rq_time_bucket{{cluster_name="{API}"'
        lines = (f'{name},le="100"}} 50', f'{name},le="2500"}} {50 + slow}', f'{name},le="+Inf"}} {50 + slow}')
        return {**proxy(0, 50 + slow), **read(*lines)}

    (traffic,) = [t for t in metrics.proxy([timed(0), timed(20)], 2.0).traffic if t.direction == "outbound"]
    assert traffic.p99 == 2.5
    (calm,) = [t for t in metrics.proxy([timed(20), timed(20)], 2.0).traffic if t.direction == "outbound"]
    assert calm.p99 is None, "Envoy takes its histograms every five seconds: none was taken here"


def test_istios_own_metrics_say_it_where_they_are() -> None:
    def standard(good: int, refused: int) -> Samples:
        labels = f'reporter="source",destination_service="{HOST}"'
        times = f"istio_request_duration_milliseconds_bucket{{{labels}"
        return read(
            f'istio_requests_total{{{labels},response_flags="-"}} {good}',
            f'istio_requests_total{{{labels},response_flags="UO"}} {refused}',
            'istio_requests_total{reporter="destination",destination_service="web",response_flags="-"} 7',
            f'{times},le="1000"}} {good}',
            f'{times},le="+Inf"}} {good}',
        )

    found = metrics.proxy([standard(10, 1), standard(40, 4)], 2.0)
    assert found.traffic == (Traffic("outbound", HOST, 0, requests=33, p99=1.0, overflows=3),)
    assert found.series == 5
