"""The comment and the issue are written once and brought up to date, against a server that behaves like GitHub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from previews.comment import marker
from previews.errors import PreviewError
from previews.github import GitHub
from tests.previews.fake_github import REPOSITORY, TOKEN, FakeGitHub, fake_github

MARKER = marker("prod")
DRIFT = marker("prod", "drift")


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with fake_github() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def github(fake: FakeGitHub, waits: list[float]) -> GitHub:
    return GitHub(REPOSITORY, TOKEN, fake.address, sleep=waits.append)


def test_the_first_comment_is_written(github: GitHub, fake: FakeGitHub) -> None:
    fake.comment("looks good to me", author="somebody")
    assert github.comment(7, MARKER, f"{MARKER}\nfirst") == f"{fake.address}/comment/101"
    assert [each["body"] for each in fake.comments] == ["looks good to me", f"{MARKER}\nfirst"]


def test_the_next_one_takes_its_place(github: GitHub, fake: FakeGitHub) -> None:
    address = github.comment(7, MARKER, f"{MARKER}\nfirst")
    assert github.comment(7, MARKER, f"{MARKER}\nsecond") == address
    assert [each["body"] for each in fake.comments] == [f"{MARKER}\nsecond"]


def test_each_stack_and_each_pull_request_has_its_own(github: GitHub, fake: FakeGitHub) -> None:
    other = marker("staging")
    github.comment(7, MARKER, f"{MARKER}\nprod")
    github.comment(7, other, f"{other}\nstaging")
    github.comment(8, MARKER, f"{MARKER}\nprod of 8")
    assert len(fake.comments) == 3


def test_it_is_found_behind_any_number_of_others(github: GitHub, fake: FakeGitHub) -> None:
    for number in range(250):
        fake.comment(f"comment {number}", author="somebody")
    ours = fake.comment(f"{MARKER}\nfirst")
    github.comment(7, MARKER, f"{MARKER}\nsecond")
    assert ours["body"] == f"{MARKER}\nsecond"
    assert len(fake.comments) == 251
    assert fake.asked.count("GET /repos/acme/mesh/issues/7/comments") == 3


def test_a_comment_of_somebody_else_with_our_marker_is_not_taken_for_ours(github: GitHub, fake: FakeGitHub) -> None:
    theirs = fake.comment(f"{MARKER}\nall is well, merge it", author="somebody")
    quoted = fake.comment(f"as it says:\n{MARKER}")
    github.comment(7, MARKER, f"{MARKER}\nrefused")
    assert theirs["body"].endswith("merge it")
    assert quoted["body"].startswith("as it says")
    assert fake.comments[-1]["body"] == f"{MARKER}\nrefused"


def test_an_issue_is_opened_once_kept_up_to_date_and_closed(github: GitHub, fake: FakeGitHub) -> None:
    fake.issue(f"{DRIFT}\nof somebody", author="somebody")
    fake.issue(f"{DRIFT}\na pull request", pull_request={})
    address = github.issue(DRIFT, "The stack prod has drifted", f"{DRIFT}\none")
    assert github.issue(DRIFT, "The stack prod has drifted", f"{DRIFT}\ntwo") == address
    assert [each["body"] for each in fake.issues[2:]] == [f"{DRIFT}\ntwo"]
    assert github.close(DRIFT) == address
    assert fake.issues[2]["state"] == "closed"
    assert github.close(DRIFT) is None
    assert github.issue(DRIFT, "again", f"{DRIFT}\nthree") != address, "a closed one is not opened again"


def test_what_passes_by_is_tried_again(github: GitHub, fake: FakeGitHub, waits: list[float]) -> None:
    fake.faults = [("GET", 502, {}), ("POST", 403, {"Retry-After": "3"}), ("POST", 429, {})]
    github.comment(7, MARKER, f"{MARKER}\nfirst")
    assert waits == [2.0, 3.0, 4.0]
    assert len(fake.comments) == 1


def test_a_comment_that_may_have_been_written_is_not_written_twice(github: GitHub, fake: FakeGitHub) -> None:
    fake.faults = [("POST", 502, {})]
    with pytest.raises(
        PreviewError, match=r"^POST .* was answered 502: GitHub does not work as it should\. It says: not"
    ):
        github.comment(7, MARKER, "body")
    assert fake.asked.count("POST /repos/acme/mesh/issues/7/comments") == 1


REFUSALS = [
    (
        403,
        "the token may not do it, or GitHub's limit of requests is reached; a workflow's job needs the permission "
        "`pull-requests: write`, and one that a fork started never has it. It says: not now",
    ),
    (404, "there is no such thing, or the token may not see it. It says: not now"),
    (422, "GitHub does not take what was sent. It says: not now"),
]


@pytest.mark.parametrize(("status", "cause"), REFUSALS)
def test_a_refusal_is_said_with_its_cause(github: GitHub, fake: FakeGitHub, status: int, cause: str) -> None:
    fake.faults = [("GET", status, {})]
    with pytest.raises(PreviewError) as fault:
        github.comment(7, MARKER, "body")
    address = f"{fake.address}/repos/acme/mesh/issues/7/comments?per_page=100"
    assert str(fault.value) == f"GET {address} was answered {status}: {cause}"


def test_a_bad_token_is_never_shown(fake: FakeGitHub) -> None:
    github = GitHub(REPOSITORY, "a-wrong-token", fake.address)
    with pytest.raises(PreviewError, match="401: the token is not valid") as fault:
        github.comment(7, MARKER, "body")
    assert "a-wrong-token" not in f"{fault.value}{github!r}"


def test_a_server_that_is_away_is_said(fake: FakeGitHub, waits: list[float]) -> None:
    github = GitHub(REPOSITORY, TOKEN, "http://127.0.0.1:9", sleep=waits.append)
    with pytest.raises(PreviewError, match=r"^GET http://127\.0\.0\.1:9/\S+: GitHub was not reached: "):
        github.comment(7, MARKER, "body")
    assert waits == [2.0, 4.0, 8.0]


def test_the_token_goes_to_no_other_host(github: GitHub, fake: FakeGitHub) -> None:
    fake.faults = [("GET", 200, {"Link": '<https://elsewhere.example/page/2>; rel="next"'})]
    with pytest.raises(PreviewError, match=r"GitHub names https://elsewhere\.example/page/2 as the next page"):
        list(github._pages("issues/7/comments", "pull-requests"))


def test_a_workflow_says_who_writes_and_where() -> None:
    variables = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_API_URL": "https://ghe.example/api/v3"}
    assert GitHub.of(variables) == GitHub(REPOSITORY, TOKEN, "https://ghe.example/api/v3")
    with pytest.raises(PreviewError) as fault:
        GitHub.of({"GITHUB_REPOSITORY": REPOSITORY, "GITHUB_TOKEN": ""})
    assert str(fault.value) == (
        "GITHUB_TOKEN is not in the environment, so nothing can be written to GitHub. In a workflow, give the step "
        "`env: {GITHUB_TOKEN: ${{ github.token }}}`."
    )
