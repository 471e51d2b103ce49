"""Every promised row has a proof, and every test among the proofs is one."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from tests.lab.__main__ import command
from tests.lab.promises import promised

PROOFS = Path(__file__).parent.parent / "lab"
PROMISED = promised(full=True)


class _Collected:
    items: tuple[pytest.Item, ...] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = tuple(session.items)


@pytest.fixture(scope="module")
def proofs() -> tuple[pytest.Item, ...]:
    collected = _Collected()
    bare = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-q")
    with patch.dict("os.environ", FULL="1"):
        code = pytest.main([*bare, "--collect-only", str(PROOFS)], plugins=[collected])
    assert code == pytest.ExitCode.OK, f"the proofs cannot be collected: pytest ended with {code}"
    return collected.items


def _marked(proofs: tuple[pytest.Item, ...]) -> set[str]:
    """What the proofs stand for, in the words of promises."""
    found: set[str] = set()
    for item in proofs:
        if (marker := item.get_closest_marker("proof")) is not None:
            found |= {marker.args[0]} | ({f"{marker.args[0]}:long"} if item.get_closest_marker("full") else set())
    return found


def test_every_promised_row_has_a_proof(proofs: tuple[pytest.Item, ...]) -> None:
    assert set(PROMISED) - _marked(proofs) == set()


def test_no_test_among_the_proofs_is_without_a_row(proofs: tuple[pytest.Item, ...]) -> None:
    assert [item.nodeid for item in proofs if item.get_closest_marker("proof") is None] == []


def test_no_row_is_proven_that_was_not_promised(proofs: tuple[pytest.Item, ...]) -> None:
    assert _marked(proofs) - {f"{row.partition(':')[0]}{kind}" for row in PROMISED for kind in ("", ":long")} == set()


def test_a_whole_run_promises_the_long_rows_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, long in (("", False), ("1", True)):
        monkeypatch.setenv("FULL", value)
        words = command([])
        assert ("C4:long" in words[words.index("--promised") + 1].split(",")) is long
