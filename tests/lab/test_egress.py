"""What the mesh may call outside of it: what the stack declares, by the callers that it names. All else is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.tenant import CONTAINER, OUTSIDE
from lab.tenant.manifests import TCP
from tests.lab.support.engine import Engine
from tests.lab.support.site import EXAM, FRONTEND, UNDECLARED, WEB, Site, url_of
from tests.lab.support.traffic import Answer, Caller

DECLARED = "http://payments.example.com:8080/charge"
ALLOWED = ("deploy/api-service-stable", "deploy/api-service-canary")
REFUSED = 502  # of a proxy that knows no route for a host


def _deployments(site: Site, namespace: str) -> list[str]:
    return [f"deploy/{item['metadata']['name']}" for item in site.kubectl.items("deploy", "-n", namespace)]


def _client(site: Site) -> tuple[str, str]:
    """Name and address of the pod that stands for the payment provider."""
    (pod,) = site.kubectl.items("pod", "-n", OUTSIDE, "-l", "app=client")
    assert [container["name"] for container in pod["spec"]["containers"]] == [CONTAINER], "it is in the mesh"
    return str(pod["metadata"]["name"]), str(pod["status"]["podIP"])


def _greeted(caller: Caller, address: str) -> bool:
    """Whether a connection to the TCP port of an address gets through: a server there speaks first."""
    return "TCP" in caller.tcp(f"{address}:{TCP}", listen="2s")["received"]


@pytest.mark.proof("E6", "a declared host is reached by its caller, in plain text, and by no other service")
def test_a_declared_host_is_reached_by_its_callers_alone(
    home: Site, engine: Engine, record: Callable[..., None]
) -> None:
    assert engine.setting("egress", "payments", "callers") == [f"{EXAM}/api-service"]
    name, _ = _client(home)
    workloads = [(EXAM, workload) for workload in _deployments(home, EXAM)]
    assert {(EXAM, workload) for workload in ALLOWED} < set(workloads)
    # Of these the stack says nothing, so that they know every Service, and still no host outside.
    workloads.append((UNDECLARED, FRONTEND))
    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(workloads, pool.map(lambda who: home.caller(*who).get(DECLARED), workloads), strict=True))
    record(statuses={f"{space}/{work}": answer.status for (space, work), answer in answers.items()})
    for workload in ALLOWED:
        answer = answers.pop((EXAM, workload))
        assert answer.status == 200, f"{workload}: {answer}"
        # Its own server has answered, to the name that the caller used, and has seen no certificate.
        assert (answer.echo["pod"], answer.echo["host"]) == (name, "payments.example.com:8080")
        assert "x-forwarded-client-cert" not in answer.echo["headers"]
    assert {who: answer.status for who, answer in answers.items()} == dict.fromkeys(answers, REFUSED)


@pytest.mark.proof("E6", "a host that nobody declared is refused: a public name, a Service outside, an address, TCP")
def test_what_is_not_declared_is_refused(home: Site, record: Callable[..., None]) -> None:
    _, address = _client(home)
    urls = {
        # Public DNS knows it, as it knows the declared one.
        "public name": "http://elsewhere.example.com:8080/",
        "declared name, other port": "http://payments.example.com:8443/",
        "Service": url_of("issuer", OUTSIDE, "/.well-known/jwks.json"),
        "address": f"http://{address}:8080/",
        "address, port of no service": f"http://{address}:8443/",
    }
    callers = {work: home.caller(EXAM, work) for work in ("deploy/api-service-stable", WEB)}
    outsider = home.outsider()
    # Refused by the mesh, and not for want of a server: outside of it the same addresses answer.
    answering = {what: outsider.get(urls[what]).status for what in ("Service", "address")}
    assert answering == {"Service": 200, "address": 200}
    assert _greeted(outsider, address)

    def said(answer: Answer) -> str:
        return str(answer.status or answer.error)

    found: dict[str, dict[str, str]] = {}
    for work, caller in callers.items():
        found[work] = {what: said(caller.get(url)) for what, url in urls.items()}
        found[work]["TCP to the address"] = "greeted" if _greeted(caller, address) else "closed"
    record(**found)
    hung_up = {"reset", "closed"}
    for work, results in found.items():
        # A port on which the proxy knows some host is HTTP, and the answer an HTTP status; on any other it hangs up.
        assert results["public name"] == results["Service"] == results["address"] == str(REFUSED), results
        assert {results["declared name, other port"], results["address, port of no service"]} <= hung_up, results
        assert results["TCP to the address"] == "closed", f"{work}: {results}"
