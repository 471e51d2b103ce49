"""Gateways' pods made anew under load: neither callers in other regions nor clients outside lose a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from lab.waiting import wait_for
from tests.lab.support.pods import living
from tests.lab.support.site import INGRESS, PUBLIC, SYSTEM, Site, url_of
from tests.lab.support.traffic import PATIENT, loaded
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
LONGEST = 100.0  # seconds that a pod serves on: the life of a connection and an answer, and some; at 120 it is killed


def _pods(site: Site) -> dict[tuple[str, str], str]:
    """Each gateway's pod: namespace and name, with its identity."""
    return {
        (namespace, pod["metadata"]["name"]): pod["metadata"]["uid"]
        for namespace, name in GATEWAYS
        for pod in living(site.kubectl, namespace, "-l", f"app={name}")
    }


def _there(site: Site, uids: set[str]) -> set[str]:
    """Those of these pods that have not ended, whether they are about to or not."""
    return uids & {
        pod["metadata"]["uid"]
        for namespace, name in GATEWAYS
        for pod in site.kubectl.items("pod", "-n", namespace, "-l", f"app={name}")
    }


@pytest.mark.proof("D2", "pods of both gateways made anew in every region under load, with no retry at all: none fails")
def test_gateways_are_made_anew(sites: Mapping[str, Site], record: Callable[..., None]) -> None:
    everywhere = {site.region.region for site in sites.values()}
    before = {name: set(_pods(site).values()) for name, site in sites.items()}
    assert all(len(uids) == len(GATEWAYS) for uids in before.values()), before
    callers = [(site.caller(NAMESPACE, CALLER), ONCE) for site in sites.values()]
    bounds = ("--duration", "280s", "--timeout", f"{PATIENCE:g}s", *PATIENT)
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
        for site in sites.values():
            for namespace, name in GATEWAYS:
                site.kubectl.rolled_out(namespace, f"deploy/{name}")
        replaced = time.monotonic()
        wait_for(
            lambda: not any(_there(site, before[name]) for name, site in sites.items()),
            deadline=LONGEST,
            what="the former pods of the gateways to end",
        )
        served_on = time.monotonic() - replaced
    visits = {"anew": anew, "kept": kept, "slow": slow}
    record(
        former_pods_served_on_s=round(served_on, 1),
        calls=[load.figures for load in loads],
        slow_calls=[load.figures for load in slow_loads],
        visits={kind: [dict(found.outcomes) for found in by_region.values()] for kind, by_region in visits.items()},
    )
    for load in (*loads, *slow_loads):
        assert load.failed == 0, load.figures
        assert set(load.regions) == everywhere, load.figures
    for found in (found for by_region in visits.values() for found in by_region.values()):
        assert found.sent
        assert not found.failed, found.outcomes
