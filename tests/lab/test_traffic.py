"""How callers' proxies treat a service: pools, balancing, time-outs, retries, faults made on purpose, mirrors,
affinity, streams."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from components.config import defaults
from lab.tenant.manifests import CONTROL
from lab.waiting import wait_for
from tests.lab.support.engine import Engine
from tests.lab.support.failures import Pod
from tests.lab.support.public import public
from tests.lab.support.shares import SAMPLE, Share, tolerance, within
from tests.lab.support.site import EXAM, FRONTEND, PUBLIC, WEB, Site, host_of, url_of
from tests.lab.support.traffic import Answer, Caller, Load

TRAFFIC = "traffic"  # the namespace of tests/lab/stage/traffic.yaml

RATE = 200.0  # requests a second
SLOW = "8s"  # that a pool of one and one waiting stays full for: twice as long, with time to look
MANNERS = 3.0  # seconds that a machine busy with everything else may add to an answer
EARLY = 0.1  # seconds


@pytest.fixture(scope="module")
def site(sites: Mapping[str, Site], engine: Engine) -> Site:
    """The region that has the services of the stage."""
    (name,) = engine.setting("services", f"{TRAFFIC}/frontend", "regions")
    return sites[name]


@pytest.fixture(scope="module")
def caller(site: Site) -> Caller:
    return site.caller(TRAFFIC, FRONTEND)


def _own(prefix: str) -> str:
    """A path that nobody else has asked for, so that counts and log lines of it are of this proof."""
    return f"{prefix}/{uuid.uuid4().hex[:12]}"


def _clusters(site: Site, namespace: str, workload: str, name: str) -> dict[tuple[int, str], dict[str, Any]]:
    """The clusters of a host in a proxy's dump, by port and version."""
    words = ["proxy-config", "cluster", workload, "-n", namespace, "--fqdn", name, "--direction", "outbound"]
    found = json.loads(site.istioctl.text(*words, "-o", "json"))
    parts = {cluster["name"]: cluster["name"].split("|") for cluster in found}
    return {(int(parts[cluster["name"]][1]), parts[cluster["name"]][2]): cluster for cluster in found}


def _limits(cluster: Mapping[str, Any]) -> dict[str, int]:
    """The limits of a cluster that are no default."""
    (threshold,) = cluster["circuitBreakers"]["thresholds"]
    words = ("maxConnections", "maxPendingRequests", "maxRequests")
    usual = (defaults.MAX_CONNECTIONS, defaults.MAX_PENDING_REQUESTS, defaults.MAX_REQUESTS)
    return {word: threshold[word] for word, value in zip(words, usual, strict=True) if threshold[word] != value}


def _logged(caller: Caller, token: str, needed: int) -> list[str]:
    """Lines of the caller's access log about a path; they come within a second or two."""

    def lines() -> list[str]:
        log = caller.kubectl.proxy_log(caller.namespace, caller.workload, since="120s")
        return [line for line in log.splitlines() if token in line]

    return wait_for(
        lambda: found if len(found := lines()) >= needed else None,
        deadline=15,
        what=f"{needed} lines about {token} in the log of {caller.workload}",
        interval=0.5,
    )


# E4: destinations


