"""The evidence plugin: what counts as proven, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tests.lab.evidence

pytest_plugins = ["pytester"]

# Other plugins stay out: what hypothesis loads at the end of each session costs a second.
BARE = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", tests.lab.evidence.__name__)


def prove(pytester: pytest.Pytester, source: str, *options: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    """Runs ``source`` as a file of proofs; the result, and the evidence file's content."""
    pytester.makepyfile(source)
    result = pytester.runpytest_inprocess(*BARE, "--evidence", "evidence.json", *options)
    return result, json.loads((pytester.path / "evidence.json").read_text(encoding="utf-8"))


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in document["rows"]}


def test_a_passing_proof_is_proven_with_its_figures_and_the_session_ends_zero(pytester: pytest.Pytester) -> None:
    result, document = prove(
        pytester,
        """
        import pytest
        @pytest.mark.proof("C3", "both regions answer")
        def test_spread(record):
            record(requests=40, regions={"use1": 20, "usw2": 20})
        """,
    )
    assert result.ret == 0
    (row,) = document["rows"]
    assert set(row) == {"id", "title", "verdict", "figures", "charts", "duration_s", "command", "reason"}
    assert (row["id"], row["title"], row["verdict"], row["reason"]) == ("C3", "both regions answer", "proven", "")
    assert row["figures"] == {"requests": 40, "regions": {"use1": 20, "usw2": 20}}
    assert row["duration_s"] >= 0
    assert row["command"].startswith("python -m pytest ")
    assert row["command"].endswith("::test_spread")
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["memory_gib"] > 0
    assert document["date"].endswith("+00:00")
    result.stdout.fnmatch_lines(["*Evidence*", "*C3*proven*both regions answer*", "1 of 1 proven, *", "*1 passed*"])


@pytest.mark.parametrize(
    ("body", "verdict", "reason"),
    [
        pytest.param("assert 1 == 2, 'one is not two'", "failed", "one is not two", id="assertion"),
        pytest.param("raise OSError('no route')", "failed", "no route", id="error"),
        pytest.param("pytest.skip('no second region')", "not run", "no second region", id="skip"),
        pytest.param("raise CouldNotRun('the lab has one region')", "not run", "the lab has one region", id="unable"),
        pytest.param("pytest.xfail('known')", "failed", "expected failure", id="xfail"),
    ],
)
def test_whatever_is_not_a_pass_ends_the_session_non_zero(
    pytester: pytest.Pytester, body: str, verdict: str, reason: str
) -> None:
    result, document = prove(
        pytester,
        f"""
        import pytest
        from tests.lab.evidence import CouldNotRun
        @pytest.mark.proof("F1", "plain text is refused")
        def test_it(record):
            record(tried=3)
            {body}
        """,
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (row,) = document["rows"]
    assert row["verdict"] == verdict
    assert reason in row["reason"]
    assert row["figures"] == {"tried": 3}, "figures found before the failure are kept"
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["0 of 1 proven*"])


