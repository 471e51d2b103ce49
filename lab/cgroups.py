"""Control groups: one parent of the lab's own, one child per region, so that memory can be measured and nothing is
left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.waiting import wait_for

PARENT = "istio-mesh-lab"
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
"""What the kubelet and runc use of version 2, where controllers have to be handed down."""
NEEDED = ("cpu", "cpuset", "memory", "pids")
"""The kubelet does not start without the first three (pkg/kubelet/cm, validateSystemRequirements), nor a pod without
the last.
"""
COMPONENTS = "components"
"""Version 2 allows processes only in leaves: a region's own components get one beside those of its pods."""
ENGINE = "engine"
"""The group of Pulumi's engine and its plugins, so that those of a killed `up` are found; no region has this name."""
JOIN = 'for group in $JOIN; do echo 0 >"$group/cgroup.procs"; done; unset JOIN;'
"""A shell's lines that put itself (0) into the groups that the variable JOIN names."""


@dataclass(frozen=True)
class Hierarchy:
    """One mounted tree of control groups.

    Attributes:
        mount: Where this machine has it.
        options: What a region mounts it with; empty for version 2.
    """

    mount: Path
    options: str

    @property
    def unified(self) -> bool:
        """Whether this is version 2."""
        return not self.options


def hierarchies(mountinfo: str | None = None) -> list[Hierarchy]:
    """The trees that a region uses: all of version 1 where the machine has them, else the one of version 2.

    A machine with both (hybrid) has its controllers in one of them; the one that has `memory` is taken.
    """
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    first: dict[Path, Hierarchy] = {}
    second: dict[Path, Hierarchy] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        mount = Path(before.split()[4])
        kind, _, options = after.split(maxsplit=2)
        if kind == "cgroup":
            controllers = [
                option for option in options.split(",") if option not in ("rw", "ro") and "release_agent" not in option
            ]
            if any(option.startswith("name=") for option in controllers):
                controllers = ["none", *(option for option in controllers if option.startswith("name="))]
            known = [option for option in controllers if option != "xattr"]
            first[mount] = Hierarchy(mount, ",".join(known))
        elif kind == "cgroup2":
            second[mount] = Hierarchy(mount, "")
    with_memory = any("memory" in tree.options.split(",") for tree in first.values())
    return list(first.values()) if with_memory else list(second.values())[:1]


def missing_controllers() -> list[str]:
    """The controllers that the kubelet needs and this machine does not have (or has switched off)."""
    available: set[str] = set()
    for tree in hierarchies():
        listed = (tree.mount / "cgroup.controllers").read_text() if tree.unified else tree.options.replace(",", " ")
        available.update(listed.split())
    return [name for name in NEEDED if name not in available]


def create(region: str) -> None:
    """Make a region's groups, and the lab's parent of them where it is missing."""
    for group, tree in zip(_create(region), hierarchies(), strict=True):
        if tree.unified:
            (group / COMPONENTS).mkdir(exist_ok=True)


def create_engine() -> list[Path]:
    """The engine's group in each tree, made where it is missing."""
    return _create(ENGINE)


def joining(groups: Sequence[Path], *command: str) -> tuple[str, ...]:
    """The words that run a command in control groups."""
    # No path of a group has a space: they are the mounts of this machine's control groups and the lab's own names.
    return ("/bin/sh", "-ec", f'JOIN=$1; shift; {JOIN} exec "$@"', "join", " ".join(map(str, groups)), *command)


def _create(name: str) -> list[Path]:
    for tree in hierarchies():
        chain = [tree.mount / PARENT, tree.mount / PARENT / name]
        for directory in chain:
            directory.mkdir(exist_ok=True)
            if tree.unified:
                _delegate(directory.parent)
            elif "cpuset" in tree.options.split(","):
                # A new group of version 1 has neither processors nor memory nodes, and takes no process until it has.
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (directory / file).write_text((directory.parent / file).read_text())
    return roots(name)