@pytest.mark.proof(
    "E4", "the exam platform's pool, balancing and outliers are in its callers' proxies, for each version"
)
def test_the_settings_of_the_exam_platform_are_in_effect(home: Site, record: Callable[..., None]) -> None:
    found = _clusters(home, EXAM, WEB, host_of("exam-service", EXAM))
    assert {version for _, version in found} == {"", "v1", "v2"}
    for key, cluster in found.items():
        # On its port for HTTP each version has a word of its own.
        connections = 200 if key == (8080, "v2") else 100
        assert _limits(cluster) == {"maxConnections": connections, "maxPendingRequests": 50}, key
        chosen = "ROUND_ROBIN" if key == (8080, "v1") else "LEAST_REQUEST"
        assert cluster.get("lbPolicy", "ROUND_ROBIN") == chosen, key
        outliers = cluster["outlierDetection"]
        assert (outliers["consecutiveGatewayFailure"], outliers["enforcingConsecutive5xx"]) == (3, 0), key
        assert (outliers["interval"], outliers["baseEjectionTime"]) == ("30s", "30s"), key
        assert outliers["maxEjectionPercent"] == defaults.MAX_EJECTION_PERCENT, key
        options = cluster["typedExtensionProtocolOptions"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
        assert options["commonHttpProtocolOptions"]["maxRequestsPerConnection"] == 10, key
    record(clusters=[f"{port} {version or 'all'}" for port, version in sorted(found)])


@pytest.mark.proof("E4", "what a full pool has no room for is answered 503 at once, with UO in the caller's log")
def test_a_full_pool_refuses_at_once(site: Site, caller: Caller, record: Callable[..., None]) -> None:
    path, slow = _own("/full"), {"x-echo-delay": SLOW}
    probe = url_of("narrow", TRAFFIC, "/probe")
    pod = Pod.only(site.kubectl, TRAFFIC, "app=narrow")
    burst = ["--count", "20", "--duration", "5s", "--timeout", "40s", "--no-keepalive"]
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(caller.send, url_of("narrow", TRAFFIC, path), *burst, rate=RATE, headers=slow)
        # Not asked before it is full: a question of ours in the pool would be one of its two.
        _logged(caller, path, 1)
        refused = caller.get(probe, timeout=20)
        summary = load.result().summary
    accepted, overflowed = summary["statuses"]["200"], summary["statuses"]["503"]
    lines = [line for line in _logged(caller, path, overflowed) if " 503 UO " in line]
    served = pod.served()["paths"].get(path, 0)
    record(
        sent=summary["sent"], accepted=accepted, status_503=overflowed, logged_UO=len(lines), served=served,
        refused_after_s=round(refused.seconds, 3),
    )  # fmt: skip
    assert (refused.status, refused.headers.get("x-envoy-overloaded")) == (503, "true")
    assert refused.seconds < MANNERS, "it waited before it was refused"
    # One has the connection and one waits for it; the accepted ones alone have reached the service.
    assert (accepted, overflowed) == (2, 18), summary["statuses"]
    assert (len(lines), served) == (overflowed, accepted)


@pytest.mark.proof("E4", "each port has its own limits: two, five and two hundred requests at a time")
def test_ports_have_limits_of_their_own(site: Site, caller: Caller, record: Callable[..., None]) -> None:
    path = _own("/ports")
    burst = ["--count", "20", "--duration", "5s", "--timeout", "40s"]
    slow = {"x-echo-delay": SLOW}
    with ThreadPoolExecutor(2) as pool:
        http = pool.submit(
            caller.send, url_of("narrow", TRAFFIC, path), *burst, "--no-keepalive", rate=RATE, headers=slow
        )
        grpc = pool.submit(
            caller.send, url_of("narrow", TRAFFIC, "", port=9090, scheme="grpc"), *burst, rate=RATE, headers=slow
        )
        # While the others are full.
        _logged(caller, path, 1)
        control = caller.requests(url_of("narrow", TRAFFIC, "/healthz", port=CONTROL), 100, rate=RATE)
        found = {"http": http.result(), "grpc": grpc.result(), "http-control": control}
    statuses = {port: load.summary["statuses"] for port, load in found.items()}
    narrow = _clusters(site, TRAFFIC, FRONTEND, host_of("narrow", TRAFFIC))
    dump = {port: _limits(cluster) for (port, _), cluster in narrow.items()}
    record(statuses=statuses, dump={str(port): value for port, value in dump.items()})
    assert statuses == {
        "http": {"200": 2, "503": 18},
        "grpc": {"OK": 5, "Unavailable": 15},
        "http-control": {"200": 100},
    }
    wide = {"maxConnections": 200, "maxPendingRequests": 100}
    # A port's own settings come over the service's, one by one.
    own = {"maxConnections": 1, "maxPendingRequests": 1}
    assert dump == {8080: own, 9090: {**wide, "maxRequests": 5}, 8081: wide, 9000: wide}


@pytest.mark.proof("E4", "a slow pod gets fewer requests by LEAST_REQUEST, and half of them by a port's ROUND_ROBIN")
def test_a_slow_pod_gets_fewer_requests(site: Site, caller: Caller, record: Callable[..., None]) -> None:
    count = 400
    words = ["--count", str(count), "--duration", "30s", "--timeout", "20s"]
    with Pod.only(site.kubectl, TRAFFIC, "app=pair,version=b").behaving(delay="500ms"):
        least = caller.send(url_of("pair", TRAFFIC), *words, rate=80)
        robin = caller.send(url_of("pair", TRAFFIC, "", port=9090, scheme="grpc"), *words, rate=80)
    shares = {"LEAST_REQUEST": least.summary["versions"], "ROUND_ROBIN": robin.summary["versions"]}
    policies = {port: cluster.get("lbPolicy") for (port, version), cluster in
                _clusters(site, TRAFFIC, FRONTEND, host_of("pair", TRAFFIC)).items() if not version}  # fmt: skip
    record(**shares)
    assert least.failed == robin.failed == 0, shares
    # Of two pods drawn at random, with replacement, one draw in four leaves no choice: the slow one gets a quarter.
    assert within(least.summary["versions"]["b"], 25, sample=count, sigmas=5), shares
    assert abs(robin.summary["versions"]["b"] - count / 2) <= count / 100, shares
    # Round robin is Envoy's own default, which a dump leaves out.
    assert policies[8080] == "LEAST_REQUEST"
    assert policies[9090] in (None, "ROUND_ROBIN")


# E5: time-outs, retries, faults, mirrors, affinity, streams


def _timed_out(answer: Answer, seconds: float) -> bool:
    # Envoy's clock is that of its last turn: a time-out may be over some milliseconds before the caller's says so.
    return answer.status == 504 and seconds - EARLY <= answer.seconds < seconds + MANNERS


@pytest.mark.proof("E5", "exam-service as committed: 504 after the route's 5 s, after the default 15 s elsewhere")
def test_requests_of_the_exam_platform_have_their_time(home: Site, record: Callable[..., None]) -> None:
    caller = home.caller(EXAM, WEB)
    slow = {"x-echo-delay": "25s"}
    with ThreadPoolExecutor(2) as pool:
        route, other = pool.map(
            lambda path: caller.get(url_of("exam-service", EXAM, path), headers=slow, timeout=30),
            ("/api/v2/exams", "/exams"),
        )
    record(route_s=round(route.seconds, 2), default_s=round(other.seconds, 2))
    assert _timed_out(route, 5), route
    assert _timed_out(other, defaults.TIMEOUT.seconds), other


@pytest.mark.proof("E5", "retries: 503 to a GET is tried again, to a POST never; the server counts the tries")
def test_only_what_may_be_done_twice_is_tried_again(site: Site, caller: Caller, record: Callable[..., None]) -> None:
    pod = Pod.only(site.kubectl, TRAFFIC, "app=terms")
    # Prefix of the path, method, what the server does, and how often it is to see the request.
    cases: dict[str, tuple[str, str, dict[str, str], int]] = {
        "GET, 3 attempts": ("/read", "GET", {"x-echo-status": "503"}, 4),
        "GET, 3 attempts, 500": ("/read", "GET", {"x-echo-status": "500"}, 1),
        "POST, 3 attempts": ("/read", "POST", {"x-echo-status": "503"}, 1),
        "GET, 0 attempts": ("/once", "GET", {"x-echo-status": "503"}, 1),
        # Its route takes POST too, so that nothing is sent twice.
        "GET of a route of all methods": ("/any", "GET", {"x-echo-status": "503"}, 1),
        "GET that takes too long": ("/short", "GET", {"x-echo-delay": "5s"}, 1),
        "GET, 2 attempts of 1 s each": ("/tries", "GET", {"x-echo-delay": "5s"}, 3),
    }
    paths = {name: _own(prefix) for name, (prefix, *_) in cases.items()}

    def ask(name: str) -> Answer:
        _, method, headers, _ = cases[name]
        return caller.get(url_of("terms", TRAFFIC, paths[name]), method=method, headers=headers, timeout=12)

    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(cases, pool.map(ask, cases), strict=True))
    served = pod.served()["paths"]
    counts = {name: served.get(path, 0) for name, path in paths.items()}
    record(tries=counts, seconds={name: round(answer.seconds, 2) for name, answer in answers.items()})
    assert counts == {name: needed for name, (*_, needed) in cases.items()}
    timed = {"GET that takes too long": 1, "GET, 2 attempts of 1 s each": 3}
    for name, answer in answers.items():
        if name in timed:
            assert _timed_out(answer, timed[name]), f"{name}: {answer}"
        else:
            assert answer.status == int(cases[name][2]["x-echo-status"]), f"{name}: {answer}"


