"""Wasm modules and limits of requests: what the proxies of a service do beyond Istio's own words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest

from components.config.values import ByteSize, Duration
from lab.tenant.manifests import HTTP
from lab.waiting import wait_for
from lab.wasm import compiled
from tests.lab.support.engine import Engine
from tests.lab.support.pods import living
from tests.lab.support.public import public
from tests.lab.support.site import EXAM, PUBLIC_API, WEB, Site, host_of, url_of
from tests.lab.support.traffic import Caller, Load

EXTENSIONS = "extensions"  # the namespace of tests/lab/stage/extensions.yaml
HOME = "use1"  # the region of the stage's services
FILTER = "exam-integrity"  # of the exam platform; its source is lab/wasm
BEHAVIOR, INTEGRITY = "x-suspicious-behavior", "x-exam-integrity"
LIMITED = "x-local-rate-limit"
CLIENT = "deploy/client"

MANY = 100  # requests, of which a fifth crosses over: none of them does once in 5,000 million runs
BURST = 300.0  # requests a second: a bucket of a hundred is empty before a second of it has come back
ARRIVED = 60.0  # seconds for a change to reach the proxies


def _burst(caller: Caller, url: str, count: int, headers: Mapping[str, str] | None = None) -> Load:
    """Sends ``count`` requests as fast as a bucket is emptied; each of them is answered."""
    load = caller.burst(url, count, rate=BURST, headers=headers, spare=10)
    assert load.sent == count
    assert not load.summary["errors"], load.figures
    return load


# H1: Wasm modules


@pytest.mark.proof("H1", "our own module marks answers and refuses one kind of request, in the proxies of both regions")
def test_a_module_marks_answers_and_refuses_one_kind_of_request(
    home: Site, sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    configuration = engine.setting("extensions", "wasm", FILTER, "configuration")
    threshold = int(configuration["suspicious_behavior_threshold"])
    caller = home.caller(EXAM, WEB)
    url = url_of("exam-service", EXAM)
    for version in ({}, {"user-type": "premium"}):
        for count in (None, 0, threshold - 1, threshold, threshold + 1, 2**32):
            given = version if count is None else {**version, BEHAVIOR: str(count)}
            answer = caller.get(url, headers=given)
            assert answer.status == (403 if (count or 0) >= threshold else 200), f"{given}: {answer}"
            assert answer.headers.get(INTEGRITY) == "checked", f"{given}: {answer}"
    passed = caller.requests(url, MANY, rate=100, headers={BEHAVIOR: str(threshold - 1)})
    assert passed.summary["statuses"] == {"200": MANY}, passed.figures
    assert set(passed.regions) == {site.region.region for site in sites.values()}
    refused = caller.requests(url, MANY, rate=100, headers={BEHAVIOR: str(threshold)})
    assert refused.summary["statuses"] == {"403": MANY}, refused.figures
    assert not refused.summary["services"], "a refused request reached the service"
    other = caller.get(url_of("results-service", EXAM), headers={BEHAVIOR: str(threshold)})
    assert (other.status, other.headers.get(INTEGRITY)) == (200, None), "the module runs where nobody asked for it"
    record(
        passed=passed.summary["statuses"],
        refused=refused.summary["statuses"],
        regions=passed.regions,
        bytes=len(compiled(FILTER)),
    )


@pytest.mark.proof("H1", "a module that its sum does not fit: fail-closed refuses every request, fail-open passes them")
def test_a_module_with_another_sum_is_not_run(
    home: Site, sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    modules = engine.setting("extensions", "wasm")
    assert {module["url"] for module in modules.values()} == {modules[FILTER]["url"]}, "they are to differ by the sum"
    assert modules["altered-closed"]["sha256"] == modules["altered-open"]["sha256"] != modules[FILTER]["sha256"]
    # Refused by the module's own proxy, because of the sum: the service answers nobody's request otherwise either.
    for name in ("closed", "open"):
        wait_for(
            lambda name=name: "does not match" in sites[HOME].kubectl.proxy_log(EXTENSIONS, f"deploy/{name}"),
            deadline=ARRIVED,
            what=f"the proxy of {name} to tell that the module's sum is another",
        )
    answers: dict[str, dict[str, int]] = {}
    for name in ("closed", "open"):
        load = home.caller(EXTENSIONS, CLIENT).requests(url_of(name, EXTENSIONS), MANY, rate=100)
        answers[name] = dict(load.summary["statuses"])
        answer = home.caller(EXTENSIONS, CLIENT).get(url_of(name, EXTENSIONS))
        assert INTEGRITY not in answer.headers, f"{name}: a module with another sum was run"
    record(answers=answers)
    assert answers == {"closed": {"403": MANY}, "open": {"200": MANY}}


# H2: limits


@pytest.fixture
def full(sites: Mapping[str, Site]) -> Site:
    """Both pods of the limited service anew, with full buckets; gives their region."""
    home = sites[HOME]
    workloads = [f"deployment/limited-{version}" for version in ("a", "b")]
    home.kubectl.run("rollout", "restart", "-n", EXTENSIONS, *workloads)
    home.kubectl.rolled_out(EXTENSIONS, *workloads)

    def only_the_new_ones() -> bool:
        pods = living(home.kubectl, EXTENSIONS, "-l", "app=limited")
        known = home.istioctl.endpoints(EXTENSIONS, CLIENT, host_of("limited", EXTENSIONS), HTTP)
        return len(pods) == 2 and {found.address for found in known} == {pod["status"]["podIP"] for pod in pods}

    wait_for(only_the_new_ones, deadline=ARRIVED, what="the caller's proxy to know the new pods alone")
    return home


@pytest.mark.proof("H2", "past the limit 429 with its header; each pod's proxy counts for itself; others are untouched")
def test_each_proxy_lets_so_many_requests_through(full: Site, engine: Engine, record: Callable[..., None]) -> None:
    limit = engine.setting("services", f"{EXAM}/api-service", "rateLimit")
    assert engine.setting("services", f"{EXTENSIONS}/limited", "rateLimit") == limit, (
        "the platform's own is what is proven"
    )
    assert _bucket(full, EXTENSIONS, "limited") == _bucket(full, EXAM, "api-service")
    most, per = int(limit["requests"]), Duration.parse(limit["per"])
    caller, url = full.caller(EXTENSIONS, CLIENT), url_of("limited", EXTENSIONS)

    one = _burst(caller, url, most + most // 2, headers={"only": "a"})
    # What comes back meanwhile is used up: a single request on a slow machine would find a token.
    with caller.load(url, rate=50, headers={"only": "a"}):
        refused = wait_for(
            lambda: found if (found := caller.get(url, headers={"only": "a"})).status == 429 else None,
            deadline=ARRIVED,
            what="a refusal from the pod whose bucket is empty",
        )
    free = _burst(caller, url_of("open", EXTENSIONS), most + most // 2)
    # The second pod has answered nothing yet: half of these requests are for it.
    both = _burst(caller, url, 4 * most)

    def refilled(load: Load) -> float:
        """Requests that a bucket regains while a load lasts."""
        return most * float(load.summary["elapsed_ms"]) / 1000 / (per.seconds)

    admitted = {"one pod": one.summary["versions"], "two pods": both.summary["versions"]}
    record(
        limit=f"{most} in {limit['per']}",
        admitted=admitted,
        refused={"one pod": one.summary["statuses"]["429"], "two pods": both.summary["statuses"]["429"]},
        elsewhere=free.summary["statuses"],
        seconds={
            "one pod": round(one.summary["elapsed_ms"] / 1000, 2),
            "two": round(both.summary["elapsed_ms"] / 1000, 2),
        },
    )
    assert set(one.summary["statuses"]) == {"200", "429"}
    assert set(one.summary["versions"]) == {"a"}
    assert most <= one.summary["versions"]["a"] <= most + math.ceil(refilled(one)), one.summary
    assert (refused.status, refused.headers.get(LIMITED)) == (429, "true"), refused
    assert free.summary["statuses"] == {"200": most + most // 2}, free.figures
    assert most <= both.summary["versions"]["b"] <= most + math.ceil(refilled(both)), both.summary


def _bucket(site: Site, namespace: str, service: str) -> object:
    found = site.kubectl.json("get", "envoyfilter", f"{service}.rate-limit", "-n", namespace)
    return found["spec"]["configPatches"]


@pytest.mark.proof("H2", "a body above its limit is 413, with and without a length said ahead; one of its size passes")
def test_a_body_above_its_limit_is_refused(home: Site, engine: Engine, record: Callable[..., None]) -> None:
    limit = ByteSize.parse(engine.setting("services", f"{EXAM}/api-service", "maxRequestBody")).bytes
    answers: Counter[str] = Counter()
    address = home.ingress_address()
    for size, expected in {limit - 1: 200, limit: 200, limit + 1: 413, 2 * limit: 413}.items():
        for chunked in (False, True):
            # Each on a connection of its own: one on which a body was refused may be about to be closed.
            with public(address, PUBLIC_API, timeout=20) as outside:
                answer = outside.post("/health", content=_chunks(size) if chunked else b"a" * size)
            assert ("transfer-encoding" in answer.request.headers) is chunked
            said = f"{size} bytes, {'chunked' if chunked else 'of a length said ahead'}"
            assert answer.status_code == expected, f"{said}: {answer.status_code} {answer.text[:200]}"
            answers[str(expected)] += 1
    # From inside, and with another limit: it is the service's proxy that counts, and no other one's.
    small = ByteSize.parse(engine.setting("services", f"{EXTENSIONS}/small", "maxRequestBody")).bytes
    inside = {
        f"{service} {size - small:+d}": home.caller(EXTENSIONS, CLIENT)
        .get(url_of(service, EXTENSIONS), method="POST", data="a" * size)
        .status
        for service in ("small", "open")
        for size in (small, small + 1)
    }
    record(limit=limit, answers=dict(answers), inside=inside)
    assert inside == {"small +0": 200, "small +1": 413, "open +0": 200, "open +1": 200}


def _chunks(size: int) -> Iterator[bytes]:
    """A body whose end is not known ahead."""
    while size > 0:
        yield b"a" * min(size, 50_000)
        size -= 50_000
