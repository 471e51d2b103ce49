"""Tools that are on this machine already, and the machine itself."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.tools.catalogue import OnPath, Tool

LINKS_MARK = ".istio-mesh-lab"
"""A file in every folder that `Toolset.link` fills."""

_ASKING = 10.0
"""Seconds that a command may take to say its version."""


@dataclass(frozen=True)
class Found:
    """Commands of this machine that fit, by name, with the version that the first of them gives."""

    commands: Mapping[str, Path]
    version: str


def check_machine(system: str = "", machine: str = "") -> None:
    """Refuse a machine that the tools do not run on.

    Raises:
        LabError: Not Linux on x86_64.
    """
    system, machine = system or platform.system(), machine or platform.machine()
    if system != "Linux":
        raise LabError(
            f"The lab makes its regions of Linux namespaces, and this is {system}: run it in a Linux machine, or "
            "point the local stack at clusters of your own (kind, k3d), which is configuration only."
        )
    if machine not in ("x86_64", "AMD64"):
        raise LabError(
            f"The lab's Envoy is pinned for x86_64, and this machine is {machine}: use an x86_64 machine, or point "
            "the local stack at clusters of your own."
        )


def memory_gib() -> float:
    """Memory that can be used now without swapping, in GiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 2**20
    return 1.0


def version_in(text: str, pattern: str) -> tuple[int, ...] | None:
    """The version that a command's output names, as numbers to compare."""
    match = re.search(pattern, text, re.MULTILINE)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def fits(version: tuple[int, ...], rule: OnPath) -> bool:
    """Whether a version is within the rule's bounds."""
    return rule.at_least <= version < rule.below


def find(rule: OnPath, ask: Callable[[Path, tuple[str, ...]], str] | None = None) -> Found | None:
    """The rule's commands on this machine, or None where one is missing or the version does not fit."""
    search = os.pathsep.join(_search(rule))
    first = shutil.which(rule.commands[0], path=search)
    if first is None:
        return None
    others = str(Path(first).resolve().parent) if rule.together else search
    commands = {rule.commands[0]: Path(first)}
    for name in rule.commands[1:]:
        other = shutil.which(name, path=others)
        if other is None:
            return None
        commands[name] = Path(other)
    version = version_in((ask or _ask)(Path(first), rule.arguments), rule.pattern)
    if version is None or not fits(version, rule):
        return None
    return Found(commands, ".".join(str(part) for part in version))


def commands_of(tool: Tool) -> dict[str, Found]:
    """The tool's commands that this machine has already, each with what was found."""
    return {name: found for rule in tool.on_path if (found := find(rule)) for name in found.commands}


def _search(rule: OnPath) -> list[str]:
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *rule.folders]
    # A lab's own folder of links is in PATH once its environment is sourced: what it links to is not the machine's.
    return [folder for folder in folders if not (Path(folder) / LINKS_MARK).exists()]


def _ask(command: Path, arguments: tuple[str, ...]) -> str:
    # A command that cannot say its version is not taken, whatever the reason.
    try:
        answer = subprocess.run(
            [str(command), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASKING,
            # A Pulumi engine looks for a newer release of itself otherwise, and a kubectl for a server.
            env=dict(os.environ) | {"PULUMI_SKIP_UPDATE_CHECK": "true", "KUBECONFIG": os.devnull},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return f"{answer.stdout}\n{answer.stderr}"
