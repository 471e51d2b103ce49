"""The whole program on the recording engine: what there is, in what order, and for whom."""

import runpy
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from components import resources
from components.config import ConfigError
from tests import mocks
from tests.builders import stack

PROGRAM = Path(__file__).parents[1] / "__main__.py"
CLUSTERS = {2: ("use1", "usw2"), 3: ("use1", "usw2", "euw1")}


def run(values: dict[str, Any], **options: Any) -> mocks.Recording:
    return mocks.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=values, **options)


@pytest.fixture(scope="module", params=CLUSTERS.values(), ids=lambda names: f"{len(names)} clusters")
def clusters(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture(scope="module")
def recording(clusters: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    return run(stack(tmp_path_factory.mktemp("stack"), clusters))


def kubernetes(recording: mocks.Recording) -> list[mocks.Registered]:
    return [found for found in recording.resources if found.type.startswith("kubernetes:")]


def test_every_cluster_has_the_same_parts(recording: mocks.Recording, clusters: tuple[str, ...]) -> None:
    n = len(clusters)
    components = Counter(found.type for found in recording.resources if found.type.startswith("istio-mesh:"))
    assert components == {
        "istio-mesh:clusters:ExistingCluster": n,
        "istio-mesh:trust:Authorities": 1,
        "istio-mesh:trust:RemoteSecrets": 1,
        "istio-mesh:mesh:ControlPlane": n,
        "istio-mesh:mesh:MeshGateways": n,
        "istio-mesh:resources:CrossNetworkGateway": n,
        "istio-mesh:resources:IngressCertificates": 1,
        "istio-mesh:resources:IngressGateways": n,
        "istio-mesh:resources:MeshSecurity": n,
    }
    assert len(recording.of_type("Release")) == 4 * n, "base, istiod, ingress and east-west"


def test_every_ordered_pair_is_wired(recording: mocks.Recording, clusters: tuple[str, ...]) -> None:
    wired = {
        (secret.provider, secret.inputs["metadata"]["name"])
        for secret in recording.of_type("Secret")
        if secret.inputs["metadata"].get("labels", {}).get("istio/multiCluster") == "true"
    }
    assert wired == {(f"{peer}-provider", f"istio-remote-secret-{read}") for read, peer in permutations(clusters, 2)}


def test_everything_in_a_cluster_is_made_with_its_own_provider(
    recording: mocks.Recording, clusters: tuple[str, ...]
) -> None:
    by_provider = Counter(found.provider for found in kubernetes(recording))
    assert set(by_provider) == {f"{cluster}-provider" for cluster in clusters}, "none goes by the default provider"
    assert len(set(by_provider.values())) == 1, "each cluster has as many resources as any other"


def test_everything_has_a_component_above_it(recording: mocks.Recording) -> None:
    orphans = [found.name for found in recording.resources if found.parent is None and found.custom]
    assert orphans == []


def test_logical_names_are_there_once_for_each_type(recording: mocks.Recording) -> None:
    repeated = {
        key: n for key, n in Counter((found.type, found.name) for found in recording.resources).items() if n > 1
    }
    assert repeated == {}


def _all_before(recording: mocks.Recording, name: str) -> set[str]:
    """Everything that must be there before `name`, however far back."""
    direct = {found.name: found.dependencies for found in recording.resources}
    before: set[str] = set()
    ahead = [name]
    while ahead:
        for dependency in direct.get(ahead.pop(), frozenset()) - before:
            before.add(dependency)
            ahead.append(dependency)
    return before


def test_the_order_is_cluster_trust_mesh_resources(recording: mocks.Recording, clusters: tuple[str, ...]) -> None:
    for cluster in clusters:
        plane = f"{cluster}-control-plane"
        before_istiod = _all_before(recording, f"{plane}-istiod-1-31")
        assert {f"{cluster}-reachability", "trust-root-1", f"{plane}-cacerts", f"{plane}-base"} <= before_istiod
        assert f"{plane}-istiod-1-31" in _all_before(recording, f"{cluster}-gateways-ingress")
        assert f"{plane}-istiod-1-31" in _all_before(recording, f"{cluster}-security-strict")
        assert f"{cluster}-gateways-east-west" in _all_before(recording, f"{cluster}-cross-network-gateway")


def test_a_cluster_is_read_only_after_its_own_east_west_gateway_and_no_other_waits(
    recording: mocks.Recording, clusters: tuple[str, ...]
) -> None:
    """One region's load balancer that never comes must not keep the other regions apart."""
    for read, peer in permutations(clusters, 2):
        before = _all_before(recording, f"remote-{read}-in-{peer}")
        gateways = {name for name in before if name.endswith(("-cross-network-gateway", "-east-west", "-ingress"))}
        assert gateways == {f"{read}-cross-network-gateway", f"{read}-gateways-east-west"}


def test_the_outputs_name_every_cluster_and_hold_no_secret(
    recording: mocks.Recording, clusters: tuple[str, ...]
) -> None:
    assert set(recording.outputs) == {"contractVersion", "mesh", "clusters", "services"}
    assert recording.secret_outputs == frozenset()
    assert set(recording.outputs["clusters"]) == set(clusters)
    use1 = recording.outputs["clusters"]["use1"]
    assert use1["apiServer"] == "https://192.0.2.1:6443"
    assert use1["kubernetesVersion"] == "v1.35.4"
    assert use1["ingress"]["hosts"] == ["exam-platform.com"]
    addresses = [
        address
        for cluster in recording.outputs["clusters"].values()
        for address in (cluster["ingress"]["address"], cluster["eastWestAddress"])
    ]
    assert len(set(addresses)) == 2 * len(clusters), "each gateway's own address"
    assert recording.outputs["mesh"]["rootCertificates"].count("BEGIN CERTIFICATE") == 1


def test_private_keys_and_tokens_are_secrets_wherever_they_go(recording: mocks.Recording) -> None:
    leaking = [
        (found.type, found.name, key)
        for found in recording.resources
        for key, value in found.inputs.items()
        if key not in found.secrets and ("PRIVATE KEY" in str(value) or "token-of-" in str(value))
    ]
    assert leaking == []


def test_the_preview_before_the_first_up_shows_every_resource(
    recording: mocks.Recording, clusters: tuple[str, ...], tmp_path: Path
) -> None:
    preview = run(stack(tmp_path, clusters), preview=True)

    assert sorted((r.type, r.name) for r in preview.resources) == sorted((r.type, r.name) for r in recording.resources)
    assert preview.unknown_outputs == {"contractVersion", "mesh", "clusters", "services"}


def test_a_single_cluster_is_a_mesh_too(tmp_path: Path) -> None:
    recording = run(stack(tmp_path, ("use1",)))
    assert recording.outputs["clusters"].keys() == {"use1"}
    assert [name for name in recording.names if name.startswith("remote-use1-in")] == []


def test_nothing_is_made_when_the_configuration_has_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        run(stack(tmp_path, mesh={"id": "Exam"}))


def test_the_page_on_the_way_through_the_program_has_every_component_and_file_of_istios_resources() -> None:
    page = (PROGRAM.parent / "docs" / "architecture.md").read_text()
    files = {file.name for file in Path(resources.__path__[0]).glob("*.py")} - {"__init__.py"}
    assert [name for name in (*resources.__all__, *sorted(files)) if name not in page] == []
