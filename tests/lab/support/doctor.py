"""The doctor as a person runs it, and faults made in the lab for as long as a block lasts."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Generator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.waiting import wait_for
from tests.lab.support.commands import CommandFailed, run
from tests.lab.support.kubectl import Kubectl
from tests.lab.support.pods import running

TIMEOUT = 60.0  # seconds one run may take on a machine that is busy with everything else


@dataclass(frozen=True)
class Said:
    """What one run said.

    :ivar seconds: from its start to its verdict, as it says itself.
    :ivar whole: the same with the interpreter's start and end.
    """

    code: int
    findings: Sequence[Mapping[str, str]]
    seconds: float
    whole: float

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """Kind and region of each finding."""
        return {(finding["id"], finding["region"]) for finding in self.findings}

    def causes(self, kind: str, region: str) -> list[str]:
        return [f["cause"] for f in self.findings if (f["id"], f["region"]) == (kind, region)]

    def __str__(self) -> str:
        return "\n".join(f"{f['severity']} {f['id']} {f['region']} {f['subject']}: {f['cause']}" for f in self.findings)


@dataclass(frozen=True)
class Doctor:
    """Runs of ``python -m mesh doctor``.

    :ivar outputs: what the stack says.
    :ivar scratch: folder for files of a run.
    """

    root: Path
    env: Mapping[str, str]
    outputs: Mapping[str, Any]
    scratch: Path

    def ask(
        self,
        *words: str,
        outputs: Mapping[str, Any] | None = None,
        thresholds: Mapping[str, Any] | None = None,
    ) -> Said:
        said = self.scratch / "outputs.json"
        said.write_text(json.dumps(outputs or self.outputs), encoding="utf-8")
        options = ["--outputs", str(said), "--json", *words]
        if thresholds:
            limits = self.scratch / "thresholds.yaml"
            limits.write_text(yaml.safe_dump(dict(thresholds)), encoding="utf-8")
            options += ["--thresholds", str(limits)]
        done = run(
            [sys.executable, "-m", "mesh", "doctor", *options],
            env=self.env, timeout=TIMEOUT, cwd=self.root, check=False,
        )  # fmt: skip
        if done.code not in (0, 1) or not done.out.startswith("{"):
            raise CommandFailed(f"the doctor ended with {done.code}: {done.text[-2000:]}")
        document = json.loads(done.out)
        return Said(done.code, document["findings"], document["seconds"], done.seconds)

    def healthy(self, what: str, *, deadline: float = 120) -> Said:
        """The first run without a finding."""
        last: list[Said] = []

        def none() -> bool:
            last[:] = [self.ask()]
            assert not last[0].findings, str(last[0])
            return True

        wait_for(none, deadline=deadline, what=what, interval=1)
        return last[0]

    def finds(self, pairs: Set[tuple[str, str]], *, deadline: float, what: str) -> Said:
        """The first run with these findings, by kind and region, and no other one."""

        def exactly() -> Said | None:
            said = self.ask()
            return said if said.pairs == pairs else None

        return wait_for(exactly, deadline=deadline, what=what)


# Ways to make faults. Each is undone when its block is left.


@contextmanager
def applied(kubectl: Kubectl, *manifests: Mapping[str, Any]) -> Generator[None]:
    """Objects that are there for as long as the block lasts."""
    try:
        kubectl.apply(manifests)
        yield
    finally:
        text = yaml.safe_dump_all([dict(manifest) for manifest in manifests])
        kubectl.run("delete", "-f", "-", "--ignore-not-found", "--wait=true", stdin=text, timeout=120)


@contextmanager
def patched(kubectl: Kubectl, words: Sequence[str], change: Any, back: Any, *, kind: str = "merge") -> Generator[None]:
    """An object changed, and changed back.

    :param words: what `kubectl patch` takes to find it: ``("namespace", "istio-system")``.
    """
    try:
        kubectl.run("patch", *words, f"--type={kind}", "-p", json.dumps(change))
        yield
    finally:
        kubectl.run("patch", *words, f"--type={kind}", "-p", json.dumps(back))


@contextmanager
def scaled(kubectl: Kubectl, namespace: str, deployment: str, replicas: int = 0) -> Generator[None]:
    """A Deployment with another number of pods, and with its own again."""
    before = kubectl.json("get", "deployment", "-n", namespace, deployment)["spec"]["replicas"]
    try:
        kubectl.run("scale", "-n", namespace, f"deployment/{deployment}", f"--replicas={replicas}")
        yield
    finally:
        kubectl.run("scale", "-n", namespace, f"deployment/{deployment}", f"--replicas={before}")
        kubectl.rolled_out(namespace, f"deployment/{deployment}")


@contextmanager
def stopped(kubectl: Kubectl, namespace: str, selector: str, program: str) -> Generator[None]:
    """The program of a pod, the first one found, halted, as one that hangs: it keeps its connections and answers
    nothing."""
    pod, *_ = running(kubectl, namespace, "-l", selector)
    processes = _processes(pod["metadata"]["name"], program)
    assert processes, f"{program} of {pod['metadata']['name']} is no process of this machine"
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def _processes(pod: str, program: str) -> list[int]:
    """The machine's numbers of a program's processes in a pod, whose host name is its own."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # ended meanwhile
        if (
            words[0].decode(errors="replace").rpartition("/")[2] == program
            and f"HOSTNAME={pod}".encode() in environment
        ):
            found.append(int(folder.name))
    return found
