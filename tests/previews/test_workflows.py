"""The workflows as data: what they may do, what they run, and that nothing in them lasts or is taken on trust."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from lab.tools.catalogue import PULUMI
from previews.__main__ import app

CLONE = Path(__file__).resolve().parents[2]
FOLDER = CLONE / ".github"
FILES = sorted((*(FOLDER / "workflows").glob("*.yml"), *(FOLDER / "actions").rglob("*.yml")))
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))

RIGHTS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "checks": {"checks": {"contents": "read"}, "account": {"contents": "read"}},
    "pull-request": {
        "checks": {"contents": "read"},
        "preview": {"contents": "read", "id-token": "write", "pull-requests": "write"},
    },
    "main": {
        "checks": {"contents": "read"},
        "staging": {"contents": "read", "id-token": "write"},
        "prod-preview": {"contents": "read", "id-token": "write"},
        "prod": {"contents": "read", "id-token": "write"},
    },
    "drift": {"drift": {"contents": "read", "id-token": "write", "issues": "write"}},
}
"""What each job may do: more than this is asked for by nobody."""


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text())
    # YAML 1.1 takes the key `on` for a truth value.
    return {("on" if key is True else key): value for key, value in content.items()}


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            yield path.stem, name, job


def steps() -> Iterator[dict[str, Any]]:
    for _, _, job in jobs():
        yield from job.get("steps", [])
    for path in (FOLDER / "actions").rglob("*.yml"):
        yield from load(path)["runs"]["steps"]


def test_each_job_may_do_what_it_has_to_and_nothing_else() -> None:
    assert {path.stem for path in WORKFLOWS} == set(RIGHTS)
    for path in WORKFLOWS:
        assert load(path)["permissions"] == {}, f"{path.name}: a job without rights of its own would have all"
    found: dict[str, dict[str, Any]] = {}
    for workflow, name, job in jobs():
        found.setdefault(workflow, {})[name] = job["permissions"]
    assert found == RIGHTS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses:\s*(.*)$", path.read_text(), re.MULTILINE)
    for line in used:
        if line.startswith("./"):
            assert (CLONE / line).exists(), line
            continue
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_commit_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in FILES:
        for name, pin in re.findall(r"uses:\s*([\w-]+/[\w-]+)@(.*)", path.read_text()):
            pins.setdefault(name, set()).add(pin)
    assert set(pins) == {
        "actions/checkout",
        "actions/setup-python",
        "aws-actions/configure-aws-credentials",
        "pulumi/actions",
    }
    assert {name: len(commits) for name, commits in pins.items()} == dict.fromkeys(pins, 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_key_that_lasts_is_used(path: Path) -> None:
    text = path.read_text()
    assert "secrets." not in text, "roles come by OIDC and the token is the job's own: there is nothing to keep"
    assert not re.search(r"aws-access-key-id|aws-secret-access-key|AWS_ACCESS_KEY|PASSPHRASE", text, re.IGNORECASE)


def test_who_asks_for_a_role_may_have_one_and_nobody_else_asks() -> None:
    for workflow, name, job in jobs():
        asks = any("role" in (step.get("with") or {}) for step in job.get("steps", []))
        assert asks == ("id-token" in job["permissions"]), f"{workflow}: {name}"


def test_code_of_forks_runs_where_nothing_is_to_be_had() -> None:
    assert "pull_request_target" not in "".join(path.read_text() for path in FILES)
    for workflow, name, job in jobs():
        if "runs-on" not in job:
            continue
        own_runner = job["runs-on"] != "ubuntu-24.04"
        assert own_runner == ("id-token" in job["permissions"]), f"{workflow}: {name}"
    preview = load(FOLDER / "workflows/pull-request.yml")["jobs"]["preview"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in preview["if"]
    checks = load(FOLDER / "workflows/pull-request.yml")["jobs"]["checks"]
    assert "if" not in checks, "a fork gets the checks that need no secret"


def test_the_checkout_leaves_no_token_behind() -> None:
    found = [step for step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert found
    assert all(step["with"]["persist-credentials"] is False for step in found)


def test_texts_of_others_reach_no_shell_but_by_the_environment() -> None:
    for step in steps():
        assert "${{" not in step.get("run", ""), step["run"]


def test_each_stack_has_one_run_at_a_time_and_no_update_is_cut_off() -> None:
    groups = {(workflow, name): job["concurrency"] for workflow, name, job in jobs() if "concurrency" in job}
    assert groups == {
        ("pull-request", "preview"): {
            "group": "preview-${{ matrix.stack }}-${{ github.event.pull_request.number }}",
            "cancel-in-progress": True,
        },
        ("main", "staging"): {"group": "stack-staging", "cancel-in-progress": False},
        ("main", "prod"): {"group": "stack-prod", "cancel-in-progress": False},
        ("drift", "drift"): {"group": "drift-${{ matrix.stack }}", "cancel-in-progress": True},
    }


def test_prod_comes_after_staging_a_preview_and_a_person() -> None:
    main = load(FOLDER / "workflows/main.yml")["jobs"]
    assert [main[name].get("needs") for name in ("staging", "prod-preview", "prod")] == [
        "checks",
        "staging",
        "prod-preview",
    ]
    assert (main["staging"]["environment"], main["prod"]["environment"]) == ("staging", "prod")


def test_every_job_ends_by_itself() -> None:
    for workflow, name, job in jobs():
        assert "timeout-minutes" in job or "uses" in job, f"{workflow}: {name}"


def test_a_role_lasts_as_long_as_the_job_that_takes_it() -> None:
    action = load(FOLDER / "actions" / "engine" / "action.yml")
    usual = action["inputs"]["seconds"]["default"]
    taken = {
        name: (60 * job["timeout-minutes"], int(step["with"].get("seconds", usual)))
        for _, name, job in jobs()
        for step in job.get("steps", [])
        if step.get("uses") == "./.github/actions/engine"
    }
    assert set(taken) == {"staging", "prod-preview", "prod", "preview", "drift"}
    assert not {name: both for name, both in taken.items() if both[0] > both[1]}


def test_what_is_deployed_and_previewed_is_judged() -> None:
    runs = [step["run"] for step in steps() if "pulumi up" in step.get("run", "")]
    assert len(runs) == 2
    assert all("--policy-pack policies" in run for run in runs)


def _commands() -> list[list[str]]:
    return [shlex.split(step["run"]) for step in steps() if "previews" in step.get("run", "")]


@pytest.mark.parametrize("words", _commands(), ids=lambda words: words[3])
def test_the_program_is_told_what_it_understands(words: list[str]) -> None:
    assert words[:3] == [".venv/bin/python", "-m", "previews"]
    command = get_command(app).commands[words[3]]  # pyright: ignore[reportAttributeAccessIssue]
    given = [("7" if word == "$NUMBER" else word) for word in words[4:]]
    command.make_context(words[3], given)


def test_the_engine_is_the_one_that_the_lab_proves() -> None:
    action = (FOLDER / "actions/engine/action.yml").read_text()
    assert re.findall(r"pulumi-version: (\S+)", action) == [PULUMI]


def test_the_make_targets_that_workflows_run_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CLONE / "Makefile").read_text(), re.MULTILINE))
    used = {step["run"].split()[1] for step in steps() if step.get("run", "").startswith("make ")}
    assert used == {"venv", "lint", "test", "test-account"}
    assert used <= targets