@pytest.mark.proof("E5", "a fault: 30 % of 1,000 requests are answered for the service, which never sees them")
def test_a_share_of_requests_is_aborted(site: Site, caller: Caller, record: Callable[..., None]) -> None:
    pod = Pod.only(site.kubectl, TRAFFIC, "app=terms")
    passed: list[tuple[int, int]] = []

    def draw() -> int:
        path = _own("/aborted")
        load = caller.requests(url_of("terms", TRAFFIC, path), SAMPLE, rate=RATE)
        assert (set(load.summary["statuses"]), load.summary["errors"]) == ({"200", "418"}, {}), load.figures
        passed.append((load.summary["statuses"]["200"], pod.served()["paths"][path]))
        return int(load.summary["statuses"]["418"])

    share = Share.drawn(draw, 30)
    record(aborted=share.samples, tolerance=round(tolerance(30)), served=[served for _, served in passed])
    assert share.fair, f"not {share}"
    assert all(answered == served for answered, served in passed), passed


@pytest.mark.proof("E5", "a delay: 20 % of 1,000 requests are held back for 3 s, and then answered")
def test_a_share_of_requests_is_delayed(site: Site, caller: Caller, record: Callable[..., None]) -> None:
    pod = Pod.only(site.kubectl, TRAFFIC, "app=terms")
    served: list[int] = []

    def draw() -> int:
        """Who does not wait for a delayed answer goes, before the service has heard of the request."""
        path = _own("/delayed")
        words = ["--count", str(SAMPLE), "--duration", "30s", "--timeout", "2s", "--no-keepalive"]
        load = caller.send(url_of("terms", TRAFFIC, path), *words, rate=100)
        assert (load.sent, set(load.summary["errors"])) == (SAMPLE, {"timeout"}), load.figures
        served.append(pod.served()["paths"][path])
        return SAMPLE - served[-1]

    share = Share.drawn(draw, 20)
    assert share.fair, f"not {share}"
    patient = caller.send(url_of("terms", TRAFFIC, _own("/delayed")), "--count", "60", "--timeout", "10s", rate=60)
    latency = {name: round(value / 1000, 2) for name, value in patient.summary["latency"].items()}
    record(delayed=share.samples, tolerance=round(tolerance(20)), seconds=latency)
    assert patient.failed == 0, patient.figures
    assert latency["p50"] < MANNERS
    assert 3 <= latency["max"] < 3 + MANNERS


