"""The command line: exit codes, the job's summary, the comment and the issue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from previews import __main__ as commands
from previews import engine
from previews.__main__ import app
from previews.comment import marker
from tests.previews.fake_github import REPOSITORY, TOKEN, FakeGitHub, fake_github
from tests.previews.fake_pulumi import FakePulumi
from tests.previews.recordings import PASSWORD


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    fake = FakePulumi(tmp_path / "bin")
    project = tmp_path / "project"
    (project / "policies").mkdir(parents=True)
    monkeypatch.setattr(engine, "PROJECT", project)
    for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "PULUMI_BACKEND_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(fake.folder))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return fake


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    with fake_github() as fake:
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("GITHUB_API_URL", fake.address)
        yield fake


def _run(pulumi: FakePulumi, *words: str) -> Result:
    pack = ["--pack", str(pulumi.folder.parent / "project/policies")] if words[0] != "drift" else []
    return CliRunner().invoke(app, [*words, "--stack", "prod", *pack])


CODES = [("changed", 0, 0), ("refused", 255, 3), ("failed-program", 255, 1), ("failed-pack", 255, 1)]


@pytest.mark.parametrize("command", ["show", "policy", "report"])
@pytest.mark.parametrize(("recording", "code", "expected"), CODES)
def test_a_refusal_and_a_failure_end_differently(
    pulumi: FakePulumi, command: str, recording: str, code: int, expected: int
) -> None:
    pulumi.answers(recording, code=code)
    assert _run(pulumi, command).exit_code == expected


def test_show_has_the_changes_and_what_the_pack_says(pulumi: FakePulumi) -> None:
    pulumi.answers("changed")
    lines = _run(pulumi, "show").stdout.splitlines()
    rows = [" ".join(line.split()) for line in lines]
    assert "replace Secret till data.password" in rows
    assert "delete ConfigMap lamp" in rows
    update = rows.index("update VirtualService way-in spec.http[0].route[0].weight: 90 → 50")
    assert rows[update + 1] == "spec.http[0].route[1].weight: 10 → 50"
    assert rows[-1] == (
        "prod: 3 to replace, 1 to delete, 1 to update, 2 unchanged; 4 policies of shop-rules let it pass."
    )


def test_policy_has_the_findings_alone(pulumi: FakePulumi) -> None:
    pulumi.answers("refused", code=255)
    shown = [" ".join(line.split()) for line in _run(pulumi, "policy").stdout.splitlines()]
    assert shown[:5] == [
        "To be mended: 1",
        "weights-of-100 VirtualService way-in",
        "Weights are 100 together.",
        "spec.http[0].route: the weights are 90 together. A part is lost.",
        "Mend it: make them 100.",
    ]
    assert shown[-1] == "prod: refused by the policy pack, 1 finding to be mended; 7 to create."
    assert not [line for line in shown if line.startswith("create")]


@pytest.fixture
def stood_in(pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """In place of the stand-in for AWS: which stacks it was asked for."""
    asked: list[str] = []
    project = tmp_path / "project"
    (project / "Pulumi.prod.yaml").write_text("config:\n  istio-mesh:aws: {account: '1'}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PULUMI_ACCESS_TOKEN", "PULUMI_HOME"):
        monkeypatch.delenv(name, raising=False)

    @contextmanager
    def rehearsed(stack: str, *, pack: Path) -> Iterator[engine.Target]:
        asked.append(stack)
        yield engine.Target(stack, {"PATH": str(pulumi.folder)}, project, pack)

    monkeypatch.setattr(commands, "rehearsed", rehearsed)
    return asked


NOT_LOOKED_AT = "What is deployed was not looked at."


@pytest.mark.parametrize("command", ["show", "policy"])
def test_where_no_backend_is_known_a_person_gets_the_stand_in_and_is_told(
    pulumi: FakePulumi, stood_in: list[str], command: str
) -> None:
    pulumi.answers("changed")
    last = _run(pulumi, command).stdout.splitlines()[-1]
    assert stood_in == ["prod"]
    assert last == (
        "Rehearsed: prod on an account with nothing in it, by the stand-in for AWS (lab/aws). No backend is known here "
        f"(PULUMI_BACKEND_URL, pulumi login). {NOT_LOOKED_AT}"
    )


def test_the_stand_in_can_be_asked_for_and_refused(
    pulumi: FakePulumi, stood_in: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi.answers("refused", code=255)
    assert NOT_LOOKED_AT not in _run(pulumi, "policy", "--deployed").stdout
    assert stood_in == []
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    assert NOT_LOOKED_AT not in _run(pulumi, "policy").stdout
    assert stood_in == []
    result = _run(pulumi, "policy", "--rehearsed")
    assert stood_in == ["prod"]
    assert NOT_LOOKED_AT in result.stdout
    assert "No backend" not in result.stdout
    assert result.exit_code == 3


def test_a_pull_request_never_gets_the_stand_in(pulumi: FakePulumi, stood_in: list[str]) -> None:
    pulumi.answers("changed")
    assert _run(pulumi, "report").exit_code == 0
    assert stood_in == []


def test_a_report_is_the_summary_and_the_comment(pulumi: FakePulumi, github: FakeGitHub, tmp_path: Path) -> None:
    pulumi.answers("refused", code=255)
    result = _run(pulumi, "report", "--pull-request", "7", "--commit", "abc1234")
    assert result.exit_code == 3
    assert f"comment: {github.address}/comment/100" in result.stdout
    (comment,) = github.comments
    assert comment["issue"] == 7
    assert comment["body"].startswith(f"{marker('prod')}\n## Preview of `prod`: refused by the policy pack\n")
    assert "`abc1234`" in comment["body"]
    assert (tmp_path / "summary.md").read_text() == comment["body"]


def test_the_next_report_takes_the_comments_place(pulumi: FakePulumi, github: FakeGitHub) -> None:
    for recording in ("refused", "changed"):
        pulumi.answers(recording)
        _run(pulumi, "report", "--pull-request", "7")
    (comment,) = github.comments
    assert comment["body"].startswith(f"{marker('prod')}\n## Preview of `prod`: passed\n")


def test_a_comment_that_cannot_be_written_fails_the_job_and_the_summary_is_there(
    pulumi: FakePulumi, github: FakeGitHub, tmp_path: Path
) -> None:
    pulumi.answers("changed")
    github.faults = [("GET", 403, {})]
    result = _run(pulumi, "report", "--pull-request", "7")
    assert result.exit_code == 1
    assert "the permission `pull-requests: write`" in result.stderr
    assert "## Preview of `prod`: passed" in (tmp_path / "summary.md").read_text()


def test_who_writes_is_asked_before_anything_runs(pulumi: FakePulumi) -> None:
    result = _run(pulumi, "report", "--pull-request", "7")
    assert result.exit_code == 1
    assert result.stderr.startswith("GITHUB_TOKEN and GITHUB_REPOSITORY are not in the environment")
    assert not (pulumi.folder / "asked.jsonl").exists()


def test_the_engines_own_text_is_in_the_log_when_asked(pulumi: FakePulumi) -> None:
    pulumi.answers("changed", out="the engine's own text\n")
    assert "the engine's own text" in _run(pulumi, "report", "--diff").stdout
    assert "the engine's own text" not in _run(pulumi, "report").stdout


def test_drift_opens_an_issue_and_the_end_of_it_closes_it(pulumi: FakePulumi, github: FakeGitHub) -> None:
    pulumi.answers("drift")
    assert _run(pulumi, "drift", "--issue", "--run", "https://ci.example/1").exit_code == 0
    (issue,) = github.issues
    assert issue["title"] == "The stack prod has drifted"
    assert issue["body"].startswith(marker("prod", "drift"))
    assert "Seen by https://ci.example/1." in issue["body"]
    pulumi.answers("no-drift")
    result = _run(pulumi, "drift", "--issue")
    assert f"closed: {issue['html_url']}" in result.stdout
    assert issue["state"] == "closed"


def test_a_look_that_failed_changes_no_issue(pulumi: FakePulumi, github: FakeGitHub) -> None:
    pulumi.answers("unreachable", code=255)
    assert _run(pulumi, "drift", "--issue").exit_code == 1
    assert github.issues == []


@pytest.mark.parametrize("command", ["show", "policy", "report"])
@pytest.mark.parametrize("recording", ["changed", "failed-program", "failed-resource"])
def test_no_secret_is_written_anywhere(
    pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, recording: str
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    pulumi.answers(recording, out=f"password: {PASSWORD}\n", code=1)
    result = _run(pulumi, command, *(["--diff"] if command == "report" else []))
    summary = tmp_path / "summary.md"
    written = result.stdout + result.stderr + (summary.read_text() if summary.exists() else "")
    assert PASSWORD not in written
    assert "jb3JyZWN0LWhvcnNlLWJhdHRlcn" not in written
