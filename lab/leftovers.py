"""What of a lab is on this machine: the measure of a complete `down`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab import cgroups, network, processes, settings
from lab.ownership import Marker
from lab.paths import Paths
from lab.processes import ProcessIdentity

_OCTAL = re.compile(r"\\([0-7]{3})")


def lab_processes(namespaces: Sequence[str]) -> dict[ProcessIdentity, str]:
    """Processes of a lab, with their commands: those in its control groups or in its network namespaces.

    Args:
        namespaces: The exact names of those that the marker says are the lab's; a mere likeness proves nothing.
    """
    there = (network.NAMESPACES / name for name in namespaces)
    inodes = {path.stat().st_ino for path in there if path.exists()}
    # Whatever has been mounted there by now: what this process itself is in is the machine's own.
    inodes.discard(processes.namespace_id("self", "net") or 0)
    members = cgroups.pids()
    found: dict[ProcessIdentity, str] = {}
    for pid in processes.all_pids():
        if pid != os.getpid() and (pid in members or processes.namespace_id(pid, "net") in inodes):
            identity = ProcessIdentity.of(pid)
            if identity is not None:
                found[identity] = processes.command(pid)
    return found


def leftovers(paths: Paths, marker: Marker) -> list[str]:
    """Everything of the marker's lab that is on this machine, each as a few words; empty after a complete `down`.

    Only what the marker names is looked for: something of a like name, or a route of a like range, is someone else's.
    Routes are not listed, as they go with the interface.

    Args:
        paths: The files of the clone that asks.
        marker: Says what was made and changed.
    """
    there = network.list_namespaces()
    return [
        *(f"process {identity.pid} ({command})" for identity, command in lab_processes(marker.namespaces).items()),
        *(f"network namespace {name}" for name in marker.namespaces if name in there),
        *(f"interface {name}" for name in network.interfaces() if name == marker.interface),
        *_mounts(paths, marker, Path("/proc/self/mountinfo").read_text()),
        *(f"control group {path}" for path in cgroups.directories()),
        *settings.still_raised(marker.settings),
        *_directories(marker),
        *(f"directory {path}" for path in (paths.regions,) if path.exists()),
    ]


def _mounts(paths: Paths, marker: Marker, mountinfo: str) -> Iterator[str]:
    ours = {str(network.NAMESPACES / name) for name in marker.namespaces}
    below = (f"{paths.lab}/", f"{Paths(Path(marker.clone)).lab}/")
    for line in mountinfo.splitlines():
        # The kernel writes a space in a path as \040 (proc_pid_mountinfo(5)).
        place = _OCTAL.sub(lambda match: chr(int(match[1], 8)), line.split()[4])
        if place in ours or place.startswith(below):
            yield f"mount {place}"


def _directories(marker: Marker) -> Iterator[str]:
    for directory in marker.directories:
        if Path(directory).is_dir() and not any(Path(directory).iterdir()):
            yield f"directory {directory}"
