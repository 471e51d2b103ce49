"""Gateways' pods made anew under load: neither callers in other regions nor clients outside lose a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from lab.waiting import wait_for
from tests.lab.support.pods import living
from tests.lab.support.site import INGRESS, PUBLIC, SYSTEM, Site, url_of
from tests.lab.support.traffic import LONGEST, PATIENT, loaded
from tests.lab.support.visitor import visited

NAMESPACE = "resilience"  # of tests/lab/stage/resilience.yaml
CALLER = "deploy/caller"
ONCE = url_of("once", NAMESPACE)  # both regions answer, the other one a fifth; nothing is tried again
RATE = 50  # requests a second of each region
VISITS = 10  # the same of each client outside
# Longer than the five seconds after which Istio ends a gateway's pod that says nothing else, shorter than any time-out.
SLOW = {"x-echo-delay": "9s"}
SLOW_RATE = 5  # of these
PATIENCE = 20.0  # seconds that a client waits for such an answer
GATEWAYS = ((SYSTEM, "istio-eastwestgateway"), (INGRESS, "istio-ingress"))
SPARE = 30.0  # seconds before it would be killed within which a pod has to be gone, all its connections closed


@dataclass
class Former:
    """The pods that a region's gateways had, until they are gone.

    :ivar killed: when each that is about to end would be killed, by identity.
    :ivar spared: seconds before that at which each was seen to be gone.
    """

    site: Site
    there: set[str]
    killed: dict[str, datetime] = field(default_factory=dict[str, datetime])
    spared: dict[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def of(cls, site: Site) -> Former:
        uids = {
            pod["metadata"]["uid"]
            for namespace, name in GATEWAYS
            for pod in living(site.kubectl, namespace, "-l", f"app={name}")
        }
        assert len(uids) == len(GATEWAYS), f"{site.name}: {uids}"
        return cls(site, uids)

    def gone(self) -> bool:
        """Looks again; whether none is there any more."""
        pods = {
            pod["metadata"]["uid"]: pod["metadata"]
            for namespace, name in GATEWAYS
            for pod in self.site.kubectl.items("pod", "-n", namespace, "-l", f"app={name}")
        }
        for uid in self.there & pods.keys():
            if "deletionTimestamp" in pods[uid]:
                # When its grace period is over.
                self.killed[uid] = datetime.fromisoformat(pods[uid]["deletionTimestamp"])
        for uid in self.there - pods.keys() - self.spared.keys():
            assert uid in self.killed, f"a pod of {self.site.name} was gone before it was told to end"
            self.spared[uid] = (self.killed[uid] - datetime.now(UTC)).total_seconds()
        return self.spared.keys() == self.there


def _all_gone(former: Sequence[Former]) -> bool:
    """All are looked at each time, so that each is seen while it ends."""
    gone = [pods.gone() for pods in former]
    return all(gone)


@pytest.mark.proof("D2", "pods of both gateways made anew in every region under load, with no retry at all: none fails")
def test_gateways_are_made_anew(sites: Mapping[str, Site], record: Callable[..., None]) -> None:
    everywhere = {site.region.region for site in sites.values()}
    former = [Former.of(site) for site in sites.values()]
    callers = [(site.caller(NAMESPACE, CALLER), ONCE) for site in sites.values()]
    bounds = ("--duration", f"{LONGEST}s", "--timeout", f"{PATIENCE:g}s", *PATIENT)
    addresses = {name: site.ingress_address() for name, site in sites.items()}
    with (
        visited(addresses, PUBLIC, "/health", rate=VISITS) as anew,
        visited(addresses, PUBLIC, "/health", rate=VISITS, kept=True) as kept,
        visited(addresses, PUBLIC, "/", rate=1, headers=SLOW, timeout=PATIENCE) as slow,
        loaded(callers, rate=RATE, extra=bounds) as loads,
        loaded(callers, rate=SLOW_RATE, headers=SLOW, extra=bounds) as slow_loads,
    ):
        for site in sites.values():
            for namespace, name in GATEWAYS:
                site.kubectl.run("rollout", "restart", f"deploy/{name}", "-n", namespace)
        wait_for(lambda: _all_gone(former), deadline=LONGEST - SPARE, what="the former pods of the gateways to end")
    spared = [seconds for pods in former for seconds in pods.spared.values()]
    visits = {"anew": anew, "kept": kept, "slow": slow}
    record(
        gone_before_the_kill_s=[round(seconds, 1) for seconds in sorted(spared)],
        calls=[load.figures for load in loads],
        slow_calls=[load.figures for load in slow_loads],
        visits={kind: [dict(found.outcomes) for found in by_region.values()] for kind, by_region in visits.items()},
    )
    assert min(spared) > SPARE, f"a pod was about to be killed with connections open: {spared}"
    for load in (*loads, *slow_loads):
        assert load.failed == 0, load.figures
        assert set(load.regions) == everywhere, load.figures
    for found in (found for by_region in visits.values() for found in by_region.values()):
        assert found.sent
        assert not found.failed, found.outcomes
