"""Proxies: in sync with istiod, there where they should be, and willing to talk."""

from collections.abc import Iterator, Mapping

from components.naming import PROXY_CONTAINER
from mesh.doctor.facts import Proxy, Region, Snapshot, Sync, Unseen
from mesh.doctor.findings import Finding, fault, unseen, warning


def in_sync(snapshot: Snapshot) -> Iterator[Finding]:
    """Proxies that do not have what istiod last told them: by its own word, or by what they say themselves."""
    for name, region in snapshot.answering.items():
        if snapshot.of_stack(name).primary is not None or not region.serving:
            continue
        said = snapshot.sync.get(name)
        if isinstance(said, Unseen):
            yield unseen(
                "sync-unseen",
                name,
                "istiod",
                cause=f"Which proxies are in sync was not seen: {said.cause}",
                consequence="Proxies that are cut off are found all the same, stale ones are not",
                cure=said.cure,
                command=snapshot.istioctl(name, "proxy-status"),
            )
            said = None
        for served in snapshot.answering.values():
            if snapshot.control_plane(served.name) == name:
                for proxy in served.proxies:
                    if proxy.ready:
                        yield from _proxy(snapshot, served, proxy, said)


def _proxy(snapshot: Snapshot, region: Region, proxy: Proxy, said: Mapping[str, Sync] | None) -> Iterator[Finding]:
    sync = said.get(proxy.key) if said is not None else None
    if sync is None:
        # One that istiod does not know is cut off, unless it says itself that it is connected: to another istiod.
        silent = said is not None and proxy.metrics is None
        if silent or (proxy.metrics is not None and not proxy.metrics.connected):
            yield _cut_off(snapshot, region, proxy)
            return
    refused = _kinds(sync, "ERROR")
    if refused or (proxy.metrics is not None and proxy.metrics.rejected > 0):
        yield _rejects(snapshot, region, proxy, refused)
    elif behind := _kinds(sync, "STALE"):
        yield fault(
            "proxy-stale",
            region.name,
            proxy.key,
            cause=f"The proxy of {proxy.workload} has not taken the {behind} that istiod told it",
            consequence="It works with former ones: removed endpoints get requests, new rules do not hold",
            cure="See whether it is short of cpu or hangs; delete the pod where it does",
            command=_status(snapshot, region, proxy),
        )


def _kinds(sync: Sync | None, state: str) -> str:
    """The kinds of configuration in a state, as one says them; empty where there is none."""
    names = sorted(kind for kind, found in sync.states.items() if found == state) if sync is not None else []
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _cut_off(snapshot: Snapshot, region: Region, proxy: Proxy) -> Finding:
    return fault(
        "proxy-cut-off",
        region.name,
        proxy.key,
        cause=f"The proxy of {proxy.workload} has no connection to istiod",
        consequence="It goes on with what it last knew: removed endpoints get requests, and its certificate is not "
        "renewed",
        cure="See its log for why; delete the pod where it does not come back",
        command=_status(snapshot, region, proxy),
    )


def _rejects(snapshot: Snapshot, region: Region, proxy: Proxy, refused: str) -> Finding:
    return fault(
        "proxy-rejects",
        region.name,
        proxy.key,
        cause=f"The proxy of {proxy.workload} refused the {refused or 'configuration'} that istiod told it",
        consequence="It goes on with the former ones, and a pod that starts anew does not become ready",
        cure="See its log for what it refused; most often an EnvoyFilter or an extension that this Envoy lacks",
        command=_log(snapshot, region, proxy),
    )


def _status(snapshot: Snapshot, region: Region, proxy: Proxy) -> str:
    return snapshot.istioctl(snapshot.control_plane(region.name), "proxy-status", f"{proxy.pod}.{proxy.namespace}")


def _log(snapshot: Snapshot, region: Region, proxy: Proxy) -> str:
    words = ("logs", "-n", proxy.namespace, proxy.pod, "-c", PROXY_CONTAINER, "--tail=50")
    return snapshot.kubectl(region.name, *words)


def bare(snapshot: Snapshot) -> Iterator[Finding]:
    """Pods that run without a proxy where all should have one."""
    for name, region in snapshot.answering.items():
        for namespace, pod in region.bare:
            yield fault(
                "pod-without-proxy",
                name,
                f"{pod}.{namespace}",
                cause=f"{pod} runs without a proxy, though its namespace {namespace} is injected",
                consequence="Under strict mutual TLS nobody in the mesh takes its requests, and no policy holds for "
                "those "
                "that come to it",
                cure="Delete the pod: it comes back with a proxy. Where it does not, see the webhooks",
                command=snapshot.istioctl(name, "experimental", "check-inject", "-n", namespace, pod),
            )


def silent_proxies(snapshot: Snapshot) -> Iterator[Finding]:
    """Proxies that are ready and do not say anything."""
    for name, region in snapshot.answering.items():
        for proxy in region.proxies:
            if proxy.ready and proxy.metrics is None:
                yield warning(
                    "proxy-silent",
                    name,
                    proxy.key,
                    cause=f"The proxy of {proxy.workload} is ready and does not answer at its port of metrics (15020)",
                    consequence="Nothing is known of its certificate, its memory and its requests; it may hang",
                    cure="See its log; where the cluster's network forbids the API server this port, allow it",
                    command=_log(snapshot, region, proxy),
                )
