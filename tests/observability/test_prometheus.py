"""Dashboards and alerts before a real Prometheus, on recorded series: `make test-prometheus`."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.observability.alerts import ALERTS, Alert, rules
from components.observability.dashboards import DASHBOARDS, Panel
from components.observability.scraping import remote_write, scrape_configs
from tests.observability import recorded
from tests.observability.firing import CASES
from tests.prometheus import Server, asked, blocks, promtool, served

pytestmark = pytest.mark.prometheus

PANELS = [
    pytest.param(panel, id=f"{dashboard.name}: {panel.title}") for dashboard in DASHBOARDS for panel in dashboard.panels
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """One that has the recorded series, and nothing else."""
    folder = tmp_path_factory.mktemp("prometheus")
    blocks(folder, recorded.text())
    with served(folder, {"global": {"scrape_interval": "15s"}}) as server:
        yield server


@pytest.mark.parametrize("panel", PANELS)
def test_every_query_of_a_dashboard_finds_something(server: Server, panel: Panel) -> None:
    for query in panel.queries:
        assert server.query(asked(query.expression), recorded.END), query.expression


def test_a_query_for_what_nobody_tells_finds_nothing(server: Server) -> None:
    assert server.query("rate(istio_request_total[2m])", recorded.END) == [], "the test above could not fail"


def _by(found: list[dict[str, Any]], label: str) -> dict[str, float]:
    return {each["metric"].get(label, ""): round(float(each["value"][1]), 3) for each in found}


def _of(title: str, place: int = 0) -> str:
    (panel,) = [panel for dashboard in DASHBOARDS for panel in dashboard.panels if panel.title == title]
    return asked(panel.queries[place].expression)


def test_numbers_are_those_of_the_recorded_requests(server: Server) -> None:
    """Computed by hand from tests/observability/recorded.py."""

    def found(title: str, label: str, place: int = 0) -> dict[str, float]:
        return _by(server.query(_of(title, place), recorded.END), label)

    # 30 of 298 requests (120+30+1.5+3+60+3 and 10.5 to the payment provider, whose cluster is unknown) go to the peer.
    away = (30 + 10.5) / (120 + 30 + 1.5 + 3 + 60 + 3 + 10.5)
    assert found("Answered by another cluster", "source_cluster") == dict.fromkeys(recorded.CLUSTERS, round(away, 3))
    failed = found("Failed requests", "destination_service_name")
    assert failed["exam-service"] == round(1.5 / 151.5, 3)
    assert failed["web-frontend"] == 0, "none failed, which is a number too"
    assert found("Payments that succeed", "mesh_cluster") == dict.fromkeys(recorded.CLUSTERS, round(10 / 10.5, 3))
    assert found("Premium users", "mesh_cluster") == dict.fromkeys(recorded.CLUSTERS, round(60 / 63, 3))
    # All within the bucket that ends at 50 ms and begins at 25: its middle is the median.
    assert found("Response time", "destination_service_name")["exam-service"] == 37.5
    # 40 ms each, of (120 + 30 + 1.5 + 3 + 60) every 15 s.
    under_way = found("Exam requests under way", "mesh_cluster")
    assert under_way["use1"] == round((120 + 30 + 1.5 + 3 + 60) * 0.04 / 15, 3)
    assert found("Mutual TLS", "destination_service_namespace") == {"exam": 1.0}
    assert found("People in an exam", "mesh_cluster") == dict.fromkeys(recorded.CLUSTERS, 120)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_alert_fires_when_it_is_meant_to_and_says_of_what(case: Any, tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rules()), encoding="utf-8")
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(case.document()), encoding="utf-8")
    done = promtool("test", "rules", "test.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_firing_and_seen_silent() -> None:
    assert {case.alert for case in CASES if case.fires} == {alert.name for alert in ALERTS}
    assert {case.alert for case in CASES if not case.fires} == {alert.name for alert in ALERTS}


def test_prometheus_takes_the_rules_and_the_way_it_scrapes(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rules()), encoding="utf-8")
    done = promtool("check", "rules", "alerts.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout
    config = {
        "scrape_configs": scrape_configs("use1"),
        "remote_write": [remote_write("http://prometheus.observability.svc.cluster.local:9090/api/v1/write")],
        "rule_files": ["alerts.yaml"],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = promtool("check", "config", "prometheus.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_no_alert_fires_on_the_recorded_mesh(server: Server, alert: Alert) -> None:
    """It was well, but for what the lab's series lack: a pod of the gateway is recorded as well."""
    assert server.query(alert.expression, recorded.END) == []