def delegate(region: str) -> None:
    """Open a region's group to its pods, once its first process has left it for the group of the components.

    Version 2 hands controllers down only from a group that holds no process, while a process that enters a namespace of
    groups has to be in the one that is to be its root.
    """
    for tree in hierarchies():
        if tree.unified:
            _delegate(tree.mount / PARENT / region)


def _delegate(directory: Path) -> None:
    """Let the children of a group of version 2 use the controllers that Kubernetes asks for."""
    for controller in _not_delegated(directory):
        (directory / "cgroup.subtree_control").write_text(f"+{controller}")


def _not_delegated(directory: Path) -> list[str]:
    available, delegated = (
        (directory / file).read_text().split() for file in ("cgroup.controllers", "cgroup.subtree_control")
    )
    return [name for name in CONTROLLERS if name in available and name not in delegated]


def to_delegate() -> tuple[str, ...]:
    """The controllers that the machine's topmost group does not hand down by itself; none in version 1."""
    return tuple(name for tree in hierarchies() if tree.unified for name in _not_delegated(tree.mount))


def withdraw(controllers: Sequence[str]) -> None:
    """Have the machine's topmost group hand down no more than it did before, unless someone else uses it by now."""
    for tree in hierarchies():
        for controller in controllers if tree.unified else ():
            with contextlib.suppress(OSError):
                (tree.mount / "cgroup.subtree_control").write_text(f"-{controller}")


def roots(region: str) -> list[Path]:
    """A region's group in each tree: what the region itself sees as the root."""
    return [tree.mount / PARENT / region for tree in hierarchies()]


def inner_leaves() -> list[Path]:
    """The group in each tree that components of a region run in, as the region itself sees it."""
    return [tree.mount / COMPONENTS if tree.unified else tree.mount for tree in hierarchies()]


def pids(region: str | None = None) -> set[int]:
    """The processes in the groups of a region, or of the whole lab."""
    found: set[int] = set()
    for tree in hierarchies():
        top = tree.mount / PARENT if region is None else tree.mount / PARENT / region
        for directory, _, _ in os.walk(top):
            try:
                found.update(int(pid) for pid in (Path(directory) / "cgroup.procs").read_text().split())
            except OSError:
                # Removed while it was looked at.
                continue
    return found - {0}


def directories() -> list[Path]:
    """The groups of the lab that exist, deepest first."""
    return [
        Path(directory)
        for tree in hierarchies()
        for directory, _, _ in os.walk(tree.mount / PARENT, topdown=False)
        if Path(directory).exists()
    ]


def remove() -> None:
    """Remove all of the lab's groups, once their processes have gone."""

    def gone() -> bool:
        for directory in directories():
            # A group stays busy for an instant after its last process: rmdir then fails and is tried again.
            directory.rmdir()
        return True

    wait_for(gone, deadline=5, what="the lab's control groups to become empty", interval=0.05)


def memory_bytes() -> int:
    """Memory that the whole lab uses, in bytes: every process and tmpfs of its regions, without page cache that can be
    dropped.

    It is what Kubernetes calls the working set: the usage of the regions' groups less their inactive file pages. The
    engine's group is left out: what is charged to it once it has ended is its programs' files.

    Raises:
        LabError: No lab runs, or this machine does not account memory.
    """
    for tree in hierarchies():
        file = "memory.current" if tree.unified else "memory.usage_in_bytes"
        usages = [path for path in (tree.mount / PARENT).glob(f"*/{file}") if path.parent.name != ENGINE]
        if usages:
            name = "inactive_file" if tree.unified else "total_inactive_file"
            return sum(_working_set(usage, name) for usage in usages)
    raise LabError(
        "The lab's memory cannot be measured: no lab runs, or the kernel has no memory controller. Start it: make up."
    )


def _working_set(usage: Path, droppable: str) -> int:
    statistics = dict(line.split() for line in usage.with_name("memory.stat").read_text().splitlines())
    return max(0, int(usage.read_text()) - int(statistics.get(droppable, 0)))
