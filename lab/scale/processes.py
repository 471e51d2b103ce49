"""A command with all that it starts: how long it takes, how much memory and processor time it and its children use."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.processes import all_pids

INTERVAL = 0.1
"""Seconds between two looks at the processes."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """What a command and its children used.

    Attributes:
        seconds: From its start to its end.
        peak: Bytes of resident memory of all of them together, at the moment when it was most.
        cpu: Seconds of processor time, by the name of the program.
        peaks: Bytes, by the name of the program, at that moment.
        output: What it printed.
    """

    seconds: float
    peak: int
    cpu: Mapping[str, float]
    peaks: Mapping[str, int]
    output: str


@dataclass
class _Seen:
    peak: int = 0
    peaks: dict[str, int] = field(default_factory=dict[str, int])
    cpu: dict[int, tuple[str, float]] = field(default_factory=dict[int, tuple[str, float]])


def measured(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, deadline: float) -> Use:
    """Run a command to its end.

    Raises:
        LabError: It failed, or was not done within `deadline` seconds, and was ended then.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    seen, over = _Seen(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, seen, over), daemon=True)
    watcher.start()
    try:
        output, _ = process.communicate(timeout=deadline)
    except BaseException as problem:
        for pid in [*_tree(process.pid)]:
            _kill(pid)
        process.wait()
        if isinstance(problem, subprocess.TimeoutExpired):
            raise LabError(f"`{' '.join(command[:3])}` was still running after {deadline:.0f} s.") from None
        raise
    finally:
        over.set()
        watcher.join()
    seconds = time.monotonic() - started
    if process.returncode:
        raise LabError(f"`{' '.join(command[:4])}` failed; its last words: {output[-3000:]}")
    by_name: dict[str, float] = {}
    for name, used in seen.cpu.values():
        by_name[name] = by_name.get(name, 0.0) + used
    return Use(seconds, seen.peak, by_name, dict(seen.peaks), output)


def _watch(root: int, seen: _Seen, over: threading.Event) -> None:
    while not over.wait(INTERVAL):
        by_name: dict[str, int] = {}
        for pid in _tree(root):
            try:
                name = _name(pid)
                memory = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (OSError, IndexError):
                continue
            if not name:
                # It has ended, and its parent does not know yet.
                continue
            by_name[name] = by_name.get(name, 0) + memory
            # A process is first what started it: the name that counts is its last one.
            seen.cpu[pid] = (name, (int(fields[11]) + int(fields[12])) / _TICK)
        total = sum(by_name.values())
        if total > seen.peak:
            seen.peak, seen.peaks = total, by_name


def _tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(pid)
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def _name(pid: int) -> str:
    """What a process is to a reader: the engine, the program, the provider, or the name of its file."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    line = " ".join(words)
    # The language host carries the executor's path as an option, before all that follows.
    if "pulumi_host" in line or Path(words[0]).name == "pulumi-language-python":
        return "language host"
    if "pulumi-language-python-exec" in line:
        return "program"
    if "pulumi-resource-kubernetes" in words[0]:
        return "provider"
    if "pulumi.policy" in words:
        return "policy pack"
    if "lab.aws.plugin" in words:
        return "stand-in for AWS"
    if "pulumi-resource-pulumi-python" in line or "dynamic" in line:
        return "dynamic provider"
    return "engine" if Path(words[0]).name == "pulumi" else Path(words[0]).name


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
