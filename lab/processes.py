"""Processes by identity: a process id together with its start time, so that a recycled id is never taken for the
process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine.

    Attributes:
        pid: Its id in the machine's own process namespace.
        start_time: When it started, in clock ticks after boot (field 22 of /proc/<pid>/stat).
    """

    pid: int
    start_time: int

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The identity of the process that has this id now; None where none has, or only a zombie."""
        stat = _stat(pid)
        return None if stat is None else cls(pid, stat[1])

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return ProcessIdentity.of(self.pid) == self

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to it, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            # The handle stays with the process that has the id now: the id cannot pass to another in between.
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)

    def write(self, path: Path) -> None:
        """Keep the identity in a file."""
        path.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> ProcessIdentity | None:
        """The identity kept in a file; None where there is no such file, or half of one."""
        try:
            data = json.loads(path.read_text())
            return cls(int(data["pid"]), int(data["start_time"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start time of a process; None where it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name stands in brackets and may itself hold spaces and brackets: count the fields from the last one.
    fields = text.rpartition(")")[2].split()
    state, start = fields[0], int(fields[19])
    return None if state in "ZX" else (state, start)


def all_pids() -> Iterator[int]:
    """The ids of all processes of this machine."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            yield int(entry.name)


def namespace_pid(pid: int) -> int | None:
    """The id that a process has in the innermost process namespace it is in; None where it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    except OSError:
        pass
    return None


def namespace_id(pid: int | str, kind: str) -> int | None:
    """The inode that identifies a process's namespace of a kind (`net`, `pid`, ...); None where it cannot be told."""
    try:
        return Path(f"/proc/{pid}/ns/{kind}").stat().st_ino
    except OSError:
        return None


def command(pid: int) -> str:
    """The command of a process, short enough for a sentence."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        words = ""
    return words[:80] or "gone"


def boot_id() -> str:
    """What tells one run of the machine from the next."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
