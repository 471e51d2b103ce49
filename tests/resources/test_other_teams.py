"""What is offered to other teams: who is let in, what is known where, and which routes a gateway takes."""

from pathlib import Path

import pytest

from components.outputs import public_host
from components.resources.access import caller_principals
from components.resources.gateway import ingress_spec
from components.resources.namespaces import service_scope
from tests.builders import stack_config
from tests.services import PLAIN, exam, services, the


def test_another_teams_workloads_are_let_in_by_their_namespace(tmp_path: Path) -> None:
    platform, service = the(stack_config(tmp_path, services=services(offeredTo=["shop", "billing"])))
    assert caller_principals(platform, service, "exam-platform.local") == [
        "exam-platform.local/ns/billing/sa/*",
        "exam-platform.local/ns/exam/sa/web-frontend",
        "exam-platform.local/ns/shop/sa/*",
    ]


def test_what_is_offered_is_known_in_every_cluster(tmp_path: Path) -> None:
    """Nobody knows where the other team runs: its proxies find routes and names wherever that is."""
    here = {"ports": {"http": 8080}, "regions": ["usw2"]}
    config = stack_config(
        tmp_path, services={"exam/store": here | {"offeredTo": ["shop"]}, "exam/own": here}, gateways={}
    )
    assert [service.key for service in config.platform.present("use1")] == ["exam/store"]
    assert [service.key for service in config.platform.stubs("use1")] == ["exam/store"]
    assert config.platform.namespaces("use1") == ("exam",)


def test_a_proxy_knows_the_namespaces_that_its_service_calls_out_to(tmp_path: Path) -> None:
    said = {"exam/exam-service": exam(callers=[], callsOut=["shop", "billing"]), "exam/other": PLAIN}
    platform, service = the(stack_config(tmp_path, services=said, gateways={}))
    assert service_scope(platform, service)["egress"] == [{"hosts": ["billing/*", "shop/*"]}]


def test_the_gateway_takes_routes_of_an_offered_host_from_its_teams_alone(tmp_path: Path) -> None:
    tls = {"existingSecret": "tls"}
    servers = [
        {"hosts": ["exam-platform.com"], "tls": tls},
        {"hosts": ["a.example.com", "b.example.com"], "tls": tls, "offeredTo": ["shop", "billing"]},
    ]
    config = stack_config(tmp_path, gateways={"ingress": {"servers": servers}})
    offered = ["shop/a.example.com", "shop/b.example.com", "billing/a.example.com", "billing/b.example.com"]
    spec = ingress_spec(config.gateways.ingress.servers)
    assert [server["hosts"] for server in spec["servers"]] == [
        ["exam-platform.com"],
        offered,
        ["exam-platform.com", *offered],
    ]


@pytest.mark.parametrize(
    ("services_said", "offered"), [({}, ["*"]), ({"exam/web": PLAIN | {"hosts": ["exam-platform.com"]}}, [])]
)
def test_hosts_of_a_stack_without_services_are_for_whoever_comes(
    tmp_path: Path, services_said: dict[str, object], offered: list[str]
) -> None:
    config = stack_config(tmp_path, services=services_said)
    (server,) = config.gateways.ingress.servers
    said = public_host("exam-platform.com", server, "exam-platform.local", open_to_all=not config.services)
    assert said == {
        "host": "exam-platform.com",
        "gateway": "istio-ingress/ingress",
        "principal": "exam-platform.local/ns/istio-ingress/sa/istio-ingress",
        "tls": {"minimumVersion": "1.2", "generated": False},
        "offeredTo": offered,
    }
