"""Ports of pods on this machine: `kubectl port-forward` once, and answers in milliseconds in place of an exec each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from lab.tenant.manifests import CONTROL
from tests.lab.support.kubectl import Kubectl


@dataclass(frozen=True)
class Tally:
    """What one pod of the tenant's program has answered."""

    client: httpx.Client

    def served(self, path: str) -> int:
        """Requests of ``path`` that it has answered since its start."""
        answer = self.client.get("/requests").raise_for_status().json()
        return int((answer["paths"] or {}).get(path, 0))


@contextmanager
def tally(kubectl: Kubectl, namespace: str, workload: str) -> Generator[Tally]:
    """The counters of the one pod of ``workload``, for as long as the block lasts."""
    # The pod's own loopback: its proxy has no part in it.
    with forwarded(kubectl, namespace, workload, CONTROL) as client:
        yield Tally(client)


@contextmanager
def forwarded(kubectl: Kubectl, namespace: str, workload: str, port: int) -> Generator[httpx.Client]:
    """A client of a port of the pod of ``workload``, for as long as the block lasts."""
    process = subprocess.Popen(
        kubectl.command("port-forward", "-n", namespace, workload, f":{port}", "--address", "127.0.0.1"),
        env=dict(kubectl.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        listening = re.search(r"127\.0\.0\.1:(\d+) ->", said)
        if listening is None:
            # Its output ends with it.
            process.kill()
            raise AssertionError(f"port-forward to {workload} in {kubectl.region} says: {said}{process.stdout.read()}")
        with httpx.Client(base_url=f"http://127.0.0.1:{listening[1]}", timeout=10, trust_env=False) as client:
            yield client
    finally:
        process.kill()
        process.wait()