@pytest.mark.proof("E5", "a mirror gets all or a share of the requests; nobody waits for it, however it fails")
def test_a_mirror_sees_what_its_service_sees(site: Site, caller: Caller, record: Callable[..., None]) -> None:
    count = 100
    shadow = Pod.only(site.kubectl, TRAFFIC, "app=shadow")
    found: dict[str, object] = {}

    def copies(path: str) -> int:
        return int(shadow.served()["paths"].get(path, 0))

    def mirrored(path: str) -> Load:
        load = caller.requests(url_of("terms", TRAFFIC, path), count)
        # Every answer is the service's own.
        assert (load.failed, load.summary["services"]) == (0, {"terms": count}), load.figures
        assert load.summary["latency"]["p99"] < MANNERS * 1000, load.figures
        return load

    for name, mode in (("well", {}), ("answers 503", {"status": 503}), ("hangs", {"hang": True})):
        path = _own("/copied")
        with shadow.behaving(**mode):
            load = mirrored(path)
            if "hang" not in mode:
                wait_for(lambda path=path: copies(path) == count, deadline=10, what=f"{count} copies of {path}")
        # One that hangs counts what it has given up, much later.
        counted = {} if "hang" in mode else {"copies": copies(path)}
        found[name] = {**counted, "p99_ms": load.summary["latency"]["p99"], "failed": load.failed}
    path = _own("/plain")
    mirrored(path)
    found["without a mirror"] = copies(path)

    def draw() -> int:
        path = _own("/sampled")
        load = caller.requests(url_of("terms", TRAFFIC, path), SAMPLE, rate=RATE)
        assert load.failed == 0, load.figures
        # A copy has no answer to wait for: the last ones may still be on their way.
        seen: list[int] = []
        wait_for(
            lambda: seen.append(copies(path)) or (len(seen) >= 3 and len(set(seen[-3:])) == 1),
            deadline=30,
            what="the last copy",
            interval=1,
        )
        return seen[-1]

    share = Share.drawn(draw, 25)
    record(**found, sampled=share.samples, tolerance=round(tolerance(25)))
    assert share.fair, f"not {share}"
    assert found["without a mirror"] == 0


