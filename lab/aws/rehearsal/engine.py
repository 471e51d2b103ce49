"""Runs of the real engine, each as the list of what it changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.aws.place import ENDPOINT, PACE
from lab.environment import PASSPHRASE
from lab.errors import LabError
from lab.paths import CLONE

UNCHANGING = frozenset({"same", "read", "refresh"})
_HALVES = frozenset({"create-replacement", "delete-replaced"})
"""A replacement is counted once, as `replace`."""
_PLUGINS = r"pulumi-resource-(kubernetes|pulumi-python)|pulumi\.dynamic"
DEADLINE = 1800.0
KEY = "no-key-of-aws"
"""In place of credentials, which the account does not look at. It is part of no other name: whoever masks secrets takes
it for one wherever it stands.
"""


@dataclass(frozen=True)
class Changes:
    """What a run did, or would do.

    Attributes:
        steps: Operation and URN of each resource that changes.
        seconds: How long it took.
    """

    steps: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """How many of each operation."""
        return dict(Counter(operation for operation, _ in self.steps))

    def by_type(self) -> dict[str, int]:
        """How many of each operation on each type: `update aws:eks/cluster:Cluster`."""
        return dict(sorted(Counter(f"{operation} {_type(urn)}" for operation, urn in self.steps).items()))


class RunFailed(LabError):
    """The engine ended with a fault. `said`: what it told of it."""

    def __init__(self, command: str, code: int, said: str) -> None:
        super().__init__(f"`pulumi {command}` ended with {code}: {said}")
        self.code = code
        self.said = said


class Engine:
    """The engine on one stack of one program.

    Args:
        program: The folder of Pulumi.yaml.
        folder: Everything else: state, event logs, commands.
        bins: Folders of commands, first ones first: the engine's, and that of the stand-ins.
        address: The account's.
        config: The stack's configuration; by default the one beside the program.
        prefix: Words that the engine is started with: another network namespace.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        *,
        stack: str,
        bins: Sequence[Path],
        address: str,
        pace: float,
        config: Path | None = None,
        prefix: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.program, self.folder, self.stack, self.config = program, folder, stack, config
        self._prefix = tuple(prefix)
        self._runs = 0
        self.title = stack
        """What rows call it."""
        self.targets: Sequence[str] = ()
        """URNs of what previews and `up` are about; everything where it is empty."""
        for name in ("state", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        path = [*map(str, bins), os.environ.get("PATH", os.defpath)]
        self.environment = {
            **os.environ,
            **(variables or {}),
            "PATH": os.pathsep.join(path),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",
            "TMPDIR": str(folder / "tmp"),
            "NO_PROXY": "127.0.0.1,198.18.0.0/15",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            ENDPOINT: address,
            PACE: str(pace),
        }

    @contextmanager
    def started_by(self, prefix: Sequence[str]) -> Generator[None]:
        """For as long as the block lasts, other words start the engine: it is in another place."""
        own, self._prefix = self._prefix, tuple(prefix)
        try:
            yield
        finally:
            self._prefix = own

    def run(self, *words: str) -> str:
        """A run of the engine to its end; what it printed.

        Raises:
            RunFailed: It ended with a fault.
        """
        process = self._start(*words)
        try:
            said, _ = process.communicate(timeout=DEADLINE)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode:
            # What it found wrong stands between its progress and the stack's outputs.
            fault = said.partition("Diagnostics:")[2].partition("Outputs:")[0].strip() or said[-3000:]
            raise RunFailed(" ".join(words[:2]), process.returncode, fault)
        return said

    def beside(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A run of another program, from where the engine is started and with what it finds there."""
        return subprocess.run(
            [*self._prefix, *words],
            cwd=self.program,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def _start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._prefix, "pulumi", "--non-interactive", *words],
            cwd=self.program,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def select(self) -> None:
        """Make the stack, or take the one that is there."""
        # Beside a copy of the project: the engine writes the salt of the passphrase into the stack's file there, which
        # in the program's own folder is the committed one.
        beside = self.folder / "project"
        beside.mkdir(exist_ok=True)
        shutil.copy(self.program / "Pulumi.yaml", beside)
        self.run("stack", "select", "--create", self.stack, "--cwd", str(beside))

    def preview(self) -> Changes:
        """What an `up` would do."""
        return self._changes("preview")

    def up(self) -> Changes:
        """Bring the account to what the program says."""
        return self._changes("up", "--yes", "--skip-preview")

    def destroy(self, *, previewed: bool = False) -> Changes:
        """Take everything away. previewed: begin only where a preview found nothing wrong, as a person's run does."""
        return self._changes("destroy", "--yes", *([] if previewed else ["--skip-preview"]))

    def _changes(self, verb: str, *options: str) -> Changes:
        log = self._log()
        started = time.monotonic()
        self.run(verb, *self._options(log, verb), *options)
        return Changes(_steps(log), time.monotonic() - started)

    def _log(self) -> Path:
        self._runs += 1
        return self.folder / f"events-{self._runs}.json"

    def _options(self, log: Path, verb: str) -> list[str]:
        config = ["--config-file", str(self.config)] if self.config else []
        targets = [word for urn in self.targets for word in ("--target", urn)] if verb != "destroy" else []
        return ["--stack", self.stack, "--event-log", str(log), *config, *targets]

    def killed(self, verb: str, when: Callable[[], bool]) -> bool:
        """Begin an `up` or `destroy`, and kill the engine and its plugins as soon as `when` says so.

        All but the stand-in for AWS: what AWS was told, it does.

        Returns:
            Whether it was killed; else it had ended before.
        """
        process = self._start(verb, *self._options(self._log(), verb), "--yes", "--skip-preview")
        while process.poll() is None:
            if when():
                os.killpg(process.pid, signal.SIGKILL)
                # They lead groups of their own, in the engine's session, and would go on without it, for good.
                subprocess.run(["pkill", "-KILL", "-s", str(process.pid), "-f", _PLUGINS], check=False)
                process.communicate()
                return True
            time.sleep(0.02)
        said, _ = process.communicate()
        if process.returncode:
            raise RunFailed(verb, process.returncode, said[-3000:])
        return False

    def unlock(self) -> None:
        """Take the lock away that a killed engine has left, and the state that it was just writing.

        A backend of files is cut off in the middle of a file, where one of objects (S3) keeps the one before; that one
        is beside it. The engine begins nothing before it is written down, so that one knows of all that was begun.
        """
        # What the backend notes of a file besides, which it reads without, and not at all where it is cut off.
        for notes in (self.folder / "state" / ".pulumi").rglob("*.attrs"):
            if not _whole(notes):
                notes.unlink()
        for file in (self.folder / "state" / ".pulumi" / "stacks").glob(f"*/{self.stack}.json"):
            before = file.with_suffix(".json.bak")
            if not _whole(file) and before.exists():
                shutil.copyfile(before, file)
        if any((self.folder / "state" / ".pulumi" / "locks").rglob("*.json")):
            self.run("cancel", "--yes", "--stack", self.stack)

    def deployment(self) -> dict[str, Any]:
        """The stack's state."""
        text = self.run("stack", "export", "--stack", self.stack)
        return json.loads(text[text.index("{") :]).get("deployment") or {}

    def replace(self, deployment: Mapping[str, Any]) -> None:
        """Put another state in the place of the stack's."""
        file = self.folder / "state.json"
        file.write_text(json.dumps({"version": 3, "deployment": deployment}), encoding="utf-8")
        self.run("stack", "import", "--stack", self.stack, "--file", str(file))
        file.unlink()

    def refresh(self) -> None:
        """Bring the state to what the account says."""
        config = ["--config-file", str(self.config)] if self.config else []
        self.run("refresh", "--yes", "--skip-preview", "--stack", self.stack, *config)


def _whole(file: Path) -> bool:
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _steps(log: Path) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        metadata = json.loads(line).get("resourcePreEvent", {}).get("metadata")
        if metadata and metadata["op"] not in UNCHANGING | _HALVES and not _of_its_own(metadata):
            found.append((metadata["op"], metadata["urn"]))
    return tuple(found)


def _of_its_own(metadata: Mapping[str, Any]) -> bool:
    """The provider of dynamic resources is given all of the configuration, and told of each change in it."""
    return metadata["op"] == "update" and "::pulumi:providers:pulumi-python::" in metadata["urn"]


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def write_commands(folder: Path) -> Path:
    """The stand-ins' commands, `pulumi-resource-aws` and `aws`, as a folder for PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    modules = {"pulumi-resource-aws": "lab.aws.plugin", "aws": "lab.aws.command"}
    for name, module in modules.items():
        script = folder / name
        # -P: the engine starts them in the program's folder, whose modules must not be taken for these.
        script.write_text(f'#!/bin/sh\nPYTHONPATH="{CLONE}" exec "{sys.executable}" -P -m {module} "$@"\n')
        script.chmod(0o755)
    return folder
