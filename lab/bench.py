"""`make bench`: how long things take and how much memory they hold, beside what is aimed at.

Everything is done `rounds` times and the median counts. In every round the documented istioctl steps install the same
mesh into the same empty regions, before or after the program in turns, so that neither always finds warm caches.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab import baseline, cgroups, environment, judged_preview, policy_speed
from lab.baseline import Baseline
from lab.errors import LabError
from lab.images import REPOSITORY
from lab.judged_preview import JudgedPreview
from lab.paths import Paths
from lab.regions import Topology
from lab.tools.catalogue import ISTIO


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: What was measured.
        unit: `s`, `ms`, `MiB` or `GiB`.
        target: What it should not exceed; None where it is there to compare with.
        values: One of each round.
        note: Where the time goes, or what it is a part of.
    """

    name: str
    unit: str
    target: float | None
    values: Sequence[float]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where no target is set."""
        return "" if self.target is None else "met" if self.median <= self.target else "missed"

    def record(self) -> dict[str, object]:
        """As it stands in `.lab/bench.json`."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 2),
            "target": None if self.target is None else round(self.target, 2),
            "verdict": self.verdict,
            "values": [round(value, 2) for value in self.values],
            "note": self.note,
        }


@dataclass
class Measured:
    """What the rounds gave, by name, in the order of the first round."""

    values: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    previews: list[JudgedPreview] = field(default_factory=list[JudgedPreview])

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def timed(self, name: str, action: Callable[[], object]) -> None:
        started = time.monotonic()
        action()
        self.add(name, time.monotonic() - started)


UP, DOWN, MEMORY = "make up, from nothing to mesh and tenant", "make down", "memory of the whole lab"
PROGRAM, ISTIOCTL = "pulumi up into two empty regions", "documented istioctl steps into the same regions"
POLICIES = f"{policy_speed.RESOURCES} resources judged by the policy pack"
FIRST_PREVIEW, WITH_PACK = f"first preview of {judged_preview.STACK}", "with the policy pack"
UNCHANGED, PREVIEW, DESTROY = "pulumi up without a change", "pulumi preview without a change", "pulumi destroy"


def bench(topology: Topology, paths: Paths, *, rounds: int, console: Console) -> bool:
    """Measure, print the table, write `.lab/bench.json`.

    Returns:
        Whether every target was met.

    Raises:
        LabError: A step failed; the lab is left as it is then, to be looked at.
    """
    measured = Measured()
    commands = _Commands(topology, paths, console)
    with baseline.secrets_folder() as folder:
        secrets = Path(folder)
        baseline.make_certificates(topology, secrets)
        console.print("Every round begins without a lab: a running one is taken down now.")
        commands.lab("down")
        for index in range(rounds):
            console.print(f"round {index + 1} of {rounds}", style="bold")
            measured.timed(UP, lambda: commands.lab("up"))
            measured.add(MEMORY, cgroups.memory_bytes() / 2**30)
            measured.timed(UNCHANGED, commands.up)
            measured.timed(PREVIEW, commands.preview)
            measured.timed(DESTROY, commands.destroy)
            steps: list[Callable[[], None]] = [
                lambda: _with_istioctl(commands, measured, secrets),
                lambda: _with_program(commands, measured),
            ]
            for step in steps if index % 2 == 0 else reversed(steps):
                step()
            measured.timed(DOWN, lambda: commands.lab("down"))
            _judged(measured, paths, index)
    rows = _rows(measured)
    show(rows, console)
    keep(rows, paths.lab / "bench.json")
    return all(row.verdict != "missed" for row in rows)


def policies(paths: Paths, *, rounds: int, console: Console) -> bool:
    """Measure what the policy pack takes, without a lab; print the table, write `.lab/policies.json`.

    Returns:
        Whether every target was met.

    Raises:
        LabError: A step failed.
    """
    measured = Measured()
    for index in range(rounds):
        console.print(f"round {index + 1} of {rounds}", style="bold")
        _judged(measured, paths, index)
    rows = _policy_rows(measured)
    paths.make_private()
    show(rows, console)
    keep(rows, paths.lab / "policies.json")
    return all(row.verdict != "missed" for row in rows)


