"""Which version answers: routes by header and path, shares, canaries moved by a number, colours by a word."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import repeat

import pytest

from lab.waiting import wait_for
from tests.lab.support.engine import Engine
from tests.lab.support.failures import now
from tests.lab.support.forward import Tally, tally
from tests.lab.support.routes import Client, arrival
from tests.lab.support.shares import SAMPLE, Shares
from tests.lab.support.site import EXAM, FRONTEND, INGRESS, PUBLIC, WEB, Site, host_of, url_of
from tests.lab.support.traffic import LONGEST, PATIENT, Caller, Load, loaded

ROUTING = "routing"  # the namespace of tests/lab/stage/routing.yaml
RELEASE = host_of("release", ROUTING)
RELEASE_URL = url_of("release", ROUTING)
COLOURS = host_of("colours", ROUTING)
SWITCHED = "/switched"  # the path of the load on both colours; a preview asks for another, and is counted apart

ALL = 100  # requests where all of them go one way; a share of 10 % would be missed once in 37,000 runs
RATE = 200.0  # requests a second


def _drawn(send: Callable[[], Load], percent: Mapping[str, int]) -> tuple[Shares, int]:
    """The versions' shares of :data:`SAMPLE` requests, and how many of all that were sent have failed."""
    loads: list[Load] = []

    def draw() -> Mapping[str, int]:
        loads.append(send())
        assert loads[-1].sent == SAMPLE
        return loads[-1].summary["versions"]

    shares = Shares.drawn(draw, percent)
    return shares, sum(load.failed for load in loads)


def _versions(load: Load) -> dict[str, int]:
    """Answers by version, none of which failed."""
    assert load.failed == 0, load.figures
    return dict(load.summary["versions"])


@pytest.mark.proof("E1", "premium users get v2, /api/v2 is shared 90/10, all others get v1: exam-service as committed")
def test_requests_of_a_service_take_their_routes(home: Site, record: Callable[..., None]) -> None:
    caller = home.caller(EXAM, WEB)

    def all_of(path: str, headers: Mapping[str, str] | None = None) -> dict[str, int]:
        return _versions(caller.burst(url_of("exam-service", EXAM, path), ALL, rate=RATE, headers=headers))

    premium = {"user-type": "premium"}
    found = {
        "premium": all_of("/", premium),
        # The header's route comes before the path's.
        "premium /api/v2/exams": all_of("/api/v2/exams", premium),
        "standard": all_of("/", {"user-type": "standard"}),
        "default": all_of("/"),
        # Not below /api/v2.
        "/api/v20": all_of("/api/v20"),
    }
    shared = url_of("exam-service", EXAM, "/api/v2/exams")
    shares, failed = _drawn(lambda: caller.burst(shared, SAMPLE, rate=RATE), {"v1": 90, "v2": 10})
    record(**found, shares=shares.samples, failed=failed)
    assert found == {
        "premium": {"v2": ALL},
        "premium /api/v2/exams": {"v2": ALL},
        "standard": {"v1": ALL},
        "default": {"v1": ALL},
        "/api/v20": {"v1": ALL},
    }
    assert failed == 0
    assert shares.fair, f"not {shares}"


@pytest.mark.proof("E1", "through the ingress too: a path shared 90/10, a header's own version, the default")
def test_requests_from_outside_take_their_routes(home: Site, record: Callable[..., None]) -> None:
    caller, address = home.outsider(), home.ingress_address()

    def public(path: str, count: int, headers: Mapping[str, str] | None = None) -> Load:
        reach = ("--resolve", f"{PUBLIC}:{address}", "--insecure")
        return caller.burst(f"https://{PUBLIC}{path}", count, *reach, rate=RATE, headers=headers)

    found = {
        "canary-user": _versions(public("/routing/v1/exams", ALL, {"canary-user": "true"})),
        "default": _versions(public("/routing/exams", ALL)),
    }
    shares, failed = _drawn(lambda: public("/routing/v1/exams", SAMPLE), {"v1": 90, "v2": 10})
    # api-service has the same route as committed, and a limit below a thousand requests.
    api = {
        client.name: client.shares(host, "route-0")
        for client, host in (
            (Client(home, EXAM, WEB), host_of("api-service", EXAM)),
            (Client(home, INGRESS, "deploy/istio-ingress", f"{EXAM}/api-service."), PUBLIC),
        )
    }
    record(**found, shares=shares.samples, failed=failed, api_service=api)
    assert found == {"canary-user": {"v2": ALL}, "default": {"v1": ALL}}
    assert failed == 0
    assert shares.fair, f"not {shares}"
    assert all(share == {"stable": 90, "canary": 10} for share in api.values()), api


