"""Two gateways in each cluster, with addresses that are read and not guessed."""

from pathlib import Path

import pulumi
import pytest
from pulumi_kubernetes.core.v1.outputs import LoadBalancerIngress, LoadBalancerStatus, ServiceStatus

from components.mesh.gateways import address_of
from tests import builders, mocks, rooms


def run(folder: Path, *, preview: bool = False) -> mocks.Recording:
    config = builders.stack_config(folder)

    def program() -> None:
        for name, gateways in rooms.mesh(config).gateways.items():
            pulumi.export(f"{name}-ingress", gateways.ingress_address)
            pulumi.export(f"{name}-east-west", gateways.east_west_address)

    return mocks.run(program, preview=preview)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    return run(tmp_path_factory.mktemp("stack"))


def test_gateways_wait_for_istiod_whose_webhook_makes_them_envoys(done: mocks.Recording) -> None:
    for role in ("ingress", "east-west"):
        assert "use1-mesh-istiod-1-31" in done.named(f"use1-gateways-{role}").dependencies


def test_the_ingress_has_a_namespace_of_its_own(done: mocks.Recording) -> None:
    namespace = done.named("use1-gateways-ingress-namespace").inputs["metadata"]["name"]
    assert done.named("use1-gateways-ingress").inputs["namespace"] == namespace == "istio-ingress"
    assert done.named("use1-gateways-east-west").inputs["namespace"] == "istio-system"


def test_each_address_is_that_of_its_own_service(done: mocks.Recording) -> None:
    addresses = [done.outputs[f"{name}-{role}"] for name in ("use1", "usw2") for role in ("ingress", "east-west")]
    assert all(addresses)
    assert len(set(addresses)) == 4


def test_the_services_are_read_by_the_releases_own_names(done: mocks.Recording) -> None:
    read = {name: id_ for _, name, id_ in done.reads}
    assert read["use1-gateways-ingress-service"] == "istio-ingress/istio-ingress"
    assert read["use1-gateways-east-west-service"] == "istio-system/istio-eastwestgateway"


def test_a_first_preview_knows_no_address_and_asks_no_cluster(tmp_path: Path) -> None:
    preview = run(tmp_path, preview=True)
    assert preview.unknown_outputs == {"use1-ingress", "use1-east-west", "usw2-ingress", "usw2-east-west"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([LoadBalancerIngress(ip="192.0.2.1")], "192.0.2.1"),
        ([LoadBalancerIngress(hostname="nlb.example.com")], "nlb.example.com"),
        ([LoadBalancerIngress(), LoadBalancerIngress(ip="192.0.2.2")], "192.0.2.2"),
        ([], ""),
        (None, ""),
    ],
)
def test_an_address_is_a_number_a_name_or_nothing(entries: list[LoadBalancerIngress] | None, expected: str) -> None:
    assert address_of(ServiceStatus(load_balancer=LoadBalancerStatus(ingress=entries))) == expected
    assert address_of(None) == ""
