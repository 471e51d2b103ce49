"""Findings of the seed's table of performance issues: which cause applies, with its numbers."""

from dataclasses import replace

import pytest

from mesh.doctor.facts import Distribution
from mesh.doctor.thresholds import Thresholds
from tests.doctor.mesh import API, Change, all_of, inbound, istiod_measured, lines, measured, traffic

MEBI = 2**20


def calls(**changes: object) -> Change:
    """What web's proxy saw of its requests to api."""
    return measured("web", traffic=(traffic(API, **changes),))


def served(**changes: object) -> Change:
    """What api's proxy saw of the server beside it."""
    return measured("api", traffic=(inbound(**changes),))


def both(call: object, serve: object) -> Change:
    from tests.doctor.mesh import in_region, proxy, region

    def change_of(service: str, seen: object) -> object:
        made = proxy(service)
        assert made.metrics is not None
        return replace(made, metrics=replace(made.metrics, traffic=(seen,)))  # pyright: ignore[reportArgumentType]

    changed = {"web": change_of("web", call), "api": change_of("api", serve)}
    return in_region(proxies=tuple(changed.get(p.service, p) for p in region("use1").proxies))


def limits(**values: object) -> Change:
    return lambda snapshot: replace(snapshot, thresholds=Thresholds.model_validate(values))


