"""The seed's table of performance issues: which of its causes applies, with the numbers.

| issue | causes | here |
|---|---|---|
| latency | routing, circuit breakers without need, resources | `latency`, `breakers`, `retries`, `ejections` |
| memory | metrics that pile up, configuration that grows | `memory`, `killed`, `configuration` |
| certificates | clocks, ends of validity | checks/trust.py |

What one proxy saw within seconds is no average of a day: where there were too few requests nothing is said.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from components.config.names import host_of
from mesh.doctor.facts import Distribution, Proxy, Region, Snapshot, Traffic
from mesh.doctor.findings import Finding, fault, warning

MEBI = 2**20


@dataclass(frozen=True)
class _Seen:
    """The traffic that one proxy saw, with the proxy."""

    region: str
    proxy: Proxy
    traffic: Traffic


def _seen(snapshot: Snapshot) -> Iterator[_Seen]:
    for name, region in snapshot.answering.items():
        for proxy in region.proxies:
            for traffic in proxy.metrics.traffic if proxy.metrics else ():
                yield _Seen(name, proxy, traffic)


def took(traffic: Traffic) -> tuple[float, str] | None:
    """Seconds, and which number that is."""
    if traffic.p99 is not None:
        return traffic.p99, "p99"
    return None if traffic.mean is None else (traffic.mean, "mean")


def latency(snapshot: Snapshot) -> Iterator[Finding]:
    """Slow destinations, and on which hop the time goes: in the server, or on the way to it."""
    limit, least = snapshot.thresholds.latency.seconds, snapshot.thresholds.requests
    slow: dict[tuple[str, str], list[_Seen]] = {}
    for seen in _seen(snapshot):
        measured = took(seen.traffic)
        if seen.traffic.direction == "outbound" and measured and measured[0] > limit and seen.traffic.requests >= least:
            slow.setdefault((seen.region, seen.traffic.host), []).append(seen)
    servers = _servers(snapshot)
    told: set[str] = set()
    for (region, host), found in slow.items():
        worst = max(found, key=lambda seen: (took(seen.traffic) or (0.0, ""))[0])
        within = servers.get(host)
        measured = took(within.traffic) if within is not None else None
        if within is not None and measured is not None and measured[0] > limit / 2:
            # The server is slow whoever asks: it is said once.
            if host not in told:
                told.add(host)
                yield _slow_server(snapshot, within, worst)
        else:
            yield _slow_way(snapshot, region, host, worst, within)


def _servers(snapshot: Snapshot) -> Mapping[str, _Seen]:
    """What the proxies beside each service's server saw of it, of the slowest of its pods."""
    found: dict[str, _Seen] = {}
    for seen in _seen(snapshot):
        if seen.traffic.direction != "inbound" or took(seen.traffic) is None:
            continue
        host = host_of(seen.proxy.workload)
        best = found.get(host)
        if best is None or (took(seen.traffic) or (0.0,))[0] > (took(best.traffic) or (0.0,))[0]:
            found[host] = seen
    return found


def _numbers(traffic: Traffic) -> str:
    measured = took(traffic)
    if measured is None:
        return f"{traffic.requests:.0f} requests"
    seconds, kind = measured
    return f"{kind} {seconds * 1000:.0f} ms of {traffic.requests:.0f} requests"


def _slow_server(snapshot: Snapshot, within: _Seen, worst: _Seen) -> Finding:
    limit = snapshot.thresholds.latency
    return warning(
        "latency-server",
        within.region,
        within.proxy.workload,
        cause=f"{within.proxy.workload} is slow itself, above {limit}: {_numbers(within.traffic)} between its proxy "
        "and its "
        f"server in {within.region}, {_numbers(worst.traffic)} seen by {worst.proxy.workload}",
        consequence="Its callers wait, their pools fill up, and circuit breakers open",
        cure="Resource constraints: see cpu and memory of its pods, raise their limits or replicas; the mesh adds "
        "nothing "
        "here",
        command=snapshot.kubectl(within.region, "top", "pods", "-n", within.proxy.namespace, "--containers"),
    )


