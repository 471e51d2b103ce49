"""The example: another team's program, on the recorded contract."""

import ast
from pathlib import Path

import pytest
from istio_mesh_contract import ContractError

from tests import mocks
from tests.builders import put
from tests.contract.consumers import EXAMPLES, REPOSITORY, example, recorded


@pytest.fixture(scope="module")
def done() -> mocks.Recording:
    return example()


def test_it_is_in_both_regions_the_same(done: mocks.Recording) -> None:
    per_cluster = {
        name: sorted(
            (found.type, found.name.replace(name, "CLUSTER"))
            for found in done.resources
            if found.provider == f"mesh-{name}"
        )
        for name in ("use1", "usw2")
    }
    assert per_cluster["use1"] == per_cluster["usw2"]
    kinds = {type_.rpartition(":")[2] for type_, _ in per_cluster["use1"]}
    assert kinds == {
        *("Namespace", "ServiceAccount", "Service", "Deployment"),
        *("AuthorizationPolicy", "PeerAuthentication", "DestinationRule", "VirtualService"),
    }


def test_its_pods_come_after_the_default_deny(done: mocks.Recording) -> None:
    pods = done.named("catalogue-use1-pods")
    assert {"shop-AuthorizationPolicy-default.deny-use1", "shop-PeerAuthentication-default-use1"} <= pods.dependencies


def test_its_tokens_are_secret_wherever_they_go(done: mocks.Recording) -> None:
    leaking = [
        (found.name, key)
        for found in done.resources
        for key, value in found.inputs.items()
        if "token-of-shop" in str(value) and key not in found.secrets
    ]
    assert leaking == []
    assert done.outputs == {"addresses": {"use1": "192.0.2.153", "usw2": "192.0.2.172"}}
    assert done.secret_outputs == frozenset()


def test_an_address_of_the_platform_that_changes_reaches_it(done: mocks.Recording) -> None:
    moved = put(recorded(), "telemetry.traces.port", 4327.0)
    moved = put(moved, "clusters.use1.ingress", {"name": "ingress.example.com"})
    changed = example(put(moved, "clusters.usw2.apiServer", "https://192.0.2.99:6443"))

    def pods(recording: mocks.Recording) -> object:
        return recording.named("catalogue-use1-pods").inputs["spec"]["template"]["spec"]["containers"][0]["env"][-1]

    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    assert pods(done) == {"name": name, "value": "http://sink.outside.svc.cluster.local:4317"}
    assert pods(changed) == {"name": name, "value": "http://sink.outside.svc.cluster.local:4327"}
    assert changed.outputs["addresses"]["use1"] == "ingress.example.com"
    assert "https://192.0.2.99:6443" in changed.named("mesh-usw2").inputs["kubeconfig"]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("gateways.shop\0exam-platform\0com.offeredTo", [], "`offeredTo: [shop]`"),
        ("services.exam/web-frontend.callsOut", [], '`istio-mesh:services["exam/web-frontend"].callsOut: [shop]`'),
        ("services.exam/exam-service.offeredTo", [], '`istio-mesh:services["exam/exam-service"].offeredTo: [shop]`'),
    ],
)
def test_it_ends_with_the_line_that_the_platform_would_need(path: str, value: object, line: str) -> None:
    values = recorded()
    *way, last = (step.replace("\0", ".") for step in path.split("."))
    here = values
    for step in way:
        here = here[step]
    here[last] = value
    with pytest.raises(ContractError) as caught:
        example(values)
    assert line in str(caught.value)


def _imports(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    modules += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("folder", [REPOSITORY / "contract", EXAMPLES], ids=lambda folder: folder.name)
def test_neither_the_package_nor_its_users_know_the_program(folder: Path) -> None:
    files = list(folder.rglob("*.py"))
    assert files
    used = {name for file in files for name in _imports(file)}
    assert used.isdisjoint({"components", "lab", "policies", "tests"})


def test_the_package_needs_pulumi_and_pydantic_alone_to_read() -> None:
    package = REPOSITORY / "contract" / "istio_mesh_contract"
    by_file = {file.stem: _imports(file) for file in package.glob("*.py")}
    standard = {"ast", "base64", "collections", "dataclasses", "difflib", "ipaddress", "json", "pathlib", "re", "sys"}
    standard |= {"types", "typing"}
    others = {name: used - standard - {"istio_mesh_contract", "pulumi", "pydantic"} for name, used in by_file.items()}
    # The one with components; a type of mesh.py is for checkers alone.
    assert {name for name, used in others.items() if used} == {"components", "mesh"}
    assert others["components"] == others["mesh"] == {"pulumi_kubernetes"}
