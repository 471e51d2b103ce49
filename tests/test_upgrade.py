"""The whole program while Istio is upgraded: clusters at steps of their own, and remote ones with their primary."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from tests import mocks
from tests.builders import put, stack

PROGRAM = Path(__file__).parents[1] / "__main__.py"
SERVICES = {"exam/web": {"ports": {"http": 8080}}, "results/api": {"ports": {"http": 8080}}}
LEGACY = {"namespace": "legacy", "workload": {"app": "legacy-metrics"}, "ports": [8081]}
UPGRADE = {"version": "1.31.0", "namespaces": ["exam", "legacy"], "gateways": ["eastWest"]}


def run(folder: Path, changes: dict[str, Any], *, preview: bool = False) -> mocks.Recording:
    mesh = {"id": "exam", "version": "1.30.4"}
    values = stack(folder, services=SERVICES, security={"permissive": [LEGACY]}, gateways={}, mesh=mesh)
    for path, value in changes.items():
        put(values, path, value)
    return mocks.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=values, preview=preview)


def istiods(done: mocks.Recording, cluster: str) -> set[str]:
    names = {found.name for found in done.of_type("Release")}
    return {name.rpartition("istiod-")[2] for name in names if name.startswith(f"{cluster}-control-plane-istiod-")}


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    """use1 half-way, usw2 at the end."""
    folder = tmp_path_factory.mktemp("stack")
    return run(folder, {"mesh.upgrade": UPGRADE, "clusters.1.istio": {"version": "1.31.0"}})


def test_each_cluster_has_the_istiods_of_its_own_step(apart: mocks.Recording) -> None:
    assert (istiods(apart, "use1"), istiods(apart, "usw2")) == ({"1-30", "1-31"}, {"1-31"})
    for cluster, versions in (("use1", ["1.30.4", "1.31.0"]), ("usw2", ["1.31.0"])):
        assert apart.named(f"{cluster}-reachability").inputs["istio_versions"] == versions
        assert apart.named(f"{cluster}-reachability").inputs["namespaces"] == ["exam", "legacy", "results"]


def test_namespaces_of_services_and_of_exceptions_move_alike(apart: mocks.Recording) -> None:
    def labels(name: str) -> Any:
        return apart.named(name).inputs["metadata"]["labels"]

    assert labels("use1-namespaces-exam") == labels("use1-security-namespace-legacy") == {"istio.io/rev": "next"}
    assert labels("use1-namespaces-results") == {"istio-injection": "enabled"}
    assert labels("usw2-namespaces-exam") == labels("usw2-security-namespace-legacy") == {"istio-injection": "enabled"}


def test_outputs_say_where_a_cluster_is_ahead(apart: mocks.Recording) -> None:
    mesh, clusters = apart.outputs["mesh"], apart.outputs["clusters"]
    assert (mesh["istioVersion"], mesh["revision"], mesh["tag"]) == ("1.30.4", "1-30", "default")
    assert {"istioVersion", "revision"} & set(clusters["use1"]) == set()
    assert (clusters["usw2"]["istioVersion"], clusters["usw2"]["revision"]) == ("1.31.0", "1-31")


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    folder = tmp_path_factory.mktemp("stack")
    return run(folder, {"mesh.upgrade": UPGRADE, "clusters.1.primary": "use1"})


def test_a_remote_cluster_has_a_way_to_both_istiods_of_its_primary(remote: mocks.Recording) -> None:
    assert istiods(remote, "usw2") == istiods(remote, "use1") == {"1-30", "1-31"}
    assert remote.named("usw2-control-plane-injection").inputs["revision"] == "1-30"
    assert remote.named("usw2-control-plane-injection-beside").inputs["revision"] == "1-31"
    tag = remote.named("usw2-control-plane-tag-next").inputs
    assert tag["webhooks"][0]["clientConfig"]["service"] == {
        "name": "istiod-1-31",
        "namespace": "istio-system",
        "path": "/inject/cluster/usw2/net/usw2",
        "port": 443,
    }


def test_the_primary_lets_both_through(remote: mocks.Recording) -> None:
    hosts = ["istiod-1-30.istio-system.svc", "istiod-1-31.istio-system.svc"]
    gateway, route = (
        found.inputs["spec"]
        for kind in ("Gateway", "VirtualService")
        for found in remote.of_type(kind)
        if found.name == "use1-istiod-gateway-istio-system.istiod-gateway"
    )
    assert [server["hosts"] for server in gateway["servers"]] == [hosts, hosts]
    assert route["hosts"] == hosts
    assert [entry["match"][0]["sniHosts"] for entry in route["tls"]] == [[host] for host in hosts for _ in range(2)]


def test_a_preview_of_nothing_shows_both(tmp_path: Path) -> None:
    shown = run(tmp_path, {"mesh.upgrade": UPGRADE}, preview=True)
    assert istiods(shown, "usw2") == {"1-30", "1-31"}
