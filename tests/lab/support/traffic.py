"""Requests and load from pods of the lab, by the tenant's own client, as `kubectl exec` runs it."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Generator, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.waiting import wait_for
from tests.lab.support.kubectl import TIMEOUT, Kubectl

BINARY = "/tenant"
PATIENT = ("--concurrency", "1000")  # of a load: no request is held back because answers are slow
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
    def started(self) -> datetime.datetime:
        return datetime.datetime.fromisoformat(self.summary["started"])

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
        result = self.tenant(*words, timeout=timeout + GRACE)
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
        return self.send(url, *_bounds(count, rate, 5), "--no-keepalive", rate=rate, headers=headers)

    def burst(
        self,
        url: str,
        count: int,
        *words: str,
        rate: float,
        headers: Mapping[str, str] | None = None,
        spare: float = 5,
    ) -> Load:
        """Sends ``count`` requests at this rate however slow the answers are, and waits for their end.

        :param words: further options of the load generator.
        :param spare: seconds by which a busy machine may be late.
        """
        return self.send(url, *_bounds(count, rate, spare), *PATIENT, *words, rate=rate, headers=headers)

    def send(self, url: str, *words: str, rate: float, headers: Mapping[str, str] | None = None) -> Load:
        """A load that ends by itself, as ``words`` say, and is waited for."""
        with self.load(url, rate=rate, headers=headers, extra=words, until_end=True) as load:
            pass
        return load

    def tcp(self, address: str, *, send: str = "", listen: str = "") -> dict[str, Any]:
        """Connects to ``address`` (host and port), sends a text and listens.

        :param listen: how long at the most, in Go's notation; by default as long as the tenant's program does.
        :returns: ``connected``, ``received``, ``closed`` and ``error`` (its ``kind``).
        """
        words = ["--send", send] if send else []
        words += ["--listen", listen] if listen else []
        return self.tenant("tcp", "--address", address, *words)

    def tenant(self, *words: str, timeout: float = TIMEOUT) -> dict[str, Any]:
        """What a run of the tenant's program within the pod says.

        :param timeout: seconds it may take.
        """
        return json.loads(self.kubectl.text(*self._exec(), BINARY, *words, timeout=timeout))

    def wait_for_regions(self, url: str, regions: Set[str], *, count: int = 20, deadline: float = 60) -> None:
        """Returns when of ``count`` requests some were answered by each of these regions, and none by another."""
        wait_for(
            lambda: set(self.requests(url, count).regions) == regions,
            deadline=deadline,
            what=f"answers from all regions to {self.kubectl.region}",
        )

    def answers_by_region(self, url: str, regions: Set[str], *, deadline: float = 30) -> dict[str, Answer]:
        """The first good answer of each of these regions, once all have answered."""
        answered: dict[str, Answer] = {}

        def all_regions() -> bool:
            answer = self.get(url)
            assert answer.status == 200, f"{answer.status} {answer.error}"
            answered.setdefault(answer.region, answer)
            return set(answered) == regions

        what = f"answers from all regions to {self.kubectl.region}"
        wait_for(all_regions, deadline=deadline, what=what, interval=0)
        return answered

    @contextmanager
    def load(
        self,
        url: str,
        *,
        rate: float = 20,
        headers: Mapping[str, str] | None = None,
        extra: Sequence[str] = (),
        until_end: bool = False,
        series: bool = False,
    ) -> Generator[Load]:
        """Sends ``rate`` requests a second for as long as the block lasts, at most five minutes.

        :param extra: options of the load generator in place of those five minutes.
        :param series: keep who answered when, for a chart.
        :param until_end: wait for the load's own end instead of ending it with the block.
        """
        bounds = extra or ["--duration", f"{LONGEST}s"]
        stop = [] if until_end else ["--until-stdin-closes"]
        kept = ["--series"] if series else []
        words = ["load", "--url", url, "--rate", f"{rate:g}", *stop, *bounds, *kept, *_headers(headers)]
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
def loaded(
    callers: Iterable[tuple[Caller, str]],
    *,
    rate: float = 20,
    headers: Mapping[str, str] | None = None,
    extra: Sequence[str] = (),
) -> Generator[list[Load]]:
    """Several loads side by side: one from each caller to its URL, each as :meth:`Caller.load` sends it, with the
    course of its answers."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(caller.load(url, rate=rate, headers=headers, extra=extra, series=True))
            for caller, url in callers
        ]


def _bounds(count: int, rate: float, spare: float) -> list[str]:
    return ["--count", str(count), "--duration", f"{count / rate + spare:.0f}s"]


def _headers(headers: Mapping[str, str] | None) -> list[str]:
    return [word for name, value in (headers or {}).items() for word in ("--header", f"{name}={value}")]
