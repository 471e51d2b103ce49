"""One run of the engine: how it is asked, what is made of its answer, and what is known to be secret."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from previews import engine
from previews.clusters import Unreached
from previews.engine import Target
from previews.errors import PreviewError
from previews.report import Verdict
from previews.surroundings import environment_of, kept_nowhere, rehearsed
from tests.previews.fake_pulumi import FakePulumi
from tests.previews.recordings import PASSWORD

ENCODED = "dGlsbDpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="
"""How the recorded failure tells the password."""


@pytest.fixture
def pulumi(tmp_path: Path) -> FakePulumi:
    return FakePulumi(tmp_path / "bin")


@pytest.fixture
def target(tmp_path: Path, pulumi: FakePulumi) -> Target:
    project = tmp_path / "project"
    (project / "policies").mkdir(parents=True)
    return Target("prod", {"PATH": str(pulumi.folder)}, project, project / "policies")


def _stack_file(target: Target, config: object) -> None:
    target.file.write_text(yaml.safe_dump({"config": config}))


def test_a_preview_is_one_run_with_the_pack_and_an_event_log(target: Target, pulumi: FakePulumi) -> None:
    pulumi.answers("changed")
    report = engine.preview(target)
    assert (report.verdict, report.stack) == (Verdict.PASSED, "prod")
    (words,) = pulumi.asked
    words, folder, environment = pulumi.last
    log = Path(words.pop(words.index("--event-log") + 1))
    assert words == [
        "preview", "--policy-pack", str(target.pack), "--event-log", "--stack", "prod", "--non-interactive",
        "--color", "never",
    ]  # fmt: skip
    assert (folder, environment) == (str(target.project), {"PULUMI_DEBUG_COMMANDS": "true"})
    assert not log.parent.exists(), "the log has all properties, and goes with the run"


def test_drift_is_a_refresh_that_changes_nothing(target: Target, pulumi: FakePulumi) -> None:
    pulumi.answers("drift")
    assert len(engine.drift(target).changes) == 1
    assert pulumi.last[0][:2] == ["refresh", "--preview-only"]
    assert "--policy-pack" not in pulumi.last[0]


def test_a_stack_file_of_another_name_is_handed_on(target: Target, pulumi: FakePulumi, tmp_path: Path) -> None:
    pulumi.answers("changed")
    engine.preview(Target("prod", target.environment, target.project, target.pack, tmp_path / "other.yaml"))
    assert pulumi.last[0][-2:] == ["--config-file", str(tmp_path / "other.yaml")]


def test_a_run_without_events_says_what_the_engine_said(target: Target, pulumi: FakePulumi) -> None:
    pulumi.answers(None, code=255, err="error: no stack named 'prod' found\n")
    report = engine.preview(target)
    assert (report.verdict, report.reason) == (Verdict.FAILED, "error: no stack named 'prod' found")


def test_the_engines_own_text_is_shown_without_secrets(target: Target, pulumi: FakePulumi) -> None:
    pulumi.answers("changed", out="+ a\n", err="the passphrase is correct horse\n")
    shown: list[str] = []
    environment = {**target.environment, "PULUMI_CONFIG_PASSPHRASE": "correct horse"}
    engine.preview(Target("prod", environment, target.project, target.pack), shown.append)
    assert shown == ["+ a\nthe passphrase is [secret]\n"]
    assert "--diff" in pulumi.last[0]


@pytest.mark.parametrize(
    ("config", "known"),
    [
        ({"shop:password": {"secure": "v1:x"}}, {"shop:password": {"value": PASSWORD, "secret": True}}),
        (
            {"shop:all": {"list": [{"password": {"secure": "v1:x"}}], "open": "9-17"}},
            {"shop:all": {"value": "{}", "objectValue": {"list": [{"password": PASSWORD}], "open": "9-17"}}},
        ),
    ],
)
def test_the_stacks_own_secrets_are_masked_in_every_form(
    target: Target, pulumi: FakePulumi, config: object, known: object
) -> None:
    _stack_file(target, config)
    pulumi.answers("failed-resource", code=1, config=json.dumps(known))
    (error,) = engine.preview(target).errors
    assert "[secret]" in error.text
    assert ENCODED[8:-8] not in error.text
    assert "9-17" not in "".join(pulumi.asked[0])
    assert pulumi.asked[0][:3] == ["config", "--show-secrets", "--json"]


def test_a_stack_without_secrets_is_not_asked_for_them(target: Target, pulumi: FakePulumi) -> None:
    _stack_file(target, {"shop:size": 4})
    pulumi.answers("changed")
    engine.preview(target)
    assert [words[0] for words in pulumi.asked] == ["preview"]


@pytest.mark.parametrize("answer", [{"config_code": 255}, {"config": "no JSON"}])
def test_without_the_secrets_no_preview_is_made(target: Target, pulumi: FakePulumi, answer: dict[str, object]) -> None:
    _stack_file(target, {"shop:password": {"secure": "v1:x"}})
    pulumi.answers("changed", complaint="error: incorrect passphrase", **answer)  # pyright: ignore[reportArgumentType]
    with pytest.raises(PreviewError) as fault:
        engine.preview(target)
    assert str(fault.value) == (
        "The secrets of Pulumi.prod.yaml cannot be decrypted, so they could not be kept out of what is shown, and no "
        "preview is made: error: incorrect passphrase"
    )
    assert [words[0] for words in pulumi.asked] == ["config"]


def test_without_a_pack_no_preview_is_made(target: Target) -> None:
    target.pack.rmdir()
    with pytest.raises(PreviewError) as fault:
        engine.preview(target)
    assert str(fault.value) == (
        f"There is no policy pack in {target.pack}, and a preview without one would pass anything."
    )


def test_without_an_engine_it_is_said_where_to_get_one(target: Target) -> None:
    with pytest.raises(
        PreviewError, match=r"^There is no `pulumi` on PATH, so nothing can be previewed\. Install Pulumi"
    ):
        engine.preview(Target("prod", {"PATH": "/nowhere"}, target.project, target.pack))


def test_a_cluster_that_is_away_is_said_though_the_preview_ends_well(
    target: Target, pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pulumi.answers("unreached")
    report = engine.preview(target)
    assert report.verdict is Verdict.PASSED
    assert report.unreached == (Unreached("cluster", "https://127.0.0.1:9", "Connection refused"),)


def test_a_stack_of_the_lab_is_run_in_the_labs_environment(tmp_path: Path) -> None:
    (tmp_path / ".lab").mkdir()
    with pytest.raises(PreviewError) as fault:
        environment_of("local", tmp_path, {"PATH": "/usr/bin"})
    assert str(fault.value) == (
        "The stack `local` lives in the lab, and none runs here: make up. One that is kept elsewhere is found by "
        "PULUMI_BACKEND_URL."
    )
    (tmp_path / ".lab/env").touch()
    environment = environment_of("local", tmp_path, {"PATH": "/usr/bin"})
    assert environment["PULUMI_BACKEND_URL"] == f"file://{tmp_path / '.lab/pulumi'}"
    assert environment["PATH"] == f"{tmp_path / '.lab/bin'}:/usr/bin"


def test_any_other_stack_is_run_in_the_callers(tmp_path: Path) -> None:
    assert environment_of("prod", tmp_path, os.environ) is os.environ
    elsewhere = {"PULUMI_BACKEND_URL": "s3://states"}
    assert environment_of("local", tmp_path, elsewhere) is elsewhere


def _of_aws(project: Path) -> Path:
    (project / "Pulumi.prod.yaml").write_text("config:\n  istio-mesh:aws: {account: '1'}\n")
    (project / "Pulumi.onprem.yaml").write_text("config:\n  istio-mesh:clusters: []\n")
    return project


def test_a_stack_of_aws_that_no_backend_is_known_of_is_kept_nowhere(tmp_path: Path) -> None:
    project, alone = _of_aws(tmp_path), {"HOME": str(tmp_path)}
    assert kept_nowhere("prod", project, alone)
    assert not kept_nowhere("onprem", project, alone), "there is no stand-in for its clusters"
    assert not kept_nowhere("absent", project, alone)


@pytest.mark.parametrize(
    "known",
    [
        {"PULUMI_BACKEND_URL": "s3://states"},
        {"PULUMI_ACCESS_TOKEN": "pul-x"},
        {"PULUMI_HOME": "{}/home"},
        {"HOME": "{}"},
    ],
)
def test_a_backend_or_a_login_is_where_it_is_kept(tmp_path: Path, known: dict[str, str]) -> None:
    project = _of_aws(tmp_path)
    for home in (tmp_path / "home", tmp_path / ".pulumi"):
        home.mkdir()
        (home / "credentials.json").write_text('{"current": "s3://states"}')
    nowhere = {"HOME": "/nowhere"}
    assert not kept_nowhere(
        "prod", project, {**nowhere, **{key: value.format(tmp_path) for key, value in known.items()}}
    )


def test_who_has_logged_out_knows_of_no_backend(tmp_path: Path) -> None:
    (tmp_path / ".pulumi").mkdir()
    for text in ('{"current": ""}', "[]", "no JSON"):
        (tmp_path / ".pulumi" / "credentials.json").write_text(text)
        assert kept_nowhere("prod", _of_aws(tmp_path), {"HOME": str(tmp_path)})


def test_only_a_stack_of_aws_is_rehearsed(tmp_path: Path) -> None:
    project = _of_aws(tmp_path)
    with (
        pytest.raises(PreviewError, match=r"^Pulumi\.onprem\.yaml has no istio-mesh:aws"),
        rehearsed("onprem", project=project),
    ):
        pass
    with pytest.raises(PreviewError, match=r"^There is no Pulumi\.absent\.yaml"), rehearsed("absent", project=tmp_path):
        pass