def _slow_way(snapshot: Snapshot, region: str, host: str, worst: _Seen, within: _Seen | None) -> Finding:
    server = f"; its server takes {_numbers(within.traffic)}" if within is not None else ""
    return warning(
        "latency-way",
        region,
        host,
        cause=f"Requests of {worst.proxy.workload} to {host} are slow, above {snapshot.thresholds.latency}: "
        f"{_numbers(worst.traffic)}{server}",
        consequence="Its callers wait, their pools fill up, and circuit breakers open",
        cure="The time goes on the way: inefficient routing (see whether requests leave the region, `distribute` and "
        "`failover`), a full pool, retries, or a proxy short of cpu",
        command=snapshot.istioctl(region, "proxy-config", "endpoints", f"{worst.proxy.pod}.{worst.proxy.namespace}"),
    )


def breakers(snapshot: Snapshot) -> Iterator[Finding]:
    """Circuit breakers that are open, and requests that they refused."""
    for (region, host), found in _together(snapshot, lambda t: t.breaker_open or t.overflows > 0).items():
        refused = sum(seen.traffic.overflows for seen in found)
        callers = ", ".join(sorted({seen.proxy.workload for seen in found}))
        answered = sum(seen.traffic.requests for seen in found)
        yield fault(
            "breaker-open",
            region,
            host,
            cause=f"The circuit breaker of {callers} to {host} is open: {refused:.0f} requests refused in "
            f"{snapshot.window:g} s, {answered:.0f} answered",
            consequence="Refused requests are answered 503 at once",
            cure="Where the service is slow, mend that; where it is not, the limits are too tight (circuit breaker "
            "false "
            "positives): raise `traffic.pool.maxConnections` and `maxPendingRequests`",
            command=snapshot.kubectl(region, "get", "destinationrules", "-A"),
        )


def retries(snapshot: Snapshot) -> Iterator[Finding]:
    """Destinations whose requests are sent again and again."""
    least, share = snapshot.thresholds.requests, snapshot.thresholds.retries / 100

    def many(traffic: Traffic) -> bool:
        return traffic.requests >= least and traffic.retries > share * traffic.requests

    for (region, host), found in _together(snapshot, many).items():
        again, asked = sum(s.traffic.retries for s in found), sum(s.traffic.requests for s in found)
        callers = ", ".join(sorted({seen.proxy.workload for seen in found}))
        yield warning(
            "retries",
            region,
            host,
            cause=f"{callers} retried {again:.0f} of {asked:.0f} requests to {host} in {snapshot.window:g} s, above "
            f"{snapshot.thresholds.retries} %",
            consequence="They hide that it fails, and add to its load when it has too much",
            cure="See which of its pods fail, and let outlier detection eject them",
            command=snapshot.kubectl(region, "get", "pods", "-A", "-o", "wide"),
        )


def ejections(snapshot: Snapshot) -> Iterator[Finding]:
    """Endpoints that proxies leave out because they failed."""
    for (region, host), found in _together(snapshot, lambda t: t.ejected > 0).items():
        worst = max(found, key=lambda seen: seen.traffic.ejected)
        ejected, all_of = worst.traffic.ejected, worst.traffic.endpoints
        counted = f"{ejected} of {all_of} endpoints" if all_of else f"{ejected} endpoint{'s' if ejected > 1 else ''}"
        yield warning(
            "endpoint-ejected",
            region,
            host,
            cause=f"{worst.proxy.workload} leaves out {counted} of {host}, which failed",
            consequence="The others carry its load; where all of a region are left out, requests go to another one",
            cure="See why they fail: `istioctl proxy-config endpoints` shows which, by their outlier check",
            command=snapshot.istioctl(
                region,
                "proxy-config",
                "endpoints",
                f"{worst.proxy.pod}.{worst.proxy.namespace}",
                "--status",
                "unhealthy",
            ),
        )


def _together(snapshot: Snapshot, chosen: Callable[[Traffic], bool]) -> dict[tuple[str, str], list[_Seen]]:
    """Outbound traffic by region and destination."""
    found: dict[tuple[str, str], list[_Seen]] = {}
    for seen in _seen(snapshot):
        if seen.traffic.direction == "outbound" and chosen(seen.traffic):
            found.setdefault((seen.region, seen.traffic.host), []).append(seen)
    return found


