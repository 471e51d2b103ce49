"""DestinationRules as a whole, and the settings that a port or a version has of its own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.resources.traffic import destination_spec, stream_idle_spec
from tests.builders import Yaml, stack_config
from tests.services import services, the

REGIONS = {"use1": "us-east-1", "usw2": "us-west-2", "euw1": "eu-west-1"}

DEFAULT = """
host: exam-service.exam.svc.cluster.local
trafficPolicy:
  connectionPool:
    tcp: {maxConnections: 1024, connectTimeout: 5s, tcpKeepalive: {time: 60s}}
    http: {http1MaxPendingRequests: 256, http2MaxRequests: 1024, maxRetries: 3, idleTimeout: 60s}
  loadBalancer: {simple: LEAST_REQUEST}
  outlierDetection: {consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 100}
subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
"""


def whole(folder: Path, **changes: Any) -> Any:
    config = stack_config(folder, ("use1", "usw2", "euw1"), services=services(**changes))
    return destination_spec(the(config)[1], REGIONS)


def rule(folder: Path, **changes: Any) -> Any:
    """Without the settings of ports that are those of all ports, but for the life of a connection."""
    spec = whole(folder, **changes)
    for policy in (spec["trafficPolicy"], *(subset.get("trafficPolicy", {}) for subset in spec.get("subsets", []))):
        own = [
            {key: value for key, value in port.items() if key != "port"} for port in policy.get("portLevelSettings", [])
        ]
        for settings in own:
            settings["connectionPool"]["tcp"].pop("maxConnectionDuration", None)
        told = zip(policy.pop("portLevelSettings", []), own, strict=True)
        if kept := [{"port": port["port"], **settings} for port, settings in told if settings != policy]:
            policy["portLevelSettings"] = kept
    return spec


def test_the_defaults_hold_in_production(tmp_path: Path) -> None:
    assert rule(tmp_path) == yaml.safe_load(DEFAULT)


def test_a_service_without_versions_has_no_subsets(tmp_path: Path) -> None:
    assert "subsets" not in rule(tmp_path, versions=[])


def test_a_version_is_the_pods_with_its_labels(tmp_path: Path) -> None:
    found = rule(tmp_path, versions={"green": {"labels": {"track": "b", "release": "a"}}, "blue": {}})
    assert found["subsets"] == [
        {"name": "blue", "labels": {"version": "blue"}},
        {"name": "green", "labels": {"release": "a", "track": "b"}},
    ]


def test_the_seeds_settings_in_their_right_form(tmp_path: Path) -> None:
    """Outlier detection beside the pool, not in it; LEAST_REQUEST, not LEAST_CONN."""
    found = rule(
        tmp_path,
        versions=[],
        traffic={
            "pool": {
                "maxConnections": 100,
                "connectTimeout": "10s",
                "maxPendingRequests": 50,
                "maxRequests": 100,
                "maxRequestsPerConnection": 10,
                "maxRetries": 2,
                "idleTimeout": "90s",
                "http2": True,
            },
            "loadBalancing": "LEAST_REQUEST",
            "outliers": {
                "consecutiveErrors": 3,
                "gatewayErrorsOnly": True,
                "interval": "30s",
                "ejectionTime": "1m",
                "maxEjectionPercent": 50,
            },
        },
    )
    assert found["trafficPolicy"] == yaml.safe_load("""
        connectionPool:
          tcp: {maxConnections: 100, connectTimeout: 10s, tcpKeepalive: {time: 60s}}
          http:
            http1MaxPendingRequests: 50
            http2MaxRequests: 100
            maxRequestsPerConnection: 10
            maxRetries: 2
            idleTimeout: 90s
            h2UpgradePolicy: UPGRADE
        loadBalancer: {simple: LEAST_REQUEST}
        outlierDetection:
          consecutive5xxErrors: 0
          consecutiveGatewayErrors: 3
          interval: 30s
          baseEjectionTime: 60s
          maxEjectionPercent: 50
    """)


def lives(policy: Yaml) -> dict[int, str | None]:
    """Of connections, by port; none for all ports together, where Istio makes it that of every TCP connection."""
    assert "maxConnectionDuration" not in policy["connectionPool"]["tcp"]
    return {
        port["port"]["number"]: port["connectionPool"]["tcp"].get("maxConnectionDuration")
        for port in policy.get("portLevelSettings", [])
    }


def test_connections_for_http_end_where_there_are_other_regions(tmp_path: Path) -> None:
    """And those of other protocols never, however old."""
    spec = whole(
        tmp_path,
        traffic={"ports": {"tcp": {"pool": {"maxConnections": 7}}}},
        versions={"v1": {}, "v2": {"traffic": {"pool": {"maxConnectionDuration": "20s"}}}},
    )
    assert lives(spec["trafficPolicy"]) == {8080: "60s", 9000: None, 9090: "60s"}
    v1, v2 = spec["subsets"]
    assert "trafficPolicy" not in v1, "it has the service's"
    assert lives(v2["trafficPolicy"]) == {8080: "20s", 9000: None, 9090: "20s"}
    assert lives(whole(tmp_path, ports={"tls": 8443}, versions=[], routes=[])["trafficPolicy"]) == {}


def test_in_one_region_they_end_as_said(tmp_path: Path) -> None:
    def alone(**pool: str) -> dict[int, str | None]:
        config = stack_config(tmp_path, services=services(traffic={"ports": {"grpc": {"pool": pool}}}))
        return lives(destination_spec(the(config)[1], {"use1": "us-east-1"})["trafficPolicy"])

    assert alone(connectTimeout="1s") == {9090: None}
    assert alone(maxConnectionDuration="20s") == {9090: "20s"}


def test_outlier_detection_can_be_switched_off(tmp_path: Path) -> None:
    assert "outlierDetection" not in rule(tmp_path, traffic={"outliers": {"enabled": False}})["trafficPolicy"]


def test_a_ports_settings_hold_all_of_the_services_too(tmp_path: Path) -> None:
    """Istio takes a port's settings in place of the others, field by field left to its own defaults."""
    found = rule(
        tmp_path,
        failover={"use1": "usw2"},
        traffic={"pool": {"maxConnections": 7}, "ports": {"grpc": {"loadBalancing": "ROUND_ROBIN"}}},
    )["trafficPolicy"]
    (port,) = found.pop("portLevelSettings")
    assert port.pop("port") == {"number": 9090}
    assert port["loadBalancer"].pop("simple") == "ROUND_ROBIN"
    assert found["loadBalancer"].pop("simple") == "LEAST_REQUEST"
    assert port == found, "pool, outliers and regions are the service's"


