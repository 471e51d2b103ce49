"""Endpoints of the other regions come by remote secrets, and their tokens rotate without a failed request."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import httpx
import pytest
import yaml

from lab.waiting import wait_for
from tests.lab.support.engine import Engine
from tests.lab.support.failures import now
from tests.lab.support.istioctl import Endpoint
from tests.lab.support.site import FRONTEND, SERVICE, SERVICE_URL, SYSTEM, UNDECLARED, Site, url_of
from tests.lab.support.traffic import loaded


def _remote(site: Site) -> set[Endpoint]:
    endpoints = site.istioctl.endpoints(UNDECLARED, FRONTEND, SERVICE, 8080)
    return {endpoint for endpoint in endpoints if endpoint.region != site.region.region}


@pytest.mark.proof("B3", "without the remote secret no endpoint of the other region exists; with it they appear")
def test_endpoints_come_with_the_remote_secret(
    home: Site, sites: Mapping[str, Site], engine: Engine, put_back: None, record: Callable[..., None]
) -> None:
    others = [site for site in sites.values() if site is not home]
    everywhere = {site.region.region for site in sites.values()}
    assert {endpoint.address for endpoint in _remote(home)} == {site.east_west_address() for site in others}
    assert set(home.caller().requests(SERVICE_URL, 50).regions) == everywhere

    with home.caller().load(SERVICE_URL, rate=20) as load:
        names = [f"istio-remote-secret-{site.name}" for site in others]
        home.kubectl.run("delete", "secret", "-n", SYSTEM, *names)
        wait_for(lambda: not _remote(home), deadline=60, what="no remote endpoint", interval=0.5)
        alone = home.caller().requests(SERVICE_URL, 100)
        assert alone.failed == 0, alone.figures
        assert alone.regions == {home.region.region: 100}, alone.regions
        assert home.istioctl.remote_clusters() == {home.name: "synced"}

        changes = engine.up(None, "--refresh")
        wait_for(
            lambda: {endpoint.address for endpoint in _remote(home)} == {site.east_west_address() for site in others},
            deadline=60,
            what="the remote endpoints again",
            interval=0.5,
        )
        again = home.caller().requests(SERVICE_URL, 100)
    assert set(again.regions) == everywhere
    assert load.failed == 0, load.figures
    record(without=alone.regions, again=again.regions, put_back_s=round(changes.seconds, 1), load=load.figures)


def _tokens(sites: Mapping[str, Site]) -> dict[tuple[str, str], str]:
    """The token by which one region reads another, by (reader, read): as the remote secrets hold it."""
    found: dict[tuple[str, str], str] = {}
    for reader in sites.values():
        for read in sites.values():
            if read is not reader:
                secret = reader.kubectl.secret(SYSTEM, f"istio-remote-secret-{read.name}")
                user = yaml.safe_load(secret[read.name])["users"][0]["user"]
                found[reader.name, read.name] = user["token"]
    return found


def _status(site: Site, token: str) -> int:
    """What the region's API server answers to a reader with this token."""
    authority = site.kubectl.json("get", "configmap", "kube-root-ca.crt", "-n", SYSTEM)["data"]["ca.crt"]
    context = ssl.create_default_context(cadata=authority)
    with httpx.Client(verify=context, timeout=10, trust_env=False) as client:
        url = f"{site.region.api_server}/api/v1/services?limit=1"
        return client.get(url, headers={"authorization": f"Bearer {token}"}).status_code


@pytest.mark.proof("B3", "tokens rotated by raising one number: the old ones are refused, traffic never stops")
def test_tokens_rotate_by_raising_one_number(
    sites: Mapping[str, Site],
    engine: Engine,
    put_back: None,
    record: Callable[..., None],
    chart: Callable[..., None],
) -> None:
    generation = int(engine.setting("trust", "remoteTokens", "generation")) + 1
    config = engine.configured({"trust": {"remoteTokens": {"generation": generation}}})
    before = _tokens(sites)
    assert {pair: _status(sites[pair[1]], token) for pair, token in before.items()} == dict.fromkeys(before, 200)

    with loaded((site.caller(), SERVICE_URL) for site in sites.values()) as loads:
        began = now()
        changes = engine.up(config)
        after = _tokens(sites)
        assert not set(after.values()) & set(before.values()), "a peer still has an old token"
        for (reader, read), token in before.items():
            # An API server remembers a good token for ten seconds.
            wait_for(
                lambda read=read, token=token: _status(sites[read], token) == 401,
                deadline=60,
                what=f"{read} refusing the old token of {reader}",
                interval=1,
            )
        assert {pair: _status(sites[pair[1]], token) for pair, token in after.items()} == dict.fromkeys(after, 200)
        for site in sites.values():
            wait_for(
                lambda site=site: site.istioctl.remote_clusters() == dict.fromkeys(sites, "synced"),
                deadline=60,
                what=f"istiod of {site.name} synced by the new token",
                interval=0.5,
            )
            assert _remote(site), f"{site.name} lost the remote endpoints"
        # An istiod that reads by the new token sees what is new in the other region.
        _sees_new_endpoints(sites)
    record(
        generation=generation,
        up_s=round(changes.seconds, 1),
        tokens=len(after),
        loads={site.name: load.figures for site, load in zip(sites.values(), loads, strict=True)},
    )
    chart("the tokens of remote secrets are renewed: requests of both regions", loads, [(began, "`up` begins")])
    for site, load in zip(sites.values(), loads, strict=True):
        assert load.failed == 0, f"{site.name}: {load.figures}"
        assert set(load.regions) == {other.region.region for other in sites.values()}


def _sees_new_endpoints(sites: Mapping[str, Site]) -> None:
    """Each region learns of a Service whose only pods are in another, made after the rotation."""
    for read in sites.values():
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"new-in-{read.name}", "namespace": UNDECLARED},
            "spec": {"selector": {"app": "echo"}, "ports": [{"name": "http", "port": 8080}]},
        }
        headless = {**service, "spec": {"ports": service["spec"]["ports"]}}
        for site in sites.values():
            site.kubectl.apply([service if site is read else headless])
    try:
        for read in sites.values():
            for reader in sites.values():
                wait_for(
                    lambda reader=reader, read=read: (
                        reader.caller().get(url_of(f"new-in-{read.name}", UNDECLARED)).region == read.region.region
                    ),
                    deadline=60,
                    what=f"{reader.name} reaching a service that is new in {read.name}",
                )
    finally:
        names = [f"new-in-{site.name}" for site in sites.values()]
        for site in sites.values():
            site.kubectl.run("delete", "service", "-n", UNDECLARED, *names, "--ignore-not-found")
