"""Every promised row has a proof, and every test among the proofs is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.promises import PROMISED

PROOFS = Path(__file__).parent.parent / "lab"


class _Collected:
    items: tuple[pytest.Item, ...] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = tuple(session.items)


@pytest.fixture(scope="module")
def proofs() -> tuple[pytest.Item, ...]:
    collected = _Collected()
    bare = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-q")
    code = pytest.main([*bare, "--collect-only", str(PROOFS)], plugins=[collected])
    assert code == pytest.ExitCode.OK, f"the proofs cannot be collected: pytest ended with {code}"
    return collected.items


def test_every_promised_row_has_a_proof(proofs: tuple[pytest.Item, ...]) -> None:
    marked = [marker.args[0] for item in proofs if (marker := item.get_closest_marker("proof"))]
    assert {row: marked.count(row) for row in PROMISED if marked.count(row) == 0} == {}


def test_no_test_among_the_proofs_is_without_a_row(proofs: tuple[pytest.Item, ...]) -> None:
    assert [item.nodeid for item in proofs if item.get_closest_marker("proof") is None] == []


def test_no_row_is_proven_that_was_not_promised(proofs: tuple[pytest.Item, ...]) -> None:
    marked = {marker.args[0] for item in proofs if (marker := item.get_closest_marker("proof"))}
    assert marked - set(PROMISED) == set()
