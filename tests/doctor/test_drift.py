"""Findings of webhooks, versions, and of what is there in another way than the stack says."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mesh.doctor.facts import Message, Rule, Service, Sync, Unseen
from tests.builders import authority
from tests.doctor.mesh import (
    API,
    NAMES,
    Change,
    all_of,
    certificates,
    healthy,
    in_region,
    istiod,
    istiod_measured,
    lines,
    outputs,
    region,
    webhooks,
    with_proxy,
)

OTHER = certificates(authority("Somebody"))


def webhook(index: int, **changes: object) -> Change:
    hooks = list(webhooks())
    hooks[index] = replace(hooks[index], **changes)  # pyright: ignore[reportArgumentType]
    return in_region(webhooks=tuple(hooks))


def service(host: str, found: Service | None) -> Change:
    kept = {name: known for name, known in region("use1").services.items() if name != host}
    return in_region(services=kept if found is None else {**kept, host: found})


def analysed(*messages: Message, name: str = "use1") -> Change:
    return lambda snapshot: replace(snapshot, analysis={**snapshot.analysis, name: messages})


def beside(version: str) -> Change:
    """A second istiod in use1, of a revision that is not the default one."""
    first, metrics = istiod("usw2"), istiod("usw2").metrics
    assert metrics is not None
    other = replace(first, pod="istiod-next", revision="next", metrics=replace(metrics, version=version))
    return in_region(istiods=(first, other))


def stack(**changes: str) -> Change:
    mesh = outputs().model_dump(mode="json", by_alias=True)["mesh"]
    return lambda snapshot: replace(snapshot, stack=outputs(mesh={**mesh, **changes}))


NOT_FOUND = Message("IST0101", "Error", "VirtualService exam/lost", 'Referenced host not found: "nobody"', "default")
DIFFERS = Message(
    "IST0170",
    "Warning",
    "Service shop/cart",
    "The service cart in namespace shop is inconsistent across clusters.",
    "default",
)
BY_DESIGN = (
    Message("IST0112", "Error", "VirtualService exam/web", "This VirtualService routes to a service", "default"),
    Message("IST0133", "Warning", "EnvoyFilter exam/api.path-guard", "Schema validation warning", "default"),
    replace(DIFFERS, origin="Service exam/api"),
    replace(DIFFERS, origin="Service istio-ingress/istio-ingress"),
)

CASES: list[tuple[str, Change, list[str]]] = [
    (
        "no webhook of the revision",
        in_region(webhooks=webhooks()[2:]),
        [
            (
                "fault webhook-missing use1 injection: The API server has no webhook that injects proxies of "
                "revision 1-31. New pods start without a proxy, and under strict mutual TLS nobody takes "
                "their requests. Run `pulumi up --refresh`, which makes it anew."
            ),
        ],
    ),
    (
        "a webhook that trusts somebody else",
        webhook(0, bundle=OTHER),
        [
            (
                "fault webhook-authority use1 istio-sidecar-injector-1-31: The webhook "
                "istio-sidecar-injector-1-31 trusts another authority than istiod has (caBundle). The API "
                "server refuses new pods in injected namespaces: what ends does not come back. istiod puts it"
                " right by itself: see why it does not, in its log; else run `pulumi up --refresh`."
            ),
        ],
    ),
    (
        "a webhook that trusts nobody",
        webhook(2, bundle=None),
        [
            (
                "fault webhook-authority use1 istio-validator-1-31-istio-system: The webhook "
                "istio-validator-1-31-istio-system trusts nobody (caBundle). The API server refuses every "
                "change of Istio's objects. istiod puts it right by itself: see why it does not, in its log; "
                "else run `pulumi up --refresh`."
            ),
        ],
    ),
    (
        "an injector that lets pass",
        webhook(1, policy="Ignore"),
        [
            (
                "fault webhook-policy use1 istio-revision-tag-default: The webhook istio-revision-tag-default"
                " lets pass what it cannot judge (failurePolicy Ignore). While istiod is away, pods start "
                "without a proxy, and nobody in the mesh takes their requests. Set failurePolicy to Fail; "
                "where a validating webhook stays so, see why istiod does not change it."
            ),
        ],
    ),
    (
        "a validator that lets pass",
        webhook(2, policy="Ignore"),
        [
            (
                "fault webhook-policy use1 istio-validator-1-31-istio-system: The webhook "
                "istio-validator-1-31-istio-system lets pass what it cannot judge (failurePolicy Ignore). "
                "While istiod is away, wrong objects of Istio are taken, and proxies refuse what is made of "
                "them. Set failurePolicy to Fail; where a validating webhook stays so, see why istiod does "
                "not change it."
            ),
        ],
    ),
    (
        "a webhook that leads nowhere",
        webhook(0, service=("istio-system", "istiod-1-30")),
        [
            (
                "fault webhook-service use1 istio-sidecar-injector-1-31: The webhook "
                "istio-sidecar-injector-1-31 leads to the Service istio-system/istiod-1-30, which does not "
                "exist. The API server refuses new pods in injected namespaces: what ends does not come back."
                " Run `pulumi up --refresh`; of a revision that is gone, delete the webhook."
            ),
        ],
    ),
    ("a webhook at an address", webhook(0, service=None), []),
    (
        "istiod of another version",
        istiod_measured(version="1.30.4"),
        [
            (
                "fault istiod-version use1 istiod-1-31-a: istiod is of Istio 1.30.4, and the stack says "
                "1.31.0. Regions configure their proxies differently; what the stack was checked for does not"
                " hold. Run `pulumi up --refresh`."
            ),
        ],
    ),
    (
        "proxies behind",
        all_of(with_proxy("web", version="1.30.4"), lambda snapshot: replace(snapshot, sync={})),
        [
            (
                "warning proxy-version use1 exam: 1 proxy in exam is of Istio 1.30.4, and the control plane "
                "of 1.31.0. They miss what was mended, and stand in the way of the next upgrade. Restart "
                "their pods: `kubectl rollout restart deployment -n exam`."
            ),
        ],
    ),
    (
        "proxies that have moved to a revision beside the default one",
        all_of(with_proxy("web", version="1.32.0"), beside("1.32.0"), lambda snapshot: replace(snapshot, sync={})),
        [],
    ),
    (
        "proxies of a version that no istiod has any more",
        all_of(with_proxy("web", version="1.30.4"), beside("1.32.0"), lambda snapshot: replace(snapshot, sync={})),
        [
            (
                "warning proxy-version use1 exam: 1 proxy in exam is of Istio 1.30.4, and the control plane "
                "of 1.31.0. They miss what was mended, and stand in the way of the next upgrade. Restart "
                "their pods: `kubectl rollout restart deployment -n exam`."
            ),
        ],
    ),
    (
        "proxies far behind, by what istiod says",
        lambda snapshot: replace(
            snapshot,
            sync={**snapshot.sync, "use1": {"web-1.exam": Sync("1.29.1", {}), "api-1.exam": Sync("1.29.1", {})}},
        ),
        [
            (
                "fault proxy-version use1 exam: 2 proxies in exam are of Istio 1.29.1, and the control plane "
                "of 1.31.0. More than one minor apart, nobody says that they understand each other. Restart "
                "their pods: `kubectl rollout restart deployment -n exam`."
            ),
        ],
    ),
    ("an image whose tag says nothing", with_proxy("web", version=""), []),
    (
        "a Kubernetes outside of the table",
        in_region(kubernetes_version="v1.37.0"),
        [
            (
                "fault kubernetes-unsupported use1 v1.37.0: use1 runs Kubernetes v1.37.0, and Istio 1.31.0 "
                "takes 1.32 to 1.36. They were never tested together. Take a Kubernetes of that range, or an "
                "Istio whose range has 1.37."
            ),
        ],
    ),
    (
        "another Kubernetes than the stack says",
        in_region(kubernetes_version="v1.36.1-eks-abc"),
        [
            (
                "warning kubernetes-moved use1 v1.36.1-eks-abc: use1 runs Kubernetes v1.36.1-eks-abc, and the"
                " stack says v1.35.4. Who reads the stack's outputs is told wrong. Run `pulumi up`, which "
                "asks it anew."
            ),
        ],
    ),
    ("a patch of Kubernetes", in_region(kubernetes_version="v1.35.9-eks-abc"), []),
    (
        "a release without support",
        all_of(
            stack(istioVersion="1.29.1"),
            lambda snapshot: replace(snapshot, now=datetime(2026, 9, 1, tzinfo=UTC), regions={}, sync={}, ingress={}),
            lambda snapshot: replace(snapshot, analysis={}, east_west={}, ways={}),
        ),
        [
            (
                "warning istio-end-of-life use1 Istio 1.29.1: Istio 1.29 has had no more releases since "
                "2026-08-31. Holes that are found in it stay open. Upgrade to the next minor."
            ),
        ],
    ),
    (
        "a declared service that is not there",
        service(API, None),
        [
            (
                "fault service-missing use1 exam/api: The stack says that exam/api runs in use1, and there is"
                " no such Service. Its callers there do not find its name, and its routes lead nowhere. "
                "Deploy it, or take the region out of its `regions`."
            ),
        ],
    ),
    (
        "a service without the declared port",
        service(API, Service((9090,), 1, True)),
        [
            (
                "fault service-ports use1 exam/api: The Service exam/api lacks the port 8080 (http) that the "
                "stack says. Requests to it are refused, and its routes and policies hold for nothing. Add it"
                " to the Service by the stack's name, or mend `ports` in the stack."
            ),
        ],
    ),
    (
        "a service without pods",
        service(API, Service((8080,), 0, True)),
        [
            (
                "fault service-endpoints use1 exam/api: exam/api has no pod in use1 that is ready. Requests "
                "go to usw2, or fail where they may not. See its Deployment: number of replicas, and why its "
                "pods are not ready."
            ),
        ],
    ),
    (
        "a host without a route",
        in_region(routed=frozenset()),
        [
            (
                "fault host-unrouted use1 exam-platform.com: The stack says that exam-platform.com leads to "
                "exam/web, and no VirtualService in use1 routes it. The ingress answers 404. Run `pulumi up "
                "--refresh`, which makes it anew."
            ),
        ],
    ),
    (
        "no mutual TLS",
        in_region(mutual_tls=None),
        [
            (
                "fault mutual-tls use1 istio-system: Nothing in istio-system asks for mutual TLS in the whole"
                " mesh, and the stack asks for STRICT. Requests in plain text are answered, from whoever "
                "reaches a pod. Run `pulumi up --refresh`, which makes the PeerAuthentication anew."
            ),
        ],
    ),
    (
        "permissive mutual TLS",
        in_region(mutual_tls="PERMISSIVE"),
        [
            (
                "fault mutual-tls use1 istio-system: PERMISSIVE is said of mutual TLS in the whole mesh, and "
                "the stack asks for STRICT. Requests in plain text are answered, from whoever reaches a pod. "
                "Run `pulumi up --refresh`, which makes the PeerAuthentication anew."
            ),
        ],
    ),
    (
        "two rules for one host",
        in_region(rules=(Rule("exam", "api", API, False), Rule("exam", "mine", API, False))),
        [
            (
                "fault rules-conflict use1 api.exam.svc.cluster.local: There are 2 DestinationRules for "
                "api.exam.svc.cluster.local: exam/api and exam/mine. Istio merges subsets and takes "
                "everything else from the oldest: limits, outlier detection and failover of the other do not "
                "hold. Keep one. The stack makes one for every service that it declares: say the rest there, "
                "in `traffic`."
            ),
        ],
    ),
    (
        "a rule for some workloads",
        in_region(rules=(Rule("exam", "api", API, False), Rule("exam", "mine", API, True))),
        [],
    ),
    (
        "a route to nobody",
        analysed(NOT_FOUND),
        [
            (
                "fault analysis-ist0101 use1 VirtualService exam/lost: VirtualService exam/lost: Referenced "
                'host not found: "nobody". Requests that take this route are answered 503, or the object does'
                " nothing. Mend the name, or make what it names."
            ),
        ],
    ),
    ("what the program does on purpose", analysed(*BY_DESIGN), []),
    (
        "a message of a kind that is not known here",
        analysed(replace(NOT_FOUND, code="IST9999")),
        [
            (
                "fault analysis-ist9999 use1 VirtualService exam/lost: VirtualService exam/lost: Referenced "
                'host not found: "nobody". Istio does something else than was meant, or nothing. See the page'
                " of this code in Istio's reference."
            ),
        ],
    ),
    ("for information", analysed(replace(NOT_FOUND, level="Info")), []),
    (
        "a service that differs, seen from both",
        all_of(analysed(DIFFERS), analysed(DIFFERS, name="usw2")),
        [
            (
                "warning analysis-ist0170 use1 Service shop/cart: Service shop/cart: The service cart in "
                "namespace shop is inconsistent across clusters. Istio does something else than was meant, or"
                " nothing. See the page of this code in Istio's reference."
            ),
        ],
    ),
    (
        "no analysis",
        lambda snapshot: replace(
            snapshot,
            analysis={**snapshot.analysis, "use1": Unseen("there is no `istioctl` on PATH", "Install istioctl")},
        ),
        [
            (
                "unseen analysis-unseen use1 istioctl analyze: Istio's own analysis was not seen: there is no"
                " `istioctl` on PATH. What it knows besides was not looked for. Install istioctl."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_drift(change: Change, expected: list[str]) -> None:
    assert lines(change) == expected


NO_SERVICE = (
    Message("IST0101", "Error", "VirtualService exam/api", f'Referenced host not found: "{API}"', "default"),
    Message("IST0101", "Error", "VirtualService x/y", f'Referenced mirror host not found: "{API}"', "default"),
    Message("IST0174", "Warning", "DestinationRule exam/api", f"The host {API} matches no services", "default"),
)
NO_PODS = (
    Message("IST0101", "Error", "Sidecar exam/api.scope", 'Referenced selector not found: "app=api"', "default"),
    Message("IST0127", "Warning", "AuthorizationPolicy exam/api", "No matching workloads: app=api-pods", "default"),
    Message("IST0127", "Warning", "AuthorizationPolicy exam/open", "No matching workloads: app=api", "default"),
    Message("IST0173", "Error", "DestinationRule exam/api", "The Subset v1 does not select any pods", "default"),
)
ANOTHERS = (
    *(replace(NO_SERVICE[0], text=f'Referenced host not found: "{name}"') for name in (f"my-{API}", "api")),
    replace(NO_SERVICE[0], text=f'Referenced host+subset in destinationrule not found: "{API}+v1"'),
    replace(NO_SERVICE[0], text=f'Referenced host:port not found: "{API}:9999"'),
    replace(NO_SERVICE[2], text=f"The host my-{API} matches no services"),
    *(replace(NO_PODS[2], text=f"No matching workloads: {label}") for label in ("app=api-gateway", "my-app=api")),
    replace(NO_PODS[2], origin="AuthorizationPolicy shop/open"),
    replace(NO_PODS[3], origin="DestinationRule exam/mine"),
)


def kinds(change: Change) -> list[str]:
    return [line.split()[1] for line in lines(change)]


def named(message: Message) -> str:
    return f"{message.code} {message.origin} {message.text}"


@pytest.mark.parametrize("message", [*NO_SERVICE, *NO_PODS, *ANOTHERS], ids=named)
def test_what_follows_from_a_service_that_is_not_there_is_not_said_again(message: Message) -> None:
    said = f"analysis-{message.code.lower()}"
    absent, without_pods = service(API, None), service(API, replace(region("use1").services[API], ready=0))
    assert kinds(analysed(message)) == [said], "of one that is there it is something else"
    follows = message not in ANOTHERS
    assert kinds(all_of(absent, analysed(message))) == ["service-missing", *([] if follows else [said])]
    follows = message in NO_PODS
    assert kinds(all_of(without_pods, analysed(message))) == ["service-endpoints", *([] if follows else [said])]


def test_a_remote_cluster_needs_no_istiod_and_no_objects_of_its_own() -> None:
    """Its control plane is its primary's, whose word on proxies holds for both."""
    clusters = outputs().model_dump(mode="json", by_alias=True)["clusters"]
    clusters["usw2"]["primary"] = "use1"

    def remote(snapshot_changed: Change) -> Change:
        return all_of(
            lambda snapshot: replace(
                snapshot,
                stack=outputs(clusters=clusters),
                sync={"use1": {k: v for name in NAMES for k, v in dict(snapshot.sync[name]).items()}},  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]
                analysis={"use1": ()},
            ),
            in_region("usw2", istiods=(), routed=frozenset(), mutual_tls=None, rules=()),
            snapshot_changed,
        )

    assert healthy().stack.clusters["usw2"].primary is None
    assert lines(remote(lambda snapshot: snapshot)) == []
    (line,) = lines(remote(istiod_measured(remotes={})))
    assert line.startswith("fault remote-missing use1 usw2: ")
    # In place of istiod's Service it has one of that name, with the ports of the way to the primary's.
    way = analysed(replace(DIFFERS, origin="Service istio-system/istiod-1-31"))
    assert lines(remote(way)) == []
    # So has the one of a second istiod, while Istio is upgraded.
    second = analysed(replace(DIFFERS, origin="Service istio-system/istiod-next"))
    assert kinds(remote(all_of(beside("1.31.0"), second))) == kinds(remote(beside("1.31.0")))
    (line,) = lines(way)
    assert line.startswith("warning analysis-ist0170 use1 Service istio-system/istiod-1-31: ")
