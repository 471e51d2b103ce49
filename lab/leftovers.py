"""What of a lab is on this machine: the measure of a complete `down`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

from lab import cgroups, network, processes
from lab.ownership import Marker
from lab.paths import Paths
from lab.regions import Topology
from lab.settings import current

PREFIX = "lab-"
"""How the names of the lab's network namespaces begin."""


def lab_processes() -> dict[int, str]:
    """Processes of a lab by their id, with their command: those in its control groups or its network namespaces."""
    inodes = {(network.NAMESPACES / name).stat().st_ino for name in _namespaces()}
    members = cgroups.pids()
    found: dict[int, str] = {}
    for pid in processes.all_pids():
        if pid in members or processes.namespace_id(pid, "net") in inodes:
            identity = processes.ProcessIdentity.of(pid)
            if identity is not None:
                found[pid] = processes.command(pid)
    return found


def _namespaces() -> list[str]:
    return [name for name in network.list_namespaces() if name.startswith(PREFIX)]


def leftovers(
    topology: Topology, paths: Paths, marker: Marker | None = None, iptables_save: Path | None = None
) -> list[str]:
    """Everything of a lab that is on this machine, each as a few words; an empty list after a complete `down`.

    Args:
        topology: The lab's addresses and names.
        paths: The clone's files.
        marker: Tells which kernel settings and directories were changed.
        iptables_save: The command that prints this machine's rules; without it they are not looked at.
    """
    return [
        *(f"process {pid} ({command})" for pid, command in lab_processes().items()),
        *(f"network namespace {name}" for name in _namespaces()),
        *(f"interface {name}" for name in network.interfaces() if name == topology.bridge.name),
        *_mounts(paths),
        *_routes(topology),
        *(_rules(topology, iptables_save) if iptables_save else ()),
        *(f"control group {path}" for path in cgroups.directories()),
        *(_changed(marker) if marker else ()),
        *(f"directory {path}" for path in (paths.regions,) if path.exists()),
    ]


def _mounts(paths: Paths) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = line.split()[4]
        if place.startswith((f"{paths.lab}/", f"{network.NAMESPACES / PREFIX}")):
            yield f"mount {place}"


def _routes(topology: Topology) -> Iterator[str]:
    ours = list(topology.host_ranges.values())
    for route in network.routes():
        if route["dst"] != "default" and any(IPv4Network(route["dst"], strict=False) == cidr for cidr in ours):
            yield f"route to {route['dst']}"


def _rules(topology: Topology, iptables_save: Path) -> Iterator[str]:
    marks = [topology.bridge.name, *(str(cidr) for cidr in topology.host_ranges.values())]
    result = subprocess.run((str(iptables_save),), capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        if any(mark in line for mark in marks):
            yield f"iptables rule {line}"


def _changed(marker: Marker) -> Iterator[str]:
    for name, before in marker.settings.items():
        if current(name) != before:
            yield f"kernel setting {name}={current(name)} instead of {before}"
    for directory in marker.directories:
        if Path(directory).is_dir() and not any(Path(directory).iterdir()):
            yield f"directory {directory}"
