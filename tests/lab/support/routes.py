"""Where proxies send the requests of a service: read in their own route dumps, and waited for there."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab.waiting import wait_for
from tests.lab.support.site import Site

ARRIVAL = 60.0  # seconds a change may take from the end of `up` to the last proxy; about one is usual


@dataclass(frozen=True)
class Client:
    """A proxy that sends requests to a service.

    :ivar workload: what istioctl takes: ``deploy/frontend``.
    :ivar prefix: what the names of its routes begin with; a gateway's say whose they are.
    """

    site: Site
    namespace: str
    workload: str
    prefix: str = ""

    @property
    def name(self) -> str:
        return f"{self.site.name} {self.namespace}/{self.workload.removeprefix('deploy/')}"

    def shares(self, host: str, route: str) -> dict[str, int]:
        """Share of each version, in percent, in the requests of ``host`` that take the named route.

        :raises AssertionError: the proxy has no such route, or several that differ.
        """
        dump = self.site.istioctl.text("proxy-config", "route", self.workload, "-n", self.namespace, "-o", "json")
        found = [
            _shares(entry["route"])
            for table in json.loads(dump)
            for virtual in table.get("virtualHosts", [])
            if host in virtual["domains"]
            for entry in virtual.get("routes", [])
            if entry.get("name") == self.prefix + route
        ]
        assert found, f"{self.name} has no route {self.prefix}{route} of {host}"
        assert all(shares == found[0] for shares in found), f"{self.name}: {found}"
        return found[0]


def _shares(action: Mapping[str, Any]) -> dict[str, int]:
    clusters = action.get("weightedClusters", {}).get("clusters") or [{"name": action["cluster"], "weight": 100}]
    # outbound|8080|v1|release.routing.svc.cluster.local
    return {entry["name"].split("|")[2]: int(entry.get("weight", 0)) for entry in clusters}


def arrival(clients: Sequence[tuple[Client, str]], route: str, shares: Mapping[str, int]) -> dict[str, float]:
    """Returns when each client's dump shows those shares: for each, the seconds from the call to then.

    A dump takes about half a second itself, so that this is the most that it can have been.

    :param clients: each with the host by which it calls.
    """
    started = time.monotonic()

    def shown(client: Client, host: str) -> float:
        wait_for(
            lambda: client.shares(host, route) == shares,
            deadline=ARRIVAL,
            what=f"{shares} in the routes of {client.name}",
            interval=0.05,
        )
        return round(time.monotonic() - started, 2)

    with ThreadPoolExecutor() as pool:
        seconds = list(pool.map(lambda entry: shown(*entry), clients))
    return {client.name: needed for (client, _), needed in zip(clients, seconds, strict=True)}