@pytest.mark.proof(
    "E5", "affinity: the proxy gives a caller a cookie, and all who have it reach one pod; over both pods"
)
def test_a_cookie_leads_to_one_pod(caller: Caller, record: Callable[..., None]) -> None:
    strangers, requests = 16, 25
    sticky = url_of("sticky", TRAFFIC)
    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(lambda _: caller.get(sticky), range(strangers)))
        cookies = [answer.headers["set-cookie"] for answer in first]
        name_value = [cookie.partition(";")[0] for cookie in cookies]
        again = [
            list(caller.requests(sticky, requests, headers={"cookie": cookie}).summary["pods"].items())
            for cookie in name_value[:6]
        ]
        returned = list(pool.map(lambda cookie: caller.get(sticky, headers={"cookie": cookie}), name_value))
    pods = [str(answer.echo["pod"]) for answer in first]
    record(cookies=len(set(name_value)), pods={pod: pods.count(pod) for pod in set(pods)}, example=cookies[0])
    assert all(cookie.startswith("exam-session=") for cookie in cookies)
    assert all({"Max-Age=3600", "Path=/"} <= set(cookie.split("; ")) for cookie in cookies), cookies[0]
    assert len(set(name_value)) == strangers
    # All of them by chance at one pod: once in 32,768 times.
    assert len(set(pods)) == 2
    assert [answer.echo["pod"] for answer in returned] == pods
    assert not any("set-cookie" in answer.headers for answer in returned)
    assert again == [[(pod, requests)] for pod in pods[:6]]


@pytest.mark.proof(
    "E5", "a stream outlives the default time-out, a busy one the idle time-out too; a silent one is ended"
)
def test_streams_have_an_idle_time_out_only(
    site: Site, engine: Engine, caller: Caller, record: Callable[..., None]
) -> None:
    usual = defaults.TIMEOUT.seconds
    idle = int(str(engine.setting("services", f"{TRAFFIC}/terms", "idleTimeout")).removesuffix("s"))
    assert usual < idle - 2
    address = site.ingress_address()

    def after(path: str, seconds: float) -> Answer:
        return caller.get(url_of("terms", TRAFFIC, _own(path)), headers={"x-echo-delay": f"{seconds:g}s"}, timeout=40)

    def trickle() -> Iterator[bytes]:
        """A byte a second, for longer than a silent stream may last."""
        for _ in range(idle + 3):
            yield b"."
            time.sleep(1)

    def busy() -> tuple[str, float, int]:
        # By the ingress, which this machine can send a body to piece by piece.
        started = time.monotonic()
        with public(address, PUBLIC) as client:
            answer = client.post(_own("/feed"), content=trickle())
        seen = answer.raise_for_status().json()
        return seen["service"], time.monotonic() - started, len(seen["body"])

    with ThreadPoolExecutor(4) as pool:
        talking = pool.submit(busy)
        survivor = pool.submit(after, "/feed", usual + 1)
        silent = pool.submit(after, "/feed", idle + 10)
        request = pool.submit(after, "/plain", usual + 1)
    service, seconds, received = talking.result()
    record(
        stream_s=round(survivor.result().seconds, 2), busy_stream_s=round(seconds, 2),
        silent_stream_s=round(silent.result().seconds, 2), silent_stream=silent.result().status,
        request_s=round(request.result().seconds, 2),
    )  # fmt: skip
    assert survivor.result().status == 200, survivor.result()
    assert survivor.result().seconds >= usual + 1
    assert (service, received) == ("terms", idle + 3)
    assert seconds > idle
    assert _timed_out(silent.result(), idle), silent.result()
    assert _timed_out(request.result(), usual), request.result()
