from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.tools import missing
from lab.tools.catalogue import CATALOGUE, tool
from lab.tools.host import LINKS_MARK, Found, find
from lab.tools.toolset import CHARTS, Ready, Toolset

ENGINE_PARTS = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")


@pytest.fixture
def entries(tmp_path: Path) -> dict[str, Ready]:
    ready: dict[str, Ready] = {}
    for each in CATALOGUE:
        entry = tmp_path / "cache" / each.name
        (entry / "bin").mkdir(parents=True)
        for command in each.commands:
            (entry / "bin" / command).write_text(command)
        ready[each.name] = Ready(each, entry, {})
    share = tmp_path / "cache" / "pulumi" / "share"
    share.mkdir()
    for name in ENGINE_PARTS[1:]:
        (share / name).write_text(f"upstream's {name}")
    for path in CHARTS.values():
        chart = tmp_path / "cache" / "istio" / "share" / "charts" / path
        chart.mkdir(parents=True)
        (chart / "Chart.yaml").write_text(f"name: {path}")
    return ready


@pytest.fixture
def toolset(entries: dict[str, Ready], tmp_path: Path) -> Toolset:
    return Toolset(tmp_path / "clone", entries)


def test_a_command_is_found_by_its_name(toolset: Toolset, tmp_path: Path) -> None:
    assert toolset.path("kube-apiserver") == tmp_path / "cache" / "kubernetes" / "bin" / "kube-apiserver"
    with pytest.raises(KeyError, match="kubeadm"):
        toolset.path("kubeadm")


def test_the_machines_own_command_goes_before_the_built_one(entries: dict[str, Ready], tmp_path: Path) -> None:
    kubectl = Found({"kubectl": Path("/usr/bin/kubectl")}, "1.35.1")
    kubernetes = Ready(tool("kubernetes"), entries["kubernetes"].entry, {"kubectl": kubectl})
    toolset = Toolset(tmp_path, entries | {"kubernetes": kubernetes})
    assert toolset.path("kubectl") == Path("/usr/bin/kubectl")
    assert toolset.path("kubelet").parent == tmp_path / "cache" / "kubernetes" / "bin"
    assert toolset.version("kubernetes") == "1.35.4", "the clusters' version, not that of the client"


def test_folders_of_tools_make_a_search_path(toolset: Toolset, tmp_path: Path) -> None:
    assert toolset.search_path("runc", "iptables") == f"{tmp_path}/cache/runc/bin:{tmp_path}/cache/iptables/bin"


def test_the_version_of_a_package_is_the_one_that_was_fetched(entries: dict[str, Ready], toolset: Toolset) -> None:
    entry = entries["etcd"].entry
    assert entry is not None
    (entry / "version").write_text("3.4.23-4+b4")
    assert toolset.version("etcd") == "3.4.23-4+b4"
    assert toolset.version("istio") == "1.31.0"


def test_linking_gives_the_engine_with_its_plugins_beside_it(toolset: Toolset, tmp_path: Path) -> None:
    folder, home = tmp_path / "lab" / "bin", tmp_path / "lab" / "home"
    for _ in range(2):
        toolset.link(folder, home)
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    assert names == sorted(("pulumi", "kubectl", "istioctl", *ENGINE_PARTS))
    assert not (folder / "pulumi").is_symlink(), "the engine looks for its plugins beside its own file"
    assert (folder / "pulumi-language-python-exec").read_text() == "upstream's pulumi-language-python-exec"
    plugin = home / "plugins" / "resource-kubernetes-v4.25.0" / "pulumi-resource-kubernetes"
    assert plugin.read_text() == "pulumi-resource-kubernetes"


def test_what_a_lab_has_linked_is_not_taken_for_the_machines_own(
    toolset: Toolset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolset.link(tmp_path / "bin")
    for path in (tmp_path / "cache").rglob("bin/*"):
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    rule = tool("pulumi").on_path[0]
    assert find(rule, ask=lambda *_: "v3.259.0") is None
    (tmp_path / "bin" / LINKS_MARK).unlink()
    assert find(rule, ask=lambda *_: "v3.259.0") is not None, "it is the mark that tells"


def test_without_a_home_the_provider_is_linked_beside_the_engine(toolset: Toolset, tmp_path: Path) -> None:
    toolset.link(tmp_path / "bin")
    assert (tmp_path / "bin" / "pulumi-resource-kubernetes").read_text() == "pulumi-resource-kubernetes"


def test_an_engine_of_the_machine_is_linked_with_its_own_language_host(
    entries: dict[str, Ready], tmp_path: Path
) -> None:
    found = Found({name: tmp_path / "own" / name for name in ("pulumi", *ENGINE_PARTS)}, "3.260.0")
    own = Ready(tool("pulumi"), None, dict.fromkeys(found.commands, found))
    toolset = Toolset(tmp_path, entries | {"pulumi": own})
    toolset.link(tmp_path / "bin")
    for name in ("pulumi", *ENGINE_PARTS):
        assert (tmp_path / "bin" / name).readlink() == tmp_path / "own" / name
    assert toolset.version("pulumi") == "3.260.0"


def test_the_launcher_starts_the_host_of_this_clone_whatever_the_folder(
    entries: dict[str, Ready], tmp_path: Path
) -> None:
    clone = Path(__file__).resolve().parents[2]
    Toolset(clone, entries).link(tmp_path / "bin")
    (tmp_path / "project").mkdir()
    # A program's folder may hold modules of these names.
    for name in ("grpc.py", "lab.py"):
        (tmp_path / "project" / name).write_text("raise SystemExit('the project was imported')")
    launcher = tmp_path / "bin" / "pulumi-language-python"
    assert sys.executable in launcher.read_text()
    answer = subprocess.run([launcher], cwd=tmp_path / "project", capture_output=True, text=True)
    assert answer.stderr.strip().startswith("pulumi-language-python is started by the Pulumi engine")


def test_charts_are_copied_under_their_public_names_and_only_when_they_are_others(
    toolset: Toolset, entries: dict[str, Ready], tmp_path: Path
) -> None:
    folder = tmp_path / "charts"
    toolset.link_charts(folder)
    assert {name: (folder / name / "Chart.yaml").read_text() for name in CHARTS} == {
        name: f"name: {path}" for name, path in CHARTS.items()
    }
    (folder / "base" / "mark").touch()
    toolset.link_charts(folder)
    assert (folder / "base" / "mark").exists(), "the same charts are left alone"

    istio = entries["istio"]
    assert istio.entry is not None
    other = istio.entry.rename(istio.entry.with_name("istio-other"))
    Toolset(tmp_path, entries | {"istio": Ready(istio.tool, other, {})}).link_charts(folder)
    assert not (folder / "base" / "mark").exists()


def test_a_package_that_the_catalogue_does_not_know_is_not_fetched(toolset: Toolset) -> None:
    with pytest.raises(KeyError, match="nginx"):
        toolset.debian("nginx")


def test_a_lab_is_not_asked_for_what_only_checks_need() -> None:
    assert "actionlint" in {each.name for each in CATALOGUE}
    assert "actionlint" not in missing()
