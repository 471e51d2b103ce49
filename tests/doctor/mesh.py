"""A healthy mesh of two regions as a snapshot: each test changes what it is about."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509

from mesh.doctor.checks import examine
from mesh.doctor.facts import (
    Certificates,
    Door,
    Gateway,
    Istiod,
    IstiodMetrics,
    Node,
    Proxy,
    ProxyMetrics,
    Region,
    Rule,
    Scope,
    Service,
    Snapshot,
    Sync,
    Traffic,
    Way,
    Webhook,
)
from mesh.doctor.stack import MeshOutputs
from mesh.doctor.thresholds import Thresholds
from tests.builders import authority, intermediate

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
"""When the snapshot was taken; the certificates in it are of the day before."""


def at(moment: datetime) -> timedelta:
    """From now on, as `tests.builders` counts the begin of a certificate."""
    return moment - datetime.now(UTC)


YESTERDAY = NOW - timedelta(days=1)

END = NOW + timedelta(days=700)
ROOT = authority("Root CA 1", begin=at(YESTERDAY))
NAMES = ("use1", "usw2")
API, WEB = "api.exam.svc.cluster.local", "web.exam.svc.cluster.local"

ADDRESSES = {"use1": ("198.51.100.1", "198.51.100.2"), "usw2": ("203.0.113.1", "203.0.113.2")}


def certificates(*pairs: Any) -> Certificates:
    return tuple(x509.load_pem_x509_certificate(pair.certificate.encode()) for pair in pairs)


ROOTS = certificates(ROOT)


@cache
def chain(region: str) -> Certificates:
    """A workload's leaf, the region's intermediate and the root."""
    between = intermediate(f"Intermediate CA {region}", ROOT, begin=at(YESTERDAY))
    return certificates(
        authority(f"leaf {region}", issuer=between, begin=at(YESTERDAY), lifetime=timedelta(hours=48), ca=False),
        between,
        ROOT,
    )


@cache
def public(host: str, days: int = 60) -> Certificates:
    return certificates(
        authority(host, begin=at(YESTERDAY), lifetime=timedelta(days=days + 1), ca=False, hosts=(host,))
    )


def outputs(**changes: Any) -> MeshOutputs:
    """What the stack says; `changes` replaces whole values."""
    clusters = {
        name: {
            "name": name,
            "region": f"region-of-{name}",
            "network": name,
            "apiServer": f"https://{name}.example.com:6443",
            "kubernetesVersion": "v1.35.4",
            "authentication": {"kind": "clientCertificate"},
            "ingress": {"address": ADDRESSES[name][0]},
            "eastWest": {"address": ADDRESSES[name][1]},
            "authorityExpiry": END.isoformat(),
        }
        for name in NAMES
    }
    services = {
        "exam/web": {
            "host": WEB,
            "ports": {"http": {"number": 8080, "protocol": "http"}},
            "versions": [],
            "clusters": ["use1", "usw2"],
            "principal": "exam-platform.local/ns/exam/sa/web",
            "callers": [],
            "publicHosts": ["exam-platform.com"],
        },
        "exam/api": {
            "host": API,
            "ports": {"http": {"number": 8080, "protocol": "http"}},
            "versions": [],
            "clusters": ["use1", "usw2"],
            "principal": "exam-platform.local/ns/exam/sa/api",
            "callers": ["exam/web"],
            "publicHosts": [],
        },
    }
    mesh = {
        "id": "exam",
        "trustDomain": "exam-platform.local",
        "rootCertificates": ROOT.certificate,
        "istioVersion": "1.31.0",
        "revision": "1-31",
    }
    gateways = {
        "exam-platform.com": {
            "host": "exam-platform.com",
            "gateway": "istio-ingress/ingress",
            "principal": "exam-platform.local/ns/istio-ingress/sa/istio-ingress",
            "tls": {"minimumVersion": "1.2", "generated": False},
        }
    }
    said = {"mesh": mesh, "clusters": clusters, "gateways": gateways, "services": services}
    values = {"contractVersion": 1, **said, **changes}
    return MeshOutputs.model_validate(values)


def istiod(peer: str, **changes: Any) -> Istiod:
    metrics = IstiodMetrics(
        version="1.31.0",
        remotes={peer: "synced"},
        authority_until=END,
        root_until=NOW + timedelta(days=3000),
        memory=200 * 2**20,
        push=None,
        queue=None,
        configuration=140 * 2**10,
    )
    return replace(
        Istiod(pod="istiod-1-31-a", revision="1-31", ready=True, memory_limit=2**30, metrics=metrics), **changes
    )


def proxy(service: str, namespace: str = "exam", **changes: Any) -> Proxy:
    metrics = ProxyMetrics(
        connected=True, rejected=0, certificate_left=80_000, memory=60 * 2**20, clusters=30, series=0
    )
    made = Proxy(
        pod=f"{service}-1",
        namespace=namespace,
        service=service,
        kind="sidecar",
        node="node-1",
        version="1.31.0",
        ready=True,
        labels={"app": service},
        memory_limit=256 * 2**20,
        metrics=metrics,
    )
    return replace(made, **changes)


def webhooks() -> tuple[Webhook, ...]:
    service = ("istio-system", "istiod-1-31")
    return (
        Webhook("mutating", "istio-sidecar-injector-1-31", "rev.injector", "1-31", "Fail", ROOTS, service),
        Webhook("mutating", "istio-revision-tag-default", "tag.injector", "1-31", "Fail", ROOTS, service),
        Webhook("validating", "istio-validator-1-31-istio-system", "rev.validation", "1-31", "Fail", ROOTS, service),
    )


def region(name: str) -> Region:
    (peer,) = (other for other in NAMES if other != name)
    ingress, east_west = ADDRESSES[name]
    return Region(
        name=name,
        kubernetes_version="v1.35.4",
        offset=0.0,
        nodes=(Node("node-1", True, 0.0),),
        network=name,
        mesh=True,
        istiods=(istiod(peer),),
        gateways=(
            Gateway("ingress", "istio-ingress", "istio-ingress", (ingress,), 1, 1),
            Gateway("east-west", "istio-system", "istio-eastwestgateway", (east_west,), 1, 1),
        ),
        webhooks=webhooks(),
        roots=ROOTS,
        proxies=(
            proxy("web"),
            proxy("api"),
            proxy("istio-ingress", "istio-ingress", kind="gateway"),
            proxy("istio-eastwestgateway", "istio-system", kind="gateway"),
        ),
        bare=(),
        services={
            WEB: Service((8080,), 1, True),
            API: Service((8080,), 1, True),
            "istiod-1-31.istio-system.svc.cluster.local": Service((15012, 443), 1, True),
        },
        rules=(Rule("exam", "api", API, False),),
        scopes=(Scope("exam", {}), Scope("exam", {"app": "web"}, "web.scope")),
        routed=frozenset({"exam-platform.com", WEB, API}),
        mutual_tls="STRICT",
    )


def healthy() -> Snapshot:
    regions = {name: region(name) for name in NAMES}
    synced: dict[str, str] = dict.fromkeys(("clusters", "endpoints", "listeners", "routes"), "SYNCED")
    return Snapshot(
        now=NOW,
        stack=outputs(),
        thresholds=Thresholds(),
        contexts={name: name for name in NAMES},
        window=2.0,
        regions=regions,
        analysis=dict.fromkeys(NAMES, ()),
        sync={name: {p.key: Sync("1.31.0", synced) for p in regions[name].proxies} for name in NAMES},
        east_west={name: Door(f"{ADDRESSES[name][1]}:15443", f"{API}:8080", chain(name)) for name in NAMES},
        ingress={
            name: (Door(f"{ADDRESSES[name][0]}:443", "exam-platform.com", public("exam-platform.com")),)
            for name in NAMES
        },
        ways={(here, there): Way(f"{ADDRESSES[there][1]}:15443") for here in NAMES for there in NAMES if here != there},
    )


Change = Callable[[Snapshot], Snapshot]


def in_region(name: str = "use1", **changes: Any) -> Change:
    """The snapshot with these fields of a region replaced."""

    def change(snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, regions={**snapshot.regions, name: replace(snapshot.answering[name], **changes)})

    return change


def with_gateway(role: str, name: str = "use1", **changes: Any) -> Change:
    """A gateway of a region changed."""
    gateways = tuple(replace(g, **changes) if g.role == role else g for g in region(name).gateways)
    return in_region(name, gateways=gateways)


def with_proxy(service: str, name: str = "use1", **changes: Any) -> Change:
    """A proxy of a region changed."""
    proxies = tuple(replace(p, **changes) if p.service == service else p for p in region(name).proxies)
    return in_region(name, proxies=proxies)


def measured(service: str, name: str = "use1", **changes: Any) -> Change:
    """What a proxy tells changed."""
    metrics = proxy(service).metrics
    assert metrics is not None
    return with_proxy(service, name, metrics=replace(metrics, **changes))


def traffic(host: str, **changes: Any) -> Traffic:
    return replace(Traffic("outbound", host, 8080, requests=100, mean=0.01, endpoints=2), **changes)


def inbound(**changes: Any) -> Traffic:
    return replace(Traffic("inbound", "", 8080, requests=100, mean=0.01), **changes)


def with_istiod(name: str = "use1", **changes: Any) -> Change:
    """The istiod of a region changed."""
    (peer,) = (other for other in NAMES if other != name)
    return in_region(name, istiods=(istiod(peer, **changes),))


def istiod_measured(name: str = "use1", **changes: Any) -> Change:
    """What an istiod tells changed."""
    (peer,) = (other for other in NAMES if other != name)
    metrics = istiod(peer).metrics
    assert metrics is not None
    return with_istiod(name, metrics=replace(metrics, **changes))


def all_of(*changes: Change) -> Change:
    """Several changes of different regions or fields."""

    def change(snapshot: Snapshot) -> Snapshot:
        for each in changes:
            snapshot = each(snapshot)
        return snapshot

    return change


def lines(change: Change) -> list[str]:
    """The findings of the healthy mesh with a change, one line each."""
    return [f"{f.severity} {f.id} {f.region} {f.subject or '-'}: {f.sentence}" for f in examine(change(healthy()))]
