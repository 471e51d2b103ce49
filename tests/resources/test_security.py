"""STRICT everywhere, but for named ports of named workloads."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.security import PermissiveConfig
from components.resources import MeshSecurity
from components.resources.security import policy_name
from tests import builders, mocks, rooms

LEGACY = {"namespace": "exam", "workload": {"app": "legacy-metrics"}, "ports": [8081, 8080]}


def run(folder: Path, *permissive: dict[str, Any]) -> mocks.Recording:
    config = builders.stack_config(folder, security={"permissive": list(permissive)})

    def program() -> None:
        mesh = rooms.mesh(config)
        for cluster in mesh.clusters:
            MeshSecurity(
                f"{cluster.name}-security",
                config.security,
                mesh=config.mesh,
                cluster=cluster,
                control_plane=mesh.control_planes[cluster.name],
            )

    return mocks.run(program)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    return run(tmp_path_factory.mktemp("stack"), LEGACY)


def policies(done: mocks.Recording, cluster: str) -> dict[tuple[str, str], Any]:
    return {
        (found.inputs["metadata"]["namespace"], found.inputs["metadata"]["name"]): found.inputs["spec"]
        for found in done.of_type("PeerAuthentication")
        if found.name.startswith(cluster)
    }


@pytest.mark.parametrize("cluster", ["use1", "usw2"])
def test_the_mesh_is_strict_but_for_the_named_ports(done: mocks.Recording, cluster: str) -> None:
    assert policies(done, cluster) == {
        ("istio-system", "default"): {"mtls": {"mode": "STRICT"}},
        ("exam", "permissive-legacy-metrics-00db7c"): yaml.safe_load("""
            selector: {matchLabels: {app: legacy-metrics}}
            mtls: {mode: STRICT}
            portLevelMtls: {"8080": {mode: PERMISSIVE}, "8081": {mode: PERMISSIVE}}
        """),
    }


def test_without_exceptions_there_is_one_policy_and_no_namespace(tmp_path: Path) -> None:
    strict = run(tmp_path)
    assert list(policies(strict, "use1")) == [("istio-system", "default")]
    assert not [name for name in strict.names if "-security-namespace-" in name]


def test_policies_come_after_istiod(done: mocks.Recording) -> None:
    for found in done.of_type("PeerAuthentication"):
        assert f"{found.name[:4]}-mesh-istiod-1-31" in found.dependencies


def test_the_namespace_of_an_exception_is_made_with_injection(done: mocks.Recording) -> None:
    namespace = done.named("use1-security-namespace-exam")
    assert namespace.inputs["metadata"]["name"] == "exam"
    assert namespace.inputs["metadata"]["labels"] == {"istio-injection": "enabled"}
    policy = done.named("use1-security-exam-permissive-legacy-metrics-00db7c")
    assert "use1-security-namespace-exam" in policy.dependencies


def test_the_namespace_of_an_exception_stays_and_the_policy_goes(done: mocks.Recording) -> None:
    """It may have been there before, with other people's workloads in it."""
    kept = {found.name for found in done.resources if found.options.retainOnDelete}
    assert kept == {"use1-security-namespace-exam", "usw2-security-namespace-exam"}


def test_exceptions_of_one_namespace_share_it(tmp_path: Path) -> None:
    other = LEGACY | {"workload": {"app": "old"}, "ports": [9000]}
    both = run(tmp_path, LEGACY, other)
    assert [name for name in both.names if name.startswith("use1-security-namespace-")] == [
        "use1-security-namespace-exam"
    ]
    assert len(policies(both, "use1")) == 3


@pytest.mark.parametrize(
    ("workload", "readable"),
    [
        ({"app": "legacy-metrics"}, "permissive-legacy-metrics-"),
        ({"app": "A_b.C", "version": "v1"}, "permissive-a-b-c-v1-"),
        ({"app": "x" * 63}, "permissive-" + "x" * 45 + "-"),
        ({"app": ""}, "permissive-"),
    ],
)
def test_a_policys_name_is_readable_and_a_dns_label(workload: dict[str, str], readable: str) -> None:
    entry = PermissiveConfig.model_validate({"namespace": "exam", "workload": workload, "ports": [1]})
    name = policy_name(entry)
    assert name.startswith(readable)
    assert len(name) <= 63
    assert not name.endswith("-")


def test_names_of_different_workloads_differ() -> None:
    pairs = [{"app": "a-b"}, {"app": "a.b"}, {"name": "a-b"}, {"app": "a", "version": "b"}]
    entries = [PermissiveConfig.model_validate({"namespace": "n", "workload": pair, "ports": [1]}) for pair in pairs]
    assert len({policy_name(entry) for entry in entries}) == len(pairs)
