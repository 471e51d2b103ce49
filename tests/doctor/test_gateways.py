"""Findings of gateways, networks and the ways between regions."""

from dataclasses import replace

import pytest

from mesh.doctor.facts import Door, Unseen, Way
from tests.doctor.mesh import API, Change, all_of, in_region, lines, region, with_gateway


def way(found: Way | Unseen, here: str = "use1", there: str = "usw2") -> Change:
    return lambda snapshot: replace(snapshot, ways={**snapshot.ways, (here, there): found})


CLOSED = Way("203.0.113.2:15443", "connection refused")

CASES: list[tuple[str, Change, list[str]]] = [
    (
        "no mesh",
        in_region(mesh=False, network=None, gateways=(), webhooks=(), mutual_tls=None),
        [
            (
                "fault mesh-missing use1 istio-system: There is no namespace istio-system, though the stack "
                "has a mesh here. This region is in no mesh. Run `pulumi up --refresh`; where the cluster was"
                " rebuilt, `pulumi refresh` before."
            ),
        ],
    ),
    (
        "no east-west gateway",
        in_region(gateways=region("use1").gateways[:1]),
        [
            (
                "fault gateway-missing use1 east-west: There is no Service of the east-west gateway. No "
                "request of another region is answered in this one, and its endpoints are as if they were not"
                " there. Run `pulumi up --refresh`, which makes it anew."
            ),
        ],
    ),
    (
        "no ingress",
        in_region(gateways=region("use1").gateways[1:]),
        [
            (
                "fault gateway-missing use1 ingress: There is no Service of the ingress gateway. No request "
                "from outside is answered in this region. Run `pulumi up --refresh`, which makes it anew."
            ),
        ],
    ),
    (
        "an east-west gateway without an address",
        with_gateway("east-west", addresses=()),
        [
            (
                "fault gateway-address use1 istio-system/istio-eastwestgateway: The east-west gateway has no "
                "address: its load balancer was not made, or lost it. No request of another region is "
                "answered in this one, and its endpoints are as if they were not there. See the events of its"
                " Service: quota, subnets and the controller of load balancers."
            ),
        ],
    ),
    (
        "an ingress without an address",
        with_gateway("ingress", addresses=()),
        [
            (
                "fault gateway-address use1 istio-ingress/istio-ingress: The ingress gateway has no address: "
                "its load balancer was not made, or lost it. No request from outside is answered in this "
                "region. See the events of its Service: quota, subnets and the controller of load balancers."
            ),
        ],
    ),
    (
        "an address that the stack does not know",
        with_gateway("east-west", addresses=("198.51.100.9",)),
        [
            (
                "fault gateway-moved use1 istio-system/istio-eastwestgateway: The east-west gateway is at "
                "198.51.100.9, and the stack says 198.51.100.2. Who goes by the stack's outputs, DNS among "
                "them, does not reach it. Run `pulumi up --refresh`, which takes the address over."
            ),
        ],
    ),
    (
        "a gateway without a pod",
        with_gateway("east-west", pods=0, ready=0),
        [
            (
                "fault gateway-endpoints use1 istio-system/istio-eastwestgateway: The east-west gateway has "
                "no pod. No request of another region is answered in this one, and its endpoints are as if "
                "they were not there. See its pods, and whether istiod was there when they started."
            ),
        ],
    ),
    (
        "a gateway whose pods are not ready",
        with_gateway("ingress", pods=2, ready=0),
        [
            (
                "fault gateway-endpoints use1 istio-ingress/istio-ingress: None of the 2 pods of the ingress "
                "gateway is ready. No request from outside is answered in this region. See its pods, and "
                "whether istiod was there when they started."
            ),
        ],
    ),
    (
        "a gateway with one pod that is not ready",
        with_gateway("ingress", pods=3, ready=2),
        [
            (
                "warning gateway-pods use1 istio-ingress/istio-ingress: Of the 3 pods of the ingress gateway "
                "1 is not ready. The others carry its load. See its pods."
            ),
        ],
    ),
    (
        "a wrong network",
        in_region(network="other"),
        [
            (
                "fault network-label use1 istio-system: The namespace istio-system says network `other`, and "
                "the stack says `use1`. istiods take endpoints here for directly reachable: requests of other"
                " regions run into time-outs. Run `pulumi up --refresh`, or set the label "
                "topology.istio.io/network to use1."
            ),
        ],
    ),
    (
        "no network",
        in_region(network=None),
        [
            (
                "fault network-label use1 istio-system: The namespace istio-system has no label of its "
                "network, and the stack says `use1`. istiods take endpoints here for directly reachable: "
                "requests of other regions run into time-outs. Run `pulumi up --refresh`, or set the label "
                "topology.istio.io/network to use1."
            ),
        ],
    ),
    (
        "no way to the other region",
        way(CLOSED),
        [
            (
                "fault way-closed use1 use1 to usw2: A request from the gateway of use1 to that of usw2 at "
                "203.0.113.2:15443 got no answer: connection refused. No service of usw2 is reached from "
                "use1, and no failure here is made up for there. See routes, peering and firewalls between "
                "the two: 15443 must be open."
            ),
        ],
    ),
    (
        "no way, since the other gateway has no pod",
        all_of(way(CLOSED), with_gateway("east-west", "usw2", pods=1, ready=0)),
        [
            (
                "fault gateway-endpoints usw2 istio-system/istio-eastwestgateway: The one pod of the "
                "east-west gateway is not ready. No request of another region is answered in this one, and "
                "its endpoints are as if they were not there. See its pods, and whether istiod was there when"
                " they started."
            ),
        ],
    ),
    (
        "no right to send requests",
        way(Unseen("the credentials do not allow `kubectl exec`", "Give them the rights of docs/doctor.md")),
        [
            (
                "unseen way-unseen use1 -: Requests from use1 to the other regions were not sent: the "
                "credentials do not allow `kubectl exec`. A firewall between regions is not found. Give them "
                "the rights of docs/doctor.md."
            ),
        ],
    ),
    (
        "a gateway that this machine does not reach",
        lambda snapshot: replace(
            snapshot,
            east_west={"use1": Door("198.51.100.2:15443", f"{API}:8080", error="no answer within 1.5 s")},
        ),
        [
            (
                "unseen certificate-unseen use1 api.exam.svc.cluster.local:8080: "
                "api.exam.svc.cluster.local:8080 was not reached from this machine by the east-west gateway "
                "(198.51.100.2:15443): no answer within 1.5 s. Its certificate was not seen; other regions "
                "may reach it all the same. Run it where the gateways of regions are reached, or see the pods"
                " of the service."
            ),
        ],
    ),
    (
        "an ingress that this machine does not reach",
        lambda snapshot: replace(
            snapshot, ingress={"use1": (Door("198.51.100.1:443", "exam-platform.com", error="connection refused"),)}
        ),
        [
            (
                "warning ingress-closed use1 exam-platform.com: exam-platform.com was not reached from this "
                "machine at 198.51.100.1:443: connection refused. Clients that come the same way do not reach"
                " it either. See the firewall of the load balancer, and whether the gateway has the host's "
                "certificate."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_gateways(change: Change, expected: list[str]) -> None:
    assert lines(change) == expected
