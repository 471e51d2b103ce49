"""The difference of two cost pages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from previews.costs import Costs, Row, compare, difference
from previews.errors import PreviewError

BEFORE = """# Costs

| not | a table of |
|---|---:|

## prod

| what | a month |
|---|---:|
| NAT gateways | $ 97 |
| NAT gateways | $ 98 |
| EKS | $ 146 |
| load balancers | $ 40 |

Text | with a bar.
"""
AFTER = BEFORE.replace("| NAT gateways | $ 98 |", "| NAT gateways | $ 131 |").replace("| EKS | $ 146 |\n", "")
AFTER += "\n## staging\n\n| what | a month |\n|---|---:|\n| EKS | $ 73 |\n"


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
    assert compare(BEFORE, AFTER) == (
        Row("prod", "NAT gateways", ("$ 98",), ("$ 131",)),
        Row("staging", "EKS", (), ("$ 73",)),
        Row("prod", "EKS", ("$ 146",), ()),
    )


def test_the_page_is_compared_with_that_of_a_commit(clone: Path) -> None:
    assert difference(clone, "HEAD") == Costs(True, compare(BEFORE, AFTER))


def test_a_page_that_is_new_is_all_new(clone: Path) -> None:
    assert {row.before for row in difference(clone, "HEAD~1").rows} == {()}


def test_without_a_page_or_a_commit_there_is_nothing_to_compare(clone: Path, tmp_path: Path) -> None:
    assert difference(clone, None) == Costs()
    (clone / "docs/cost.md").unlink()
    assert difference(clone, "HEAD") == Costs()


def test_a_commit_that_is_not_there_is_named_with_how_to_get_it(clone: Path) -> None:
    with pytest.raises(PreviewError) as fault:
        difference(clone, "origin/main")
    assert str(fault.value) == (
        "`origin/main` is no commit of this clone, so the costs cannot be compared with it. Fetch it "
        "(`git fetch --depth=1 origin main`), or leave out --base."
    )