@pytest.mark.parametrize("mark", ["pytest.mark.skip(reason='later')", "pytest.mark.xfail"])
def test_a_mark_cannot_turn_a_proof_into_a_pass(pytester: pytest.Pytester, mark: str) -> None:
    result, document = prove(
        pytester,
        f"""
        import pytest
        @{mark}
        @pytest.mark.proof("F1", "plain text is refused")
        def test_it():
            pass
        """,
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert document["rows"][0]["verdict"] != "proven"


def test_a_proof_without_its_set_up_did_not_run(pytester: pytest.Pytester) -> None:
    result, document = prove(
        pytester,
        """
        import pytest
        @pytest.fixture
        def lab():
            raise RuntimeError("no lab runs here: make up")
        @pytest.mark.proof("A4", "an up deploys")
        def test_it(lab):
            pass
        """,
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert document["rows"][0]["verdict"] == "not run"
    assert document["rows"][0]["reason"] == "no lab runs here: make up"


def test_a_proof_that_does_not_clean_up_failed(pytester: pytest.Pytester) -> None:
    result, document = prove(
        pytester,
        """
        import pytest
        @pytest.fixture
        def secret():
            yield
            raise RuntimeError("not put back")
        @pytest.mark.proof("B3", "tokens rotate")
        def test_it(secret):
            pass
        """,
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (document["rows"][0]["verdict"], document["rows"][0]["reason"]) == ("failed", "clean-up: not put back")


def test_a_session_that_stops_early_says_which_proofs_did_not_run(pytester: pytest.Pytester) -> None:
    _, document = prove(
        pytester,
        """
        import pytest
        @pytest.mark.proof("B1", "first")
        def test_first():
            assert False, "broken"
        @pytest.mark.proof("B2", "second")
        def test_second():
            pass
        """,
        "-x",
    )
    assert verdicts(document) == {"B1": "failed", "B2": "not run"}


def test_a_promise_without_a_proof_is_a_row_that_did_not_run(pytester: pytest.Pytester) -> None:
    result, document = prove(
        pytester,
        """
        import pytest
        @pytest.mark.proof("B1", "first")
        def test_first():
            pass
        """,
        "--promised",
        "B1,B2",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED, "the only proof passed, the promise is still open"
    assert verdicts(document) == {"B1": "proven", "B2": "not run"}


def test_disruptive_proofs_run_last_and_the_rest_keeps_its_order(pytester: pytest.Pytester) -> None:
    result, _ = prove(
        pytester,
        """
        import pytest
        @pytest.mark.disruptive
        @pytest.mark.proof("A4", "takes the mesh away")
        def test_destroy(): pass
        @pytest.mark.proof("B1", "one")
        def test_one(): pass
        @pytest.mark.proof("B2", "two")
        def test_two(): pass
        """,
        "-v",
    )
    result.stdout.fnmatch_lines(["*::test_one PASSED*", "*::test_two PASSED*", "*::test_destroy PASSED*"])


def test_parameters_make_rows_of_their_own(pytester: pytest.Pytester) -> None:
    _, document = prove(
        pytester,
        """
        import pytest
        @pytest.mark.proof("D1", "right certificate")
        @pytest.mark.parametrize("region", ["use1", "usw2"])
        def test_it(region):
            assert region == "use1", "wrong certificate"
        """,
    )
    assert [(row["title"], row["verdict"]) for row in document["rows"]] == [
        ("right certificate (use1)", "proven"),
        ("right certificate (usw2)", "failed"),
    ]


def test_a_proof_needs_an_id_and_a_title(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.proof('B1')\ndef test_it(): pass\n")
    result = pytester.runpytest_inprocess(*BARE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it: the marker is proof(row, title)*"])


def test_figures_must_be_json(pytester: pytest.Pytester) -> None:
    _, document = prove(
        pytester,
        """
        import pytest
        @pytest.mark.proof("B1", "title")
        def test_it(record):
            record(secret=b"bytes")
        """,
    )
    assert document["rows"][0]["verdict"] == "failed"
    assert "JSON serializable" in document["rows"][0]["reason"]


LONG = """
import pytest
@pytest.mark.full
@pytest.mark.proof("C4", "one control plane for two regions")
def test_long():
    pass
@pytest.mark.proof("C3", "both regions answer")
def test_short():
    pass
"""


def test_a_long_proof_runs_only_when_it_is_asked_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FULL", raising=False)
    result, document = prove(pytester, LONG)
    assert (result.ret, verdicts(document)) == (0, {"C3": "proven"})
    monkeypatch.setenv("FULL", "1")
    result, document = prove(pytester, LONG)
    assert (result.ret, verdicts(document)) == (0, {"C3": "proven", "C4": "proven"})
    assert next(row["command"] for row in document["rows"] if row["id"] == "C4").startswith("FULL=1 python -m pytest ")


@pytest.mark.parametrize("full", ["", "0"])
def test_a_long_proof_that_is_promised_and_left_out_is_not_proven(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    monkeypatch.setenv("FULL", full)
    result, document = prove(pytester, LONG, "--promised", "C3,C4")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert verdicts(document) == {"C3": "proven", "C4": "not run"}


def test_a_promise_by_a_long_proof_is_not_kept_by_a_quick_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FULL", "1")
    result, document = prove(pytester, LONG, "--promised", "C3:long,C4:long")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [(row["id"], row["verdict"]) for row in document["rows"]] == [
        ("C3", "proven"),
        ("C3", "not run"),
        ("C4", "proven"),
    ]
