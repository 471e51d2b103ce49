"""Runs of the engine that a policy pack judges, read as the project's own previews are."""

from __future__ import annotations

import importlib
import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from lab.aws.place import ENDPOINT
from lab.aws.rehearsal.account import AccountClient
from lab.aws.rehearsal.engine import KEY, write_commands
from previews.events import SECRET, SIGNATURE, read
from previews.report import Reader, Report
from tests.lab.support.commands import run
from tests.lab.support.engine import Engine

PROGRAM = Path(__file__).parents[1] / "another_team"
RENDERING = Path(__file__).parents[1] / "rendering_team"
PASSPHRASE = "another team"
LATER = "known once it is made"
"""Marks a value that `another_team` knows only once its first resource is made."""
RELEASE = "kubernetes:helm.sh/v3:Release"

TABLES = ("test_aws", "test_kubernetes", "test_istio_access", "test_istio_traffic", "test_istio_proxies", "test_stack")
"""Where the pack's own tests have a bad change for every policy, with its sentence."""


def up(engine: Engine, config: Path) -> Report:
    """`pulumi up` with the project's pack: a preview, and what it shows only where the pack lets it."""
    log = engine.scratch / f"judged-{config.stem}.jsonl"
    words = ["up", "--yes", "--stack", engine.stack, "--policy-pack", str(engine.root / "policies")]
    result = engine.pulumi(*words, "--event-log", str(log), "--config-file", str(config), check=False)
    return reported(log, result.code, result.text)


def reported(log: Path, code: int, said: str) -> Report:
    """What a run came to, by the events that it left."""
    reader = Reader("judged")
    if log.is_file():
        reader.add_all(read(log))
    return reader.report(code, said)


@dataclass(frozen=True)
class BadChange:
    """The first bad change of a topic of the pack that can be written without parameters.

    :ivar topic: the module of policies.
    :ivar policy: the policy that refuses it.
    :ivar resources: as `another_team` reads them.
    :ivar messages: what it is refused with.
    """

    topic: str
    policy: str
    resources: Sequence[Mapping[str, Any]]
    messages: Sequence[str]

    def __str__(self) -> str:
        return f"{self.topic}: {self.policy}"


def mandatory_topics(family: str) -> Iterator[str]:
    """The topics of a family that have a mandatory policy: names of the pack's modules."""
    pack = importlib.import_module("policies.pack")
    for topic in pack.TOPICS:
        name = topic.__name__.rpartition(".")[2]
        if name.startswith(f"{family}_") and any(each.severity == "mandatory" for each in pack.policies_in(topic)):
            yield name


