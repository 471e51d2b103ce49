"""Pods that fail, hang and go: who is left alone, who answers in their place, and how many requests are lost."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from lab.waiting import wait_for
from tests.lab.support.failures import Course, Pod, now
from tests.lab.support.shares import SAMPLE, Share, tolerance
from tests.lab.support.site import EXAM, WEB, Site, url_of
from tests.lab.support.traffic import PATIENT, Load

RESILIENCE = "resilience"  # the namespace of tests/lab/stage/resilience.yaml
CALLER = "deploy/caller"
DEFAULTS = "steady"  # the service of which the stage says nothing but where its requests go when it fails
RATE = 50  # requests a second: every tenth of a second has some
# With time between two requests: a proxy's main thread decides who is ejected, and its workers hear of it later.
UNHURRIED = 10
# Nothing is given up before the proxies' longest time-out, and no request waits for another.
WATCHED = ("--duration", "200s", "--timeout", "20s", *PATIENT, "--series")
LATE = 5.0  # seconds by which two busy cores may delay what a timer of a proxy does

Act = Callable[[], object]


# I1


@dataclass(frozen=True)
class Ejection:
    """What came of a pod that answered 503.

    :ivar bad: bad answers that callers saw.
    :ivar back: seconds from its ejection to its first good answer, at least and at most.
    """

    bad: int
    back: tuple[float, float]
    load: Load


def _ejection(site: Site, service: str, errors: int, *, seconds: float) -> Ejection:
    """A pod of two answers 503 until `errors` callers have seen it, and is well from then on."""
    kubectl = site.kubectl
    bad, good = (Pod.only(kubectl, RESILIENCE, f"app={service},version={version}") for version in ("a", "b"))
    for pod in (bad, good):
        pod.reset()
    # One at a time: requests under way when the last bad answer comes would be more of them.
    extra = ["--duration", "120s", "--concurrency", "1"]
    with site.caller(RESILIENCE, CALLER).load(url_of(service, RESILIENCE), rate=UNHURRIED, extra=extra) as load:
        for pod in (bad, good):
            wait_for(lambda pod=pod: pod.served()["total"], deadline=30, what=f"a request at {pod.name}")
        failing = now()
        bad.behave(status=503)
        wait_for(lambda: bad.served()["statuses"].get("503", 0) >= errors, deadline=30, what=f"{errors} bad answers")
        ejected = now()
        # Well from here on, so that each answer that it does not give is one that callers did not ask of it.
        bad.reset()
        # It was Ready all the while: only callers' proxies know.
        ready = kubectl.json("get", "pod", "-n", RESILIENCE, bad.name)["status"]["conditions"]
        assert next(found["status"] for found in ready if found["type"] == "Ready") == "True"
        earliest = 0.0

        def back() -> bool:
            nonlocal earliest
            asked = (now() - ejected).total_seconds()
            if bad.served()["total"]:
                return True
            earliest = asked
            return False

        wait_for(back, deadline=seconds + 30, what=f"{bad.name} to be used again")
        # It was ejected between the two, and used again between two questions.
        latest = (now() - failing).total_seconds()
    return Ejection(int(load.summary["failed"]), (round(earliest, 1), round(latest, 1)), load)


@pytest.mark.proof(
    "I1", "one of two pods answers 503: ejected after exactly the set number of answers, and back in time"
)
def test_a_failing_pod_is_left_alone(home: Site, record: Callable[..., None]) -> None:
    seen = _ejection(home, "pair", 3, seconds=10)
    record(bad_answers=seen.bad, back_after_s=seen.back, **seen.load.figures)
    assert seen.bad == 3, seen.load.figures
    assert 0 < seen.back[0] <= 10 + 1 + LATE, seen.back
    assert seen.back[1] >= 10, seen.back


@pytest.mark.proof("I1", "the same with nothing said of it: after 5 answers, for 30 s")
def test_the_defaults_leave_a_failing_pod_alone(sites: Mapping[str, Site], record: Callable[..., None]) -> None:
    seen = _ejection(sites["use1"], "plain", 5, seconds=30)
    record(bad_answers=seen.bad, back_after_s=seen.back, **seen.load.figures)
    assert seen.bad == 5, seen.load.figures
    assert 0 < seen.back[0] <= 30 + 10 + LATE, seen.back
    assert seen.back[1] >= 30, seen.back


# I2


def _target(site: Site, service: str) -> Pod:
    return Pod.only(site.kubectl, RESILIENCE, f"app={service}")


@dataclass(frozen=True)
class Shift:
    """What callers of one region saw while the pod of their region failed, and once it was well again.

    :ivar away: seconds from the failure to the first answer of the other region.
    :ivar last_local: seconds from the failure to the last answer of their own, none if there was none.
    :ivar back: seconds from the cure to the first answer of their own region again.
    :ivar failing: the moment of the failure.
    :ivar well: that of the cure, where there is one.
    """

    load: Load
    away: float
    last_local: float
    back: float
    other: Load
    failing: datetime.datetime
    well: datetime.datetime | None

    @property
    def figures(self) -> dict[str, Any]:
        return {
            "failed": self.load.failed,
            "to_other_region_s": self.away,
            "last_local_s": self.last_local,
            "back_to_local_s": self.back,
            **self.load.figures,
        }

    @property
    def marks(self) -> list[tuple[datetime.datetime, str]]:
        """What happened to the pod, for a chart."""
        return [(self.failing, "fails"), *([(self.well, "well again")] if self.well else [])]


def _shift(
    home: Site,
    peer: Site,
    fail: Act,
    cure: Act | None = None,
    *,
    path: str = "/",
    method: str = "GET",
    rate: float = RATE,
    service: str = "target",
) -> Shift:
    """Sends requests from `home` while its pod fails, until the other region has answered for a second, and then
    until its own has for two. Callers of the other region do as always: theirs stays well."""
    path = f"{path}{home.name}"
    local, remote = home.region.region, peer.region.region
    near, far = _target(home, service), _target(peer, service)
    url = url_of(service, RESILIENCE)
    for pod in (near, far):
        pod.reset()
    # Requests that a hanging pod left behind end as errors after it is well, and it is left alone once more.
    wait_for(
        lambda: set(home.caller(RESILIENCE, CALLER).requests(url, 20).regions) == {local},
        deadline=90,
        what=f"{home.name} to answer its own callers",
    )
    for pod in (near, far):
        pod.reset()
    extra = [*WATCHED, "--method", method]
    with (
        peer.caller(RESILIENCE, CALLER).load(url_of(service, RESILIENCE, f"/{peer.name}"), rate=10) as other,
        home.caller(RESILIENCE, CALLER).load(url_of(service, RESILIENCE, path), rate=rate, extra=extra) as load,
    ):
        wait_for(lambda: near.served()["statuses"].get("200", 0) >= rate, deadline=30, what="a second of local answers")
        failing = now()
        fail()
        wait_for(lambda: far.served()["paths"].get(path, 0) >= rate, deadline=90, what="a second of remote answers")
        well = now() if cure is not None else None
        if cure is not None:
            cure()
        wait_for(
            lambda: _target(home, service).served()["statuses"].get("200", 0) >= 3 * rate,
            deadline=120,
            what="three seconds of local answers",
        )
    return _measured(load, other, failing, well, local=local, remote=remote)


def _measured(
    load: Load, other: Load, failing: datetime.datetime, well: datetime.datetime | None, *, local: str, remote: str
) -> Shift:
    course = Course.of(load)
    here, there = course.answers(local), course.answers(remote)
    begin = course.bucket(failing)
    assert sum(there[:begin]) == 0, f"{sum(there[:begin])} requests left the region while its pod was well"
    away = next(i for i, count in enumerate(there) if count)
    # The longest time without an answer of their own region is the one in question; those before it were under way.
    gaps = [(0, begin)]
    for i in range(begin, len(here)):
        if here[i]:
            gaps.append((0, i + 1))
        else:
            length, first = gaps[-1]
            gaps[-1] = (length + 1, first)
    length, first = max(gaps)
    again = first + length
    assert sum(there[-10:]) == 0, "some requests still leave the region"
    return Shift(
        load,
        away=course.seconds(away, failing),
        last_local=course.seconds(first, failing),
        back=course.seconds(again, well or failing),
        other=other,
        failing=failing,
        well=well,
    )


def _unharmed(shift: Shift, peer: Site) -> None:
    """Callers of the other region noticed nothing."""
    assert (shift.other.failed, set(shift.other.regions)) == (0, {peer.region.region}), shift.other.figures


@pytest.mark.proof("I2", "the only local pod deleted under load: by default retries no request fails")
def test_a_deleted_pod(home: Site, peer: Site, record: Callable[..., None], chart: Callable[..., None]) -> None:
    pod = _target(home, DEFAULTS)
    delete = ("delete", "pod", "-n", RESILIENCE, pod.name, "--wait=false")
    shift = _shift(home, peer, lambda: home.kubectl.run(*delete), service=DEFAULTS)
    record(**shift.figures)
    chart(f"the only pod of {home.name} is deleted: requests of {home.name}", [shift.load], shift.marks)
    _unharmed(shift, peer)
    failed = shift.load.failed
    assert failed == 0, shift.load.figures


@pytest.mark.proof("I2", "scaled to zero under load: by default retries no request fails")
def test_scaled_to_zero(home: Site, peer: Site, record: Callable[..., None], chart: Callable[..., None]) -> None:
    def scale(replicas: int) -> None:
        home.kubectl.run("scale", "-n", RESILIENCE, f"deploy/{DEFAULTS}", f"--replicas={replicas}")

    shift = _shift(home, peer, lambda: scale(0), lambda: scale(1), service=DEFAULTS)
    record(**shift.figures)
    chart(f"{home.name} is scaled to zero and back: requests of {home.name}", [shift.load], shift.marks)
    _unharmed(shift, peer)
    failed = shift.load.failed
    assert failed == 0, shift.load.figures


@dataclass(frozen=True)
class Case:
    """Requests of one kind while a pod fails.

    :ivar status: of those that fail; 0: none does.
    :ivar timeout: seconds that the slowest of them takes to fail.
    """

    method: str
    path: str
    status: int
    timeout: float = 0.0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@pytest.mark.proof(
    "I2", "the local pod answers 503: seen until it is ejected, or never where a request may be sent twice"
)
@pytest.mark.parametrize("case", [Case("GET", "/", 503), Case("GET", "/api/", 0), Case("POST", "/api/", 503)], ids=str)
def test_answers_503(
    home: Site, peer: Site, case: Case, record: Callable[..., None], chart: Callable[..., None]
) -> None:
    pod = _target(home, "target")
    shift = _shift(home, peer, lambda: pod.behave(status=503), pod.reset, path=case.path, method=case.method)
    chart(f"the pod of {home.name} answers 503: {case} of {home.name}", [shift.load], shift.marks)
    _bounded(shift, case, peer, record)


@pytest.mark.proof("I2", "the local pod hangs: seen for one time-out, or never where a request may be sent twice")
@pytest.mark.parametrize(
    "case",
    [Case("GET", "/", 504, timeout=15), Case("GET", "/api/", 0, timeout=2), Case("POST", "/api/", 504, timeout=2)],
    ids=str,
)
def test_hangs(sites: Mapping[str, Site], case: Case, record: Callable[..., None], chart: Callable[..., None]) -> None:
    home, peer = sites["use1"], sites["usw2"]
    pod = _target(home, "target")
    # Few enough that those sent again stay below what the pool allows at a time.
    shift = _shift(home, peer, lambda: pod.behave(hang=True), pod.reset, path=case.path, method=case.method, rate=20)
    chart(f"the pod of {home.name} hangs: {case} of {home.name}", [shift.load], shift.marks)
    _bounded(shift, case, peer, record, rate=20)


@pytest.mark.proof("I2", "the local pod's process killed: the other region answers until it is back")
def test_killed(sites: Mapping[str, Site], record: Callable[..., None], chart: Callable[..., None]) -> None:
    home, peer = sites["use1"], sites["usw2"]
    shift = _shift(home, peer, _target(home, "target").kill)
    chart(f"the process in {home.name} is killed: requests of {home.name}", [shift.load], shift.marks)
    _bounded(shift, Case("GET", "/", 503), peer, record)


def _bounded(shift: Shift, case: Case, peer: Site, record: Callable[..., None], *, rate: float = RATE) -> None:
    """No request fails that may be sent twice. Of others, those that make up the number of errors, and those that were
    sent before the last of these."""
    record(request=str(case), **shift.figures)
    _unharmed(shift, peer)
    failed = shift.load.failed
    if not case.status:
        assert failed == 0, shift.load.figures
        return
    assert set(shift.load.summary["statuses"]) == {"200", str(case.status)}, shift.load.figures
    assert 5 <= failed <= 5 + rate * max(shift.away, case.timeout), shift.load.figures
    assert case.timeout <= shift.away <= case.timeout + LATE + 1, shift.figures


@pytest.mark.proof("I2", "80 % stay and 20 % go, as the shares say, in both regions at once")
@pytest.mark.parametrize(
    ("namespace", "caller", "service"),
    [(EXAM, WEB, "exam-service"), (RESILIENCE, CALLER, "shared")],
    ids=["exam-service", "shared"],
)
def test_shares(
    sites: Mapping[str, Site], namespace: str, caller: str, service: str, record: Callable[..., None]
) -> None:
    url = url_of(service, namespace)

    def stayed(site: Site) -> int:
        load = site.caller(namespace, caller).requests(url, SAMPLE, rate=100)
        assert (load.sent, load.failed) == (SAMPLE, 0), load.figures
        return load.regions.get(site.region.region, 0)

    shares = {name: Share.drawn(partial(stayed, site), 80) for name, site in sites.items()}
    record(local={name: share.samples for name, share in shares.items()}, allowed=round(tolerance(80), 1))
    for name, share in shares.items():
        assert share.fair, f"not {share}, in {name}"