@pytest.mark.proof("C3", "a service that one region has is reached from all, by one name")
def test_a_service_of_one_region_is_reached_from_all(
    home: Site, sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    (name,) = engine.setting("services", f"{EXAM}/archive-service", "regions")
    for site in sites.values():
        pods = site.kubectl.items("pod", "-n", EXAM, "-l", "app=archive-service")
        assert bool(pods) == (site.name == name), f"{site.name} has {len(pods)} pods of it"
    load = home.caller(EXAM, WEB).requests(url_of("archive-service", EXAM), ALL)
    record(**load.figures)
    assert load.failed == 0, load.figures
    assert load.regions == {sites[name].region.region: ALL}


@contextmanager
def _sending(callers: Sequence[Caller], url: str, rate: float) -> Generator[list[Load]]:
    """Requests of all callers, ``rate`` of them a second together, and none that failed."""
    bounds = ("--duration", f"{LONGEST}s", *PATIENT)
    with loaded([(caller, url) for caller in callers], rate=rate / len(callers), extra=bounds) as loads:
        yield loads
    for load in loads:
        assert load.failed == 0, load.figures
        # A generator that is late sends fewer than it was asked for, and proves less than it says.
        assert load.sent >= 0.95 * rate / len(callers) * float(load.summary["elapsed_ms"]) / 1000, load.figures


@pytest.mark.proof("E2", "a canary: by header, then 10, 50, 100 % by one number, under load, no request fails")
def test_a_canary_moves_by_one_number(
    sites: Mapping[str, Site], changes: Engine, record: Callable[..., None], chart: Callable[..., None]
) -> None:
    callers = {site.name: site.caller(ROUTING, FRONTEND) for site in sites.values()}
    clients = [(Client(site, ROUTING, FRONTEND), RELEASE) for site in sites.values()]

    def shares(caller: Caller, percent: int) -> tuple[Shares, int]:
        return _drawn(lambda: caller.burst(RELEASE_URL, SAMPLE, rate=RATE), {"v1": 100 - percent, "v2": percent})

    def asked_for(caller: Caller) -> dict[str, int]:
        return _versions(caller.burst(RELEASE_URL, ALL, rate=RATE, headers={"canary-user": "true"}))

    steps: dict[str, object] = {}
    loads: list[Load] = []
    marks: list[tuple[datetime.datetime, str]] = []
    for percent in (0, 10, 50, 100):
        # A load of its own for each step: none may last longer than the generator's bound.
        with _sending(list(callers.values()), RELEASE_URL, 50) as of_step, ThreadPoolExecutor() as pool:
            if percent:
                canary = {"canary": {"percent": percent}}
                changes.up(changes.configured({"services": {f"{ROUTING}/release": canary}}))
            wanted = {version: share for version, share in (("v1", 100 - percent), ("v2", percent)) if share}
            seconds = arrival(clients, "default", wanted)
            marks.append((now(), f"{percent} %"))
            by_header = list(pool.map(asked_for, callers.values()))
            found = list(pool.map(shares, callers.values(), repeat(percent)))
            steps[f"{percent} %"] = {
                "arrived_s": max(seconds.values()),
                "shares": {region: share.samples for region, (share, _) in zip(callers, found, strict=True)},
            }
            assert all(answers == {"v2": ALL} for answers in by_header), by_header
            assert sum(failed for _, failed in found) == 0, steps
            assert all(share.fair for share, _ in found), f"not {percent} %: {steps}"
        loads += of_step
    record(**steps, loads=[load.figures for load in loads])
    chart("a canary from 0 to 100 %: requests of both regions", loads, marks)


@pytest.mark.proof("E3", "blue-green: preview by header, switch, switch back at 200 requests/s, no request fails")
def test_a_switch_of_colours_drops_nothing(
    sites: Mapping[str, Site], changes: Engine, record: Callable[..., None], chart: Callable[..., None]
) -> None:
    callers = [site.caller(ROUTING, FRONTEND) for site in sites.values()]
    clients = [(Client(site, ROUTING, FRONTEND), COLOURS) for site in sites.values()]

    def preview() -> list[dict[str, int]]:
        header = {"deployment-type": "preview"}
        url = url_of("colours", ROUTING, "/preview")
        return [_versions(caller.burst(url, ALL, rate=RATE, headers=header)) for caller in callers]

    switches: dict[str, object] = {}
    marks: list[tuple[datetime.datetime, str]] = []
    with ExitStack() as stack:
        pods: dict[str, list[Tally]] = {
            colour: [
                stack.enter_context(tally(site.kubectl, ROUTING, f"deploy/colours-{colour}")) for site in sites.values()
            ]
            for colour in ("blue", "green")
        }

        def served(colour: str) -> int:
            """How many requests of the load its pods have answered until now, in all regions."""
            return sum(pod.served(SWITCHED) for pod in pods[colour])

        loads = stack.enter_context(_sending(callers, url_of("colours", ROUTING, SWITCHED), RATE))
        arrival(clients, "default", {"blue": 100})
        assert preview() == [{"green": ALL}] * len(callers)
        for active, former in (("green", "blue"), ("blue", "green")):
            started = {colour: served(colour) for colour in pods}
            changes.up(changes.configured({"services": {f"{ROUTING}/colours": {"blueGreen": {"active": active}}}}))
            ended, at_end = time.monotonic(), served(former)
            seconds = arrival(clients, "default", {active: 100})
            arrived = served(former)
            marks.append((now(), f"to {active}"))
            first = served(active)
            wait_for(
                lambda active=active, first=first: served(active) >= first + SAMPLE,
                deadline=30,
                what=f"{SAMPLE} more answers of {active}",
            )
            late = served(former) - arrived
            switches[f"to {active}"] = {
                "arrived_s": seconds,
                f"{former} before": arrived - started[former],
                f"{former} from the end of up": arrived - at_end,
                f"{former} once arrived": late,
                f"{active} once arrived": served(active) - first,
                "watched_s": round(time.monotonic() - ended, 1),
            }
            assert arrived > started[former], f"{former} was not active before: {switches}"
            assert late == 0, f"{former} answered {late} requests after the change had arrived: {switches}"
            assert preview() == [{former: ALL}] * len(callers)
    record(**switches, loads=[load.figures for load in loads])
    chart("a switch of colours, and back: requests of both regions", loads, marks)
