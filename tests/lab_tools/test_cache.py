from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from lab.tools import cache
from lab.tools.catalogue import GoSource, ModuleFile, Tool

SOURCE = GoSource("tool", {"tool": "."}, variables={"main.version": "1"})
TOOL = Tool("tool", "1.0", SOURCE)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "clone" / "tool"
    (folder / "sub").mkdir(parents=True)
    (folder / "main.go").write_text("package main")
    (folder / "sub" / "sub.go").write_text("package sub")
    (folder / "go.mod").write_text("module tool")
    return tmp_path / "clone"


def test_an_entry_is_in_the_users_cache_and_named_by_version(clone: Path, tmp_path: Path) -> None:
    entry = cache.entry(TOOL, clone)
    assert entry.parent == tmp_path / "cache" / "istio-mesh-lab" / "tool"
    assert entry.name == f"1.0-{cache.digest(TOOL, clone)}"


def test_a_relative_xdg_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "istio-mesh-lab"


@pytest.mark.parametrize("file", ["main.go", "go.mod", "sub/sub.go", "new.go", "asset.json"])
def test_a_changed_source_file_makes_another_entry(clone: Path, file: str) -> None:
    before = cache.entry(TOOL, clone)
    (clone / "tool" / file).write_text("changed")
    assert cache.entry(TOOL, clone) != before


def test_moving_content_between_files_makes_another_entry(clone: Path) -> None:
    before = cache.entry(TOOL, clone)
    (clone / "tool" / "sub" / "sub.go").rename(clone / "tool" / "sub" / "other.go")
    assert cache.entry(TOOL, clone) != before


@pytest.mark.parametrize("file", ["main_test.go", "helper.py", "__pycache__/helper.pyc", "schema.json"])
def test_files_that_do_not_go_into_the_binary_change_nothing(clone: Path, file: str) -> None:
    tool = dataclasses.replace(
        TOOL, source=dataclasses.replace(SOURCE, embedded=(ModuleFile("m", "schema.json", "schema.json"),))
    )
    before = cache.entry(tool, clone)
    (clone / "tool" / file).parent.mkdir(exist_ok=True)
    (clone / "tool" / file).write_text("changed")
    assert cache.entry(tool, clone) == before


@pytest.mark.parametrize(
    "change", [{"version": "1.1"}, {"source": dataclasses.replace(SOURCE, variables={"main.version": "2"})}]
)
def test_a_changed_version_or_flag_makes_another_entry(clone: Path, change: dict[str, object]) -> None:
    assert cache.entry(dataclasses.replace(TOOL, **change), clone) != cache.entry(TOOL, clone)


def test_figures_for_the_progress_do_not_make_another_entry(clone: Path) -> None:
    assert cache.entry(dataclasses.replace(TOOL, seconds=999, memory=9), clone) == cache.entry(TOOL, clone)


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(into: Path) -> None:
        made.append(into)
        (into / "file").write_text("content")

    for _ in range(2):
        assert (cache.install(tmp_path / "tool" / "1", make) / "file").read_text() == "content"
    assert len(made) == 1


def test_a_failed_build_leaves_no_entry_and_nothing_else(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").write_text("")
        raise RuntimeError("the compiler said no")

    with pytest.raises(RuntimeError, match="the compiler said no"):
        cache.install(tmp_path / "tool" / "1", fail)
    assert [path.name for path in (tmp_path / "tool").iterdir()] == [".lock"]


def test_what_a_build_cut_off_by_a_power_failure_left_is_no_entry_and_is_cleared(tmp_path: Path) -> None:
    # As left by a process that had no chance to clean up, with a folder that came read-only from the module cache.
    left = tmp_path / "tool" / ".building-x" / "share"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    left.chmod(0o555)
    entry = cache.install(tmp_path / "tool" / "1", lambda into: (into / "whole").touch())
    assert (entry / "whole").exists()
    assert sorted(path.name for path in (tmp_path / "tool").iterdir()) == [".lock", "1"]


def test_of_two_clones_one_builds_and_the_other_waits_for_it(tmp_path: Path) -> None:
    entered, finish, waiting = threading.Event(), threading.Event(), threading.Event()
    made: list[str] = []

    def slow(into: Path) -> None:
        entered.set()
        assert finish.wait(5)
        made.append("first")
        (into / "file").touch()

    first = threading.Thread(target=cache.install, args=(tmp_path / "tool" / "1", slow))
    first.start()
    assert entered.wait(5)
    second = threading.Thread(
        target=cache.install,
        args=(tmp_path / "tool" / "1", lambda _: made.append("second")),
        kwargs={"waiting": waiting.set},
    )
    second.start()
    assert waiting.wait(5), "the second is told that it waits"
    finish.set()
    first.join(5)
    second.join(5)
    assert made == ["first"]