def _judged(measured: Measured, paths: Paths, index: int) -> None:
    measured.add(POLICIES, policy_speed.seconds(root=paths.root))
    measured.previews.append(judged_preview.measure(paths.root, judged_first=index % 2 == 1))


def _with_istioctl(commands: _Commands, measured: Measured, secrets: Path) -> None:
    measured.timed(ISTIOCTL, lambda: commands.baseline.install(secrets))
    commands.baseline.remove()


def _with_program(commands: _Commands, measured: Measured) -> None:
    measured.timed(PROGRAM, commands.up)
    commands.destroy()


def _rows(measured: Measured) -> list[Row]:
    values = measured.values
    half = statistics.median(values[ISTIOCTL]) / 2
    return [
        Row(UP, "s", 60, values[UP], "tools and images cached"),
        Row(PROGRAM, "s", half, values[PROGRAM], "target: half of the istioctl steps' time"),
        Row(ISTIOCTL, "s", None, values[ISTIOCTL], "certificates made beforehand"),
        Row(UNCHANGED, "s", 5, values[UNCHANGED]),
        Row(PREVIEW, "s", None, values[PREVIEW]),
        Row(DESTROY, "s", None, values[DESTROY]),
        Row(DOWN, "s", 10, values[DOWN]),
        *_policy_rows(measured),
        Row(MEMORY, "GiB", 3, values[MEMORY], "after make up: processes and tmpfs of both regions"),
    ]


def _policy_rows(measured: Measured) -> list[Row]:
    rows = [
        Row(POLICIES, "s", policy_speed.SECONDS, measured.values[POLICIES], "with its start; nothing else runs"),
    ]
    resources = f"{measured.previews[0].resources} resources, on the stand-in for AWS"
    for name, uses, note in (
        (FIRST_PREVIEW, [found.plain for found in measured.previews], resources),
        (f"{FIRST_PREVIEW} {WITH_PACK}", [found.judged for found in measured.previews], "the same"),
    ):
        parts = ", ".join(f"{who} {size / 2**20:.0f} MiB" for who, size in sorted(uses[-1].peaks.items()))
        rows += [
            Row(name, "s", None, [use.seconds for use in uses], note),
            Row(f"{name}: memory", "GiB", None, [use.peak / 2**30 for use in uses], parts),
        ]
    return rows


class _Commands:
    """What a person would type, quiet unless it fails."""

    def __init__(self, topology: Topology, paths: Paths, console: Console) -> None:
        self._topology, self._paths, self._console = topology, paths, console
        self.baseline = Baseline(topology, self._environment, hub=REPOSITORY, tag=ISTIO)

    @property
    def _environment(self) -> Mapping[str, str]:
        return environment.process_environment(self._paths, self._topology)

    def lab(self, command: str) -> None:
        self._run((sys.executable, "-m", "lab", command), os.environ)

    def up(self) -> None:
        # As `make up` does it, and as `istioctl install -y` does: neither shows first what it is going to do.
        self._pulumi("up", "--yes", "--skip-preview")

    def preview(self) -> None:
        self._pulumi("preview")

    def destroy(self) -> None:
        self._pulumi("destroy", "--yes", "--skip-preview")

    def _pulumi(self, *words: str) -> None:
        pulumi = str(self._paths.bin / "pulumi")
        self._run((pulumi, *words, "--non-interactive", "--stack", "local"), self._environment)

    def _run(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._console.print(f"  {Path(command[0]).name} {' '.join(command[1:4])}", style="dim")
        done = subprocess.run(
            command,
            cwd=self._paths.root,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LabError(f"`{' '.join(command)}` failed; its last words: {(done.stdout + done.stderr)[-1500:]}")


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table."""
    table = Table(title="make bench")
    for heading in ("what", "median", "target", "verdict", "rounds", "note"):
        table.add_column(heading, justify="right" if heading in ("median", "target") else "left")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.median:.1f} {row.unit}",
            "" if row.target is None else f"{row.target:.1f} {row.unit}",
            row.verdict,
            " ".join(f"{value:.1f}" for value in row.values),
            row.note,
        )
    console.print(table)


def keep(rows: Sequence[Row], path: Path) -> None:
    """Write the rows, with the machine that they are of."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "memoryGiB": round(memory, 1)},
        "rows": [row.record() for row in rows],
    }
    path.write_text(json.dumps(report, indent=2) + "\n")