CASES: list[tuple[str, Change, list[str]]] = [
    (
        "a slow server",
        both(traffic(API, p99=1.5), inbound(mean=1.2)),
        [
            (
                "warning latency-server use1 exam/api: exam/api is slow itself, above 1s: mean 1200 ms of 100"
                " requests between its proxy and its server in use1, p99 1500 ms of 100 requests seen by "
                "exam/web. Its callers wait, their pools fill up, and circuit breakers open. Resource "
                "constraints: see cpu and memory of its pods, raise their limits or replicas; the mesh adds "
                "nothing here."
            ),
        ],
    ),
    (
        "a slow way",
        both(traffic(API, mean=1.5), inbound(mean=0.01)),
        [
            (
                "warning latency-way use1 api.exam.svc.cluster.local: Requests of exam/web to "
                "api.exam.svc.cluster.local are slow, above 1s: mean 1500 ms of 100 requests; its server "
                "takes mean 10 ms of 100 requests. Its callers wait, their pools fill up, and circuit "
                "breakers open. The time goes on the way: inefficient routing (see whether requests leave the"
                " region, `distribute` and `failover`), a full pool, retries, or a proxy short of cpu."
            ),
        ],
    ),
    (
        "a slow destination that nobody else saw",
        calls(p99=2.5),
        [
            (
                "warning latency-way use1 api.exam.svc.cluster.local: Requests of exam/web to "
                "api.exam.svc.cluster.local are slow, above 1s: p99 2500 ms of 100 requests. Its callers "
                "wait, their pools fill up, and circuit breakers open. The time goes on the way: inefficient "
                "routing (see whether requests leave the region, `distribute` and `failover`), a full pool, "
                "retries, or a proxy short of cpu."
            ),
        ],
    ),
    ("a slow server, and too few requests", both(traffic(API, p99=1.5, requests=19), inbound(mean=1.2)), []),
    ("fast enough", calls(p99=1.0), []),
    (
        "a stricter team",
        all_of(calls(p99=0.25), limits(latency="100ms")),
        [
            (
                "warning latency-way use1 api.exam.svc.cluster.local: Requests of exam/web to "
                "api.exam.svc.cluster.local are slow, above 100ms: p99 250 ms of 100 requests. Its callers "
                "wait, their pools fill up, and circuit breakers open. The time goes on the way: inefficient "
                "routing (see whether requests leave the region, `distribute` and `failover`), a full pool, "
                "retries, or a proxy short of cpu."
            ),
        ],
    ),
    (
        "an open circuit breaker",
        calls(breaker_open=True, overflows=12),
        [
            (
                "fault breaker-open use1 api.exam.svc.cluster.local: The circuit breaker of exam/web to "
                "api.exam.svc.cluster.local is open: 12 requests refused in 2 s, 100 answered. Refused "
                "requests are answered 503 at once. Where the service is slow, mend that; where it is not, "
                "the limits are too tight (circuit breaker false positives): raise "
                "`traffic.pool.maxConnections` and `maxPendingRequests`."
            ),
        ],
    ),
    (
        "a full pool, seen by its refusals alone",
        calls(overflows=3),
        [
            (
                "fault breaker-open use1 api.exam.svc.cluster.local: The circuit breaker of exam/web to "
                "api.exam.svc.cluster.local is open: 3 requests refused in 2 s, 100 answered. Refused "
                "requests are answered 503 at once. Where the service is slow, mend that; where it is not, "
                "the limits are too tight (circuit breaker false positives): raise "
                "`traffic.pool.maxConnections` and `maxPendingRequests`."
            ),
        ],
    ),
    (
        "many retries",
        calls(retries=30),
        [
            (
                "warning retries use1 api.exam.svc.cluster.local: exam/web retried 30 of 100 requests to "
                "api.exam.svc.cluster.local in 2 s, above 20 %. They hide that it fails, and add to its load "
                "when it has too much. See which of its pods fail, and let outlier detection eject them."
            ),
        ],
    ),
    ("some retries", calls(retries=20), []),
    ("many retries of few requests", calls(retries=10, requests=10), []),
    (
        "an ejected endpoint",
        calls(ejected=1),
        [
            (
                "warning endpoint-ejected use1 api.exam.svc.cluster.local: exam/web leaves out 1 of 2 "
                "endpoints of api.exam.svc.cluster.local, which failed. The others carry its load; where all "
                "of a region are left out, requests go to another one. See why they fail: `istioctl "
                "proxy-config endpoints` shows which, by their outlier check."
            ),
        ],
    ),
    (
        "ejected endpoints of an Envoy that does not count all",
        calls(ejected=2, endpoints=0),
        [
            (
                "warning endpoint-ejected use1 api.exam.svc.cluster.local: exam/web leaves out 2 endpoints of"
                " api.exam.svc.cluster.local, which failed. The others carry its load; where all of a region "
                "are left out, requests go to another one. See why they fail: `istioctl proxy-config "
                "endpoints` shows which, by their outlier check."
            ),
        ],
    ),
    (
        "a proxy full of requests",
        measured("web", memory=230 * MEBI),
        [
            (
                "warning proxy-memory use1 web-1.exam: The proxy of exam/web uses 230 of 256 MiB: neither "
                "configuration (30 clusters) nor metrics (0 series) fill it, so requests do. At its limit the"
                " kernel kills it, and requests under way fail. Raise `mesh.proxies.resources.limits.memory`,"
                " of a gateway its own."
            ),
        ],
    ),
    (
        "a proxy full of metrics",
        measured("web", memory=230 * MEBI, series=5000),
        [
            (
                "warning proxy-memory use1 web-1.exam: The proxy of exam/web uses 230 of 256 MiB: telemetry "
                "data accumulates (5000 series of metrics). At its limit the kernel kills it, and requests "
                "under way fail. Take tags without bound out of `telemetry.metrics.tags`, as ids of sessions "
                "are."
            ),
        ],
    ),
    (
        "a proxy full of configuration",
        measured("web", memory=230 * MEBI, clusters=900),
        [
            (
                "warning proxy-memory use1 web-1.exam: The proxy of exam/web uses 230 of 256 MiB: "
                "configuration grows (900 clusters). At its limit the kernel kills it, and requests under way"
                " fail. A Sidecar with the one host that it calls cuts it: */api.exam.svc.cluster.local."
            ),
            (
                "warning configuration-size use1 exam/web: The proxy of exam/web knows 900 clusters, above "
                "500: the Sidecar exam/web.scope holds for it; a push to a proxy here has 140 KiB. Its memory"
                " and the time of every push grow with the mesh, not with what it calls. A Sidecar with the "
                "one host that it calls cuts it: */api.exam.svc.cluster.local."
            ),
        ],
    ),
    (
        "istiod full",
        istiod_measured(memory=900 * MEBI),
        [
            (
                "warning istiod-memory use1 istiod-1-31-a: istiod-1-31-a uses 900 of 1024 MiB. At its limit "
                "it is killed, and its proxies hang on the others or on nothing. Raise "
                "`mesh.istiod.resources.limits.memory`; Sidecar scopes make what it keeps smaller."
            ),
        ],
    ),
    (
        "a workload without a scope of its own",
        measured("api", clusters=501),
        [
            (
                "warning configuration-size use1 exam/api: The proxy of exam/api knows 501 clusters, above "
                "500: the Sidecar exam/default holds for it; a push to a proxy here has 140 KiB. Its memory "
                "and the time of every push grow with the mesh, not with what it calls. A Sidecar for it cuts"
                " that to what it has itself: by the stack it calls nobody."
            ),
        ],
    ),
    (
        "slow pushes",
        istiod_measured(push=Distribution(40, 5.0)),
        [
            (
                "warning istiod-push use1 istiod-1-31-a: Changes arrive late from istiod-1-31-a, above 3s: "
                "p99 5000 ms of 40 pushes. Endpoints that are gone still get requests meanwhile, new ones "
                "none. Raise its cpu or number of replicas (`mesh.istiod`); Sidecar scopes make each push "
                "smaller."
            ),
        ],
    ),
    (
        "a queue",
        istiod_measured(push=Distribution(40, 5.0), queue=Distribution(40, 3.0)),
        [
            (
                "warning istiod-queue use1 istiod-1-31-a: Proxies wait for their turn at istiod-1-31-a, above"
                " 1s: p99 3000 ms of 40 pushes. Endpoints that are gone still get requests meanwhile, new "
                "ones none. Raise `mesh.istiod.tuning.pushThrottle` or its cpu; Sidecar scopes make each push"
                " smaller."
            ),
        ],
    ),
    ("quick pushes", istiod_measured(push=Distribution(40, 3.0), queue=Distribution(40, 1.0)), []),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_performance(change: Change, expected: list[str]) -> None:
    assert lines(change) == expected
