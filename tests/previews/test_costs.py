"""The difference of two cost pages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from previews.costs import Costs, Row, compare, difference
from previews.errors import PreviewError

BEFORE = """# Costs

## prod

| What | Count | A month |
|---|--:|--:|
| NAT gateway of `use1` | 3 | 98.55 |
| NAT gateway of `use1` | 1 | 32.85 |
| Key | 2 | 2.00 |
| **Together** | | **133.40** |

Text | with a bar.

## staging

| What | A month |
|---|--:|
| EKS | 146.00 |
"""
AFTER = (
    BEFORE.replace("| NAT gateway of `use1` | 1 | 32.85 |", "| NAT gateway of `use1` | 2 | 65.70 |")
    .replace("| Key | 2 | 2.00 |\n", "")
    .replace("133.40", "164.25")
    .replace("| EKS | 146.00 |", "| EKS | 73.00 |\n| Node \\| spot | 50.00 |")
)
PROD = (
    Row("prod", "NAT gateway of `use1`", {"Count": "1", "A month": "32.85"}, {"Count": "2", "A month": "65.70"}),
    Row("prod", "Together", {"A month": "133.40"}, {"A month": "164.25"}),
)
STAGING = (
    Row("staging", "EKS", {"A month": "146.00"}, {"A month": "73.00"}),
    Row("staging", "Node \\| spot", {}, {"A month": "50.00"}),
)
GONE = (Row("prod", "Key", {"Count": "2", "A month": "2.00"}, {}),)


def _git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "--quiet")
    (tmp_path / "other").write_text("no page yet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "none")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/cost.md").write_text(BEFORE)
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "before")
    (tmp_path / "docs/cost.md").write_text(AFTER)
    return tmp_path


def test_rows_that_changed_went_and_came_are_found() -> None:
    assert compare(BEFORE, AFTER) == (*PROD, *STAGING, *GONE)


def test_the_page_is_compared_with_that_of_a_commit(clone: Path) -> None:
    assert difference(clone, "prod", "HEAD") == Costs(True, compare(BEFORE, AFTER))


def test_rows_of_other_stacks_are_left_to_their_own_comments(clone: Path) -> None:
    for name in ("prod", "staging"):
        (clone / f"Pulumi.{name}.yaml").touch()
    assert difference(clone, "prod", "HEAD").rows == (*PROD, *GONE)
    assert difference(clone, "staging", "HEAD").rows == STAGING


def test_a_page_that_is_new_is_all_new(clone: Path) -> None:
    assert all(row.before == {} for row in difference(clone, "prod", "HEAD~1").rows)


def test_without_a_page_or_a_commit_there_is_nothing_to_compare(clone: Path) -> None:
    assert difference(clone, "prod", None) == Costs()
    (clone / "docs/cost.md").unlink()
    assert difference(clone, "prod", "HEAD") == Costs()


def test_a_commit_that_is_not_there_is_named_with_how_to_get_it(clone: Path) -> None:
    with pytest.raises(PreviewError) as fault:
        difference(clone, "prod", "origin/main")
    assert str(fault.value) == (
        "`origin/main` is no commit of this clone, so the costs cannot be compared with it. Fetch it "
        "(`git fetch --depth=1 origin main`), or leave out --base."
    )
