"""What each cluster gets for the services: namespaces, scopes, names of those that run elsewhere, routes, egress."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from components.resources.egress import external_spec
from components.resources.namespaces import scope_objects, stub_spec
from tests import mocks
from tests.builders import Yaml, stack, stack_config
from tests.services import PLAIN

PROGRAM = Path(__file__).parents[2] / "__main__.py"

SERVICES: Yaml = {
    "exam/web": PLAIN | {"regions": ["use1"], "hosts": ["exam-platform.com"]},
    "exam/api": {
        "ports": {"http": 8080, "web": {"number": 80, "protocol": "http"}},
        "versions": ["v1", "v2"],
        "canary": {"to": "v2", "percent": 10},
        "regions": ["usw2"],
        "callers": ["exam/web"],
        "stream": True,
    },
    "results/store": {"ports": {"tcp": 5432}, "regions": ["usw2"], "callers": ["exam/api"]},
}

EGRESS: Yaml = {
    "payments": {"hosts": ["api.payments.com"], "ports": {"https": 443}, "callers": ["exam/web"]},
    "mail": {"hosts": ["*.mail.com"], "ports": {"https": 443}, "callers": ["results/store"]},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    values = stack(tmp_path_factory.mktemp("stack"), services=SERVICES, egress=EGRESS)
    return mocks.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=values)


def made(done: mocks.Recording, kind: str, cluster: str) -> set[str]:
    """Objects of a kind in a cluster, as `namespace/name`."""
    return {
        f"{found.inputs['metadata']['namespace']}/{found.inputs['metadata']['name']}"
        for found in done.of_type(kind)
        if found.provider == f"{cluster}-provider"
    }


def scopes(folder: Path, cluster: str, *always: str) -> dict[str, Any]:
    platform = stack_config(folder, services=SERVICES, egress=EGRESS).platform
    return {f"{found.namespace}/{found.name}": found.spec for found in scope_objects(platform, cluster, always)}


def test_namespaces_are_where_something_runs_or_is_called_from(done: mocks.Recording) -> None:
    for cluster, expected in (("use1", {"exam"}), ("usw2", {"exam", "results"})):
        found = [r for r in done.of_type("Namespace") if r.parent == f"{cluster}-namespaces"]
        assert {r.inputs["metadata"]["name"] for r in found} == expected
        assert {r.inputs["metadata"]["labels"]["istio-injection"] for r in found} == {"enabled"}
        assert all(f"{cluster}-control-plane-istiod-1-31" in r.dependencies for r in found)


def test_a_namespace_of_former_exceptions_is_kept(done: mocks.Recording) -> None:
    aliases = [alias.spec for alias in done.named("use1-namespaces-exam").options.aliases]
    assert [(alias.name, alias.parentUrn.rpartition("::")[2]) for alias in aliases] == [
        ("use1-security-namespace-exam", "use1-security")
    ]


def test_objects_are_where_the_service_runs_or_is_called_from(done: mocks.Recording) -> None:
    services = {"exam/api", "exam/web"}
    assert made(done, "DestinationRule", "use1") == services
    assert made(done, "DestinationRule", "usw2") == services | {"results/store"}
    assert made(done, "VirtualService", "use1") == services | {"istio-ingress/exam-platform.com"}
    assert made(done, "VirtualService", "usw2") == made(done, "VirtualService", "use1"), "a plain TCP one needs none"
    assert made(done, "Sidecar", "use1") == {"exam/default", "exam/web.scope"}
    assert made(done, "Sidecar", "usw2") == {
        "exam/default",
        "exam/api.scope",
        "results/default",
        "results/store.scope",
    }


def test_a_service_that_runs_elsewhere_has_a_name_where_it_is_called_from(done: mocks.Recording) -> None:
    elsewhere = done.named("use1-scopes-exam.api", "Service")
    assert elsewhere.inputs["metadata"]["name"] == "api"
    assert elsewhere.inputs["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    assert elsewhere.options.retainOnDelete
    assert "labels" not in elsewhere.inputs["metadata"], "it stays, and a stack of another mesh id may find it"
    assert elsewhere.inputs["spec"] == {
        "selector": {"app": "api"},
        "ports": [
            {"name": "web", "port": 80, "targetPort": 80, "protocol": "TCP", "appProtocol": "http"},
            {"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"},
        ],
    }
    stubs = {name for name in done.names if "-scopes-" in name and done.named(name).type.endswith(":Service")}
    assert stubs == {"use1-scopes-exam.api", "usw2-scopes-exam.web"}, "the ingress of usw2 calls exam/web"


def test_the_stub_of_a_service_has_its_ports_in_order(tmp_path: Path) -> None:
    platform = stack_config(tmp_path, services=SERVICES).platform
    assert [port["port"] for port in stub_spec(platform.services["exam/api"])["ports"]] == [80, 8080]


def test_a_version_is_known_before_a_request_is_sent_to_it(done: mocks.Recording) -> None:
    route = done.named("use1-routing-exam.api")
    assert "use1-traffic-exam.api" in route.dependencies
    assert "use1-traffic-exam.web" not in route.dependencies, "each waits for its own"
    public = done.named("use1-routing-istio-ingress.exam-platform.com")
    assert {"use1-traffic-exam.web", "use1-gateways-ingress"} <= public.dependencies


def test_streams_have_their_idle_time_out_where_the_pods_are(done: mocks.Recording) -> None:
    assert made(done, "EnvoyFilter", "use1") & {"exam/api.stream-idle"} == set()
    assert "exam/api.stream-idle" in made(done, "EnvoyFilter", "usw2")


def test_a_proxy_knows_what_its_service_calls_and_no_more(tmp_path: Path) -> None:
    assert scopes(tmp_path, "use1") == {
        "exam/default": {"egress": [{"hosts": ["./*"]}]},
        "exam/web.scope": {
            "workloadSelector": {"labels": {"app": "web"}},
            "egress": [{"hosts": ["exam/api.exam.svc.cluster.local", "istio-system/api.payments.com"]}],
        },
    }
    assert scopes(tmp_path, "usw2")["exam/api.scope"]["egress"] == [
        {"hosts": ["results/store.results.svc.cluster.local"]}
    ]


def test_a_service_that_calls_nobody_knows_nobody(tmp_path: Path) -> None:
    platform = stack_config(tmp_path, services={"exam/alone": PLAIN}, gateways={}).platform
    (_, own) = scope_objects(platform, "use1")
    assert own.spec["egress"] == [{"hosts": ["~/*"]}]


def test_every_proxy_knows_the_collectors(tmp_path: Path) -> None:
    found = scopes(tmp_path, "usw2", "collector.observability.svc.cluster.local", "otlp.example.com")
    known = {"observability/collector.observability.svc.cluster.local", "*/otlp.example.com"}
    assert all(known <= set(spec["egress"][0]["hosts"]) for spec in found.values())


def test_an_external_service_is_declared_where_a_caller_runs(done: mocks.Recording) -> None:
    assert made(done, "ServiceEntry", "use1") == {"istio-system/payments"}
    assert made(done, "ServiceEntry", "usw2") == {"istio-system/mail"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"hosts": ["api.payments.com"], "ports": {"https": 443}},
            {
                "hosts": ["api.payments.com"],
                "resolution": "DNS",
                "ports": [{"name": "https", "number": 443, "protocol": "HTTPS"}],
            },
        ),
        (
            {"hosts": ["*.mail.com"], "ports": {"https": 443}},
            {
                "hosts": ["*.mail.com"],
                "resolution": "NONE",
                "ports": [{"name": "https", "number": 443, "protocol": "HTTPS"}],
            },
        ),
        (
            {
                "hosts": ["db.example.com"],
                "ports": {"tcp-postgres": 5432, "http": 80},
                "addresses": ["203.0.113.7"],
                "endpoints": ["203.0.113.8"],
            },
            {
                "hosts": ["db.example.com"],
                "resolution": "STATIC",
                "ports": [
                    {"name": "http", "number": 80, "protocol": "HTTP"},
                    {"name": "tcp-postgres", "number": 5432, "protocol": "TCP"},
                ],
                "addresses": ["203.0.113.7"],
                "endpoints": [{"address": "203.0.113.8"}],
            },
        ),
    ],
)
def test_an_external_service_in_istios_form(tmp_path: Path, said: Yaml, expected: Yaml) -> None:
    callers = ["results/store", "exam/web", "exam/api"]
    config = stack_config(tmp_path, services=SERVICES, egress={"it": said | {"callers": callers}})
    assert external_spec(config.egress["it"], callers) == expected | {
        "location": "MESH_EXTERNAL",
        "exportTo": ["exam", "results"],
    }


def test_other_teams_are_told_of_every_service(done: mocks.Recording) -> None:
    assert done.outputs["services"]["exam/api"] == {
        "host": "api.exam.svc.cluster.local",
        "ports": {"web": {"number": 80, "protocol": "http"}, "http": {"number": 8080, "protocol": "http"}},
        "versions": ["v1", "v2"],
        "clusters": ["usw2"],
        "principal": "exam-platform.local/ns/exam/sa/api",
        "callers": ["exam/web"],
        "publicHosts": [],
        "offeredTo": [],
        "callsOut": [],
    }
    assert done.outputs["services"]["exam/web"]["publicHosts"] == ["exam-platform.com"]