def test_a_versions_settings_win_over_the_services_and_leave_the_rest(tmp_path: Path) -> None:
    found = rule(
        tmp_path,
        traffic={"pool": {"maxConnections": 7, "maxRetries": 1}, "ports": {"http": {"pool": {"maxRequests": 3}}}},
        versions={
            "v1": {"traffic": {"ports": {"http": {"loadBalancing": "ROUND_ROBIN"}}}},
            "v2": {"traffic": {"ports": {"grpc": {"pool": {"maxConnections": 200}}}}},
        },
    )
    v1, v2 = (subset["trafficPolicy"] for subset in found["subsets"])

    def limits(policy: Yaml) -> tuple[int, int, int]:
        pool = policy["connectionPool"]
        return pool["tcp"]["maxConnections"], pool["http"]["http2MaxRequests"], pool["http"]["maxRetries"]

    (http,) = v1["portLevelSettings"]
    assert (http["port"], limits(http), http["loadBalancer"]) == (
        {"number": 8080},
        (7, 3, 1),
        {"simple": "ROUND_ROBIN"},
    )
    assert [(port["port"]["number"], limits(port)) for port in v2["portLevelSettings"]] == [
        (8080, (7, 3, 1)),
        (9090, (200, 1024, 1)),
    ]
    assert limits(v2) == (7, 1024, 1)


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        (
            {"cookie": {"name": "session", "ttl": "1h"}},
            {"httpCookie": {"name": "session", "path": "/", "ttl": "3600s"}},
        ),
        ({"cookie": {"name": "session"}}, {"httpCookie": {"name": "session", "path": "/", "ttl": "0s"}}),
        ({"header": "x-user-id"}, {"httpHeaderName": "x-user-id"}),
        ({"sourceAddress": True}, {"useSourceIp": True}),
    ],
)
def test_affinity_takes_the_place_of_a_balancer(tmp_path: Path, affinity: Yaml, expected: Yaml) -> None:
    found = rule(tmp_path, traffic={"affinity": affinity})
    assert found["trafficPolicy"]["loadBalancer"] == {"consistentHash": expected}


def test_a_port_may_balance_where_the_service_has_affinity(tmp_path: Path) -> None:
    traffic = {"affinity": {"header": "x-user-id"}, "ports": {"grpc": {"loadBalancing": "RANDOM"}}}
    (port,) = rule(tmp_path, traffic=traffic)["trafficPolicy"]["portLevelSettings"]
    assert port["loadBalancer"] == {"simple": "RANDOM"}


def test_failover_names_regions(tmp_path: Path) -> None:
    found = rule(tmp_path, failover={"usw2": "use1", "use1": "usw2"})["trafficPolicy"]
    assert found["loadBalancer"]["localityLbSetting"] == {
        "enabled": True,
        "failover": [{"from": "us-east-1", "to": "us-west-2"}, {"from": "us-west-2", "to": "us-east-1"}],
    }
    assert found["outlierDetection"]["maxEjectionPercent"] == 100


def test_distribution_names_regions_and_leaves_out_shares_of_nothing(tmp_path: Path) -> None:
    found = rule(tmp_path, distribute={"use1": {"usw2": 20, "use1": 80, "euw1": 0}})["trafficPolicy"]
    assert found["loadBalancer"]["localityLbSetting"] == {
        "enabled": True,
        "distribute": [{"from": "us-east-1/*", "to": {"us-east-1/*": 80, "us-west-2/*": 20}}],
    }


def test_silent_streams_end_after_an_hour_or_as_said(tmp_path: Path) -> None:
    def idle(**changes: Any) -> str:
        config = stack_config(tmp_path, services=services(stream=True, **changes))
        spec = stream_idle_spec(the(config)[1])
        assert spec["workloadSelector"] == {"labels": {"app": "exam-service"}}
        return spec["configPatches"][0]["patch"]["value"]["typed_config"]["stream_idle_timeout"]

    assert idle() == "3600s"
    assert idle(idleTimeout="5m") == "300s"
