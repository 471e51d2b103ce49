"""A whole region goes under load: who answers, how many requests are lost, what `up` does meanwhile; and its return."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lab.waiting import wait_for
from tests.lab.support.engine import Engine
from tests.lab.support.failures import Course, Pod, now
from tests.lab.support.outage import API_SERVER, LINK, NODE, Outage
from tests.lab.support.site import EXAM, Site, url_of
from tests.lab.support.traffic import PATIENT, Load

NAMESPACE = "resilience"  # of tests/lab/stage/resilience.yaml
CALLER = "deploy/caller"
RETRIED, ONCE = "shared", "once"  # both regions answer each, the other one a fifth: with the default retries, and none
RATE = 20  # requests a second of each load
# Nothing is given up before the proxies' longest time-out, and no request waits for another.
WATCHED = ("--duration", "280s", "--timeout", "20s", *PATIENT, "--series")
LONGEST = 40.0  # seconds until nothing is sent to a region that is gone: two time-outs of 15, and some to eject it
CALM = 160  # buckets of a load's series without a failure, or an answer of the region that is gone: over a time-out
SPAN = 50.0  # seconds that an outage lasts at least: a time-out, the same again for calm, and some
REFUSAL = 30.0  # seconds until an `up` has said that a region does not answer
CHANGE = {"services": {"exam/exam-service": {"canary": {"percent": 25}}}}  # what is changed meanwhile


@dataclass(frozen=True)
class Loss:
    """What callers of the living region saw of one service.

    :ivar away: seconds from the loss until all requests are answered by their own region.
    :ivar tried_again: requests that failed after that, since proxies try from time to time whether a region is back.
    :ivar back: seconds from the end of the outage to the first answer of the other region again.
    """

    load: Load
    away: float
    tried_again: int
    back: float

    @property
    def figures(self) -> dict[str, Any]:
        return {
            "all_from_the_other_region_s": self.away,
            "failed_when_tried_again": self.tried_again,
            "back_s": self.back,
            **self.load.figures,
        }


def _percent(site: Site) -> list[int]:
    """The weights that a region has for the default route of exam-service."""
    spec = site.kubectl.json("get", "virtualservice", "-n", EXAM, "exam-service")["spec"]
    return [entry.get("weight", 100) for entry in spec["http"][-1]["route"]]


def _without(engine: Engine, lost: Site, changes: Mapping[str, Any]) -> Path:
    """The stack's file with these changes, and a region that it goes on without."""
    clusters = [
        {**entry, **({"lost": True} if entry["name"] == lost.name else {})} for entry in engine.setting("clusters")
    ]
    return engine.configured({**changes, "clusters": clusters})


@contextmanager
def _watched(site: Site) -> Generator[dict[str, Load]]:
    """A load to each of the two services."""
    caller = site.caller(NAMESPACE, CALLER)
    with (
        caller.load(url_of(RETRIED, NAMESPACE), rate=RATE, extra=WATCHED) as retried,
        caller.load(url_of(ONCE, NAMESPACE), rate=RATE, extra=WATCHED) as once,
    ):
        yield {"retried": retried, "once": once}


def _pods(site: Site, service: str) -> list[Pod]:
    return Pod.all_of(site.kubectl, NAMESPACE, f"app={service}")


def _served(site: Site, service: str) -> int:
    return sum(int(pod.served()["total"]) for pod in _pods(site, service))


def _reset(site: Site, service: str) -> bool:
    for pod in _pods(site, service):
        pod.reset()
    return True


def _answers_all(site: Site) -> bool:
    """Whether a region's own pods answer as many requests as are sent, for two seconds."""
    before = {service: (time.monotonic(), _served(site, service)) for service in (RETRIED, ONCE)}
    enough = 2.0 * RATE

    def grown(service: str) -> bool:
        started, count = before[service]
        fresh = _served(site, service) - count
        return fresh >= enough or time.monotonic() - started > 4 * enough / RATE

    for service in before:
        wait_for(lambda service=service: grown(service), deadline=30, what=f"answers of {service}", interval=0.2)
    return all(
        (_served(site, service) - count) >= 0.9 * RATE * (time.monotonic() - started)
        for service, (started, count) in before.items()
    )


def _measured(load: Load, lost: Site, failing: datetime, well: datetime) -> Loss:
    course = Course.of(load)
    begin, end = course.bucket(failing), course.bucket(well)
    failed = [int(bucket.get("failed", 0)) for bucket in course.buckets]
    there = course.answers(lost.region.region)
    assert not sum(failed[:begin]), f"requests failed before the region was lost: {load.figures}"
    assert sum(there[:begin]), "the region that was lost had no requests"

    def quiet(bucket: int) -> bool:
        return not any(failed[bucket : bucket + CALM] + there[bucket : bucket + CALM])

    away = next((i for i in range(begin, end - CALM) if quiet(i)), end)
    again = next((i for i in range(end, len(there)) if there[i]), len(there))
    return Loss(
        load,
        away=max(0.0, course.seconds(away, failing)),
        tried_again=sum(failed[away:end]),
        back=course.seconds(again, well),
    )


