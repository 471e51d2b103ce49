"""One service, answered from every region, whichever region asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.lab.support.certificates import fingerprint
from tests.lab.support.site import FRONTEND, SERVICE, SERVICE_URL, UNDECLARED, Site

REQUESTS = 200
# Of an even spread, the least that a region must have answered: 200 requests over two regions miss it by chance less
# than once in a million runs.
LEAST_SHARE = 0.6


@pytest.mark.proof("C3", "one service answered from all regions, evenly, with identities of one trust domain")
def test_requests_are_spread_over_all_regions(
    home: Site, sites: Mapping[str, Site], record: Callable[..., None]
) -> None:
    load = home.caller().requests(SERVICE_URL, REQUESTS)
    record(**load.figures)
    assert load.sent == REQUESTS
    assert load.failed == 0, load.figures
    least = REQUESTS / len(sites) * LEAST_SHARE
    expected = {site.region.region for site in sites.values()}
    assert set(load.regions) == expected, f"from {home.name} the answers came from {load.regions}"
    assert min(load.regions.values()) >= least, f"from {home.name} the answers were spread unevenly: {load.regions}"
    assert set(load.summary["versions"]) == {"v1", "v2"}


@pytest.mark.proof("B2", "the receiver in each region sees the caller's certificate and identity")
def test_the_receiver_sees_the_callers_identity(
    home: Site, sites: Mapping[str, Site], trust_domain: str, record: Callable[..., None]
) -> None:
    caller = home.identity(trust_domain, UNDECLARED, FRONTEND)
    receiver = home.identity(trust_domain, UNDECLARED, "deploy/echo-v1")
    shown = fingerprint(home.istioctl.certificate(UNDECLARED, FRONTEND).leaf)
    answered = home.caller().answers_by_region(SERVICE_URL, {site.region.region for site in sites.values()})
    for region, answer in answered.items():
        seen = answer.peer_certificate
        assert seen["URI"] == caller, f"{region} saw {seen['URI']}"
        assert seen["By"] == receiver, f"{region} answered as {seen['By']}"
        assert seen["Hash"] == shown, f"{region} saw a certificate that the caller does not have"
    record(caller=caller, receiver=receiver, certificate=shown[:16], regions=sorted(answered))


@pytest.mark.proof("C3", "gRPC and TCP reach all regions too")
@pytest.mark.parametrize("url", [f"grpc://{SERVICE}:9090", f"tcp://{SERVICE}:9000"], ids=["grpc", "tcp"])
def test_other_protocols_reach_all_regions(
    home: Site, sites: Mapping[str, Site], url: str, record: Callable[..., None]
) -> None:
    load = home.caller().requests(url, 60)
    record(**load.figures)
    assert (load.sent, load.failed) == (60, 0), load.figures
    assert set(load.regions) == {site.region.region for site in sites.values()}


@pytest.mark.proof("C3", "every istiod reads all clusters, and knows the others' endpoints by their gateways only")
def test_every_istiod_is_synced_with_all_clusters(
    home: Site, sites: Mapping[str, Site], record: Callable[..., None]
) -> None:
    assert home.istioctl.remote_clusters() == dict.fromkeys(sites, "synced")
    endpoints = home.istioctl.endpoints(UNDECLARED, FRONTEND, SERVICE, 8080)
    local = {endpoint for endpoint in endpoints if endpoint.region == home.region.region}
    remote = endpoints - local
    pods = {pod["status"]["podIP"] for pod in home.kubectl.items("pod", "-n", UNDECLARED, "-l", "app=echo")}
    assert {endpoint.address for endpoint in local} == pods
    gateways = {(site.east_west_address(), 15443) for site in sites.values() if site is not home}
    assert {(endpoint.address, endpoint.port) for endpoint in remote} == gateways
    assert all(endpoint.healthy for endpoint in endpoints)
    record(local=len(local), remote=[f"{endpoint.address}:{endpoint.port}" for endpoint in sorted(remote)])
