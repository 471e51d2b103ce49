from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.tools import host, packages
from lab.tools.catalogue import CATALOGUE, DebianSource, OnPath, Tool, tool


def rule_of(command: str) -> OnPath:
    return next(rule for rule in tool(command).on_path if rule.commands[0] == command)


def put(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("command", "said", "version"),
    [
        ("kubectl", "Client Version: v1.35.4\nKustomize Version: v5.7.1", (1, 35, 4)),
        ("kubectl", "Client Version: v1.34.0-gke.100", (1, 34, 0)),
        ("kubectl", "Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", None),
        ("kubectl", "Client Version: v1.37.0", None),
        ("istioctl", "client version: 1.31.0", (1, 31, 0)),
        ("istioctl", "client version: 1.31.1", None),
        ("istioctl", "client version: 1.30.4", None),
        ("pulumi", "v3.259.0", (3, 259, 0)),
        ("pulumi", "v3.300.1", (3, 300, 1)),
        ("pulumi", "v3.258.9", None),
        ("pulumi", "v4.0.0", None),
        ("etcd", "etcd Version: 3.4.23\nGit SHA: Not provided", (3, 4, 23)),
        ("etcd", "etcd Version: 3.3.27", None),
        ("containerd", "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", (1, 6, 20)),
        ("containerd", "containerd github.com/containerd/containerd/v2 v2.0.1 88aa2f5", (2, 0, 1)),
        ("containerd", "containerd containerd.io 1.7.27 05044ec0", (1, 7, 27)),
        ("containerd", "containerd github.com/containerd/containerd 1.4.13~ds1", None),
        ("runc", "runc version 1.1.5+ds1\ncommit: 1.1.5", (1, 1, 5)),
        (
            "portmap",
            "CNI portmap plugin version unknown\nCNI protocol versions supported: 0.1.0, 0.4.0, 1.0.0",
            (1, 0, 0),
        ),
        ("portmap", "CNI portmap plugin v0.8.5\nCNI protocol versions supported: 0.1.0, 0.4.0", None),
        ("iptables", "iptables v1.8.9 (nf_tables)", (1, 8, 9)),
        ("iptables", "iptables v1.8.3 (legacy)", None),
        ("ip", "ip utility, iproute2-6.1.0, libbpf 1.1.2", (6, 1)),
        ("etcd", "", None),
    ],
)
def test_a_command_is_taken_only_if_its_version_fits(
    command: str, said: str, version: tuple[int, ...] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = rule_of(command)
    put(tmp_path, *rule.commands)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = host.find(rule, ask=lambda *_: said)
    assert (found.version if found else None) == (".".join(map(str, version)) if version else None)


def test_an_engine_without_its_language_host_beside_it_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = rule_of("pulumi")
    put(tmp_path / "engine", "pulumi")
    put(tmp_path / "elsewhere", *rule.commands[1:])
    monkeypatch.setenv("PATH", f"{tmp_path / 'engine'}:{tmp_path / 'elsewhere'}")
    assert host.find(rule, ask=lambda *_: "v3.259.0") is None


def test_an_engine_linked_into_path_is_taken_with_the_language_host_of_its_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = rule_of("pulumi")
    put(tmp_path / "installation", *rule.commands)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(tmp_path / "installation" / "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = host.find(rule, ask=lambda *_: "v3.259.0")
    assert found is not None
    assert found.commands["pulumi-language-python"] == tmp_path / "installation" / "pulumi-language-python"


def test_a_command_that_fails_to_say_its_version_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etcd").write_text("no program")
    (tmp_path / "etcd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.find(rule_of("etcd")) is None


@pytest.mark.parametrize(
    ("system", "machine", "named"), [("Darwin", "arm64", "Darwin"), ("Linux", "aarch64", "aarch64")]
)
def test_another_kind_of_machine_is_refused_with_what_to_do_instead(system: str, machine: str, named: str) -> None:
    with pytest.raises(LabError) as refusal:
        host.check_machine(system, machine)
    assert named in str(refusal.value)
    assert "clusters of your own" in str(refusal.value)


def test_a_linux_machine_on_x86_64_is_accepted() -> None:
    host.check_machine("Linux", "x86_64")


def test_without_apt_the_package_to_install_by_hand_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    runc = tool("runc")
    assert isinstance(runc.source, DebianSource)
    with pytest.raises(LabError, match=r"install runc by hand \(its commands: runc\)"):
        packages.make_debian(runc, runc.source, tmp_path, tmp_path)


@pytest.mark.parametrize("each", CATALOGUE, ids=lambda each: each.name)
def test_every_rule_names_commands_of_its_tool(each: Tool) -> None:
    parts_of_an_engine = {"pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"}
    for rule in each.on_path:
        assert set(rule.commands) - parts_of_an_engine <= set(each.commands)
