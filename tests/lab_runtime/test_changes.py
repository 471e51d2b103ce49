"""`make bench CHANGES=1`: figures of proofs as a table of changes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lab import changes
from lab.changes import CHANGES, ByHand, measured
from lab.errors import LabError
from lab.paths import Paths

ROOT = Paths().root
FIGURES: dict[str, dict[str, Any]] = {
    "intermediates renewed": {"up_s": 6.2, "generation": 2, "sent": 3000, "failed": 0},
    "tokens of remote secrets renewed": {
        "up_s": 5.6,
        "loads": {"use1": {"sent": 200, "failed": 0}, "usw2": {"sent": 210, "failed": 1}},
    },
    "another root": {
        "steps": {"trust-both": {"up_s": 17.8, "followed_s": 5.4}, "sign-new": {"up_s": 46.0}},
        "sent": 22144,
        "failed": 0,
    },
    "another minor of Istio, and back": {
        "steps": {"beside": {"up_s": 12.0, "changed": 4}},
        "sent": 1000,
        "failed": 0,
        "from_outside": {"sent": 50, "failed": 0},
    },
    "a region lost, and back": {
        "refused_s": 11.0,
        "up_without_it_s": 16.1,
        "healing_up_s": 11.6,
        "retried": {"sent": 1137, "failed": 18},
        "once": {"sent": 1137, "failed": 40},
    },
}


def rows(*, without: str = "") -> list[dict[str, Any]]:
    return [
        {
            "id": "B1",
            "command": f".venv/bin/python -m pytest tests/lab/{change.proof}",
            "verdict": "failed" if change.name == without else "proven",
            "figures": FIGURES[change.name],
        }
        for change in CHANGES
    ]


def test_every_change_is_a_proof_that_there_is() -> None:
    for change in CHANGES:
        file, _, name = change.proof.partition("::")
        assert f"\ndef {name}(" in (ROOT / "tests" / "lab" / file).read_text(), change.proof


def test_requests_of_all_loads_of_a_change_are_counted() -> None:
    found = [(each.change.name, list(each.ups), each.sent, each.failed) for each in measured(rows())]
    assert found == [
        ("intermediates renewed", [6.2], 3000, 0),
        ("tokens of remote secrets renewed", [5.6], 410, 1),
        ("another root", [17.8, 46.0], 22144, 0),
        ("another minor of Istio, and back", [12.0], 1050, 0),
        ("a region lost, and back", [16.1, 11.6], 2274, 58),
    ]


def test_by_hand_every_region_is_typed_for() -> None:
    by_hand = ByHand("a page", once=["one"], each=["kubectl --context {region} get pod"])
    assert by_hand.commands == ["one", "kubectl --context use1 get pod", "kubectl --context usw2 get pod"]
    counts = {change.name: len(change.by_hand.commands) for change in CHANGES if change.by_hand is not None}
    assert counts == {
        "intermediates renewed": 14,
        "tokens of remote secrets renewed": 8,
        "another root": 40,
        "another minor of Istio, and back": 44,
    }


@pytest.mark.parametrize("without", ["", "another root"])
def test_a_change_whose_proof_fails_is_named_and_not_shown(tmp_path: Path, without: str) -> None:
    evidence = tmp_path / "evidence.json"
    evidence.write_text(json.dumps({"date": "2026-11-24", "machine": {"cores": 2}, "rows": rows(without=without)}))
    paths = Paths(tmp_path)
    paths.lab.mkdir()
    text = io.StringIO()
    assert changes.tell(evidence, paths, Console(file=text, width=200)) is (not without)
    kept = [row["name"] for row in json.loads((paths.lab / "changes.json").read_text())["rows"]]
    assert kept == [change.name for change in CHANGES if change.name != without]
    assert ("not proven: another root" in text.getvalue()) is bool(without)


def test_proofs_that_did_not_end_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="did not run to their end"):
        changes.tell(tmp_path / "none.json", Paths(tmp_path), Console(file=io.StringIO()))


def test_evidence_of_a_run_before_does_not_pass_for_this_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(tmp_path)
    paths.lab.mkdir()
    stale = {"date": "2026-11-24", "machine": {"cores": 2}, "rows": rows()}
    (paths.lab / "changes-evidence.json").write_text(json.dumps(stale))
    monkeypatch.setattr(changes.subprocess, "run", lambda *_, **__: None)
    with pytest.raises(LabError, match="did not run to their end"):
        changes.run(paths, Console(file=io.StringIO()))
