"""What a change does to the table of costs: the committed `docs/cost.md` beside that of the branch it goes into.

The tables are made from the stack files and a dated list of prices, so their difference is that of the change.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from previews.errors import PreviewError

PAGE = "docs/cost.md"


@dataclass(frozen=True)
class Row:
    """A row that differs.

    Attributes:
        heading: What the table stands under.
        name: The row's first cell.
        before: Its other cells by column; empty where there was no such row.
        after: Likewise now.
    """

    heading: str
    name: str
    before: Mapping[str, str]
    after: Mapping[str, str]


@dataclass(frozen=True)
class Costs:
    """The difference.

    Attributes:
        compared: Whether there was anything to compare: a page, and a branch to compare it with.
        rows: The rows that differ, in the page's order.
    """

    compared: bool = False
    rows: tuple[Row, ...] = ()


def difference(project: Path, stack: str, base: str | None) -> Costs:
    """The rows of the cost page that differ from those of `base`, a commit or branch; not those of other stacks.

    Raises:
        PreviewError: There is no such commit in this clone.
    """
    page = project / PAGE
    if base is None or not page.is_file():
        return Costs()
    others = {file.name.split(".")[1] for file in project.glob("Pulumi.*.yaml")} - {stack}
    rows = compare(_of_commit(project, base), page.read_text(encoding="utf-8"))
    return Costs(True, tuple(row for row in rows if row.heading not in others))


def compare(before: str, after: str) -> tuple[Row, ...]:
    """The rows of two pages' tables that differ."""
    old, new = dict(_rows(before)), dict(_rows(after))
    return tuple(
        Row(key[0], key[1], old.get(key, {}), new.get(key, {}))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    )


def _of_commit(project: Path, base: str) -> str:
    command = ["git", "-C", str(project), "show", f"{base}:{PAGE}"]
    shown = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if shown.returncode == 0:
        return shown.stdout
    known = ["git", "-C", str(project), "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"]
    if subprocess.run(known, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0:
        return ""
    raise PreviewError(
        f"`{base}` is no commit of this clone, so the costs cannot be compared with it. Fetch it "
        f"(`git fetch --depth=1 origin {base.removeprefix('origin/')}`), or leave out --base."
    )


def _rows(page: str) -> Iterator[tuple[tuple[str, str, int], Mapping[str, str]]]:
    """Rows by heading, first cell, and which of those with this first cell."""
    heading = ""
    columns: list[str] = []
    seen: Counter[tuple[str, str]] = Counter()
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        if not line.startswith("|"):
            columns = []
            continue
        cells = [cell.strip().strip("*") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not columns:
            columns = cells
        elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            seen[heading, cells[0]] += 1
            values = {column: cell for column, cell in zip(columns[1:], cells[1:], strict=False) if cell}
            yield (heading, cells[0], seen[heading, cells[0]]), values