def memory(snapshot: Snapshot) -> Iterator[Finding]:
    """Proxies and istiods near their limit, and what fills it."""
    share = snapshot.thresholds.memory / 100
    for name, region in snapshot.answering.items():
        for proxy in region.proxies:
            if proxy.metrics is None or proxy.memory_limit is None:
                continue
            if proxy.metrics.memory > share * proxy.memory_limit:
                yield _full_proxy(snapshot, region, proxy)
        for istiod in region.istiods:
            if istiod.metrics is None or istiod.memory_limit is None:
                continue
            if istiod.metrics.memory > share * istiod.memory_limit:
                yield warning(
                    "istiod-memory",
                    name,
                    istiod.pod,
                    cause=f"{istiod.pod} uses {istiod.metrics.memory / MEBI:.0f} of {istiod.memory_limit / MEBI:.0f} "
                    "MiB",
                    consequence="At its limit it is killed, and its proxies hang on the others or on nothing",
                    cure="Raise `mesh.istiod.resources.limits.memory`; Sidecar scopes make what it keeps smaller",
                    command=snapshot.kubectl(name, "top", "pods", "-n", "istio-system", "--containers"),
                )


def _full_proxy(snapshot: Snapshot, region: Region, proxy: Proxy) -> Finding:
    assert proxy.metrics is not None
    assert proxy.memory_limit is not None
    grown, cure = _why(snapshot, proxy)
    return warning(
        "proxy-memory",
        region.name,
        proxy.key,
        cause=f"The proxy of {proxy.workload} uses {proxy.metrics.memory / MEBI:.0f} of "
        f"{proxy.memory_limit / MEBI:.0f} "
        f"MiB: {grown}",
        consequence="At its limit the kernel kills it, and requests under way fail",
        cure=cure,
        command=snapshot.kubectl(region.name, "top", "pods", "-n", proxy.namespace, "--containers"),
    )


_MANY_SERIES = 2000
"""Series of metrics from which on they rather than the configuration fill a proxy: some 10 MiB."""


def _why(snapshot: Snapshot, proxy: Proxy) -> tuple[str, str]:
    """Which of the seed's causes of memory growth applies, and the cure."""
    assert proxy.metrics is not None
    known, series = proxy.metrics.clusters, proxy.metrics.series
    if series > _MANY_SERIES:
        return (
            f"telemetry data accumulates ({series} series of metrics)",
            "Take tags without bound out of `telemetry.metrics.tags`, as ids of sessions are",
        )
    if known > snapshot.thresholds.configuration and proxy.kind == "sidecar":
        return f"configuration grows ({known} clusters)", _scope(snapshot, proxy)
    return (
        f"neither configuration ({known} clusters) nor metrics ({series} series) fill it, so requests do",
        "Raise `mesh.proxies.resources.limits.memory`, of a gateway its own",
    )


def killed(snapshot: Snapshot) -> Iterator[Finding]:
    """Proxies that the kernel killed for their memory within the last hour."""
    for name, region in snapshot.answering.items():
        for proxy in region.proxies:
            if proxy.killed is None or (snapshot.now - proxy.killed).total_seconds() > 3600:
                continue
            limit = f" of {proxy.memory_limit / MEBI:.0f} MiB" if proxy.memory_limit else ""
            cure = (
                _why(snapshot, proxy)[1]
                if proxy.metrics is not None
                else "Raise `mesh.proxies.resources.limits.memory`, of a gateway its own"
            )
            yield fault(
                "proxy-killed",
                name,
                proxy.key,
                cause=f"The proxy of {proxy.workload} was killed at its memory limit{limit}, at "
                f"{proxy.killed:%H:%M:%S}",
                consequence="Requests under way failed, and will again",
                cure=cure,
                command=snapshot.kubectl(name, "describe", "pod", "-n", proxy.namespace, proxy.pod),
            )