def of_the_mesh(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """An object that every policy passes, with changes, as `another_team` reads it."""
    return listed([importlib.import_module("tests.policies.compliant").object_(name, changes)])[0]


def of_aws(name: str, type_: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A resource of AWS that every policy passes, with changes, as `another_team` reads it."""
    tests = importlib.import_module("tests.policies.compliant")
    return {**listed([tests.aws(type_, changes)])[0], "name": name}


def bad_changes(family: str) -> Iterator[BadChange]:
    """One of each topic of a family (`aws`, `kubernetes`, `istio`, `stack`) that has a mandatory policy."""
    pack = importlib.import_module("policies.pack")
    cases = [case for table in TABLES for case in importlib.import_module(f"tests.policies.{table}").CASES]
    for topic in pack.TOPICS:
        name = topic.__name__.rpartition(".")[2]
        mandatory = {policy.id for policy in pack.policies_in(topic) if policy.severity == "mandatory"}
        plain = [case for case in cases if case.policy in mandatory and not case.given.production]
        if mandatory and name.startswith(f"{family}_"):
            # The provider moves `stringData` into `data` before the pack sees it: another place in the sentence.
            first = next(case for case in plain if "stringData" not in "".join(case.messages))
            yield BadChange(name, first.policy, listed(first.make()), first.messages)


def compliant() -> list[dict[str, Any]]:
    """A mesh and the AWS resources below it, as every policy passes them; without Releases, which need a cluster."""
    tests = importlib.import_module("tests.policies.compliant")
    below = [tests.aws(type_, name=type_.rpartition(":")[2]) for type_ in tests.AWS]
    return listed(resource for resource in [*tests.mesh(), *below] if resource.type != RELEASE)


def listed(resources: Iterable[Any]) -> list[dict[str, Any]]:
    """Resources of the pack's own tests, as `another_team` reads them."""
    return [
        {
            "type": resource.type,
            # Two clusters have objects of one name.
            "name": resource.urn.rpartition("::")[2],
            "inputs": _plain(resource.properties),
            "provider": resource.provider.rpartition("::")[2] or "use1",
            "protect": resource.protect,
        }
        for resource in resources
    ]


def _plain(value: Any) -> Any:
    if type(value).__name__ == "Secret":
        return {SIGNATURE: SECRET, "value": _plain(value.value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class AnotherTeam:
    """A project of its own, in a backend of its own, judged by the same pack.

    Resources of AWS are noted and not made, unless an account of the stand-in is given to make them in.

    :param folder: everything of it.
    :param env: with pulumi on PATH.
    :param pack: the pack's folder.
    :param charts: folder of Istio's charts, by their names.
    :param account: the stand-in's.
    :param program: the team's; by default one of the resources that it is told.
    :param settings: of the program.
    """

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        pack: Path,
        charts: Path,
        *,
        account: AccountClient | None = None,
        program: Path = PROGRAM,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.folder, self.pack, self.charts, self.settings = folder, pack, charts, settings
        self.noted, self.deployed = folder / "noted", folder / "deployed"
        for name in ("state", "bin", "program"):
            (folder / name).mkdir(parents=True)
        if account is None:
            self._note(folder / "bin" / "pulumi-resource-aws")
        else:
            write_commands(folder / "bin")
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        project = {"name": "another-team", "main": str(program), "runtime": runtime}
        (folder / "program" / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
        # A provider that only renders takes no kubeconfig, not even the environment's.
        self.env = {
            **{name: value for name, value in env.items() if name != "KUBECONFIG"},
            "PATH": f"{folder / 'bin'}:{env['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_DEBUG_COMMANDS": "true",
            "NOTED": str(self.noted),
            **({"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, ENDPOINT: account.address} if account else {}),
        }
        self._pulumi("stack", "init", "judged")

    @staticmethod
    def _note(plugin: Path) -> None:
        start = [sys.executable, "-P", "-u", str(Path(__file__).with_name("noting_provider.py")), version("pulumi-aws")]
        plugin.write_text(f'#!/bin/sh\nexec {shlex.join(start)} "$@"\n', encoding="utf-8")
        plugin.chmod(0o755)

    def preview(self, resources: Sequence[Mapping[str, Any]]) -> Report:
        """`pulumi preview` of these resources, with the pack."""
        return self._judged(resources, "preview")

    def up(self, resources: Sequence[Mapping[str, Any]] = ()) -> Report:
        """`pulumi up` of these resources, or of the program's own, with the pack."""
        return self._judged(resources, "up", "--yes")

    def _judged(self, resources: Sequence[Mapping[str, Any]], *verb: str) -> Report:
        listed, log = self.folder / "resources.json", self.folder / "events.jsonl"
        listed.write_text(json.dumps([self._with_chart(each) for each in resources]), encoding="utf-8")
        log.unlink(missing_ok=True)
        values = {"resources": str(listed), "deployed": str(self.deployed), **self.settings}
        content = {"config": {f"another-team:{key}": value for key, value in values.items()}}
        (self.folder / "program" / "Pulumi.judged.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        words = (*verb, "--stack", "judged", "--policy-pack", str(self.pack), "--event-log", str(log))
        return reported(log, *self._pulumi(*words, check=False))

    def _with_chart(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """A release whose chart is only named gets it from the lab's folder: the provider reads it."""
        chart = resource["inputs"].get("chart", "")
        if not (self.charts / chart).is_dir() or not chart:
            return resource
        return {**resource, "inputs": {**resource["inputs"], "chart": str(self.charts / chart)}}

    @property
    def made(self) -> list[str]:
        """All that was deployed: files of objects, noted resources."""
        files = [str(path.relative_to(self.deployed)) for path in self.deployed.rglob("*") if path.is_file()]
        return sorted(files) + (self.noted.read_text().splitlines() if self.noted.exists() else [])

    def _pulumi(self, *words: str, check: bool = True) -> tuple[int, str]:
        command = ["pulumi", "--non-interactive", *words]
        result = run(command, env=self.env, cwd=self.folder / "program", timeout=300, check=check)
        return result.code, result.text
