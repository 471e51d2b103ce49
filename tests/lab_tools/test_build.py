from __future__ import annotations

import os
import pwd
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab.errors import LabError
from lab.tools import build, cache, ensure, missing
from lab.tools.catalogue import CATALOGUE, GoSource, ModuleFile, Patch, Tool, tool

CLONE = Path(__file__).resolve().parents[2]
BUILT = [each for each in CATALOGUE if isinstance(each.source, GoSource)]
# A chart as upstream's module carries it.
CHART = "apiVersion: v2\nname: base\n# replaced at build-time\nversion: 1.0.0\nappVersion: 1.0.0\ndescription: x\n"


def source_of(each: Tool) -> GoSource:
    assert isinstance(each.source, GoSource)
    return each.source


def fake_go(folder: Path, body: str) -> Path:
    """A `go` that does what the shell text says; $output is what follows -o, $module the last argument."""
    program = folder / "go"
    program.write_text(
        "#!/bin/sh\n"
        "output=; previous=\n"
        'for argument in "$@"; do [ "$previous" = -o ] && output=$argument; previous=$argument; done\n'
        f"module=$previous\n{body}\n"
    )
    program.chmod(0o755)
    return program


def test_one_package_is_built_to_its_own_name_with_the_versions_it_is_to_say() -> None:
    line = build.command(source_of(tool("kubernetes")), Path("/go/bin/go"), Path("/out"))
    assert line[:2] == ["/go/bin/go", "build"]
    assert "-X k8s.io/component-base/version.gitVersion=v1.35.4" in line[line.index("-ldflags") + 1]
    assert line[-3:] == ["-o", "/out/kubernetes", "."]


def test_several_packages_are_built_into_the_folder_with_their_tags() -> None:
    line = build.command(source_of(tool("istio")), Path("/go/bin/go"), Path("/out"))
    assert line[line.index("-tags") + 1] == "vtprotobuf,disable_pgv"
    assert line[line.index("-o") + 1] == "/out/"
    assert line[-1] == "istio.io/istio/cni/cmd/istio-cni"


@pytest.mark.parametrize("each", BUILT, ids=lambda each: each.name)
def test_go_names_the_binaries_of_several_packages_as_the_catalogue_does(each: Tool) -> None:
    packages = source_of(each).packages
    if len(packages) > 1:
        assert all(path.rsplit("/", 1)[1] == name for name, path in packages.items())


@pytest.mark.parametrize("each", BUILT, ids=lambda each: each.name)
def test_every_built_tool_has_a_folder_with_locked_requirements(each: Tool) -> None:
    folder = CLONE / source_of(each).folder
    assert (folder / "go.mod").is_file()
    if "require" in (folder / "go.mod").read_text():
        assert (folder / "go.sum").is_file()
    for patch in source_of(each).patches:
        assert (folder / patch.file).is_file()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("kubernetes", "k8s.io/kubernetes"),
        ("pulumi", "github.com/pulumi/pulumi/pkg/v3"),
        ("coredns", "github.com/coredns/coredns"),
        ("metallb", "go.universe.tf/metallb"),
    ],
)
def test_the_catalogues_version_is_the_one_that_go_mod_requires(name: str, module: str) -> None:
    text = (CLONE / "lab" / "tools" / name / "go.mod").read_text()
    assert re.findall(rf"(?m)^\s*(?:require )?{re.escape(module)} v(\S+)", text) == [tool(name).version]


def test_the_engine_and_the_provider_are_of_the_versions_of_their_python_packages() -> None:
    lines = (CLONE / "requirements.txt").read_text().splitlines()
    assert f"pulumi=={tool('pulumi').version}" in lines
    assert f"pulumi-kubernetes=={tool('pulumi-kubernetes').version}" in lines


def test_tools_with_a_kubernetes_library_share_one_release_of_it_except_istio() -> None:
    used = {
        each.name: re.findall(
            r"(?m)^\s*k8s.io/client-go v(\S+)", (CLONE / source_of(each).folder / "go.mod").read_text()
        )
        for each in BUILT
    }
    del used["istio"], used["istio-1.30"], used["pulumi"]
    assert {version for versions in used.values() for version in versions} == {"0.35.4"}, used


def test_the_environment_cannot_change_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod -race")
    monkeypatch.setenv("GOOS", "windows")
    monkeypatch.setenv("GOPROXY", "the person's own")
    environment = build.environment(Path("/go/bin/go"))
    assert environment["GOFLAGS"] == "-mod=readonly"
    assert "GOOS" not in environment
    assert environment["GOPROXY"] == "the person's own"
    assert environment["PATH"].startswith("/go/bin:")
    monkeypatch.delenv("HOME")
    assert build.environment(Path("/go/bin/go"))["HOME"] == pwd.getpwuid(os.getuid()).pw_dir, "Go's caches are there"