def _lose(
    outage: Outage, lost: Site, other: Site, engine: Engine, chart: Callable[..., None]
) -> tuple[dict[str, Loss], dict[str, Any]]:
    figures: dict[str, Any] = {}
    with _watched(other) as loads:
        for service in (RETRIED, ONCE):
            count = _served(lost, service)
            wait_for(lambda s=service, c=count: _served(lost, s) > c, deadline=30, what=f"{lost.name} to answer too")
        failing = now()
        outage.begin(lost)
        try:
            if outage.traffic:
                wait_for(lambda: _answers_all(other), deadline=LONGEST + 30, what=f"{other.name} to answer all")
            plain = str(engine.configured(CHANGE))
            words = ("up", "--yes", "--skip-preview", "--stack", engine.stack, "--config-file", plain)
            refused = engine.pulumi(*words, check=False, timeout=2 * REFUSAL)
            assert refused.code != 0, "`up` went through without a region, and nobody said that it is lost"
            assert f"`{lost.name}`" in refused.text, refused.text[-1500:]
            assert "write `lost: true` into its entry" in refused.text, refused.text[-1500:]
            before = _percent(other)
            made = engine.up(_without(engine, lost, CHANGE))
            gone = [urn for operation, urn in made.steps if "delete" in operation or "replace" in operation]
            assert not gone, f"`up` without {lost.name} took away {gone}"
            assert before != [75, 25] == _percent(other), "the living region has not got the change"
            wait_for(
                lambda: (now() - failing).total_seconds() > SPAN, deadline=SPAN, what="enough of the loads' course"
            )
            figures |= {"refused_s": round(refused.seconds, 1), "up_without_it_s": round(made.seconds, 1)}
        finally:
            outage.over(lost)
        well = now()
        healed = engine.up(engine.configured(CHANGE))
        assert _percent(lost) == [75, 25], "the region that was lost has not got what it missed"
        figures |= {"healing_up_s": round(healed.seconds, 1), "healed": healed.changed}
        for service in (RETRIED, ONCE):
            wait_for(lambda s=service: _reset(lost, s), deadline=60, what=f"{service} of {lost.name}", interval=1)
            wait_for(
                lambda s=service: _served(lost, s), deadline=120, what=f"requests to {lost.name} again", interval=1
            )
    title = f"a region is lost, {outage}: requests of {other.name}, with the default retries and without"
    chart(title, list(loads.values()), [(failing, "lost"), (well, "back")])
    return {kind: _measured(load, lost, failing, well) for kind, load in loads.items()}, figures


def _proven(
    outage: Outage,
    sites: Mapping[str, Site],
    engine: Engine,
    record: Callable[..., None],
    chart: Callable[..., None],
) -> None:
    lost, other, *_ = sites.values()
    losses, figures = _lose(outage, lost, other, engine, chart)
    record(outage=str(outage), **figures, **{kind: loss.figures for kind, loss in losses.items()})
    for kind, loss in losses.items():
        if not outage.traffic:
            assert loss.load.failed == 0, (kind, loss.load.figures)
            assert loss.load.regions.keys() == {site.region.region for site in sites.values()}, loss.load.figures
            continue
        assert loss.away <= LONGEST, (kind, loss.figures)
        # A fifth of the requests is for the lost region, until it is left alone.
        assert loss.load.failed <= RATE * LONGEST / 5, (kind, loss.load.figures)


@pytest.mark.full
@pytest.mark.proof(
    "I3", "a region's link goes down under load: the other one answers, `up` goes on without it, it heals"
)
def test_a_region_is_cut_off(
    sites: Mapping[str, Site], changes: Engine, record: Callable[..., None], chart: Callable[..., None]
) -> None:
    _proven(LINK, sites, changes, record, chart)


@pytest.mark.full
@pytest.mark.proof("I3", "a region's API server or node goes under load: the other one answers, and it heals")
@pytest.mark.parametrize("outage", [API_SERVER, NODE], ids=["API server", "node"])
def test_a_region_dies(
    sites: Mapping[str, Site],
    changes: Engine,
    outage: Outage,
    record: Callable[..., None],
    chart: Callable[..., None],
) -> None:
    _proven(outage, sites, changes, record, chart)
