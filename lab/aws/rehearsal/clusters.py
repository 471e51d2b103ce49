"""What is in the lab's regions while a rehearsal goes on: objects, requests, certificates."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import yaml
from cryptography import x509

from lab import network, tenant
from lab.aws.cloud.tokens import ADMINISTRATOR, NOBODY
from lab.region import RegionRuntime

PASSING = frozenset({"events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses"})
"""Kinds that tell of what happens, and are nobody's."""

CALLER, PORT = "web-frontend", 8080
REQUEST_SECONDS = 3


def objects(runtimes: Sequence[RegionRuntime]) -> dict[str, set[str]]:
    """Everything in the clusters by region, each as kind, namespace and name; the rehearsal's own accounts excepted."""
    return {each.region.name: set(_objects(each)) for each in runtimes}


def _objects(runtime: RegionRuntime) -> Iterator[str]:
    known = runtime.kubectl("api-resources", "--verbs=list", "--output=name").split()
    kinds = ",".join(sorted(set(known) - PASSING))
    columns = "custom-columns=K:.kind,S:.metadata.namespace,N:.metadata.name"
    text = runtime.kubectl("get", kinds, "--all-namespaces", "--no-headers", f"--output={columns}")
    for line in text.splitlines():
        words = line.split()
        if words and words[-1] not in (ADMINISTRATOR, NOBODY):
            yield " ".join(words)


def meshed(runtimes: Sequence[RegionRuntime]) -> str:
    """Names of regions that have a mesh, as a person says them; empty where none has."""
    found = [
        each.region.name
        for each in runtimes
        if each.kubectl("get", "namespace", "istio-system", "--ignore-not-found", "--output=name").strip()
    ]
    return " and ".join(found)


def take_away_tenant(runtimes: Sequence[RegionRuntime]) -> None:
    """Take the tenant's namespace away, which a stack leaves to whoever has services in it, with all that is in it."""
    for each in runtimes:
        each.kubectl("delete", "namespace", tenant.NAMESPACE, "--ignore-not-found", "--timeout=60s")


@dataclass(frozen=True)
class Target:
    """A service that runs in one region, which the others reach by the way between regions."""

    service: str
    region: RegionRuntime

    @property
    def url(self) -> str:
        return f"http://{self.service}.{tenant.NAMESPACE}:{PORT}/"


class Traffic:
    """Services of the sample tenant, each in one region, and callers of them in all."""

    _IN_FIRST, _IN_LAST = "results-service-blue", "archive-service"

    def __init__(self, runtimes: Sequence[RegionRuntime]) -> None:
        self._runtimes = runtimes
        first, last = runtimes[0], runtimes[-1]
        self._first = first
        self.deployed = {
            self._IN_FIRST: [first.region.name],
            self._IN_LAST: [last.region.name],
            CALLER: [each.region.name for each in runtimes],
        }
        """Names of regions where each Deployment has pods."""
        self._workloads = [each for each in tenant.WORKLOADS if each.deployment in self.deployed]
        self.ways = (
            (first, Target("archive-service", last)),
            (last, Target("results-service", first)),
        )
        """From a region to a service that runs in another one alone."""

    def deploy(self) -> None:
        """Put them into the regions, and wait until they serve."""
        for each in self._runtimes:
            tenant.deploy(each.region, each.kubectl, self._workloads)
            if each is not self._first:
                # Its name is known everywhere; its pods are in one region.
                each.kubectl("scale", f"--namespace={tenant.NAMESPACE}", f"deploy/{self._IN_FIRST}", "--replicas=0")

    def status(self, source: RegionRuntime, target: Target) -> int:
        """What a request from a region's caller is answered with; 0 where there is no answer of that region."""
        words = ["get", "--url", target.url, "--timeout", f"{REQUEST_SECONDS}s"]
        where = ("--namespace", tenant.NAMESPACE, f"deploy/{CALLER}", "--container", tenant.CONTAINER)
        result = json.loads(source.kubectl("exec", *where, "--", "/tenant", *words))
        found = (result.get("json") or {}).get("region")
        return int(result["status"]) if found in (None, target.region.region.region) else 0


def answers(runtime: RegionRuntime, target: RegionRuntime, seconds: float = 2) -> bool:
    """Whether a region's node has a way to another one's API server."""

    def connect() -> bool:
        try:
            with socket.create_connection((str(target.region.node_address), 6443), timeout=seconds):
                return True
        except TimeoutError:
            return False

    return network.call_inside(runtime.region.namespace, connect)


def asked_with(runtime: RegionRuntime, token: str) -> int:
    """The status of a question to a region's API server by a token."""
    config = yaml.safe_load(runtime.paths.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    authority = base64.b64decode(config["certificate-authority-data"]).decode()
    return httpx.get(
        f"{config['server']}/api/v1/namespaces/kube-system",
        headers={"Authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cadata=authority),
        trust_env=False,
    ).status_code


def certificates(runtime: RegionRuntime) -> Mapping[str, x509.Certificate]:
    """The authority that a region's istiod signs with (`ca-cert`), and the root (`root-cert`)."""
    found = runtime.kubectl("get", "secret", "--namespace=istio-system", "cacerts", "--output=json")
    data: Mapping[str, str] = json.loads(found)["data"]
    return {
        name: x509.load_pem_x509_certificate(base64.b64decode(data[f"{name}.pem"])) for name in ("ca-cert", "root-cert")
    }


def page(address: str, host: str, authority: str) -> int:
    """The status of a public host's page, asked at an address. authority: PEM that checks its certificate."""
    context = ssl.create_default_context(cadata=authority)
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with (
        socket.create_connection((address, 443), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(request.encode())
        line: Any = connection.makefile("rb").readline()
    return int(line.split()[1])