def test_a_tool_is_missing_as_long_as_neither_the_cache_nor_the_machine_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "kubernetes" in missing(CLONE)
    cache.entry(tool("kubernetes"), CLONE).mkdir(parents=True)
    assert "kubernetes" not in missing(CLONE)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone" / "lab" / "tools" / "thing"
    (folder / "patch").mkdir(parents=True)
    (folder / "main.go").write_text("package main")
    (folder / "patch" / "kinds.go").write_text("ours")
    module = tmp_path / "module"
    (module / "charts" / "base").mkdir(parents=True)
    (module / "charts" / "base" / "Chart.yaml").write_text(CHART)
    (module / "schema.json").write_text('{"name": "thing", "version": "0.0.0"}')
    (module / "kinds.go").write_text("theirs")
    # As Go leaves its module cache.
    for path in sorted(module.rglob("*"), reverse=True):
        path.chmod(path.stat().st_mode & ~0o222)
    return tmp_path / "clone"


def test_a_build_embeds_patches_and_shares_files_of_modules_and_leaves_the_clone_as_it_is(
    clone: Path, tmp_path: Path
) -> None:
    source = GoSource(
        "lab/tools/thing",
        {"thing": "."},
        links=("alias",),
        patches=(Patch("m", "kinds.go", "patch/kinds.go"),),
        embedded=(ModuleFile("m", "schema.json", "schema.json", {"version": "4.25.0"}),),
        shared=(ModuleFile("m", "charts/base", "charts/base", {"version": "1.31.0", "appVersion": "1.31.0"}),),
    )
    go = fake_go(
        tmp_path,
        f"""case "$1 $2" in
        "mod download") echo '{{"Dir": "{tmp_path}/module"}}';;
        "mod edit") echo "$3" > replaced;;
        build*) cat schema.json "$(sed 's/.*=//' replaced)/kinds.go" > "$output";;
        esac""",
    )
    into = tmp_path / "into"
    into.mkdir()
    before = sorted(clone.rglob("*"))
    build.make(Tool("thing", "1", source), source, go, clone, into, build.Runner({"PATH": "/usr/bin:/bin"}))

    assert (into / "bin" / "alias").read_text() == '{"name":"thing","version":"4.25.0"}ours'
    chart = (into / "share" / "charts" / "base" / "Chart.yaml").read_text()
    assert yaml.safe_load(chart)["version"] == yaml.safe_load(chart)["appVersion"] == "1.31.0"
    assert "# replaced at build-time" in chart
    assert sorted(path.name for path in into.iterdir()) == ["bin", "share"]
    assert sorted(clone.rglob("*")) == before
    assert (tmp_path / "module" / "kinds.go").read_text() == "theirs"


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("write /cache/x: no space left on device", "Free some disk"),
        ("verifying m@v1: checksum mismatch", "go.sum"),
        ('Get "https://proxy/m": dial tcp: lookup proxy: no such host', "GOPROXY"),
        ("compile: signal: killed", "Memory ran out"),
        ("main.go:3: undefined: x", "Mend what the lines above name"),
    ],
)
def test_a_failed_build_tells_its_last_lines_the_command_and_the_cure(
    clone: Path, tmp_path: Path, said: str, cure: str
) -> None:
    go = fake_go(tmp_path, f"for i in $(seq 40); do echo line $i >&2; done; echo '{said}' >&2; exit 3")
    source = GoSource("lab/tools/thing", {"thing": "."})
    with pytest.raises(LabError) as failed:
        build.make(
            Tool("thing", "1.2", source), source, go, clone, tmp_path / "into", build.Runner({"PATH": "/usr/bin:/bin"})
        )
    told = str(failed.value)
    assert told.startswith("Building thing 1.2 failed with status 3.")
    assert said in told
    assert "line 40" in told
    assert "line 25" not in told, "only the last lines are of use"
    assert f"command: {go} build -mod=readonly" in told
    assert cure in told


def test_a_build_that_is_stopped_ends_its_processes(tmp_path: Path) -> None:
    runner = build.Runner({"PATH": "/usr/bin:/bin"})
    runner.stop()
    with pytest.raises(LabError, match="status -15"):
        runner(tool("pause"), ["sleep", "60"], tmp_path)


def test_a_build_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    program = f"""
from pathlib import Path
from lab.tools import build
from lab.tools.catalogue import tool
build.Runner({{"PATH": "/usr/bin:/bin"}})(tool("pause"), ["sh", "-c", "echo $$ > {fifo}; exec sleep 60"], Path("/"))
"""
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=CLONE)
    building = os.pidfd_open(int(fifo.read_text()))
    starter.kill()
    starter.wait()
    assert select.select([building], [], [], 5)[0], "the build has ended"
    os.close(building)


def test_an_unknown_tool_is_named_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no tool or command kubctl .* kubernetes, "):
        ensure(["kubctl"])


def test_the_pause_program_is_formatted_and_of_the_standard_library_only() -> None:
    folder = CLONE / "lab" / "tools" / "pause"
    assert "require" not in (folder / "go.mod").read_text()
    imports = re.findall(r'(?m)^\t"([^"]+)"', (folder / "main.go").read_text())
    assert imports
    assert not [each for each in imports if "." in each]
