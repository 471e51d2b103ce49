"""Pods that fail on purpose, and what came of the requests meanwhile."""

from __future__ import annotations

import datetime
import json
import os
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.tenant import CONTAINER
from lab.tenant.manifests import CONTROL
from tests.lab.support.kubectl import Kubectl
from tests.lab.support.pods import living
from tests.lab.support.traffic import Caller, Load

STEP = 0.1  # seconds of one bucket of a load's series


@dataclass(frozen=True)
class Pod:
    """A pod of the tenant's echo server, told what to do at its control port, from within."""

    kubectl: Kubectl
    namespace: str
    name: str

    @classmethod
    def all_of(cls, kubectl: Kubectl, namespace: str, selector: str) -> list[Pod]:
        """Those with the labels, without those that are ending."""
        found = living(kubectl, namespace, "-l", selector)
        return [cls(kubectl, namespace, pod["metadata"]["name"]) for pod in found]

    @classmethod
    def only(cls, kubectl: Kubectl, namespace: str, selector: str) -> Pod:
        (pod,) = cls.all_of(kubectl, namespace, selector)
        return pod

    def behave(self, **mode: Any) -> None:
        """How it answers from now on, while it stays Ready: ``status=503``, ``delay="1s"`` or ``hang=True``."""
        self._control("POST", "mode", "--data", json.dumps(mode))

    def reset(self) -> None:
        """It answers as usual, and counts anew."""
        self._control("POST", "reset")

    @contextmanager
    def behaving(self, **mode: Any) -> Generator[None]:
        """It answers so for as long as the block lasts, and as usual afterwards."""
        self.behave(**mode)
        try:
            yield
        finally:
            self.behave()

    def served(self) -> Mapping[str, Any]:
        """What it has answered since it began to count: `total`, and counts by `statuses` and `paths`."""
        return self._control("GET", "requests")

    def kill(self) -> None:
        """Ends its process at once, as a crash does. Nothing within the container can: its process is the first one
        there, which the kernel keeps from such signals; but the node's processes are the machine's own."""
        (process,) = self._processes()
        os.kill(process, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """The machine's numbers of the first process of its container."""
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                status = (folder / "status").read_text().splitlines()
            except OSError:
                continue  # ended meanwhile
            numbers = next((line.split() for line in status if line.startswith("NSpid:")), [])
            if f"POD={self.name}".encode() in environment and len(numbers) > 2 and numbers[-1] == "1":
                found.append(int(folder.name))
        return found

    def _control(self, method: str, path: str, *words: str) -> dict[str, Any]:
        url = f"http://localhost:{CONTROL}/{path}"
        within = Caller(self.kubectl, self.namespace, self.name, CONTAINER)
        answer = within.tenant("get", "--method", method, "--url", url, *words)
        assert answer["status"] == 200, f"{self.name} does not take {method} /{path}: {answer}"
        return answer["json"]


@dataclass(frozen=True)
class Course:
    """Who answered when, in one load with the series of its answers.

    :ivar buckets: of 100 ms each: good answers by region and version, and failures.
    """

    started: datetime.datetime
    buckets: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, load: Load) -> Course:
        return cls(load.started, load.summary["series"])

    def answers(self, region: str) -> list[int]:
        """Good answers of a region, bucket by bucket."""
        return [int(bucket.get("regions", {}).get(region, 0)) for bucket in self.buckets]

    def bucket(self, moment: datetime.datetime) -> int:
        """The bucket that a moment falls in."""
        return int((moment - self.started).total_seconds() / STEP)

    def seconds(self, bucket: int, since: datetime.datetime) -> float:
        """From a moment to the begin of a bucket."""
        return round(bucket * STEP - (since - self.started).total_seconds(), 1)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
