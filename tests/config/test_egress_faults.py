"""What may be wrong with `istio-mesh:egress`, and with hosts that the ingress offers to others."""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import Yaml, faults_of
from tests.services import PLAIN, services


def _external(**changes: Any) -> Yaml:
    payments = {"hosts": ["api.payments.com"], "ports": {"https": 443}, "callers": ["exam/web-frontend"]}
    return {"services": services(), "egress": {"payments": payments | changes}}


def _offered(*namespaces: str, **service: Any) -> Yaml:
    return {"services": {"exam/other": PLAIN | service}, "gateways.ingress.servers.0.offeredTo": list(namespaces)}


CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "a caller that is no service",
        _external(callers=["exam/web"]),
        [
            "istio-mesh:egress.payments.callers[0]: there is no service `exam/web`. Nobody could call the service by "
            "it. Did you mean `exam/web-frontend`?"
        ],
    ),
    (
        "a name of the clusters",
        _external(hosts=["exam-service.exam.svc.cluster.local"]),
        [
            "istio-mesh:egress.payments.hosts[0]: `exam-service.exam.svc.cluster.local` is a name inside the clusters. "
            "It would take the requests of a service of the mesh out of mutual TLS. Name the service in "
            "`istio-mesh:services`, and its caller there in `callers`."
        ],
    ),
    (
        "every host",
        _external(hosts=["*"]),
        [
            "istio-mesh:egress.payments.hosts[0]: `*` takes every host. Requests for names that nobody declared would "
            "be answered, with a certificate that is not theirs. Name the hosts, or one domain's as "
            "`*.exam-platform.com`."
        ],
    ),
    (
        "a database without an address",
        _external(ports={"tcp-postgres": 5432}),
        [
            "istio-mesh:egress.payments.ports.tcp-postgres: a port of tcp, and no address. Such connections name no "
            "host: every one to this port, wherever it goes, would be taken for it. Add `addresses`."
        ],
    ),
    (
        "every address",
        _external(ports={"tcp-postgres": 5432}, addresses=["0.0.0.0/0"]),
        [
            "istio-mesh:egress.payments.addresses[0]: `0.0.0.0/0` is every address. A port of it would be open to the "
            "whole world, whatever the other entries say. Name the addresses of the service."
        ],
    ),
    (
        "an address that is none",
        _external(addresses=["10.0.0.300"]),
        [
            "istio-mesh:egress.payments.addresses[0]: `10.0.0.300` is not an address or a range of them. Istio refuses "
            "the ServiceEntry. Write it as in `203.0.113.7` or `203.0.113.0/24`."
        ],
    ),
    (
        "a port without a protocol",
        _external(ports={"web": 443}),
        [
            "istio-mesh:egress.payments.ports.web: the name `web` does not begin with a protocol. Istio would not know "
            "how to tell its requests from others on the port. Name it as in `https-web: 443`, or write `web: {number: "
            "443, protocol: https}`."
        ],
    ),
    (
        "one number for two ports",
        _external(ports={"https": 443, "tls": 443}),
        [
            "istio-mesh:egress.payments.ports.tls: 443 is the port `https` already. Istio refuses the ServiceEntry. "
            "Give each port its own number."
        ],
    ),
    (
        "endpoints of a wildcard",
        _external(hosts=["*.payments.com"], endpoints=["203.0.113.7"]),
        [
            "istio-mesh:egress.payments.endpoints: endpoints for every name of a domain. Istio refuses them together: "
            "a connection goes where its name leads. Name the hosts, or take `endpoints` out."
        ],
    ),
    (
        "endpoints of two kinds",
        _external(endpoints=["203.0.113.7", "proxy.payments.com"]),
        [
            "istio-mesh:egress.payments.endpoints: addresses beside host names. Istio refuses the ServiceEntry: it "
            "looks all of them up, or none. Keep to one kind."
        ],
    ),
    (
        "a host twice",
        _external(hosts=["api.payments.com", "api.payments.com"]),
        [
            "istio-mesh:egress.payments.hosts[1]: `api.payments.com` is named twice. One of them is a mistake. Name it "
            "once."
        ],
    ),
    (
        "a host of two external services",
        _external()
        | {"egress.other": {"hosts": ["api.payments.com"], "ports": {"https": 443}, "callers": ["exam/web-frontend"]}},
        [
            "istio-mesh:egress.other.hosts[0]: port 443 of `api.payments.com` is in `payments` already. Proxies would "
            "take one of the two, and callers of the other one not be served as it says. Keep it in one of them."
        ],
    ),
    (
        "a host offered to a namespace of the stack",
        _offered("exam"),
        [
            "istio-mesh:gateways.ingress.servers[0].offeredTo[0]: `exam` is a namespace of this stack. Its services "
            "say their hosts themselves, and two routes for one host would be mixed. Give the host to the service, in "
            "its `hosts`."
        ],
    ),
    (
        "a host that is offered and taken",
        _offered("results", hosts=["exam-platform.com"]),
        [
            'istio-mesh:services["exam/other"].hosts[0]: the ingress offers `exam-platform.com` to results. Two teams '
            "would route one host, and Istio take one of the routes. Take `offeredTo` out of the server, or the host "
            "out of the service."
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, changes: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, changes) == faults


def test_a_host_that_is_offered_to_others_needs_no_service(tmp_path: Path) -> None:
    assert faults_of(tmp_path, _offered("results")) == []


def test_the_faults_of_several_services_are_told_at_once(tmp_path: Path) -> None:
    said = services(regions=["euw1"]) | {"exam/a": {"ports": {"web": 1}}, "exam/b": PLAIN | {"callers": ["exam/none"]}}
    assert [fault.split(": ")[0] for fault in faults_of(tmp_path, {"services": said})] == [
        'istio-mesh:services["exam/a"].ports.web',
        'istio-mesh:services["exam/exam-service"].regions[0]',
        'istio-mesh:services["exam/b"].callers[0]',
    ]
