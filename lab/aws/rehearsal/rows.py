"""What a rehearsal has found, as rows of evidence: the form is that of `make prove` (tests/lab/evidence.py)."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lab.errors import LabError

COMMAND = "make rehearse"


@dataclass
class Row:
    """One finding. Attributes: see tests/lab/evidence.py."""

    id: str
    title: str
    command: str = COMMAND
    verdict: str = "not run"
    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    duration_s: float = 0.0
    reason: str = "the rehearsal ended before it"


class Differs(LabError):
    """What was found is not what was expected."""


class Rows:
    """The rows of one rehearsal. report: is told each as it is found. command: the target that they are of."""

    def __init__(self, report: Callable[[str], None], command: str = COMMAND) -> None:
        self.found: list[Row] = []
        self._report = report
        self._command = command

    @contextmanager
    def row(self, id: str, title: str) -> Generator[dict[str, Any]]:
        """A row for what happens in the block, which fills its figures. A fault in it is the row's, and ends the
        rehearsal: what comes after would stand on nothing.
        """
        row = Row(id, title, self._command)
        self.found.append(row)
        started = time.monotonic()
        try:
            yield row.figures
            row.verdict, row.reason = "proven", ""
        except BaseException as error:
            row.verdict, row.reason = "failed", " ".join(str(error).split())[:400] or type(error).__name__
            raise
        finally:
            row.duration_s = round(time.monotonic() - started, 1)
            figures = ", ".join(f"{name} {value}" for name, value in row.figures.items())
            self._report(f"{row.verdict}: {title} ({row.duration_s:.0f} s) {figures} {row.reason}".rstrip())

    @property
    def proven(self) -> bool:
        """Whether all are."""
        return bool(self.found) and all(row.verdict == "proven" for row in self.found)

    def write(self, file: Path) -> None:
        """Put them into the evidence file, beside what proofs by traffic have found there."""
        content: dict[str, Any] = {"rows": [], "versions": {}}
        if file.exists():
            content |= json.loads(file.read_text(encoding="utf-8"))
        others = [row for row in content["rows"] if row["command"] != self._command]
        content["rows"] = sorted([*others, *map(asdict, self.found)], key=lambda row: row["id"])
        content["date"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        content.setdefault("duration_s", round(sum(row.duration_s for row in self.found), 1))
        content.setdefault("machine", _machine())
        for name in ("moto", "pulumi", "pulumi-aws"):
            content["versions"][name] = version(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(file)


def _machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30, 1),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


def equal(what: str, found: Any, expected: Any) -> None:
    """Raises:
    Differs: They are not equal; says in what.
    """
    if found != expected:
        if isinstance(found, dict) and isinstance(expected, dict):
            keys = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
            differences = ", ".join(f"{key}: {found.get(key)} in place of {expected.get(key)}" for key in sorted(keys))
            raise Differs(f"{what}: {differences}")
        raise Differs(f"{what}: {found} in place of {expected}")
