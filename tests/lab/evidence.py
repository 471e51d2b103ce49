"""Evidence: what was proven, with figures, as a file and as a table.

A pytest plugin. Each proof is a test with the marker ``proof(row, title)``, where ``row`` is the id of a
capability. Its verdict is one of

* ``proven``: the test ran to its end, its clean-up too;
* ``failed``: the test ran and an assertion or its clean-up failed;
* ``not run``: it never came to its assertions, for the reason given: a fixture failed, it was skipped,
  :class:`CouldNotRun` was raised, or the session ended before it.

Only ``proven`` counts: a skipped or expected failure of a proof ends the session non-zero like any other fault,
and so does a promised row (``--promised``) for which no proof was run.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from rich.console import Console
from rich.table import Table

from tests.lab.promises import in_full
from tests.lab.support.timeline import Marks, timeline
from tests.lab.support.traffic import Load

Verdict = Literal["proven", "failed", "not run"]
Figure = str | int | float | bool | list[Any] | dict[str, Any] | None

MARKER = "proof"
LAST = "disruptive"
CLOSING = "closing"
LONG = "full"
REASON_LIMIT = 400  # characters of a reason kept in a row; the whole is in pytest's own report
NOTE_LIMIT = 240  # characters of figures and reason shown in the table; the evidence file has all of them


class CouldNotRun(Exception):
    """Raised inside a proof that lacks what it needs: the row then says ``not run`` and why."""


@dataclass
class Row:
    """One line of evidence.

    :ivar id: the capability's id, such as ``B1``.
    :ivar title: what was shown, in one line.
    :ivar verdict: see the module's text.
    :ivar figures: numbers and names the proof recorded.
    :ivar charts: the course of its loads, each as :func:`tests.lab.support.timeline.timeline` has it.
    :ivar duration_s: seconds of set-up, test and clean-up.
    :ivar command: how to run this proof alone.
    :ivar reason: empty when proven, else the beginning of what failed.
    """

    id: str
    title: str
    command: str
    verdict: Verdict = "not run"
    figures: dict[str, Figure] = field(default_factory=dict[str, Figure])
    charts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    duration_s: float = 0.0
    reason: str = "the session ended before it"


class Evidence:
    """All rows of a session and the surroundings in which they were found.

    :ivar versions: filled by the proofs' own set-up (name of a part to its version).
    """

    def __init__(self, file: Path | None, promised: Sequence[str]) -> None:
        self.file = file
        self.promised = tuple(promised)
        self.rows: dict[str, Row] = {}
        self.long: set[str] = set()
        self.versions: dict[str, str] = {}
        self.started = time.monotonic()

    def add(self, nodeid: str, row: str, title: str, *, long: bool = False) -> Row:
        if long:
            self.long.add(row)
        command = f"{'FULL=1 ' if long else ''}{_interpreter()} -m pytest {shlex.quote(nodeid)}"
        return self.rows.setdefault(nodeid, Row(id=row, title=title, command=command))

    def complete(self) -> list[Row]:
        """The rows by id, with one ``not run`` row for each promise that no proof of this session stands for.

        A promise is a row's id, or ``C7:long``: by a long proof.
        """
        rows = list(self.rows.values())
        present = {row.id for row in rows} | {f"{row}:long" for row in self.long}
        for missing in self.promised:
            if missing not in present:
                reason = "no proof of this row was selected in this session"
                rows.append(Row(id=missing.partition(":")[0], title="(no proof)", command="", reason=reason))
        return sorted(rows, key=lambda row: row.id)

    def proven(self) -> bool:
        return all(row.verdict == "proven" for row in self.complete())

    def document(self) -> dict[str, Any]:
        """The content of the evidence file."""
        return {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "duration_s": round(time.monotonic() - self.started, 1),
            "machine": machine_size(),
            "versions": dict(sorted(self.versions.items())),
            "rows": [asdict(row) for row in self.complete()],
        }

    def write(self) -> None:
        """Writes the file whole or not at all."""
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(self.file)

    def table(self, width: int) -> str:
        """The rows as text for a terminal of ``width`` columns."""
        table = Table(title="Evidence", expand=False, show_lines=False)
        for name in ("row", "verdict", "s", "what", "figures"):
            table.add_column(name, justify="right" if name == "s" else "left", overflow="fold")
        for row in self.complete():
            figures = ", ".join(f"{name} {_short(value)}" for name, value in row.figures.items())
            note = figures if row.verdict == "proven" else f"{row.reason} | {figures}".rstrip(" |")
            note = note if len(note) <= NOTE_LIMIT else f"{note[:NOTE_LIMIT]} ..."
            table.add_row(row.id, row.verdict, f"{row.duration_s:.1f}", row.title, note)
        text = io.StringIO()
        Console(file=text, width=width, color_system=None, markup=False).print(table)
        return text.getvalue()


def machine_size() -> dict[str, str | int | float]:
    """Cores, memory and kernel of the machine the proofs ran on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30, 1),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


def _interpreter() -> str:
    """This Python, as it is called from the current folder."""
    here = f"{Path.cwd()}{os.sep}"
    return sys.executable.removeprefix(here) if sys.executable.startswith(here) else "python"


