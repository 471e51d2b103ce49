"""What of a lab that was cut off is found, and what is never taken for it; the engine that is ended with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import cgroups, cli, down, leftovers, network, preflight, settings, stack
from lab.errors import LabError
from lab.machine import RegionMachine
from lab.ownership import Marker, Ownership
from lab.paths import Paths
from lab.processes import ProcessIdentity
from lab.regions import load_regions
from lab.tools.toolset import Toolset
from lab.waiting import wait_for

TOPOLOGY = load_regions()
NAMES = ("lab-wire", "lab-use1")


@pytest.fixture
def sleeper() -> Iterator[ProcessIdentity]:
    child = subprocess.Popen(["sleep", "60"])
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None
    # The kernel says that a program was started a moment before its command line can be read.
    wait_for(Path(f"/proc/{child.pid}/cmdline").read_bytes, deadline=10, what="the sleeper's command line")
    yield identity
    child.kill()
    child.wait()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without control groups of a lab, whose network namespaces are files of the directory that is given."""
    monkeypatch.setattr(network, "NAMESPACES", tmp_path / "netns")
    monkeypatch.setattr(cgroups, "hierarchies", list)
    (tmp_path / "netns").mkdir()
    return tmp_path / "netns"


def marker(clone: Path, **changes: object) -> Marker:
    return Marker(str(clone), "now", None, namespaces=NAMES, interface="meshlab9", **changes)  # pyright: ignore


def in_namespace(monkeypatch: pytest.MonkeyPatch, place: Path, process: ProcessIdentity) -> None:
    """As if the process were in the network namespace that is mounted at the place."""
    inode = place.stat().st_ino
    monkeypatch.setattr(leftovers.processes, "namespace_id", lambda pid, _: inode if pid == process.pid else 0)


def test_processes_in_a_namespace_of_a_like_name_are_not_the_labs(
    machine: Path, monkeypatch: pytest.MonkeyPatch, sleeper: ProcessIdentity
) -> None:
    (machine / "lab-experiment").touch()
    in_namespace(monkeypatch, machine / "lab-experiment", sleeper)
    assert leftovers.lab_processes(NAMES) == {}


def test_processes_in_a_namespace_that_the_marker_names_are(
    machine: Path, monkeypatch: pytest.MonkeyPatch, sleeper: ProcessIdentity
) -> None:
    (machine / "lab-use1").touch()
    in_namespace(monkeypatch, machine / "lab-use1", sleeper)
    assert leftovers.lab_processes(NAMES) == {sleeper: "sleep 60"}


def test_the_machines_own_namespace_is_never_the_labs(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "lab-use1").touch()
    inode = (machine / "lab-use1").stat().st_ino
    monkeypatch.setattr(leftovers.processes, "namespace_id", lambda *_: inode)
    assert leftovers.lab_processes(NAMES) == {}


def test_without_a_marker_names_of_the_lab_are_refused_and_nothing_is_touched(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "lab-use1").touch()
    paths = Paths(tmp_path)
    paths.region("use1").log.mkdir(parents=True)
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(network, "remove", lambda *words: calls.append(words))
    with pytest.raises(LabError, match="a network namespace lab-use1 on this machine already"):
        down.down(Ownership(paths, tmp_path / "run"), TOPOLOGY, paths, lambda _: None)
    assert (machine / "lab-use1").exists()
    assert paths.regions.exists(), "its files may be in use"
    assert calls == []


