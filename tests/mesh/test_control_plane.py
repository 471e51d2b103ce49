"""What is in one cluster before anything can join the mesh, and in which order it comes."""

import base64
from pathlib import Path
from typing import Any

import pytest

from components.config import StackConfig
from components.config.loading import check
from tests import builders, mocks, rooms


def run(config: StackConfig) -> mocks.Recording:
    return mocks.run(lambda: rooms.mesh(config))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    return run(builders.stack_config(tmp_path_factory.mktemp("stack")))


def test_the_namespace_says_which_network_it_is_on(tmp_path: Path) -> None:
    """No chart sets the label, and istiod takes pods without it for reachable from everywhere."""
    stack = builders.stack(tmp_path)
    stack["clusters"][0]["network"] = "east"
    config, _ = check(stack)
    assert config is not None
    labels = run(config).named("use1-mesh-namespace").inputs["metadata"]["labels"]
    assert labels["topology.istio.io/network"] == "east"


def test_cacerts_has_the_keys_that_istiod_reads(done: mocks.Recording) -> None:
    for name in ("use1", "usw2"):
        secret = done.named(f"{name}-mesh-cacerts")
        assert secret.inputs["metadata"]["name"] == "cacerts"
        assert secret.inputs["metadata"]["namespace"] == "istio-system"
        content = {key: base64.b64decode(value).decode() for key, value in secret.inputs["data"].items()}
        assert set(content) == {"ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"}
        assert content["ca-key.pem"].startswith("-----BEGIN PRIVATE KEY-----")
        assert content["cert-chain.pem"] == content["ca-cert.pem"]
        assert "data" in secret.secrets


def test_clusters_share_the_root_and_not_the_signer(done: mocks.Recording) -> None:
    first, second = (done.named(f"{name}-mesh-cacerts").inputs["data"] for name in ("use1", "usw2"))
    assert first["root-cert.pem"] == second["root-cert.pem"]
    assert first["ca-key.pem"] != second["ca-key.pem"]


def test_istiod_comes_after_cacerts_and_base(done: mocks.Recording) -> None:
    """Without cacerts it makes a root of its own, which no other cluster trusts."""
    assert {"use1-mesh-cacerts", "use1-mesh-base"} <= done.named("use1-mesh-istiod-1-31").dependencies


def test_everything_goes_in_by_its_own_clusters_provider(done: mocks.Recording) -> None:
    for found in done.resources:
        if found.type.startswith("kubernetes:"):
            assert found.provider == f"{found.name[:4]}-provider", found.name


def test_everything_is_below_its_component(done: mocks.Recording) -> None:
    for found in done.resources:
        if found.type.startswith("kubernetes:"):
            assert next(done.ancestry(found.name)) in {f"{found.name[:4]}-mesh", f"{found.name[:4]}-gateways"}


def releases(done: mocks.Recording, cluster: str) -> dict[str, dict[str, Any]]:
    return {found.inputs["name"]: found.inputs for found in done.of_type("Release") if found.name.startswith(cluster)}


def test_releases_wait_for_their_pods_and_say_their_version(done: mocks.Recording) -> None:
    found = releases(done, "use1")
    assert set(found) == {"istio-base", "istiod-1-31", "istio-ingress", "istio-eastwestgateway"}
    for inputs in found.values():
        assert inputs["skipAwait"] is False
        assert inputs["description"] == "Istio 1.31.0"
        assert inputs["maxHistory"] == 3
        assert inputs["version"] == "1.31.0"
        assert inputs["repositoryOpts"]["repo"] == "https://istio-release.storage.googleapis.com/charts"


def test_base_alone_is_rendered_without_the_keep_policy(done: mocks.Recording) -> None:
    found = releases(done, "use1")
    assert [name for name, inputs in found.items() if inputs.get("postrender")] == ["istio-base"]


def test_the_node_agent_is_installed_only_where_asked_for_and_before_istiod(tmp_path: Path) -> None:
    config = builders.stack_config(tmp_path, mesh={"id": "exam", "cni": True})
    asked = run(config)
    assert asked.named("use1-mesh-cni").inputs["chart"] == "cni"
    assert "use1-mesh-cni" in asked.named("use1-mesh-istiod-1-31").dependencies
    assert "use1-mesh-base" in asked.named("use1-mesh-cni").dependencies


def test_without_asking_there_is_no_node_agent(done: mocks.Recording) -> None:
    assert not [name for name in done.names if name.endswith("-cni")]


def test_values_differ_between_clusters_in_name_and_network_alone(done: mocks.Recording) -> None:
    first, second = (releases(done, name)["istiod-1-31"]["values"] for name in ("use1", "usw2"))
    assert first["global"]["multiCluster"] == {"clusterName": "use1"}
    first["global"] |= {"network": "usw2", "multiCluster": {"clusterName": "usw2"}}
    assert first == second