def _short(value: Figure) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False).strip('"')


KEY = pytest.StashKey[Evidence]()


def evidence_of(config: pytest.Config) -> Evidence:
    """The session's evidence."""
    return config.stash[KEY]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("evidence")
    group.addoption("--evidence", metavar="FILE", help="write the rows of evidence to this file (JSON)")
    group.addoption(
        "--promised", metavar="IDS", default="", help="comma-separated row ids that must each have a proof in this run"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}(row, title): the test proves this capability row")
    config.addinivalue_line(
        "markers", f"{LAST}: runs after all other proofs, because it takes the mesh away for a while"
    )
    config.addinivalue_line("markers", f"{CLOSING}: runs at the very end, on what all other proofs left behind")
    config.addinivalue_line("markers", f"{LONG}: runs with FULL=1 alone, because it takes minutes")
    file = config.getoption("evidence", None)
    promised = cast(str, config.getoption("promised", "") or "")
    config.stash[KEY] = Evidence(
        file=Path(cast(str, file)) if file else None, promised=[row for row in promised.split(",") if row]
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # One that is not selected has no row: where it is promised, the session says that it is not proven.
    left_out = [] if in_full() else [item for item in items if item.get_closest_marker(LONG) is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: [item.get_closest_marker(marker) is not None for marker in (CLOSING, LAST)])
    for item in items:
        marker = item.get_closest_marker(MARKER)
        if marker is None:
            continue
        if len(marker.args) != 2 or not all(isinstance(text, str) and text for text in marker.args):
            raise pytest.UsageError(f"{item.nodeid}: the marker is proof(row, title), both not empty")
        row, title = cast("tuple[str, str]", marker.args)
        parameters = getattr(item, "callspec", None)
        evidence_of(config).add(
            item.nodeid,
            row,
            f"{title} ({parameters.id})" if parameters else title,
            long=item.get_closest_marker(LONG) is not None,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    evidence_of(item.config).write()  # after every proof: a session that is cut off leaves what it had found
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    row = evidence_of(item.config).rows.get(item.nodeid)
    if row is None:
        return report
    row.duration_s = round(row.duration_s + call.duration, 3)
    if call.when == "setup":
        row.reason = "its set-up ended, the proof itself did not"
    problem = call.excinfo.value if call.excinfo else None
    hollow = isinstance(problem, (CouldNotRun, pytest.skip.Exception)) or report.skipped
    if problem is None and not hollow:
        if hasattr(report, "wasxfail") or report.outcome == "failed":  # an expected failure that passed
            report.outcome = "failed"
            row.verdict, row.reason = "failed", "marked as an expected failure: no proof may be"
        elif call.when == "call":
            row.verdict, row.reason = "proven", ""
        return report
    not_run = hollow or call.when == "setup"
    row.verdict = "not run" if not_run else "failed"
    row.reason = _reason(problem) if call.when != "teardown" else f"clean-up: {_reason(problem)}"
    if hasattr(report, "wasxfail"):
        row.verdict, row.reason = "failed", f"marked as an expected failure: no proof may be ({row.reason})"
        del report.wasxfail  # type: ignore[attr-defined]
    if report.outcome != "failed":
        report.outcome = "failed"
        report.longrepr = f"{row.id} {row.verdict}: {row.reason}"
    return report


def _reason(problem: BaseException | None) -> str:
    words = " ".join(str(problem).split()) or type(problem).__name__
    return words[:REASON_LIMIT]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    evidence = evidence_of(session.config)
    if session.config.option.collectonly or not (evidence.rows or evidence.promised):
        return
    evidence.write()
    if not evidence.proven() and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    evidence = evidence_of(config)
    if config.option.collectonly or not (evidence.rows or evidence.promised):
        return
    terminalreporter.write_line("")
    terminalreporter.write(evidence.table(shutil.get_terminal_size((140, 24)).columns))
    rows = evidence.complete()
    proven = sum(row.verdict == "proven" for row in rows)
    where = f", written to {evidence.file}" if evidence.file else ""
    # Below the table, whole: of a run whose beginning is gone, the end says what went wrong.
    for row in rows:
        if row.verdict != "proven":
            terminalreporter.write_line(f"{row.id} {row.verdict}: {row.title}: {row.reason}")
    terminalreporter.write_line(f"{proven} of {len(rows)} proven{where}")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keeps figures with the proof's row: ``record(requests=200, failed=0)``.

    :raises TypeError: when a value cannot be written as JSON.
    """
    row = evidence_of(request.config).rows.get(request.node.nodeid)

    def keep(**figures: Figure) -> None:
        json.dumps(figures)
        if row is not None:
            row.figures.update(figures)

    return keep


@pytest.fixture
def chart(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keeps the course of loads with the proof's row, to be drawn on the page of evidence:
    ``chart("its pod is deleted", [load], [(moment, "deleted")])``."""
    row = evidence_of(request.config).rows.get(request.node.nodeid)

    def keep(title: str, loads: Sequence[Load], marks: Marks = ()) -> None:
        drawn = timeline(title, loads, marks)
        if row is not None:
            row.charts.append(drawn)

    return keep