def test_without_a_marker_only_the_clones_own_files_are_cleared(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, told = Paths(tmp_path), list[str]()
    paths.region("use1").log.mkdir(parents=True)
    monkeypatch.setattr(preflight, "check_names", lambda *_: None)
    down.down(Ownership(paths, tmp_path / "run"), TOPOLOGY, paths, told.append)
    assert told == [down.RESTARTED]
    assert not paths.regions.exists()
    down.down(Ownership(paths, tmp_path / "run"), TOPOLOGY, paths, told.append)
    assert "nothing to take away" in told[-1]


def test_a_setting_that_someone_else_has_changed_since_is_no_leftover(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "fs.inotify.max_user_instances"
    values = {"now": str(settings.NEEDED[name])}
    monkeypatch.setattr(settings, "current", lambda _: values["now"])
    assert list(settings.still_raised({name: "128"})) == [f"kernel setting {name}=8192 instead of 128"]
    values["now"] = "65536"
    assert list(settings.still_raised({name: "128"})) == []


def test_mounts_below_a_clone_with_a_space_in_its_path_are_seen(tmp_path: Path) -> None:
    paths = Paths(Path("/home/some one/mesh"))
    lines = (
        r"90 32 0:30 / /home/some\040one/mesh/.lab/regions/use1/data rw - ext4 /dev/sda rw",
        r"91 32 0:31 / /run/netns/lab-use1 rw - nsfs nsfs rw",
        r"92 32 0:32 / /run/netns/lab-experiment rw - nsfs nsfs rw",
        r"93 32 0:33 / /clones/others/.lab/x rw - tmpfs tmpfs rw",
    )
    found = list(leftovers._mounts(paths, marker(Path("/clones/others")), "\n".join(lines)))
    assert found == [
        "mount /home/some one/mesh/.lab/regions/use1/data",
        "mount /run/netns/lab-use1",
        "mount /clones/others/.lab/x",
    ]


def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Paths:
    """A clone whose engine is a shell program; it has no control groups of its own."""
    paths = Paths(tmp_path)
    paths.bin.mkdir(parents=True)
    (paths.bin / "pulumi").write_text(f"#!/bin/sh\n{body}\n")
    (paths.bin / "pulumi").chmod(0o755)
    monkeypatch.setattr(cgroups, "hierarchies", list)
    return paths


def interrupted(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deploy, and press Ctrl-C once the engine is at work."""
    wait = subprocess.Popen.wait
    started = paths.root / "started"

    def pressed(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None and process.returncode is None and not (paths.root / "pressed").exists():
            limit = time.monotonic() + 5
            while not started.exists() and time.monotonic() < limit:
                time.sleep(0.01)
            (paths.root / "pressed").touch()
            raise KeyboardInterrupt
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", pressed)
    with pytest.raises(KeyboardInterrupt):
        stack._run(TOPOLOGY, paths, "up")


def test_an_engine_that_is_interrupted_is_asked_once_and_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = f"trap 'echo asked >>{tmp_path}/log; echo unlocked >>{tmp_path}/log; exit 1' TERM INT"
    paths = engine(tmp_path, monkeypatch, f"{asked}; touch {tmp_path}/started; while :; do sleep 0.05; done")
    interrupted(paths, monkeypatch)
    assert (tmp_path / "log").read_text() == "asked\nunlocked\n"


def test_an_engine_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"trap '' TERM INT; echo $$ >{tmp_path}/pid; touch {tmp_path}/started; while :; do sleep 0.05; done"
    paths = engine(tmp_path, monkeypatch, body)
    cancel = stack._cancel
    monkeypatch.setattr(stack, "_cancel", lambda process: cancel(process, patience=0.2))
    interrupted(paths, monkeypatch)
    assert ProcessIdentity.of(int((tmp_path / "pid").read_text())) is None


def test_a_fault_of_the_engine_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = engine(tmp_path, monkeypatch, "exit 255")
    with pytest.raises(LabError, match="`pulumi up --yes` failed with exit code 255"):
        stack._run(TOPOLOGY, paths, "up", "--yes")


def test_a_command_joins_control_groups_before_it_runs(tmp_path: Path) -> None:
    groups = [tmp_path / "one", tmp_path / "two"]
    for group in groups:
        group.mkdir()
    command = cgroups.joining(groups, sys.executable, "-c", "import os; print(os.environ.get('JOIN'))")
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "None\n"
    assert [(group / "cgroup.procs").read_text() for group in groups] == ["0\n", "0\n"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_becomes_an_exception(number: signal.Signals) -> None:
    # These tests may run under nohup themselves.
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(SystemExit) as ended, cli.sentences():
            signal.raise_signal(number)
        assert ended.value.code == 128 + number
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with cli.sentences():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, "nohup asks for it"
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_a_process_of_a_container_with_the_same_id_is_not_taken_for_the_component(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab import machine

    region = RegionMachine(TOPOLOGY.regions[0], Toolset(tmp_path, {}), Paths(tmp_path).region("use1"))
    monkeypatch.setattr(RegionMachine, "require_init", lambda _: ProcessIdentity(10, 1))
    monkeypatch.setattr(cgroups, "inner_leaves", list)
    monkeypatch.setattr(cgroups, "pids", lambda _: [20, 30])
    monkeypatch.setattr(network, "run", lambda *_, **__: "7\n")
    monkeypatch.setattr(machine, "namespace_pid", lambda _: 7)
    monkeypatch.setattr(machine, "namespace_id", lambda pid, _: {10: 1, 20: 2, 30: 1}[pid])
    monkeypatch.setattr(ProcessIdentity, "of", lambda pid: ProcessIdentity(pid, 0))
    assert region.spawn(("etcd",), tmp_path / "log") == ProcessIdentity(30, 0)
