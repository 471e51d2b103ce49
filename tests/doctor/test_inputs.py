"""What the command is given: outputs, thresholds, options; every fault of them is a sentence."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh.cli import app
from mesh.doctor import report, stack, thresholds
from mesh.doctor.checks import examine
from mesh.doctor.thresholds import Thresholds
from mesh.errors import MeshError
from tests.doctor.cluster import serving
from tests.doctor.mesh import all_of, healthy, in_region, outputs, with_gateway
from tests.doctor.test_collect import cluster

RUN = CliRunner()
OPTIONS = ("--no-tools", "--no-handshakes", "--window", "0.5")


@pytest.fixture
def said(tmp_path: Path) -> Path:
    file = tmp_path / "outputs.json"
    file.write_text(outputs().model_dump_json(by_alias=True))
    return file


# Outputs


def test_outputs_are_read_from_a_file(said: Path) -> None:
    assert stack.of_file(said) == outputs()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is not JSON"),
        ("{}", "`contractVersion`: Field required (and 2 more)"),
        ("[]", "``: Input should be a valid dictionary or instance of MeshOutputs"),
    ],
)
def test_what_is_no_outputs_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(text)
    with pytest.raises(MeshError) as refused:
        stack.of_file(file)
    assert str(refused.value) == (
        f"{file}: {fault}. Without the outputs of a stack of this program nobody knows what should be there. Write "
        "them with `pulumi stack output --json`, after a `pulumi up` of this version."
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeshError) as refused:
        stack.of_file(tmp_path / "none.json")
    assert str(refused.value) == (
        f"{tmp_path}/none.json cannot be read: No such file or directory. Write it with `pulumi stack output --json > "
        f"{tmp_path}/none.json`."
    )


def test_the_engine_is_asked_and_its_refusal_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tmp_path / "pulumi"
    known = tmp_path / "prod.json"
    known.write_text(outputs().model_dump_json(by_alias=True))
    engine.write_text(f'#!/bin/sh\n[ "$6" = prod ] && exec cat {known}\necho no stack named $6 >&2\nexit 255\n')
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert stack.of_engine("prod", tmp_path) == outputs()
    with pytest.raises(MeshError, match="does not give the outputs of `lost`: no stack named lost"):
        stack.of_engine("lost", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(MeshError, match="There is no `pulumi` on PATH"):
        stack.of_engine("prod", tmp_path)


# Thresholds


def test_thresholds_are_read_and_the_rest_keeps_its_default(tmp_path: Path) -> None:
    file = tmp_path / "doctor.yaml"
    file.write_text("latency: 250ms\nworkloadCertificate: 40\n")
    found = thresholds.read(file)
    assert (found.latency.milliseconds, found.workload_certificate, found.memory) == (250, 40, Thresholds().memory)
    file.write_text("")
    assert thresholds.read(file) == Thresholds()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "latency: 1000\nmemory: 120\n",
            [
                "latency: the number 1000 is not a length of time. Without a unit milliseconds and seconds look alike. "
                "Write whole numbers with units from h, m, s, ms, as in `100ms`, `10s` or `1m30s`.",
                "memory: input should be less than or equal to 100. Nothing can be compared with it. docs/doctor.md "
                "says what is taken here.",
            ],
        ),
        (
            "clockSkew: 5m\n",
            [
                "clockSkew: clockSkew (5m) is above 2 minutes. New certificates would be refused already, since istiod "
                "dates them back by 2 minutes only. Lower it."
            ],
        ),
        (
            "clock_skew: 5s\n",
            [
                "clock_skew: there is no such threshold. It would be ignored. Known here: `latency`, `retries`, "
                "`requests`, `memory`, `configuration`, `push`, `queue`, `clockSkew`, `workloadCertificate`, "
                "`authority`, `ingressCertificate`."
            ],
        ),
        (
            "- latency\n",
            [
                "the file: input should be a valid dictionary or instance of Thresholds. Nothing can be compared with "
                "it. docs/doctor.md says what is taken here."
            ],
        ),
    ],
)
def test_wrong_thresholds_are_refused_all_at_once(tmp_path: Path, text: str, lines: list[str]) -> None:
    file = tmp_path / "doctor.yaml"
    file.write_text(text)
    with pytest.raises(MeshError) as refused:
        thresholds.read(file)
    count = f"{len(lines)} fault{'s' if len(lines) > 1 else ''}"
    assert str(refused.value).splitlines() == [
        f"{file} has {count}; nothing was examined.",
        *(f"  {line}" for line in lines),
    ]


# The command


def test_a_healthy_mesh_ends_with_0(tmp_path: Path, said: Path) -> None:
    with serving(tmp_path, cluster("use1"), cluster("usw2")) as kubeconfig:
        done = RUN.invoke(app, ["doctor", "--outputs", str(said), "--kubeconfig", str(kubeconfig), *OPTIONS])
    assert done.exit_code == 0, done.output
    assert "Nothing is wrong. 2 of 2 regions answered" in done.output


def test_a_fault_ends_with_1_and_says_all_of_it_for_machines_too(tmp_path: Path, said: Path) -> None:
    with serving(tmp_path, cluster("use1"), cluster("usw2", forbidden=frozenset({"/pods"}))) as kubeconfig:
        words = ["doctor", "--outputs", str(said), "--kubeconfig", str(kubeconfig), *OPTIONS]
        people, machines = RUN.invoke(app, words), RUN.invoke(app, [*words, "--json"])
    assert (people.exit_code, machines.exit_code) == (1, 1)
    assert "1 fault. 1 of 2 regions answered" in people.output
    document = json.loads(machines.stdout)
    assert document["version"] == report.VERSION
    assert document["counts"] == {"fault": 1, "warning": 0, "unseen": 0}
    assert document["regions"] == {"use1": {"answers": True}, "usw2": {"answers": False}}
    (finding,) = document["findings"]
    assert list(finding) == ["id", "severity", "region", "subject", "cause", "consequence", "cure", "command"]
    assert finding["id"] == "region-silent"


def test_contexts_of_other_names_are_given(tmp_path: Path, said: Path) -> None:
    with serving(tmp_path, cluster("use1"), cluster("usw2")) as kubeconfig:
        kubeconfig.write_text(kubeconfig.read_text().replace("name: usw2", "name: prod-usw2"))
        kubeconfig.write_text(kubeconfig.read_text().replace("cluster: usw2", "cluster: prod-usw2"))
        words = ["doctor", "--outputs", str(said), "--kubeconfig", str(kubeconfig), *OPTIONS]
        done = RUN.invoke(app, [*words, "--context", "usw2=prod-usw2"])
        wrong = RUN.invoke(app, [*words, "--context", "euw1=prod"])
    assert done.exit_code == 0, done.output
    assert wrong.exit_code == 2
    assert "names no cluster of the stack" in wrong.output


@pytest.mark.parametrize("words", [[], ["--stack", "prod", "--outputs", "x.json"]])
def test_what_should_be_there_is_said_once(words: list[str]) -> None:
    done = RUN.invoke(app, ["doctor", *words])
    assert done.exit_code == 2
    assert "Give either" in done.output


def test_what_cannot_be_read_is_told_without_a_trace(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["doctor", "--outputs", str(tmp_path / "none.json")])
    assert done.exit_code == 1
    assert "cannot be read" in done.output
    assert "Traceback" not in done.output


def test_the_table_counts_and_is_in_the_order_of_the_findings() -> None:
    snapshot = all_of(with_gateway("ingress", pods=2), in_region("usw2", mutual_tls=None))(healthy())
    findings = examine(snapshot)
    assert report.verdict(snapshot, findings, 3.14) == "1 fault, 1 warning. 2 of 2 regions answered, in 3.1 s."
    assert report.verdict(snapshot, [], 3.14) == "Nothing is wrong. 2 of 2 regions answered, in 3.1 s."
