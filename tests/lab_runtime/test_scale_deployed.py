"""What `make bench SCALE=1` deploys: the lab's own stack with many more services, by the program itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from components.config.mesh import CHARTS
from lab.errors import LabError
from lab.paths import CLONE, Paths
from lab.regions import load_regions
from lab.scale import deployed, enlarged, report, stacks
from lab.scale.deployed import Deployed
from lab.scale.processes import Use
from tests.builders import write_kubeconfig
from tests.test_main import run

COUNT = 24

Key = tuple[str, str, str, str]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the lab's stack file, and what it finds beside it."""
    text = (CLONE / "Pulumi.local.yaml").read_text()
    (tmp_path / "Pulumi.local.yaml").write_text(text)
    (tmp_path / ".lab").mkdir()
    for name in ("use1", "usw2"):
        write_kubeconfig(tmp_path / ".lab", name, file=f"kubeconfig-{name}", server=f"https://{name}:6443")
    for chart in CHARTS:
        place = Paths(tmp_path).charts / chart
        place.mkdir(parents=True)
        (place / "Chart.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(values: dict[str, Any]) -> set[Key]:
    """What the program makes in the clusters."""
    return {
        (found.provider or "", found.type.rpartition(":")[2], metadata["namespace"], metadata["name"])
        for found in run(values).resources
        if found.type.startswith("kubernetes:") and "namespace" in (metadata := found.inputs.get("metadata") or {})
    }


def test_what_kubectl_applies_is_what_the_program_makes_besides(root: Path) -> None:
    said = enlarged.committed(root)
    besides = made(enlarged.enlarged(said, COUNT)) - made(said)
    certificate = ("Secret", "istio-ingress", "tls-wildcard.apps.exam-platform.com")
    assert besides == {
        *(
            (f"{cluster}-provider", item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
            for cluster, objects in enlarged.added(root, COUNT).items()
            for item in objects
        ),
        *((f"{cluster}-provider", *certificate) for cluster in ("use1", "usw2")),
    }
    assert len(besides) == sum(map(len, enlarged.added(root, COUNT).values())) + 2
    assert len(besides) > 8 * COUNT


def test_all_that_is_added_is_found_again(root: Path) -> None:
    """By the namespaces that go, or by its label in those that stay."""
    services = enlarged.running(root, COUNT)
    for cluster, objects in enlarged.added(root, COUNT).items():
        own = {item["metadata"]["name"] for item in enlarged.namespaces(services[cluster])}
        staying = {item["kind"] for item in objects if item["metadata"]["namespace"] not in own}
        assert staying == {"VirtualService", "ServiceEntry"}
        assert all(item["metadata"]["labels"][enlarged.LABEL] == "true" for item in objects)


def test_the_services_where_they_run_are_those_that_the_program_does_not_make(root: Path) -> None:
    said = enlarged.committed(root)
    everywhere = set(stacks.platform(COUNT, ["use1", "usw2"]))
    for cluster, services in enlarged.running(root, COUNT).items():
        here = {f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in services}
        stubs = {
            f"{item['metadata']['namespace']}/{item['metadata']['name']}"
            for item in enlarged.added(root, COUNT)[cluster]
            if item["kind"] == "Service"
        }
        assert here
        assert not here & stubs
        assert not here & set(said["services"])
        assert here | stubs <= everywhere


def test_the_file_has_the_labs_own_stack_in_it(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stack")
    said = enlarged.committed(root)
    file = stacks.write(enlarged.enlarged(said, COUNT), folder)
    content = yaml.safe_load(file.read_text())["config"]
    for key in ("clusters", "trust", "mesh", "issuers", "telemetry", "extensions"):
        assert content[f"istio-mesh:{key}"] == said[key]
    services = {
        key: service
        for path in folder.glob("services-*.yaml")
        for key, service in yaml.safe_load(path.read_text()).items()
    }
    assert {key: services[key] for key in said["services"]} == said["services"]
    assert len(services) == len(said["services"]) + COUNT


def test_namespaces_of_added_services_are_found_again_by_their_label(root: Path) -> None:
    found = enlarged.namespaces(enlarged.running(root, COUNT)["use1"])
    assert [item["metadata"]["name"] for item in found] == ["team-00", "team-01"]
    assert all(item["metadata"]["labels"][enlarged.LABEL] == "true" for item in found)


def test_without_a_lab_nothing_is_left_out_in_silence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No lab is running here, so nothing can be deployed into it: `make up` first"):
        report.run(load_regions(), Paths(tmp_path), Console(quiet=True))


def test_the_stack_is_its_own_again_when_a_measurement_fails(tmp_path: Path) -> None:
    words: list[tuple[str, ...]] = []

    class Bench:
        def pulumi(self, *options: str, **_: Any) -> Use:
            words.append(options)
            return Use(1.0, 0, {}, {}, "")

    def fails() -> None:
        with deployed.many_services(Bench(), tmp_path / "Pulumi.local.yaml"):  # type: ignore[arg-type]
            raise LabError("measured nothing")

    with pytest.raises(LabError, match="measured nothing"):
        fails()
    common = ("up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "local")
    assert words == [(*common, "--config-file", str(tmp_path / "Pulumi.local.yaml")), common]


def test_the_time_of_a_push_is_that_of_the_pushes_in_between() -> None:
    before = {0.0: 1.0, 0.1: 10.0, 0.5: 10.0, float("inf"): 10.0}
    after = {0.0: 3.0, 0.1: 20.0, 0.5: 30.0, float("inf"): 30.0}
    assert deployed._push(before, after) == (100.0, 500.0)
    assert deployed._push(after, after) == (0.0, 0.0)


def test_the_rows_hold_the_program_to_the_time_of_kubectl() -> None:
    use = Use(26.0, 2**30, {}, {"program": 2**20}, "")
    found = Deployed(
        1000, 9000, 9.0, 5.0, use, use, 20.0, {"use1": (1, 2)}, {"use1": (1.0, 2.0)}, (2**20, 2**22), (10, 900), {}
    )
    rows = {row.name: row for row in report._deployed(found)}
    up = rows["pulumi up with 1000 more services"]
    assert (up.median, up.target, up.verdict) == (26.0, 26.0, "met")
    proxy = rows["a proxy with its Sidecar"]
    assert (proxy.median, proxy.target, proxy.verdict) == (1.0, 1.0, "met")
