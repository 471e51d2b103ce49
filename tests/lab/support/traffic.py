"""Requests and load from pods of the lab, by the tenant's own client, as `kubectl exec` runs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.lab.support.kubectl import Kubectl

BINARY = "/tenant"
LONGEST = 300  # seconds: the bound of the tenant's load generator
GRACE = 30.0  # seconds a load may take to finish its last requests and print its summary


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    :ivar status: of the HTTP response, 0 when none came.
    :ivar error: kind of the failure, such as ``reset``; empty when a response came.
    :ivar echo: what the echo server says: service, version, region, headers ...; empty if another answered.
    :ivar seconds: from before connecting to the end of the answer, or to the failure.
    """

    status: int
    error: str
    echo: Mapping[str, Any]
    headers: Mapping[str, str]
    seconds: float = 0.0

    @property
    def peer_certificate(self) -> Mapping[str, str]:
        """The fields of x-forwarded-client-cert that the receiving proxy wrote: By, Hash, URI."""
        header = str(self.echo["headers"]["x-forwarded-client-cert"]).split(",")[-1]
        return dict(part.split("=", 1) for part in header.split(";"))

    @property
    def region(self) -> str:
        return str(self.echo.get("region", ""))


@dataclass
class Load:
    """A load that runs beside a proof; :attr:`summary` is there once its block has been left."""

    process: subprocess.Popen[str]
    summary: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def sent(self) -> int:
        return int(self.summary["sent"])

    @property
    def failed(self) -> int:
        return int(self.summary["failed"]) + int(self.summary["not_sent"])

    @property
    def regions(self) -> dict[str, int]:
        return dict(self.summary["regions"])

    @property
    def figures(self) -> dict[str, Any]:
        """What of the summary is worth keeping as evidence."""
        kept = {key: self.summary[key] for key in ("sent", "failed", "not_sent", "regions", "longest_gap_ms")}
        kept["seconds"] = round(float(self.summary["elapsed_ms"]) / 1000, 1)
        kept["p99_ms"] = self.summary["latency"]["p99"]
        return {**kept, "statuses": self.summary["statuses"], "errors": self.summary["errors"]} if self.failed else kept


@dataclass(frozen=True)
class Caller:
    """A pod from which requests are sent.

    :ivar workload: what `kubectl exec` takes: ``deploy/web-frontend`` or a pod's name.
    """

    kubectl: Kubectl
    namespace: str
    workload: str
    container: str

    def get(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        data: str = "",
        timeout: float = 5.0,
    ) -> Answer:
        """Sends one request on a connection of its own.

        :param data: the body; at most 128 KiB, the kernel's limit of one argument.
        :param timeout: seconds, connecting included.
        """
        words = ["get", "--url", url, "--method", method, "--timeout", f"{timeout:g}s", *_headers(headers)]
        words += ["--data", data] if data else []
        result = json.loads(self.kubectl.run(*self._exec(), BINARY, *words, timeout=timeout + GRACE).out)
        fault = result.get("error") or {}
        body = result.get("json")
        return Answer(
            status=int(result["status"]),
            error=str(fault.get("kind", "")),
            echo=body if isinstance(body, dict) else {},
            headers=result["headers"],
            seconds=float(result["duration_ms"]) / 1000,
        )

    def requests(self, url: str, count: int, *, rate: float = 50, headers: Mapping[str, str] | None = None) -> Load:
        """Sends ``count`` requests, each on a connection of its own, and waits for their end."""
        words = ["--count", str(count), "--duration", f"{count / rate + 5:.0f}s", "--no-keepalive"]
        with self.load(url, rate=rate, headers=headers, extra=words, until_end=True) as load:
            pass
        return load

    @contextmanager
    def load(
        self,
        url: str,
        *,
        rate: float = 20,
        headers: Mapping[str, str] | None = None,
        extra: list[str] | None = None,
        until_end: bool = False,
    ) -> Generator[Load]:
        """Sends ``rate`` requests a second for as long as the block lasts, at most five minutes.

        :param until_end: wait for the load's own end instead of ending it with the block.
        """
        bounds = extra or ["--duration", f"{LONGEST}s"]
        stop = [] if until_end else ["--until-stdin-closes"]
        words = ["load", "--url", url, "--rate", f"{rate:g}", *stop, *bounds, *_headers(headers)]
        process = subprocess.Popen(
            self.kubectl.command(*self._exec(interactive=True), BINARY, *words),
            env=dict(self.kubectl.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        load = Load(process)
        try:
            yield load
            early = not until_end and not load.running
            out, err = process.communicate(timeout=LONGEST + GRACE if until_end else GRACE)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        assert process.returncode == 0, f"the load from {self.kubectl.region} ended with {process.returncode}: {err}"
        load.summary = json.loads(out)
        assert not early, f"the load from {self.kubectl.region} was over before what it was to accompany"

    def _exec(self, *, interactive: bool = False) -> list[str]:
        stdin = ["-i"] if interactive else []
        return ["exec", *stdin, "-n", self.namespace, self.workload, "-c", self.container, "--"]


@contextmanager
def loaded(callers: Iterable[tuple[Caller, str]], *, rate: float = 20) -> Generator[list[Load]]:
    """Several loads side by side: one from each caller to its URL."""
    with ExitStack() as stack:
        yield [stack.enter_context(caller.load(url, rate=rate)) for caller, url in callers]


def _headers(headers: Mapping[str, str] | None) -> list[str]:
    return [word for name, value in (headers or {}).items() for word in ("--header", f"{name}={value}")]
