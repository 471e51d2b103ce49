"""From the stack's outputs to a snapshot of what is there: every region at once, none waiting for another.

Only what reads is asked. What istioctl and kubectl are run for needs a way into istiod and the gateways' pods besides;
where that is not granted, the rest is examined all the same.
"""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from cryptography import x509

from components.clusters.api import Unreachable, connect
from components.config.kubeconfig import KubeconfigError
from mesh.doctor.collect import doors, objects
from mesh.doctor.collect.api import Api, Refused, Right
from mesh.doctor.collect.region import Asked
from mesh.doctor.collect.tools import Tools
from mesh.doctor.facts import Certificates, Door, Region, Silent, Snapshot, Unseen, Way
from mesh.doctor.stack import MeshOutputs
from mesh.doctor.thresholds import Thresholds

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """How the clusters are reached.

    `kubeconfig`: a file; None as kubectl finds it. `contexts`: by cluster, where a context is not named like it.
    """

    kubeconfig: str | None = None
    contexts: Mapping[str, str] = field(default_factory=dict[str, str])

    def context(self, cluster: str) -> str:
        """The context of a cluster."""
        return self.contexts.get(cluster, cluster)

    @property
    def environment(self) -> dict[str, str]:
        """Of istioctl and kubectl, which take the file from there."""
        return {**os.environ, **({"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {})}


@dataclass(frozen=True)
class Options:
    """What is looked at, and for how long: seconds."""

    window: float = 2.0
    """Between the first look at traffic and the last."""

    deadline: float = 10.0
    """From the start until istioctl and kubectl must have answered."""

    tools: bool = True
    """Whether istioctl and kubectl are run."""

    handshakes: bool = True
    """Whether gateways are asked from this machine for the certificates behind them."""


def gather(
    stack: MeshOutputs,
    thresholds: Thresholds,
    access: Access,
    options: Options,
    asked: set[Right] | None = None,
) -> Snapshot:
    """Asks all regions. `asked` is given every right that was used."""
    begun = time.monotonic()
    rights: set[Right] = set() if asked is None else asked
    contexts = {name: access.context(name) for name in stack.clusters}
    with ThreadPoolExecutor(max(32, 8 * len(contexts))) as pool:
        opened = {name: pool.submit(_open, name, access, rights) for name in contexts}
        regions = {name: future.result() for name, future in opened.items()}
        there = {name: found for name, found in regions.items() if isinstance(found, Asked)}
        watched = {name: pool.submit(_watch, found, options.window) for name, found in there.items()}
        tools = Tools(access.environment, contexts, begun + options.deadline)
        rest = _Rest(stack, there, tools if options.tools else None, options)
        started = rest.start(pool)
        facts: dict[str, Region | Silent] = {
            name: watched[name].result() if isinstance(found, Asked) else found for name, found in regions.items()
        }
        snapshot = Snapshot(
            now=datetime.now(UTC),
            stack=stack,
            thresholds=thresholds,
            contexts=contexts,
            window=options.window,
            regions=facts,
            **{key: _results(futures) for key, futures in started.items()},
        )
    for found in there.values():
        found.api.__exit__()
    return snapshot


def _results(futures: Mapping[Any, "Future[Any]"]) -> dict[Any, Any]:
    return {key: future.result() for key, future in futures.items()}


def _open(name: str, access: Access, rights: set[Right]) -> Asked | Silent:
    try:
        connection = connect(access.kubeconfig, access.context(name))
    except KubeconfigError as problem:
        return Silent(f"cannot be asked: {problem.what}", problem.cure)
    except Unreachable as problem:
        return Silent(problem.cause, problem.cure)
    found = Asked(name, Api(connection, rights))
    try:
        found.open()
    except Refused as refused:
        return refused.silent
    return found


def _watch(found: Asked, window: float) -> Region:
    """Three looks: at the begin of the window, in its middle and at its end."""
    begun = time.monotonic()
    found.look()
    first = time.monotonic()
    found.logs()
    for share in (0.5, 1.0):
        time.sleep(max(0.0, begun + window * share - time.monotonic()))
        last = time.monotonic()
        found.look()
    # Each look takes a while itself: from the middle of the first to that of the last.
    ended = time.monotonic()
    return found.facts((last + ended) / 2 - (begun + first) / 2)


@dataclass(frozen=True)
class _Rest:
    """What is asked beside the looks, once it is known which regions answer."""

    stack: MeshOutputs
    there: Mapping[str, Asked]
    tools: Tools | None
    options: Options

    def start(self, pool: ThreadPoolExecutor) -> dict[str, dict[Any, "Future[Any]"]]:
        """Everything at once, by the snapshot's fields."""
        found: dict[str, dict[Any, Future[Any]]] = {}
        if self.tools is not None:
            found["analysis"] = {name: pool.submit(self._analyse, name) for name in self._primaries()}
            found["sync"] = {name: pool.submit(self._of_istiod, name, self.tools.sync) for name in self._primaries()}
            found["remotes"] = {
                name: pool.submit(self._of_istiod, name, self.tools.remotes) for name in self._primaries()
            }
            found["ways"] = {
                (here, there): pool.submit(self._request, here, there)
                for here in self.there
                for there in self.there
                if here != there and self._east_west(here) and self._east_west(there)
            }
        if self.options.handshakes:
            found["east_west"] = {
                name: pool.submit(request) for name in self.there if (request := self._east_west_door(name)) is not None
            }
            found["ingress"] = {name: pool.submit(self._ingress_doors, name) for name in self.there}
        return found

    def _primaries(self) -> list[str]:
        return [name for name in self.there if self.stack.clusters[name].primary is None]

    def _analyse(self, name: str) -> Any:
        assert self.tools is not None
        revision = self.stack.clusters[name].revision or self.stack.mesh.revision
        said = self.tools.analyse(name, [peer for peer in self.there if peer != name], revision)
        return said if isinstance(said, Unseen) else self.there[name].own(said)

    def _of_istiod(self, name: str, question: Callable[[str], T | Unseen]) -> T | Unseen:
        """One that hangs would keep istioctl, which asks all of them, until its end."""
        asked = self.there[name]
        if not asked.serving:
            return Unseen("no istiod answers", "Mend istiod first")
        if silent := asked.silent_istiods:
            return Unseen(f"istioctl asks every istiod, and {silent[0]} is not ready or silent", "Mend that one first")
        return question(name)

    def _east_west(self, name: str) -> tuple[str, str, str] | None:
        """Namespace, a pod and the address of a region's gateway between networks, where it has all of them."""
        asked = self.there[name]
        for gateway in objects.gateways(asked.listed["services"], asked.listed["pods"]):
            if gateway.role == "east-west" and gateway.addresses and gateway.ready:
                for proxy in objects.proxies(asked.listed["pods"]):
                    if proxy.ready and proxy.namespace == gateway.namespace and proxy.pod.startswith(gateway.name):
                        return gateway.namespace, proxy.pod, gateway.addresses[0]
        return None

    def _request(self, here: str, there: str) -> Way | Unseen:
        source, target = self._east_west(here), self._east_west(there)
        assert self.tools is not None
        assert source is not None
        assert target is not None
        namespace, pod, _ = source
        return self.tools.request(here, namespace, pod, target[2])

    def _east_west_door(self, name: str) -> Callable[[], Door] | None:
        """A handshake with a declared service that runs there."""
        gateway = self._east_west(name)
        asked = self.there[name]
        services = objects.services(asked.listed["services"], asked.listed["slices"])
        for service in self.stack.services.values():
            here = services.get(service.host)
            if gateway and name in service.clusters and here is not None and here.ready:
                host, port, address = service.host, min(port.number for port in service.ports.values()), gateway[2]
                return lambda: doors.east_west(address, host, port, self._roots(self.stack.mesh.root_certificates))
        return None

    def _ingress_doors(self, name: str) -> tuple[Door, ...]:
        authority = self.stack.mesh.ingress_authority
        roots = self._roots(authority) if authority else None
        asked = self.there[name]
        for gateway in objects.gateways(asked.listed["services"], asked.listed["pods"]):
            if gateway.role == "ingress" and gateway.addresses and gateway.ready:
                hosts = [host for host in self.stack.gateways if not host.startswith("*")]
                return tuple(doors.ingress(gateway.addresses[0], host, roots) for host in hosts)
        return ()

    @staticmethod
    def _roots(pem: str) -> Certificates:
        return tuple(x509.load_pem_x509_certificates(pem.encode()))
