"""The tools: what is made where, that nobody gets in without a login, and that they obey the mesh's own policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.tools import ToolsConfig
from components.observability import values
from components.observability.alerts import ALERTS
from components.observability.dashboards import DASHBOARDS
from components.observability.metrics import SERIES
from components.observability.scraping import kept
from components.observability.tools import CHARTS, Tools, releases
from components.outputs import _telemetry  # pyright: ignore[reportPrivateUsage]
from components.resources.access import access_objects
from tests import builders, mocks, rooms

ALL = {
    "view": "use1",
    "prometheus": {},
    "grafana": {},
    "jaeger": {},
    "kiali": {},
    "alertmanager": "http://alertmanager.alerting.svc.cluster.local:9093/am",
}
TRACING = {"collector": {"host": "jaeger.observability.svc.cluster.local"}}


def said(**changes: Any) -> ToolsConfig:
    return ToolsConfig.model_validate({**ALL, **changes})


def of(tool: str, config: ToolsConfig | None = None, cluster: str = "use1") -> dict[str, Any]:
    (found,) = [made for name, _, made in releases(config or said(), cluster=cluster) if name == tool]
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    config = builders.stack_config(tmp_path_factory.mktemp("stack"), telemetry={"tools": ALL, "tracing": TRACING})
    assert config.telemetry.tools is not None
    tools = config.telemetry.tools

    def program() -> None:
        mesh = rooms.mesh(config)
        for cluster in mesh.clusters:
            Tools(
                f"{cluster.name}-tools",
                tools,
                mesh=config.mesh,
                trust_domain=config.trust.trust_domain,
                cluster=cluster,
                namespaces=mesh.namespaces[cluster.name],
                depends_on=mesh.control_planes[cluster.name].ready,
            )

    return mocks.run(program)


def test_each_cluster_has_its_prometheus_and_one_has_the_rest(done: mocks.Recording) -> None:
    made = {found.name: found for found in done.of_type("Release") if "-tools-" in found.name}
    assert set(made) == {
        *(f"use1-tools-{tool}" for tool in ("prometheus", "view", "grafana", "jaeger", "kiali")),
        "usw2-tools-prometheus",
    }
    for name, found in made.items():
        tool = name.rpartition("-")[2]
        chart, version, repository = CHARTS["prometheus" if tool == "view" else tool]
        assert (found.inputs["chart"], found.inputs["version"]) == (chart, version)
        assert found.inputs["repositoryOpts"] == {"repo": repository}
        assert (found.inputs["name"], found.inputs["namespace"]) == (tool, "observability")
        assert f"{name.partition('-')[0]}-mesh-istiod-1-31" in found.dependencies, "it would not be injected"


def test_grafana_has_every_dashboard(done: mocks.Recording) -> None:
    (files,) = [found for found in done.of_type("ConfigMap") if found.name == "use1-tools-dashboards"]
    assert set(files.inputs["data"]) == {f"{dashboard.name}.json" for dashboard in DASHBOARDS}
    assert all(json.loads(text)["panels"] for text in files.inputs["data"].values())
    assert of("grafana")["dashboardsConfigMaps"] == {"dashboards": files.inputs["metadata"]["name"]}


def test_spans_are_taken_from_every_identity_of_the_mesh_and_from_no_other(done: mocks.Recording) -> None:
    (policy,) = [found for found in done.of_type("AuthorizationPolicy") if "tools" in found.name]
    assert policy.inputs["spec"] == yaml.safe_load("""
        selector: {matchLabels: {app: jaeger}}
        action: ALLOW
        rules:
          - from: [{source: {principals: ["exam-platform.local/*"]}}]
            to: [{operation: {ports: ["4317"]}}]
    """)


def test_the_namespace_is_the_meshs_and_refuses_whoever_is_not_named(tmp_path: Path) -> None:
    config = builders.stack_config(tmp_path, telemetry={"tools": ALL, "tracing": TRACING})
    assert config.platform.namespaces("use1") == config.platform.namespaces("usw2") == ("observability",)
    objects = access_objects(
        config.platform,
        "use1",
        issuers=config.issuers,
        trust_domain=config.trust.trust_domain,
        security=config.security,
    )
    policies = {found.name: found.spec for found in objects if found.kind == "AuthorizationPolicy"}
    assert policies["default.deny"] == {}
    callers = json.dumps(policies["view"])
    for name in ("prometheus", "grafana", "kiali"):
        assert f"exam-platform.local/ns/observability/sa/{name}" in callers
    assert "sa/" not in json.dumps(policies.get("prometheus", {}))


@pytest.mark.parametrize("tool", ["prometheus", "view", "grafana", "jaeger", "kiali"])
def test_pods_have_the_label_and_the_account_that_policies_know_them_by(tool: str) -> None:
    made = of(tool)
    text = json.dumps(made)
    assert f'"app": "{tool}"' in text
    account = {
        "prometheus": lambda: made["serviceAccounts"]["server"]["name"],
        "view": lambda: made["serviceAccounts"]["server"]["name"],
        "grafana": lambda: made["serviceAccount"]["name"],
        "jaeger": lambda: made["fullnameOverride"],  # the chart names its account so
        "kiali": lambda: made["deployment"]["instance_name"],
    }[tool]()
    assert account == tool


def test_nobody_gets_in_without_a_login() -> None:
    grafana = of("grafana", said(grafana={"host": "grafana.exam-platform.com"}))
    assert grafana["grafana.ini"]["auth.anonymous"] == {"enabled": False}
    assert grafana["grafana.ini"]["users"]["allow_sign_up"] is False
    assert grafana["grafana.ini"]["security"]["cookie_secure"] is True
    assert "adminPassword" not in grafana, "the chart makes one that nobody has written down"
    assert "admin" not in grafana
    kiali = of("kiali")
    assert kiali["auth"] == {"strategy": "token"}
    assert kiali["deployment"]["view_only_mode"] is True


def test_a_secret_of_ones_own_takes_the_place_of_the_charts() -> None:
    assert of("grafana", said(grafana={"adminSecret": "grafana-admin"}))["admin"] == {"existingSecret": "grafana-admin"}


@pytest.mark.parametrize("tool", ["prometheus", "view", "grafana", "jaeger", "kiali"])
def test_every_pod_is_sized(tool: str) -> None:
    made = of(tool)
    where = {"prometheus": "server", "view": "server", "jaeger": "jaeger", "kiali": "deployment"}
    sizes = (made[where[tool]] if tool in where else made)["resources"]
    assert set(sizes) == {"requests", "limits"}
    assert all(set(amounts) == {"cpu", "memory"} for amounts in sizes.values())


def test_the_view_scrapes_nothing_and_the_clusters_write_what_is_asked_for() -> None:
    view, own = of("view"), of("prometheus", cluster="usw2")
    assert [job for job, config in view["scrapeConfigs"].items() if config.get("enabled", True)] == []
    assert view["rbac"] == {"create": False}
    assert "web.enable-remote-write-receiver" in view["server"]["extraFlags"]
    assert [job for job, config in own["scrapeConfigs"].items() if config.get("enabled", True)] == ["istiod", "proxies"]
    (written,) = own["server"]["remoteWrite"]
    assert written["url"] == "http://view.observability.svc.cluster.local:9090/api/v1/write"
    assert set(written["write_relabel_configs"][0]["regex"].split("|")) == set(SERIES) == set(kept().split("|"))


def test_every_alert_is_told_once_and_a_lost_region_by_the_view() -> None:
    def alerts(tool: str) -> set[str]:
        (group,) = of(tool)["serverFiles"]["alerting_rules.yml"]["groups"]
        return {rule["alert"] for rule in group["rules"]}

    assert alerts("prometheus") | alerts("view") == {alert.name for alert in ALERTS}
    assert alerts("view") == values.VIEW_ALERTS
    assert not alerts("prometheus") & alerts("view")
    for tool in ("prometheus", "view"):
        assert of(tool)["server"]["alertmanagers"] == [
            {
                "scheme": "http",
                "path_prefix": "/am",
                "static_configs": [{"targets": ["alertmanager.alerting.svc.cluster.local:9093"]}],
            }
        ]


def test_only_what_is_no_part_of_the_mesh_is_reached_past_the_proxy() -> None:
    key = "traffic.sidecar.istio.io/excludeOutboundPorts"
    assert of("prometheus")["server"]["podAnnotations"] == {key: "443,15014,15020"}
    assert of("kiali")["deployment"]["pod_annotations"] == {key: "443,15014"}
    for tool in ("view", "grafana", "jaeger"):
        assert key not in json.dumps(of(tool))


def test_one_that_is_there_already_is_not_made_but_asked() -> None:
    config = said(prometheus={"existing": "https://prometheus.example.com"}, alertmanager=None)
    assert {tool for tool, _, _ in releases(config, cluster="use1")} == {"grafana", "jaeger", "kiali"}
    assert releases(config, cluster="usw2") == []
    (source, _) = of("grafana", config)["datasources"]["datasources.yaml"]["datasources"]
    assert source["url"] == "https://prometheus.example.com"
    assert of("kiali", config)["external_services"]["prometheus"] == {"url": "https://prometheus.example.com"}


def test_other_teams_are_told_where_the_tools_are(tmp_path: Path) -> None:
    ingress = {"ingress": {"servers": [{"hosts": ["*.exam-platform.com"], "tls": {"existingSecret": "tls"}}]}}
    tools = {**ALL, "grafana": {"host": "grafana.exam-platform.com"}, "kiali": {"host": "kiali.exam-platform.com"}}
    telemetry = {"tools": tools, "tracing": TRACING, "dashboards": {"kiali": "https://elsewhere.example.com"}}
    config = builders.stack_config(tmp_path, telemetry=telemetry, gateways=ingress)
    assert _telemetry(config.telemetry) == {
        "traces": {"protocol": "otlp", "host": "jaeger.observability.svc.cluster.local", "port": 4317},
        "dashboards": {"grafana": "https://grafana.exam-platform.com", "kiali": "https://elsewhere.example.com"},
    }
    assert [str(host.host) for host in config.known_services["observability/grafana"].hosts] == [
        "grafana.exam-platform.com"
    ]


def test_a_stack_that_does_not_ask_has_none(tmp_path: Path) -> None:
    config = builders.stack_config(tmp_path)
    assert config.telemetry.tools is None
    assert config.platform.namespaces("use1") == ()


def test_hosts_of_tools_that_are_there_are_known_and_may_be_declared_as_external(tmp_path: Path) -> None:
    egress = {
        "metrics": {
            "hosts": ["prometheus.example.com"],
            "ports": {"https": 443},
            "callers": ["observability/grafana", "observability/kiali"],
        }
    }
    tools = {"view": "use1", "prometheus": {"existing": "https://prometheus.example.com"}, "grafana": {}, "kiali": {}}
    config = builders.stack_config(tmp_path, telemetry={"tools": tools}, egress=egress)
    assert config.telemetry.hosts == ("prometheus.example.com",)
