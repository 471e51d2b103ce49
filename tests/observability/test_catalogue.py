"""Dashboards and alerts as data: they ask for what exists, and nothing that exists is there for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from components.observability import files
from components.observability.alerts import ALERTS, rules
from components.observability.dashboards import DASHBOARDS, Dashboard
from components.observability.grafana import made
from components.observability.metrics import METRICS, metrics_in


def expressions() -> Iterator[str]:
    """Every query of a dashboard and every alert."""
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            yield from (query.expression for query in panel.queries)
    yield from (alert.expression for alert in ALERTS)


def test_every_query_asks_for_metrics_and_labels_of_the_catalogue_and_none_is_left_over() -> None:
    asked = {metric.name for expression in expressions() for metric in metrics_in(expression)}
    assert asked == {metric.name for metric in METRICS}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("rate(istio_request_total[5m])", "istio_request_total"),
        ('sum by (destination_servce_name) (rate(istio_requests_total{reporter="source"}[5m]))', "destination_servce"),
        ('up{clustr="use1"}', "clustr"),
        ("response_time_p99", "response_time_p99"),
        ("sum(up) / envoy_memory_usage", "envoy_memory_usage"),
    ],
)
def test_a_name_that_nobody_tells_is_refused(query: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        metrics_in(query)


def test_every_name_of_the_seed_is_answered_by_a_panel() -> None:
    said = " ".join(panel.says for dashboard in DASHBOARDS for panel in dashboard.panels)
    for name in (
        "istio_request_duration_milliseconds", "istio_request_total", "istio_requests_per_second", "response_time_p99",
        "error_rate_percentage", "concurrent_exam_takers", "envoy_memory_usage", "control_plane_cpu_usage",
        "mesh_configuration_updates", "successful_exam_completions", "payment_transaction_success_rate",
        "user_session_duration",
    ):  # fmt: skip
        assert name in said


def test_what_only_an_application_knows_comes_with_the_line_that_makes_it() -> None:
    for metric in METRICS:
        assert bool(metric.line) == (metric.source == "application"), metric.name
        if metric.line:
            assert metric.name.removesuffix("_total") in metric.line
            compile(metric.line, metric.name, "eval")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_a_dashboard_is_one_that_grafana_takes(dashboard: Dashboard) -> None:
    content = made(dashboard)
    assert content["title"] == dashboard.title
    assert content["uid"] == f"istio-mesh-{dashboard.name}"
    assert len(content["uid"]) <= 40, "Grafana cuts a longer one off"
    assert [panel["title"] for panel in content["panels"]] == [panel.title for panel in dashboard.panels]
    for drawn, panel in zip(content["panels"], dashboard.panels, strict=True):
        assert [target["expr"] for target in drawn["targets"]] == [query.expression for query in panel.queries]
        assert all(target["datasource"] == content["panels"][0]["datasource"] for target in drawn["targets"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in content["panels"]]
    assert len(set(places)) == len(places), "two panels lie on each other"
    (variable,) = content["templating"]["list"]
    assert variable["allValue"] == ".*"
    assert "null" not in json.dumps(content)


def test_every_alert_says_what_it_is_and_what_to_do() -> None:
    for rule in rules()["groups"][0]["rules"]:
        assert len(rule["annotations"]["do"]) > 40, rule["alert"]
        assert "{{" in rule["annotations"]["summary"], f"{rule['alert']} does not say of what"
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


def test_the_files_are_those_of_the_code() -> None:
    for path, content in files.rendered().items():
        assert path.read_text(encoding="utf-8") == content, f"{path} is old: make dashboards"
    expected = {path for path in files.rendered() if path.parent == files.FOLDER}
    assert set(files.FOLDER.iterdir()) == expected
    assert yaml.safe_load((files.FOLDER / "alerts.yaml").read_text(encoding="utf-8")) == rules()
