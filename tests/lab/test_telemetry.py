"""What the proxies tell of requests: tags of metrics, traces, access logs."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lab.waiting import wait_for
from tests.cel import evaluate
from tests.lab.support.engine import Engine
from tests.lab.support.public import public
from tests.lab.support.shares import SAMPLE, Share, tolerance
from tests.lab.support.sink import Sinks, Span, sinks
from tests.lab.support.site import EXAM, PUBLIC, SYSTEM, WEB, Site, url_of

TELEMETRY = "telemetry"  # the namespace of tests/lab/stage/telemetry.yaml
CLIENT = "deploy/client"
WORKLOADS = (CLIENT, "deploy/target")
ARCHIVE = url_of("archive-service", EXAM)  # that one region alone has

RATE = 150.0  # requests a second
EXPORTED = 60.0  # seconds for spans to arrive: a proxy sends them after 5 s at the latest
SETTLED = 7  # the same count so often, a second apart: every proxy has sent once more meanwhile
WRITTEN = 15.0  # seconds for a line of the log to be readable


def _telemetry(site: Site) -> Mapping[str, Any]:
    """The mesh's Telemetry as the region's API server has it."""
    (found,) = site.kubectl.items("telemetry", "-A")
    assert (found["metadata"]["namespace"], found["metadata"]["name"]) == (SYSTEM, "mesh")
    return found["spec"]


# G1: tags of metrics


# Of each tag of the exam platform: a request that has what it is made from, one that has not, and what is told then.
TOLD: Mapping[str, list[tuple[dict[str, Any], str]]] = {
    "request_protocol": [({"protocol": "HTTP/2", "headers": {}}, "HTTP/2"), ({"headers": {}}, "unknown")],
    "user_type": [
        ({"headers": {"user-type": "premium"}}, "premium"),
        ({"headers": {"user-type": "standard"}}, "standard"),
        ({"headers": {"user-type": "' || 'premium"}}, "other"),
        ({"headers": {}}, "anonymous"),
    ],
    "exam_session": [({"headers": {"exam-session-id": "4711"}}, "present"), ({"headers": {}}, "absent")],
}


@pytest.mark.proof("G1", "the metric tags that the API server has, each compiled and evaluated with and without header")
def test_every_expression_of_the_live_object_compiles_and_tells(
    home: Site, engine: Engine, record: Callable[..., None]
) -> None:
    spec = _telemetry(home)
    (metrics,) = spec["metrics"]
    assert metrics["providers"] == [{"name": "prometheus"}]
    (override,) = metrics["overrides"]
    assert override["match"] == {"metric": "ALL_METRICS"}
    tags = override["tagOverrides"]
    assert set(tags) == set(engine.setting("telemetry", "metrics", "tags")) == set(TOLD)
    told: dict[str, list[str]] = {}
    for name, tag in tags.items():
        assert tag["operation"] == "UPSERT"
        for request, expected in TOLD[name]:
            value = evaluate(tag["value"], request)
            assert value == expected, f"{name} of {request}: {value}, by {tag['value']}"
            told.setdefault(name, []).append(expected)
    (logging,) = spec["accessLogging"]
    filtered = logging["filter"]["expression"]
    for request, response, logged in (
        ({"duration": 0.1}, {"code": 200}, False),
        ({"duration": 0.1}, {"code": 404}, False),
        ({"duration": 0.1}, {"code": 500}, True),
        ({"duration": 1.1}, {"code": 200}, True),
    ):
        given = {"method": "GET", "headers": {}, **request}
        assert bool(evaluate(filtered, given, response)) is logged, f"{given} {response}: {filtered}"
    record(tags=told, expressions=len(tags) + 1)


@pytest.mark.proof("G1", "with the tags in place every proxy has taken its configuration")
def test_no_proxy_refuses_what_the_telemetry_made(home: Site, record: Callable[..., None]) -> None:
    proxies: dict[str, dict[str, str]] = {}

    def all_taken() -> bool:
        for entry in json.loads(home.istioctl.text("proxy-status", "-o", "json"))["resources"]:
            kinds = entry["genericXdsConfigs"]
            proxies[entry["node"]["id"]] = {
                kind["typeUrl"].rpartition(".")[2]: kind.get("configStatus", "") for kind in kinds
            }
        return all(set(states.values()) == {"SYNCED"} for states in proxies.values())

    wait_for(all_taken, deadline=60, what=f"every proxy of {home.name} to have taken its configuration", interval=1)
    assert len(proxies) > 10, proxies
    listeners = home.istioctl.text("proxy-config", "listeners", "deploy/target", "-n", TELEMETRY, "-o", "json")
    loggers = set(re.findall(r'"path": "(/dev/[^"]*)"', listeners))
    assert loggers == {"/dev/stdout"}, "the lab's stand-in for metrics writes lines of its own"
    assert "istio.stats" not in listeners, "the lab's Envoy has no such filter"
    record(proxies=len(proxies))


# G2: traces


TAGS = {"user_id": "x-user-id", "exam_type": "x-exam-type", "geographic_region": "x-region"}


@pytest.mark.proof("G2", "one trace over ingress, caller and callee in two regions; each span has the three tags")
def test_a_trace_spans_both_regions(sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]) -> None:
    (elsewhere,) = engine.setting("services", f"{EXAM}/archive-service", "regions")
    home = next(site for site in sites.values() if site.name != elsewhere)
    assert set(engine.setting("telemetry", "tracing", "tags")) == set(TAGS)
    values = {tag: f"{tag}-{uuid.uuid4().hex[:8]}" for tag in TAGS}
    sent = {header: values[tag] for tag, header in TAGS.items()}

    onward, asked = _sampled_by_the_ingress(home, sent)
    # What a service passes on of the request that it answers: whose trace it is, and that it is one.
    answer = home.caller(EXAM, WEB).get(ARCHIVE, headers={**sent, **onward})
    assert (answer.status, answer.region) == (200, sites[elsewhere].region.region), answer
    trace = onward["traceparent"].split("-")[1]

    with sinks(sites.values()) as collectors:
        spans = wait_for(
            lambda: _complete(collectors, trace), deadline=EXPORTED, what=f"all spans of {trace}", interval=1
        )
    assert {span["trace_id"] for found in spans.values() for span in found} == {trace}
    for found in spans.values():
        for span in found:
            assert {tag: span["attributes"].get(tag) for tag in TAGS} == values, span
    chain = _chain([span for found in spans.values() for span in found])
    assert chain == [
        "SERVER istio-ingress.istio-ingress",
        "CLIENT istio-ingress.istio-ingress",
        f"SERVER web-frontend.{EXAM}",
        f"CLIENT web-frontend.{EXAM}",
        f"SERVER archive-service.{EXAM}",
    ]
    regions = {
        name: sorted({span["attributes"]["istio.cluster_id"] for span in found}) for name, found in spans.items()
    }
    assert regions == {name: [name] for name in sites}, "each region's proxies tell their own region's sink"
    record(trace=trace, chain=chain, spans={name: len(found) for name, found in spans.items()}, asked=asked)


def _sampled_by_the_ingress(home: Site, headers: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """Sends requests until the ingress samples one: the trace headers that its receiver saw, and how many were sent."""
    with public(home.ingress_address(), PUBLIC) as outside:
        # Of ten in a hundred, none of 200 is one in a thousand million.
        for asked in range(1, 201):
            answer = outside.get("/", headers=headers)
            assert (answer.status_code, answer.json()["service"]) == (200, "web-frontend"), answer
            seen = answer.json()["headers"]
            if seen["traceparent"].endswith("-01"):
                # By the id each proxy knows the decision of the first one: without it the next one draws again.
                return {name: seen[name] for name in ("traceparent", "x-request-id")}, asked
    raise AssertionError("none of 200 requests was sampled")


def _complete(collectors: Sinks, trace: str) -> dict[str, list[Span]] | None:
    spans = collectors.spans(trace=trace)
    return spans if sum(len(found) for found in spans.values()) >= 5 and all(spans.values()) else None


def _chain(spans: list[Span]) -> list[str]:
    """The spans from the first one on, each the parent of the next."""
    children = {span["parent_id"]: span for span in spans}
    assert len(children) == len(spans), f"a span has two children: {spans}"
    chain: list[str] = []
    parent = ""
    while span := children.get(parent):
        chain.append(f"{span['kind']} {span['service']}")
        parent = span["span_id"]
    return chain


@pytest.mark.proof("G2", "the share of requests that are traced is the stack's, within 3 sigmas over 1,000 requests")
def test_as_many_requests_are_traced_as_the_stack_says(
    home: Site, sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    percent = float(engine.setting("telemetry", "tracing", "sampling"))
    with sinks(sites.values()) as collectors:
        share = Share.drawn(lambda: _traced(home, collectors), percent)
    expected = SAMPLE * percent / 100
    record(traced=share.samples, of=SAMPLE, expected=expected, tolerance=round(tolerance(percent), 1))
    assert share.fair, f"not {share}"


def _traced(home: Site, collectors: Sinks) -> int:
    """How many of :data:`SAMPLE` requests were traced, by both proxies that each one passed."""
    mark = uuid.uuid4().hex
    caller = home.caller(TELEMETRY, CLIENT)
    target = url_of("target", TELEMETRY)
    load = caller.burst(target, SAMPLE, rate=RATE, headers={"x-exam-type": mark}, spare=10)
    assert (load.sent, load.failed) == (SAMPLE, 0), load.figures

    def traces(service: str) -> set[str]:
        found = [span for spans in collectors.spans(service=f"{service}.{TELEMETRY}").values() for span in spans]
        return {span["trace_id"] for span in found if span["attributes"].get("exam_type") == mark}

    def both_sides() -> set[str]:
        # Each of the two proxies sends what it has when its own time is up: once both say the same, all has come.
        called, served = traces("client"), traces("target")
        assert called == served, f"the caller's proxy tells of {len(called)} traces, the target's of {len(served)}"
        # Two parts may be the same by chance: once more, when each has sent again.
        counted.append(len(called))
        assert counted[-SETTLED:] == [len(called)] * SETTLED, f"still counting: {counted}"
        return called

    counted: list[int] = []
    return len(wait_for(both_sides, deadline=EXPORTED, what="the same traces of both proxies", interval=1))


# G3: access logs


@pytest.mark.proof(
    "G3", "failed, slow and abandoned requests are in both proxies' logs; good ones, 404 and tokens are not"
)
def test_failed_and_slow_requests_are_logged_and_no_others(
    home: Site, sites: Mapping[str, Site], record: Callable[..., None]
) -> None:
    caller = home.caller(TELEMETRY, CLIENT)
    mark, secret = uuid.uuid4().hex[:12], f"secret-{uuid.uuid4().hex}"
    # Those that are to leave no line are sent first: a log is written in order.
    requests: dict[str, tuple[int, dict[str, str]]] = {
        "good": (200, {}),
        "missing": (404, {"x-echo-status": "404"}),
        "brisk": (200, {"x-echo-delay": "500ms"}),
        "abandoned": (0, {"x-echo-delay": "5s"}),
        "failed": (500, {"x-echo-status": "500"}),
        "slow": (200, {"x-echo-delay": "1200ms"}),
    }
    for kind, (status, headers) in requests.items():
        timeout = 0.7 if kind == "abandoned" else 10.0
        given = {"authorization": f"Bearer {secret}", "cookie": f"session={secret}", **headers}
        answer = caller.get(url_of("target", TELEMETRY, f"/{kind}-{mark}"), headers=given, timeout=timeout)
        assert answer.status == status, f"{kind}: {answer}"

    def lines() -> dict[str, list[str]]:
        """Of every proxy that could have had the requests, the kinds of which it tells."""
        told: dict[str, list[str]] = {}
        for workload in WORKLOADS:
            for site in sites.values() if workload == "deploy/target" else [home]:
                log = site.kubectl.proxy_log(TELEMETRY, workload, since="5m")
                assert secret not in log, f"a token is in the log of {workload} in {site.name}"
                told.setdefault(workload, []).extend(re.findall(rf'"GET /(\w+)-{mark} HTTP/1.1"', log))
        return told

    # Each proxy tells of each request once, and it is not known which one ends first.
    expected = {workload: ["abandoned", "failed", "slow"] for workload in WORKLOADS}
    wait_for(
        lambda: all({"failed", "slow", "abandoned"} <= set(kinds) for kinds in lines().values()),
        deadline=WRITTEN,
        what="lines of the failed, the slow and the abandoned request in the logs of both proxies",
        interval=0.5,
    )
    told = {workload: sorted(kinds) for workload, kinds in lines().items()}
    record(sent=list(requests), logged=told)
    assert told == expected