def configuration(snapshot: Snapshot) -> Iterator[Finding]:
    """Sidecars that know far more than they call: one finding for each workload."""
    limit = snapshot.thresholds.configuration
    for name, region in snapshot.answering.items():
        told: set[str] = set()
        for proxy in region.proxies:
            known = proxy.metrics.clusters if proxy.metrics else 0
            if proxy.kind != "sidecar" or known <= limit or proxy.workload in told:
                continue
            told.add(proxy.workload)
            size = next((i.metrics.configuration for i in region.istiods if i.metrics is not None), 0.0)
            scope = _scope_of(region, proxy)
            yield warning(
                "configuration-size",
                name,
                proxy.workload,
                cause=f"The proxy of {proxy.workload} knows {known} clusters, above {limit}: "
                + (f"the Sidecar {scope} holds for it" if scope else "no Sidecar holds for it")
                + (f"; a push to a proxy here has {size / 1024:.0f} KiB" if size else ""),
                consequence="Its memory and the time of every push grow with the mesh, not with what it calls",
                cure=_scope(snapshot, proxy),
                command=snapshot.istioctl(name, "proxy-config", "clusters", f"{proxy.pod}.{proxy.namespace}"),
            )


def _scope_of(region: Region, proxy: Proxy) -> str | None:
    """The Sidecar that holds for it: its workload's own before its namespace's, and last that of the mesh."""
    own = [s for s in region.scopes if s.namespace == proxy.namespace and s.labels.items() <= proxy.labels.items()]
    root = [s for s in region.scopes if s.namespace == "istio-system" and not s.labels]
    found = sorted(own, key=lambda scope: not scope.labels) or root
    return f"{found[0].namespace}/{found[0].name}" if found else None


def _scope(snapshot: Snapshot, proxy: Proxy) -> str:
    """The Sidecar that would cut its configuration, of the calls that the stack knows."""
    if proxy.workload not in snapshot.stack.services:
        return (
            f"Declare {proxy.workload} in `services` with those that it calls: it then gets a Sidecar of its own; or "
            "write "
            "one with the hosts that it calls"
        )
    called = sorted(service.host for service in snapshot.stack.services.values() if proxy.workload in service.callers)
    if not called:
        return "A Sidecar for it cuts that to what it has itself: by the stack it calls nobody"
    hosts = "the one host" if len(called) == 1 else f"the {len(called)} hosts"
    return f"A Sidecar with {hosts} that it calls cuts it: {', '.join(f'*/{host}' for host in called)}"


def pushes(snapshot: Snapshot) -> Iterator[Finding]:
    """Control planes that are slow to tell proxies what changed."""
    limits = snapshot.thresholds
    for name, region in snapshot.answering.items():
        for istiod in region.istiods:
            if istiod.metrics is None:
                continue
            push, queue = istiod.metrics.push, istiod.metrics.queue
            if queue is not None and queue.p99 > limits.queue.seconds:
                yield _slow_push(
                    snapshot,
                    name,
                    istiod.pod,
                    "queue",
                    f"Proxies wait for their turn at {istiod.pod}, above {limits.queue}: {_spread(queue)}",
                    "Raise `mesh.istiod.tuning.pushThrottle` or its cpu; Sidecar scopes make each push smaller",
                )
            elif push is not None and push.p99 > limits.push.seconds:
                yield _slow_push(
                    snapshot,
                    name,
                    istiod.pod,
                    "push",
                    f"Changes arrive late from {istiod.pod}, above {limits.push}: {_spread(push)}",
                    "Raise its cpu or number of replicas (`mesh.istiod`); Sidecar scopes make each push smaller",
                )


def _spread(measured: Distribution) -> str:
    return f"p99 {measured.p99 * 1000:.0f} ms of {measured.count:.0f} pushes"


def _slow_push(snapshot: Snapshot, region: str, pod: str, kind: str, cause: str, cure: str) -> Finding:
    return warning(
        f"istiod-{kind}",
        region,
        pod,
        cause=cause,
        consequence="Endpoints that are gone still get requests meanwhile, new ones none",
        cure=cure,
        command=snapshot.kubectl(
            region, "get", "--raw", f"/api/v1/namespaces/istio-system/pods/{pod}:15014/proxy/metrics"
        ),
    )
