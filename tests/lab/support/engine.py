"""The real engine on the local stack, as a person runs it after ``. .lab/env``."""

from __future__ import annotations

import copy
import fcntl
import json
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.environment import temporary
from lab.paths import Paths
from tests.lab.support.commands import CommandFailed, Result, run

NAMESPACE = "istio-mesh"
TIMEOUT = 300.0  # seconds one run of the engine may take in the lab, where an up of everything takes about 20
UNCHANGING = frozenset({"same", "read", "refresh"})  # operations that leave a resource as it is


@dataclass(frozen=True)
class Changes:
    """What a run of the engine did or would do.

    :ivar operations: resources by operation: create, update, same, delete, replace ...
    :ivar steps: (operation, URN) of each resource that changes.
    :ivar seconds: how long the run took.
    """

    operations: Mapping[str, int]
    steps: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def changed(self) -> int:
        return sum(count for operation, count in self.operations.items() if operation not in UNCHANGING)


class Engine:
    """Runs of ``pulumi`` on one stack, one at a time.

    :param root: the project's folder.
    :param env: the lab's environment.
    :param scratch: folder for configuration files and event logs.
    :ivar base: configuration of the stack while proofs run: the committed one, with the stage laid over it.
    :ivar restart_needed: the stack holds what the committed configuration cannot go back to (an intermediate's
        generation never falls): only `destroy` and `up` bring it back.
    """

    def __init__(self, root: Path, env: Mapping[str, str], scratch: Path, stack: str = "local") -> None:
        self.root = root
        self.env = {**env, **temporary(Paths(root)), "PULUMI_DEBUG_COMMANDS": "true"}
        self.scratch = scratch
        self.stack = stack
        self.committed = root / f"Pulumi.{stack}.yaml"
        self.base = self.committed
        self._runs = 0
        self._reserved = False
        self.restart_needed = False

    def setting(self, *path: str) -> Any:
        """A value of the stack's configuration, such as ``setting("mesh", "version")``."""
        value = yaml.safe_load(self.base.read_text(encoding="utf-8"))["config"][f"{NAMESPACE}:{path[0]}"]
        for key in path[1:]:
            value = value[key]
        return value

    def configured(self, changes: Mapping[str, Any]) -> Path:
        """A copy of the stack's configuration with ``changes`` put over it: mappings are merged, lists replaced, and a
        key whose change is None is taken out."""
        content = yaml.safe_load(self.base.read_text(encoding="utf-8"))
        for concern, change in changes.items():
            key = f"{NAMESPACE}:{concern}"
            content["config"][key] = _merged(content["config"].get(key, {}), change)
        self._runs += 1
        file = self.scratch / f"Pulumi.{self.stack}.{self._runs}.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return file

    def pulumi(
        self, *args: str, timeout: float = TIMEOUT, check: bool = True, variables: Mapping[str, str] | None = None
    ) -> Result:
        """A run of pulumi in the project's folder; no two at a time, in whichever session."""
        command = ["pulumi", "--non-interactive", *args]
        with self._alone():
            result = run(command, env={**self.env, **(variables or {})}, timeout=timeout, cwd=self.root, check=False)
        if check and result.code != 0:
            # What the engine found wrong stands between its progress and the stack's outputs.
            said = result.text.partition("Diagnostics:")[2].partition("Outputs:")[0].strip() or result.text[-2000:]
            raise CommandFailed(f"pulumi {args[0]} ended with {result.code}: {said}")
        return result

    def up(self, config: Path | None = None, *options: str, timeout: float = TIMEOUT) -> Changes:
        return self._changes("up", "--yes", "--skip-preview", *options, config=config, timeout=timeout)

    def preview(self, config: Path | None = None, *options: str, timeout: float = TIMEOUT) -> Changes:
        return self._changes("preview", *options, config=config, timeout=timeout)

    def destroy(self, *options: str, timeout: float = TIMEOUT) -> Changes:
        return self._changes("destroy", "--yes", "--skip-preview", *options, timeout=timeout)

    def outputs(self, *, secrets: bool = False) -> dict[str, Any]:
        show = ["--show-secrets"] if secrets else []
        return json.loads(self.pulumi("stack", "output", "--stack", self.stack, "--json", *show).out)

    def resources(self) -> list[str]:
        """The URNs of what the stack manages: without the stack itself and what it only reads."""
        deployment = json.loads(self.pulumi("stack", "export", "--stack", self.stack).out)["deployment"]
        return [
            entry["urn"]
            for entry in deployment.get("resources") or []
            if entry["type"] != "pulumi:pulumi:Stack" and not entry.get("external")
        ]

    def _changes(self, verb: str, *options: str, config: Path | None = None, timeout: float) -> Changes:
        self._runs += 1
        log = self.scratch / f"events-{self._runs}.json"
        file = ["--config-file", str(config or self.base)]
        started = time.monotonic()
        self.pulumi(verb, "--stack", self.stack, "--event-log", str(log), *file, *options, timeout=timeout)
        return _read(log, time.monotonic() - started)

    @contextmanager
    def reserved(self) -> Generator[None]:
        """As long as the block lasts, no other session changes the stack: what it holds is what this one said."""
        if self._reserved:
            yield
            return
        with (self.root / ".lab" / "stack.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._reserved = True
            try:
                yield
            finally:
                self._reserved = False

    @contextmanager
    def _alone(self) -> Generator[None]:
        with (self.root / ".lab" / "engine.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._unlock()
            yield

    def _unlock(self) -> None:
        """Takes away what a run of the engine left that was killed: no other one is under way now."""
        locks = self.root.glob(f".lab/pulumi/.pulumi/locks/organization/*/{self.stack}/*.json")
        if any(locks):
            run(["pulumi", "cancel", "--yes", "--stack", self.stack], env=self.env, timeout=60, cwd=self.root)


def _merged(base: Any, change: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(change, Mapping)):
        return copy.deepcopy(change)
    merged = dict(base)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _read(log: Path, seconds: float) -> Changes:
    """The engine's event log as changes: one JSON event a line."""
    operations: Counter[str] = Counter()
    steps: list[tuple[str, str]] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if "summaryEvent" in event:
            operations.update(event["summaryEvent"].get("resourceChanges", {}))
        elif "resourcePreEvent" in event:
            metadata = event["resourcePreEvent"]["metadata"]
            if metadata["op"] not in UNCHANGING:
                steps.append((metadata["op"], metadata["urn"]))
    return Changes(dict(operations), tuple(steps), seconds)
