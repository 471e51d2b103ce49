"""What may be wrong with `istio-mesh:telemetry.tools`: every fault, word by word."""

from pathlib import Path
from typing import Any

import pytest

from components.config.tools import ToolsConfig, services
from tests.builders import faults_of, stack_config

TOOLS = "istio-mesh:telemetry.tools"
TRACING = {"collector": {"host": "jaeger.observability.svc.cluster.local"}}


def tools(**words: Any) -> dict[str, Any]:
    return {"telemetry": {"tools": {"view": "use1", **words}, "tracing": TRACING}}


ALL = tools(prometheus={}, grafana={}, jaeger={}, kiali={}, alertmanager="http://alerts.ops.svc.cluster.local:9093")

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("all of them", ALL, []),
    ("one that is there", tools(prometheus={"existing": "https://prometheus.example.com/"}, grafana={}), []),
    (
        "Grafana and Kiali without a Prometheus",
        tools(grafana={}, kiali={}),
        [
            f"{TOOLS}.{name}: there is no Prometheus that it could ask. It would start and show nothing. Add "
            "`prometheus: {}`, or `prometheus: {existing: <its address>}`."
            for name in ("grafana", "kiali")
        ],
    ),
    (
        "words for one that is there",
        tools(prometheus={"existing": "https://prometheus.example.com", "viewStorage": "10Gi"}),
        [
            f"{TOOLS}.prometheus.viewStorage: it is said of a tool that is there already. The stack does not make it, "
            "and this would be ignored. Take it out, or take `existing` out."
        ],
    ),
    (
        "alerts of a Prometheus that is there",
        tools(
            prometheus={"existing": "https://prometheus.example.com"},
            alertmanager="http://alerts.ops.svc.cluster.local:9093",
        ),
        [
            f"{TOOLS}.alertmanager: the stack makes no Prometheus that would send alerts. It would be ignored. Name it "
            "where the existing Prometheus is configured, and give that `dashboards/alerts.yaml`."
        ],
    ),
    (
        "a password in an address",
        tools(prometheus={"existing": "https://admin:secret@prometheus.example.com"}),
        [
            f"{TOOLS}.prometheus.existing: it is not the address of a tool. Nothing could be asked there. Write it as "
            "in `https://prometheus.exam-platform.com`, without a user."
        ],
    ),
    (
        "a view in no cluster",
        {"telemetry": {"tools": {"view": "euw1", "prometheus": {}}}},
        [f"{TOOLS}.view: there is no cluster `euw1`. Nobody would have the view. Name one of use1, usw2."],
    ),
    (
        "a host that the ingress does not serve",
        tools(prometheus={}, grafana={"host": "grafana.exam-platform.com"}),
        [
            f"{TOOLS}.grafana.host: the ingress does not serve `grafana.exam-platform.com`. Nobody could open it. Add "
            "it to a server of `istio-mesh:gateways.ingress`, with its certificate."
        ],
    ),
    (
        "spans that go elsewhere",
        {"telemetry": {"tools": {"view": "use1", "jaeger": {}}, "tracing": {"collector": {"host": "c.ops.svc"}}}},
        [
            f"{TOOLS}.jaeger: spans are sent to `c.ops.svc`. Jaeger would stay empty. Write `tracing: {{collector: "
            "{host: jaeger.observability.svc.cluster.local}}` beside `tools`."
        ],
    ),
    (
        "no spans at all",
        {"telemetry": {"tools": {"view": "use1", "jaeger": {}}}},
        [
            f"{TOOLS}.jaeger: no traces are made. Jaeger would stay empty. Write `tracing: {{collector: "
            "{host: jaeger.observability.svc.cluster.local}}` beside `tools`."
        ],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_fault_is_named(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    assert faults_of(tmp_path, changes) == expected


def test_a_service_in_the_namespace_of_the_tools_is_refused(tmp_path: Path) -> None:
    written = {"observability/own": {"ports": {"http": 8080}, "hosts": ["exam-platform.com"]}}
    found = faults_of(tmp_path, {"services": written, "telemetry": {"tools": {"view": "use1", "prometheus": {}}}})
    assert found == [
        f"{TOOLS}: the service `observability/own` is in the namespace of the tools. Two owners would say who may call "
        "what in it. Put it into another namespace."
    ]


def test_a_remote_cluster_cannot_have_the_view(tmp_path: Path) -> None:
    changes = {"clusters.1.primary": "use1", "telemetry": {"tools": {"view": "usw2", "prometheus": {}}}}
    found = faults_of(tmp_path, changes)
    assert found == [
        f"{TOOLS}.view: `usw2` is a remote cluster. It is lost with use1, and the view with both. Name a cluster with "
        "a control plane of its own, such as use1."
    ]


def test_nothing_is_made_of_tools_that_are_not_named(tmp_path: Path) -> None:
    config = stack_config(tmp_path)
    assert services(config.telemetry.tools, ["use1", "usw2"]) == {}
    assert config.known_services == config.services


def test_each_tool_is_reached_by_those_alone_that_ask_it() -> None:
    config = ToolsConfig.model_validate(ALL["telemetry"]["tools"])
    made = services(config, ["use1", "usw2"])
    assert {key: set(service.callers) for key, service in made.items()} == {
        "observability/prometheus": set(),
        "observability/view": {"observability/prometheus", "observability/grafana", "observability/kiali"},
        "observability/grafana": {"observability/kiali"},
        "observability/jaeger": {"observability/grafana", "observability/kiali"},
        "observability/kiali": set(),
    }
    assert {key for key, service in made.items() if service.regions == ("use1", "usw2")} == {"observability/prometheus"}
    assert {key: service.hosts for key, service in made.items() if service.hosts} == {}, "nothing is public by itself"


def test_a_tool_that_is_there_is_asked_at_its_address_and_not_made() -> None:
    config = ToolsConfig.model_validate(
        {"view": "use1", "prometheus": {"existing": "https://prometheus.example.com/mesh"}, "grafana": {}}
    )
    assert set(services(config, ["use1"])) == {"observability/grafana"}
    assert config.metrics == "https://prometheus.example.com/mesh"
    assert config.hosts == ("prometheus.example.com",)
